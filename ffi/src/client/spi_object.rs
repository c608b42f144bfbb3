//! The object that a library calls: a table of functions, the context that they need, and the gate
//! to a handler.
//!
//! It is never freed, because a library may call it late (field guide 1.4): about 200 bytes per
//! session. The handler is dropped when the session is over.

use std::ffi::c_void;
use std::fmt;
use std::sync::Arc;

use super::gate::Gate;
use super::vtable::VTable;
use crate::abi::signature::This;

/// An SPI object for handlers of type `H`, with the context `C` of its version.
#[repr(C)]
pub(crate) struct SpiObject<H: ?Sized, C> {
    /// First, as in every C++ object with virtual functions.
    table: *const c_void,
    pub(crate) context: C,
    pub(crate) gate: Gate<H>,
}

// SAFETY: only `table` is not Send by itself. It points to functions that are leaked once and never
// written again.
unsafe impl<H: ?Sized + Send + Sync, C: Send> Send for SpiObject<H, C> {}
// SAFETY: through a shared reference only the gate's own lock and atomics change, and the table is
// read only. The library's thread and ours may read at the same time.
unsafe impl<H: ?Sized + Send + Sync, C: Sync> Sync for SpiObject<H, C> {}

impl<H: ?Sized + 'static, C: 'static> SpiObject<H, C> {
    /// Makes an object that lives as long as the process.
    pub(crate) fn leak(table: VTable, context: C, handler: Arc<H>) -> &'static Self {
        Box::leak(Box::new(Self {
            table: table.pointer(),
            context,
            gate: Gate::new(handler),
        }))
    }

    /// The object as a library takes it.
    pub(crate) fn as_ptr(&'static self) -> *mut c_void {
        std::ptr::from_ref(self).cast_mut().cast()
    }

    /// The object that `this` points to.
    ///
    /// # Safety
    /// `this` was returned by [`as_ptr`](Self::as_ptr) of an object of the same type.
    pub(crate) unsafe fn from_this(this: This) -> &'static Self {
        // SAFETY: the caller's promise; the object is never freed and never changed.
        unsafe { &*this.cast::<Self>() }
    }
}

impl<H: ?Sized, C: fmt::Debug> fmt::Debug for SpiObject<H, C> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SpiObject")
            .field("context", &self.context)
            .field("gate", &self.gate)
            .finish_non_exhaustive()
    }
}

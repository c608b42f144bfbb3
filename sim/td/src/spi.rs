//! Calls to the client's callback object: load its table, load the slot, call with the C view of a
//! C++ member function.

use std::ffi::{c_int, c_void};
use std::mem::transmute;
use std::sync::atomic::{AtomicPtr, Ordering};

use tickdeck_ffi::abi::signature::{Plain, Response, TakesInt};
use tickdeck_front::fields::CStruct;
use tickdeck_front::td::TdEvent;
use tickdeck_front::td::tables::tables;
use tickdeck_front::version::Emulated;

/// Calls callbacks in the form of one version.
pub(crate) struct Caller {
    version: &'static Emulated,
}

/// The pointer that a struct is handed out by. Callbacks take it without `const`, as the vendor's
/// do; a client that writes there writes into memory that is never read again.
fn pointer(made: Option<&CStruct>) -> *mut c_void {
    made.map_or(std::ptr::null_mut(), |made| {
        made.words().as_ptr().cast_mut().cast()
    })
}

impl Caller {
    pub(crate) const fn new(version: &'static Emulated) -> Self {
        Self { version }
    }

    /// Calls the client back; nothing when it has taken its object back.
    pub(crate) fn call(&self, spi: &AtomicPtr<c_void>, event: &TdEvent) {
        let spi = spi.load(Ordering::Acquire);
        if spi.is_null() {
            return;
        }
        match event {
            TdEvent::FrontConnected => {
                if let Some(entry) = self.entry(spi, "OnFrontConnected") {
                    // SAFETY: the slot's function, called as C++ calls it.
                    unsafe { entry(spi) };
                }
            }
            TdEvent::FrontDisconnected { reason } => {
                self.call_int(spi, "OnFrontDisconnected", *reason);
            }
            TdEvent::HeartBeatWarning { lapse_s } => {
                self.call_int(spi, "OnHeartBeatWarning", *lapse_s);
            }
            TdEvent::Answer {
                callback,
                answer,
                info,
                request_id,
                is_last,
            } => {
                let Some(entry) = self.entry(spi, callback) else {
                    return;
                };
                // SAFETY: every OnRsp… but OnRspError has this signature, and that is never asked
                // for here.
                let function = unsafe { transmute::<Plain, Response>(entry) };
                let info = info.as_ref().map(|info| {
                    CStruct::new("RspInfo", self.version)
                        .int("ErrorID", info.error_id)
                        .text("ErrorMsg", &info.message)
                });
                let (answer, info) = (pointer(answer.as_ref()), pointer(info.as_ref()));
                // SAFETY: the slot's function; the structs are the version's and live longer.
                unsafe { function(spi, answer, info, *request_id, u8::from(*is_last)) };
            }
        }
    }

    /// Calls a callback that takes one number.
    fn call_int(&self, spi: *mut c_void, callback: &str, number: c_int) {
        let Some(entry) = self.entry(spi, callback) else {
            return;
        };
        // SAFETY: OnFrontDisconnected and OnHeartBeatWarning, the only ones asked for here, have
        // this signature.
        let function = unsafe { transmute::<Plain, TakesInt>(entry) };
        // SAFETY: the slot's function, called as C++ calls it.
        unsafe { function(spi, number) };
    }

    /// The client's function in the slot of a callback; `None` when the version has none.
    fn entry(&self, spi: *mut c_void, callback: &str) -> Option<Plain> {
        let slot = tables().callback_slot(callback, self.version)?;
        // SAFETY: the client registered a C++ object; its first word is the pointer to its table.
        // It stays alive until Release has returned, which waits for this thread.
        let table = unsafe { *spi.cast::<*const Plain>() };
        // SAFETY: a client of the emulated version has a table with this number of slots.
        let entry = unsafe { table.add(slot) };
        // SAFETY: the entry is inside that table and holds a function.
        Some(unsafe { *entry })
    }
}

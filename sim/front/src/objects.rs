//! The API objects of a library: made, found again by their address, never freed.
//!
//! `Release` ends an object's thread and session; the shell stays (some hundred bytes each), known
//! here, so that a later call of the client finds memory that is marked released.

use std::ffi::c_void;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::{Mutex, MutexGuard, PoisonError};

use crate::instance::Instance;
use crate::log;
use crate::reactor::Session;

/// What a client holds a pointer to.
pub trait ApiObject: Sync + 'static {
    /// What it runs.
    type Session: Session;
    /// Its name in the log, `md` or `td`.
    const API: &'static str;

    /// The session and its thread.
    fn instance(&self) -> &Instance<Self::Session>;
}

/// Every object of one kind there ever was.
#[derive(Debug)]
pub struct Objects<T: 'static>(Mutex<Vec<&'static T>>);

impl<T: ApiObject> Objects<T> {
    /// None yet.
    #[must_use]
    pub const fn new() -> Self {
        Self(Mutex::new(Vec::new()))
    }

    fn known(&self) -> MutexGuard<'_, Vec<&'static T>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Keeps an object until the process ends and returns the pointer for the client.
    pub fn add(&self, object: T) -> *mut c_void {
        let object: &'static T = Box::leak(Box::new(object));
        self.known().push(object);
        std::ptr::from_ref(object).cast_mut().cast()
    }

    /// The object at an address. The address is looked up, not followed, so that a wild pointer is
    /// recognized. The newest one comes first.
    fn find(&self, this: *mut c_void) -> Option<&'static T> {
        let is_it = |object: &&'static T| std::ptr::eq(std::ptr::from_ref(*object).cast(), this);
        self.known().iter().rev().copied().find(is_it)
    }

    /// Runs `body` on the object; `fallback` when there is none, it was released, or `body`
    /// panicked.
    pub fn enter<R>(
        &self,
        this: *mut c_void,
        call: &str,
        fallback: R,
        body: impl FnOnce(&'static T) -> R,
    ) -> R {
        let guarded = AssertUnwindSafe(|| match self.find(this) {
            Some(api) if call == "Release" || api.instance().is_usable(call) => Some(body(api)),
            Some(_) => None,
            None => {
                log::misuse(
                    T::API,
                    call,
                    "called on a pointer that is not an API object",
                );
                None
            }
        });
        match catch_unwind(guarded) {
            Ok(Some(value)) => value,
            Ok(None) => fallback,
            Err(_) => {
                log::warn(
                    "sim_panic",
                    &[("api", T::API.into()), ("call", call.into())],
                );
                fallback
            }
        }
    }
}

impl<T: ApiObject> Default for Objects<T> {
    fn default() -> Self {
        Self::new()
    }
}

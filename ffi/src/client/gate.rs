//! The gate that every callback passes on its way to the handler.
//!
//! It is closed before Release and never opened again. It catches panics, and it knows whether the
//! current thread is inside a callback.

use std::cell::Cell;
use std::fmt;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, PoisonError, RwLock};

thread_local! {
    static PLACE: Cell<Place> = const { Cell::new(Place::Outside) };
}

/// Position of a thread.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Place {
    /// Outside callbacks.
    Outside,
    /// In a callback that may make requests.
    Callback,
    /// In a callback during which the library holds its own lock.
    LockedCallback,
}

/// Whether this thread runs a callback of any session.
pub(crate) fn inside_callback() -> bool {
    PLACE.get() != Place::Outside
}

/// Whether this thread runs a callback in which a request would wait forever, for a lock that the
/// library holds on the same thread.
pub(crate) fn inside_locked_callback() -> bool {
    PLACE.get() == Place::LockedCallback
}

/// Restores the position of the thread, also after a panic.
struct Restore(Place);

impl Restore {
    fn enter(place: Place) -> Self {
        Self(PLACE.replace(place))
    }
}

impl Drop for Restore {
    fn drop(&mut self) {
        PLACE.set(self.0);
    }
}

/// Between the library and a handler. Lives as long as the process, because the library may call
/// late. The handler is dropped when the session is over.
pub(crate) struct Gate<H: ?Sized> {
    /// Read by callbacks, without waiting; written once, after Release.
    handler: RwLock<Option<Arc<H>>>,
    closing: AtomicBool,
    panicked: AtomicBool,
}

impl<H: ?Sized> Gate<H> {
    pub(crate) fn new(handler: Arc<H>) -> Self {
        Self {
            handler: RwLock::new(Some(handler)),
            closing: AtomicBool::new(false),
            panicked: AtomicBool::new(false),
        }
    }

    /// Runs a callback, unless the session is closing or an earlier callback panicked.
    #[inline]
    pub(crate) fn pass(&self, callback: impl FnOnce(&H)) {
        self.pass_at(Place::Callback, callback);
    }

    /// The same for a callback during which the library holds its own lock.
    pub(crate) fn pass_locked(&self, callback: impl FnOnce(&H)) {
        self.pass_at(Place::LockedCallback, callback);
    }

    #[inline]
    fn pass_at(&self, place: Place, callback: impl FnOnce(&H)) {
        if self.closing.load(Ordering::Acquire) || self.panicked.load(Ordering::Acquire) {
            return;
        }
        let _restore = Restore::enter(place);
        // Fails only while the handler is being removed.
        let Ok(handler) = self.handler.try_read() else {
            return;
        };
        let Some(handler) = handler.as_deref() else {
            return;
        };
        // Unwind safe: a handler that panicked is not called again.
        if let Err(payload) = catch_unwind(AssertUnwindSafe(|| callback(handler))) {
            self.panicked.store(true, Ordering::Release);
            // Its destructor might panic too.
            std::mem::forget(payload);
        }
    }

    /// From now on no callback reaches the handler, except one that is already running.
    pub(crate) fn close(&self) {
        self.closing.store(true, Ordering::Release);
    }

    /// Drops the handler, after waiting for a running callback.
    pub(crate) fn drop_handler(&self) {
        let mut slot = self.handler.write().unwrap_or_else(PoisonError::into_inner);
        let handler = slot.take();
        // The handler's own destructor must not run under the lock.
        drop(slot);
        drop(handler);
    }

    /// Whether a callback panicked. No later one reached the handler.
    pub(crate) fn panicked(&self) -> bool {
        self.panicked.load(Ordering::Acquire)
    }
}

impl<H: ?Sized> fmt::Debug for Gate<H> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Gate")
            .field("closing", &self.closing)
            .field("panicked", &self.panicked)
            .finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::atomic::AtomicU32;

    #[test]
    fn a_closed_gate_lets_nothing_through() {
        let gate = Gate::new(Arc::new(AtomicU32::new(0)));
        let count = || {
            gate.pass(|calls| {
                calls.fetch_add(1, Ordering::Relaxed);
            });
        };
        count();
        gate.close();
        count();
        let handler = gate.handler.read().unwrap().clone().unwrap();
        assert_eq!(handler.load(Ordering::Relaxed), 1);
    }

    #[test]
    fn a_panic_is_caught_and_the_last_call() {
        let gate = Gate::new(Arc::new(AtomicU32::new(0)));
        assert!(!gate.panicked());
        gate.pass(|_| panic!("a handler panicked, as this test wants"));
        assert!(gate.panicked());
        assert!(!inside_callback());
        gate.pass(|calls| {
            calls.fetch_add(1, Ordering::Relaxed);
        });
        let handler = gate.handler.read().unwrap().clone().unwrap();
        assert_eq!(handler.load(Ordering::Relaxed), 0);
    }

    #[test]
    fn the_thread_knows_that_it_is_in_a_callback() {
        let gate = Gate::new(Arc::new(()));
        assert!(!inside_callback());
        let seen = Cell::new(false);
        gate.pass(|()| seen.set(inside_callback() && !inside_locked_callback()));
        assert!(seen.get());
        assert!(!inside_callback());
        gate.pass_locked(|()| seen.set(!inside_locked_callback()));
        assert!(!seen.get());
        assert!(!inside_locked_callback());
    }

    #[test]
    fn the_handler_is_dropped_and_the_gate_stays() {
        let handler = Arc::new(());
        let gate = Gate::new(Arc::clone(&handler));
        gate.close();
        gate.drop_handler();
        assert_eq!(Arc::strong_count(&handler), 1);
        gate.pass(|()| unreachable!("the gate is closed"));
    }
}

//! Whether the connection to the front is up, according to the latest callback.
//!
//! The vendor's libraries answer a request without a connection with -1. They may crash on a request
//! while a connection comes up (`CPackage::Push` below `ReqUserLogin`, seen with the trader libraries
//! 6.6.9, 6.7.9 and 6.7.11 through a slow proxy). A session's queue is slightly behind: a library
//! that reconnects at once may already be doing so. So every request checks this flag first.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

/// Shared by the callbacks, which set it, and the session, which reads it.
#[derive(Debug, Clone, Default)]
pub(in crate::live) struct Connection {
    is_up: Arc<AtomicBool>,
}

impl Connection {
    /// `OnFrontConnected`: the library accepts requests.
    pub(in crate::live) fn made(&self) {
        self.is_up.store(true, Ordering::SeqCst);
    }

    /// `OnFrontDisconnected`. The library reconnects only after this callback has returned.
    pub(in crate::live) fn lost(&self) {
        self.is_up.store(false, Ordering::SeqCst);
    }

    pub(in crate::live) fn is_up(&self) -> bool {
        self.is_up.load(Ordering::SeqCst)
    }
}

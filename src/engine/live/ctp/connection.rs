//! Whether the connection to the front stands, by the newest callback.
//!
//! The vendor's libraries answer a request without a connection with -1, but may crash on one while a
//! connection comes up (`CPackage::Push` below `ReqUserLogin`, seen with the trader libraries 6.6.9,
//! 6.7.9 and 6.7.11 through a slow proxy). What a session knows from its queue is a little old: a
//! library that connects again at once may be at it already. So every request looks here first.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

/// Shared by the callbacks, which set it, and the session, which asks.
#[derive(Debug, Clone, Default)]
pub(super) struct Connection {
    is_up: Arc<AtomicBool>,
}

impl Connection {
    /// `OnFrontConnected`: the library takes requests.
    pub(super) fn made(&self) {
        self.is_up.store(true, Ordering::SeqCst);
    }

    /// `OnFrontDisconnected`, before it returns: only then does the library connect again.
    pub(super) fn lost(&self) {
        self.is_up.store(false, Ordering::SeqCst);
    }

    pub(super) fn is_up(&self) -> bool {
        self.is_up.load(Ordering::SeqCst)
    }
}

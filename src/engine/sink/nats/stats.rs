//! What the threads of a NATS sink share: its counts, its failure, and the request to stop.

use std::sync::atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering};
use std::sync::{Arc, OnceLock};

use tokio::sync::Notify;

use crate::nats::NatsFailure;
use crate::sink::Wake;

/// What a sink has done so far, for readers on other threads.
#[derive(Debug, Default)]
pub struct NatsStats {
    pub(super) taken: AtomicU64,
    pub(super) confirmed: AtomicU64,
    pub(super) resent: AtomicU64,
    pub(super) reconnects: AtomicU64,
    pub(super) max_payload: AtomicUsize,
    /// Why publishing has ended while the connection stays.
    pub(super) failure: OnceLock<NatsFailure>,
    /// Whether the connection thread has ended, or is about to.
    pub(super) has_ended: AtomicBool,
    pub(super) wake: OnceLock<Wake>,
}

impl NatsStats {
    /// Messages handed to the sink.
    #[must_use]
    pub fn taken(&self) -> u64 {
        self.taken.load(Ordering::Relaxed)
    }

    /// Messages that the server has confirmed.
    #[must_use]
    pub fn confirmed(&self) -> u64 {
        self.confirmed.load(Ordering::Relaxed)
    }

    /// Messages sent again after a reconnect; each may have been delivered twice.
    #[must_use]
    pub fn resent(&self) -> u64 {
        self.resent.load(Ordering::Relaxed)
    }

    /// Wakes the player, after a failure that it may not notice for long.
    pub(super) fn wake(&self) {
        if let Some(wake) = self.wake.get() {
            wake.call();
        }
    }

    /// Connections made after the first one.
    #[must_use]
    pub fn reconnects(&self) -> u64 {
        self.reconnects.load(Ordering::Relaxed)
    }
}

/// Ends a sink that may be blocked by an unreachable server. Its current and later calls fail.
#[derive(Debug, Clone, Default)]
pub struct NatsStop {
    shared: Arc<StopShared>,
}

#[derive(Debug, Default)]
struct StopShared {
    asked: AtomicBool,
    notify: Notify,
}

impl NatsStop {
    /// Makes the sink give up unconfirmed messages.
    pub fn stop(&self) {
        self.shared.asked.store(true, Ordering::Release);
        self.shared.notify.notify_one();
    }

    pub(super) async fn asked(&self) {
        while !self.shared.asked.load(Ordering::Acquire) {
            self.shared.notify.notified().await;
        }
    }
}

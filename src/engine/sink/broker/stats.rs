//! What a sink and its connection thread share: counts, the failure, and the request to stop.

use std::sync::atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering};
use std::sync::{Arc, OnceLock};

use tokio::sync::Notify;

use crate::nats::NatsFailure;
use crate::sink::Wake;

/// What a sink has done so far, for readers on other threads.
#[derive(Debug, Default)]
pub struct NatsStats {
    pub(in crate::sink) taken: AtomicU64,
    pub(in crate::sink) confirmed: AtomicU64,
    pub(in crate::sink) resent: AtomicU64,
    pub(in crate::sink) reconnects: AtomicU64,
    /// Acknowledged messages that a stream lost.
    pub(in crate::sink) lost: AtomicU64,
    /// Sequence of the first message in a stream; 0 where there is none.
    pub(in crate::sink) stream_base: AtomicU64,
    /// Whether the stream has what was published to it, once it was read back.
    pub(in crate::sink) verified: OnceLock<bool>,
    pub(in crate::sink) max_payload: AtomicUsize,
    /// Why publishing has ended while the connection stays.
    pub(in crate::sink) failure: OnceLock<NatsFailure>,
    /// Whether the connection thread has ended, or is about to.
    pub(in crate::sink) has_ended: AtomicBool,
    pub(in crate::sink) wake: OnceLock<Wake>,
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

    /// Messages that the broker lost after it had acknowledged them. They were sent again.
    #[must_use]
    pub fn lost(&self) -> u64 {
        self.lost.load(Ordering::Relaxed)
    }

    /// Sequence of the run's first message in its stream; 0 for a sink without a stream.
    #[must_use]
    pub fn stream_base(&self) -> u64 {
        self.stream_base.load(Ordering::Acquire)
    }

    /// Wakes the player, after a failure that it may not notice for long.
    pub(in crate::sink) fn wake(&self) {
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

    pub(in crate::sink) async fn asked(&self) {
        while !self.shared.asked.load(Ordering::Acquire) {
            self.shared.notify.notified().await;
        }
    }
}

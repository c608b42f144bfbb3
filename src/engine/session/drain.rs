//! Bounds how long the end of a session waits for an unreachable server.

use std::sync::Arc;
use std::time::Duration;

use crossbeam_channel::{Receiver, Sender, bounded};
use tickdeck_core::thread;
use tickdeck_core::wait::is_closed_within;

use crate::control::Control;
#[cfg(feature = "live")]
use crate::sink::NatsStats;
use crate::sink::NatsStop;

/// Default time for a server to confirm the last messages.
pub const DEFAULT_DRAIN: Duration = Duration::from_secs(5);
/// How often a replay checks for a stop request.
const POLL_INTERVAL: Duration = Duration::from_millis(100);

/// Enforces the bound until it is dropped.
pub(super) struct DrainWatch {
    _done: Sender<()>,
}

impl DrainWatch {
    /// Bounds the wait to `limit` from now on.
    #[cfg(feature = "live")]
    pub(super) fn from_now(stop: &NatsStop, limit: Duration) -> std::io::Result<Self> {
        let stop = stop.clone();
        Self::start(move |is_done| give_up_after(limit, is_done, &stop))
    }

    /// Gives the server `limit` from a stop request on. Until then the wait has no bound.
    pub(super) fn from_stop(
        control: &Arc<Control>,
        stop: &NatsStop,
        limit: Duration,
    ) -> std::io::Result<Self> {
        let (control, stop) = (Arc::clone(control), stop.clone());
        Self::start(move |is_done| {
            while !control.is_stopped() {
                if is_closed_within(is_done, POLL_INTERVAL) {
                    return;
                }
            }
            give_up_after(limit, is_done, &stop);
        })
    }

    /// From `is_over` on, gives up when the server confirms nothing for `limit` of what it was sent.
    #[cfg(feature = "live")]
    pub(super) fn while_stuck(
        is_over: impl Fn() -> bool + Send + 'static,
        sink: Arc<NatsStats>,
        stop: &NatsStop,
        limit: Duration,
    ) -> std::io::Result<Self> {
        let stop = stop.clone();
        Self::start(move |is_done| {
            let (mut confirmed, mut stuck) = (sink.confirmed(), Duration::ZERO);
            while stuck < limit {
                if is_closed_within(is_done, POLL_INTERVAL) {
                    return;
                }
                let before = std::mem::replace(&mut confirmed, sink.confirmed());
                let is_stuck = confirmed == before && confirmed < sink.taken();
                stuck = match is_stuck && is_over() {
                    true => stuck + POLL_INTERVAL,
                    false => Duration::ZERO,
                };
            }
            give_up(limit, &stop);
        })
    }

    fn start(watch: impl FnOnce(&Receiver<()>) + Send + 'static) -> std::io::Result<Self> {
        let (done, is_done) = bounded::<()>(0);
        thread::spawn("drain-watch", move || watch(&is_done))?;
        Ok(Self { _done: done })
    }
}

fn give_up_after(limit: Duration, is_done: &Receiver<()>, stop: &NatsStop) {
    if !is_closed_within(is_done, limit) {
        give_up(limit, stop);
    }
}

fn give_up(waited: Duration, stop: &NatsStop) {
    tracing::warn!(
        event = "drain_timeout",
        waited_s = waited.as_secs(),
        "the server is unreachable; unconfirmed messages count as failed"
    );
    stop.stop();
}

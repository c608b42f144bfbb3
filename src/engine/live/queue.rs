//! The bounded queue between the library's callback thread and the source.
//!
//! The push side copies one struct, reads the wall clock once and touches a handful of atomics: no
//! allocation, no lock, no log. (A session event allocates its text, but session events are rare.)
//!
//! - Memory: a ring of [`RING_SLOTS`] slots of about 620 bytes, 5 MB, allocated at the start and small
//!   enough to stay in the cache. What a burst leaves waiting beyond it is in blocks of 31 slots, up to
//!   [`DEFAULT_QUEUE_SLOTS`] in all, 80 MB: more than six seconds of 20,000 ticks/s without a reader.
//!   Only such a burst allocates in the callback, once a block.
//! - Ticks may fill all but the last eighth (at most [`RESERVED_SLOTS`]). The rest is reserved for
//!   session events, so that a burst of ticks cannot hide a lost connection.
//! - Order: one queue, arrival order. Losses become an [`Overflow`](SessionEvent::Overflow) row
//!   before the first event that fits again.

use std::sync::atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering};
use std::sync::{Arc, OnceLock};
use std::thread::Thread;
use std::time::Duration;

use crossbeam_channel::Sender;
use crossbeam_queue::{ArrayQueue, SegQueue};
use tickdeck_core::clock::Clock;
use tickdeck_core::event::{InstrumentId, RawTick, SessionEvent};
use tickdeck_core::time::UnixNanos;
use tickdeck_core::wait::park;

use super::input::Input;

/// Slots of the queue by default.
pub const DEFAULT_QUEUE_SLOTS: usize = 131_072;
/// Slots of the ring, which is all that a usual session touches.
const RING_SLOTS: usize = 8_192;
/// Checks of the empty queue before the reader sleeps: about 30 us, sometimes a millisecond.
const SPINS_BEFORE_SLEEP: u32 = 1_000;
/// Slots reserved for session events, where the queue is large enough.
const RESERVED_SLOTS: usize = 4_096;
/// CTP's `nReason` for a front that was silent for too long (field guide 1.6).
const HEARTBEAT_TIMEOUT: i32 = 0x2001;

/// What a callback delivered.
#[derive(Debug, Clone, PartialEq)]
#[expect(
    clippy::large_enum_variant,
    reason = "nearly every arrival is a tick, and a box would allocate in the callback"
)]
pub(super) enum Arrival {
    Tick(RawTick),
    /// An answer to a subscription. Thousands arrive at once, so it carries no allocated text.
    Acknowledged {
        instrument: InstrumentId,
        error_id: i32,
    },
    Session(SessionEvent),
}

/// An arrival with its receive time.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Stamped {
    pub(super) recv_ts: UnixNanos,
    pub(super) arrival: Arrival,
}

/// What did not fit into the queue.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Loss {
    /// This many ticks.
    Ticks(u64),
    /// This many session events.
    Events(u64),
}

impl Loss {
    /// The row of the recording about it.
    pub(super) fn row(self) -> SessionEvent {
        match self {
            Self::Ticks(dropped) => SessionEvent::Overflow { dropped },
            Self::Events(events) => SessionEvent::Note {
                text: format!("{events} session events did not fit the queue"),
            },
        }
    }
}

/// A notice to the supervisor about one attempt's session.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Notice {
    pub(super) attempt: u32,
    pub(super) input: Input,
}

/// A bounded queue of many writers and one reader. What one writer pushes is popped in that order.
struct Slots {
    ring: ArrayQueue<Stamped>,
    /// What came while the ring was full, and everything after it until the reader has caught up.
    burst: SegQueue<Stamped>,
    capacity: usize,
}

impl Slots {
    fn new(capacity: usize) -> Self {
        Self {
            ring: ArrayQueue::new(capacity.min(RING_SLOTS)),
            burst: SegQueue::new(),
            capacity,
        }
    }

    /// Gives `stamped` back if it does not fit.
    #[expect(
        clippy::result_large_err,
        reason = "a box would allocate in the callback"
    )]
    fn push(&self, stamped: Stamped) -> Result<(), Stamped> {
        let refused = match self.burst.is_empty() {
            true => match self.ring.push(stamped) {
                Ok(()) => return Ok(()),
                Err(refused) => refused,
            },
            false => stamped,
        };
        if self.len() >= self.capacity {
            return Err(refused);
        }
        self.burst.push(refused);
        Ok(())
    }

    /// The oldest one. For one thread at a time.
    fn pop(&self) -> Option<Stamped> {
        let oldest = self.ring.pop();
        if oldest.is_some() || self.burst.is_empty() {
            return oldest;
        }
        // A writer may have filled the ring and begun the burst since the first look.
        self.ring.pop().or_else(|| self.burst.pop())
    }

    fn len(&self) -> usize {
        self.ring.len() + self.burst.len()
    }

    fn is_empty(&self) -> bool {
        self.ring.is_empty() && self.burst.is_empty()
    }
}

/// Both ends of the queue share this.
pub(super) struct Queue {
    slots: Slots,
    /// Length at which no further tick is accepted.
    tick_limit: usize,
    /// Ticks that did not fit since the last overflow row.
    lost_ticks: AtomicU64,
    /// Session events that did not fit since the last row about them.
    lost_events: AtomicU64,
    dropped: AtomicU64,
    high_water: AtomicUsize,
    /// Nothing more will be pushed.
    closed: AtomicBool,
    /// The reader is gone.
    abandoned: AtomicBool,
    /// The reading thread. Every push wakes it; `unpark` takes no lock.
    reader: OnceLock<Thread>,
    clock: Arc<dyn Clock>,
}

impl std::fmt::Debug for Queue {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Queue")
            .field("len", &self.slots.len())
            .field("capacity", &self.slots.capacity)
            .field("dropped", &self.dropped)
            .finish_non_exhaustive()
    }
}

impl Queue {
    /// An empty queue; `slots` is at least 2.
    pub(super) fn new(slots: usize, clock: Arc<dyn Clock>) -> Self {
        let slots = slots.max(2);
        let reserved = (slots / 8).clamp(1, RESERVED_SLOTS);
        Self {
            slots: Slots::new(slots),
            tick_limit: slots - reserved,
            lost_ticks: AtomicU64::new(0),
            lost_events: AtomicU64::new(0),
            dropped: AtomicU64::new(0),
            high_water: AtomicUsize::new(0),
            closed: AtomicBool::new(false),
            abandoned: AtomicBool::new(false),
            reader: OnceLock::new(),
            clock,
        }
    }

    /// Pushes a tick, or counts it as lost.
    fn push_tick(&self, tick: &RawTick) {
        let recv_ts = self.clock.wall();
        let len = self.slots.len();
        if len >= self.tick_limit || !self.announce_losses(recv_ts) {
            self.lose_tick();
            return;
        }
        let arrival = Arrival::Tick(*tick);
        if self.slots.push(Stamped { recv_ts, arrival }).is_err() {
            self.lose_tick();
            return;
        }
        // A look is cheap, and a new highest is rare.
        if len >= self.high_water.load(Ordering::Relaxed) {
            self.high_water.fetch_max(len + 1, Ordering::Relaxed);
        }
        self.wake_reader();
    }

    /// Pushes anything else, or counts it as lost.
    pub(super) fn push(&self, arrival: Arrival) {
        let recv_ts = self.clock.wall();
        if !self.announce_losses(recv_ts) || self.slots.push(Stamped { recv_ts, arrival }).is_err()
        {
            self.lost_events.fetch_add(1, Ordering::AcqRel);
        }
        self.wake_reader();
    }

    fn lose_tick(&self) {
        self.lost_ticks.fetch_add(1, Ordering::AcqRel);
        self.dropped.fetch_add(1, Ordering::Relaxed);
    }

    /// Pushes rows about losses before the next arrival. False when they do not fit either.
    fn announce_losses(&self, recv_ts: UnixNanos) -> bool {
        while let Some(loss) = self.take_loss() {
            let arrival = Arrival::Session(loss.row());
            if self.slots.push(Stamped { recv_ts, arrival }).is_err() {
                self.give_back(loss);
                return false;
            }
        }
        true
    }

    /// Takes the count of what was lost, once.
    pub(super) fn take_loss(&self) -> Option<Loss> {
        let take = |count: &AtomicU64| match count.load(Ordering::Acquire) {
            0 => 0,
            _ => count.swap(0, Ordering::AcqRel),
        };
        match take(&self.lost_ticks) {
            0 => {}
            ticks => return Some(Loss::Ticks(ticks)),
        }
        match take(&self.lost_events) {
            0 => None,
            events => Some(Loss::Events(events)),
        }
    }

    fn give_back(&self, loss: Loss) {
        let (count, lost) = match loss {
            Loss::Ticks(count) => (count, &self.lost_ticks),
            Loss::Events(count) => (count, &self.lost_events),
        };
        lost.fetch_add(count, Ordering::AcqRel);
    }

    fn wake_reader(&self) {
        if let Some(reader) = self.reader.get() {
            reader.unpark();
        }
    }

    /// The oldest arrival.
    pub(super) fn pop(&self) -> Option<Stamped> {
        self.slots.pop()
    }

    /// Blocks the calling thread, the only reader, until something may have arrived.
    ///
    /// It spins for some microseconds first. Ticks come in bursts, and waking a sleeping thread costs
    /// the callback more than everything else it does.
    pub(super) fn wait(&self, at_most: Duration) {
        for _ in 0..SPINS_BEFORE_SLEEP {
            if !self.slots.is_empty() {
                return;
            }
            std::hint::spin_loop();
        }
        let reader = self.reader.get_or_init(std::thread::current);
        // A push between the last check and the registration would not wake the reader: check again.
        if self.slots.is_empty() && reader.id() == std::thread::current().id() {
            park(at_most);
        }
    }

    /// The present wall clock time.
    pub(super) fn wall(&self) -> UnixNanos {
        self.clock.wall()
    }

    pub(super) fn len(&self) -> usize {
        self.slots.len()
    }

    /// Most arrivals that ever waited.
    pub(super) fn high_water(&self) -> usize {
        self.high_water.load(Ordering::Relaxed)
    }

    /// Ticks that did not fit, over the whole session.
    pub(super) fn dropped(&self) -> u64 {
        self.dropped.load(Ordering::Relaxed)
    }

    /// Marks that nothing more will be pushed.
    pub(super) fn close(&self) {
        self.closed.store(true, Ordering::Release);
        self.wake_reader();
    }

    pub(super) fn is_closed(&self) -> bool {
        self.closed.load(Ordering::Acquire)
    }

    /// Marks that the reader is gone.
    pub(super) fn abandon(&self) {
        self.abandoned.store(true, Ordering::Release);
    }

    pub(super) fn is_abandoned(&self) -> bool {
        self.abandoned.load(Ordering::Acquire)
    }
}

/// The callbacks' end of the queue, for one session. Every method returns at once and may be called
/// from any thread. It does nothing once the session is being closed.
#[derive(Debug, Clone)]
pub struct Inlet {
    queue: Arc<Queue>,
    attempt: u32,
    open: Arc<AtomicBool>,
    notices: Sender<Notice>,
}

impl Inlet {
    pub(super) fn new(queue: Arc<Queue>, attempt: u32, notices: Sender<Notice>) -> Self {
        Self {
            queue,
            attempt,
            open: Arc::new(AtomicBool::new(true)),
            notices,
        }
    }

    /// Ignores callbacks from here on.
    pub(super) fn shut(&self) {
        self.open.store(false, Ordering::Release);
    }

    #[inline]
    fn is_open(&self) -> bool {
        self.open.load(Ordering::Acquire)
    }

    /// `OnRtnDepthMarketData`.
    #[inline]
    pub fn tick(&self, tick: &RawTick) {
        if self.is_open() {
            self.queue.push_tick(tick);
        }
    }

    /// `OnFrontConnected`.
    pub fn front_connected(&self) {
        self.happened(SessionEvent::FrontConnected {}, Input::FrontConnected);
    }

    /// `OnFrontDisconnected`.
    pub fn front_disconnected(&self, reason: i32) {
        if reason == HEARTBEAT_TIMEOUT && self.is_open() {
            self.queue
                .push(Arrival::Session(SessionEvent::HeartbeatLost {}));
        }
        self.happened(
            SessionEvent::FrontDisconnected { reason },
            Input::FrontDisconnected { reason },
        );
    }

    /// `OnHeartBeatWarning`.
    pub fn heartbeat_warning(&self, elapsed_s: i32) {
        self.happened(
            SessionEvent::HeartbeatWarning { elapsed_s },
            Input::HeartbeatWarning { elapsed_s },
        );
    }

    /// `OnRspUserLogin` without an error; `trading_day` as the front gave it.
    pub fn login_ok(&self, trading_day: &str) {
        let trading_day = trading_day.to_owned();
        self.happened(SessionEvent::LoginOk { trading_day }, Input::LoginOk);
    }

    /// `OnRspUserLogin` with an error.
    pub fn login_failed(&self, error_id: i32, message: &str) {
        let message = message.to_owned();
        self.happened(
            SessionEvent::LoginFailed {
                error_id,
                message: message.clone(),
            },
            Input::LoginFailed { error_id, message },
        );
    }

    /// `OnRspSubMarketData`.
    pub fn subscribed(&self, instrument: &[u8], error_id: i32) {
        if !self.is_open() {
            return;
        }
        // CTP's ids fit the field; a longer one is cut.
        let kept = &instrument[..instrument.len().min(80)];
        let instrument = InstrumentId::new(kept).unwrap_or_default();
        self.queue.push(Arrival::Acknowledged {
            instrument,
            error_id,
        });
        if error_id != 0 {
            let id = String::from_utf8_lossy(kept).into_owned();
            self.notify(Input::SubscriptionRefused { id, error_id });
        }
    }

    /// `OnRspError`, or unexpected behaviour of the library.
    pub fn library_error(&self, error_id: i32, message: &str) {
        let event = SessionEvent::LibraryError {
            error_id,
            message: message.to_owned(),
        };
        let message = message.to_owned();
        self.happened(event, Input::LibraryError { error_id, message });
    }

    fn happened(&self, event: SessionEvent, input: Input) {
        if self.is_open() {
            self.queue.push(Arrival::Session(event));
            self.notify(input);
        }
    }

    /// Never blocks. The channel can be full only while the supervisor closes a misbehaving session,
    /// whose notices no longer matter.
    fn notify(&self, input: Input) {
        let attempt = self.attempt;
        let _ = self.notices.try_send(Notice { attempt, input });
    }
}

#[cfg(test)]
#[path = "queue_tests.rs"]
mod tests;

//! The bounded queue between the library's callback thread and the source.
//!
//! The push side copies one struct, reads the wall clock once and touches a handful of atomics: no
//! allocation, no lock, no log. (A session event allocates its text; there is one now and then.)
//!
//! - Memory: [`DEFAULT_QUEUE_SLOTS`] slots of some 620 bytes, 80 MB, taken at the start. It is more
//!   than six seconds of 20,000 ticks/s with nobody reading.
//! - Ticks may fill all but the last eighth (at most [`RESERVED_SLOTS`]); session events have the
//!   rest, so that a burst of ticks does not hide that the front went away.
//! - Order: one queue, arrival order. What did not fit is announced by an
//!   [`Overflow`](SessionEvent::Overflow) row that stands before the first event that fitted again.

use std::sync::atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering};
use std::sync::{Arc, OnceLock};
use std::thread::Thread;
use std::time::Duration;

use crossbeam_channel::Sender;
use crossbeam_queue::ArrayQueue;
use tickdeck_core::clock::Clock;
use tickdeck_core::event::{InstrumentId, RawTick, SessionEvent};
use tickdeck_core::time::UnixNanos;

use super::supervisor::Input;

/// Slots of the queue unless told otherwise.
pub const DEFAULT_QUEUE_SLOTS: usize = 131_072;
/// Looks at the empty queue before the reader sleeps: about 30 us, now and then a millisecond.
const LOOKS_BEFORE_SLEEP: u32 = 1_000;
/// Slots that ticks leave to session events, where the queue is large enough.
const RESERVED_SLOTS: usize = 4_096;
/// CTP's `nReason` for a front that was silent for too long (guide 1.6).
const HEARTBEAT_TIMEOUT: i32 = 0x2001;

/// What a callback delivered.
#[derive(Debug, Clone, PartialEq)]
#[expect(
    clippy::large_enum_variant,
    reason = "nearly every arrival is a tick, and a box would allocate in the callback"
)]
pub(super) enum Arrival {
    Tick(RawTick),
    /// An answer to a subscription. Thousands come at once, so it carries no text of its own.
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

/// What the supervisor is told of one attempt's session.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Notice {
    pub(super) attempt: u32,
    pub(super) input: Input,
}

/// Both ends of the queue share this.
pub(super) struct Queue {
    slots: ArrayQueue<Stamped>,
    /// Length at which no further tick is taken.
    tick_limit: usize,
    /// Ticks that did not fit since the last overflow row.
    lost_ticks: AtomicU64,
    /// Session events that did not fit since the last row about them.
    lost_events: AtomicU64,
    dropped: AtomicU64,
    high_water: AtomicUsize,
    /// Nothing more will be pushed.
    closed: AtomicBool,
    /// Nobody will read any more.
    abandoned: AtomicBool,
    /// The reading thread, woken by every push. `unpark` takes no lock.
    reader: OnceLock<Thread>,
    clock: Arc<dyn Clock>,
}

impl std::fmt::Debug for Queue {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Queue")
            .field("len", &self.slots.len())
            .field("capacity", &self.slots.capacity())
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
            slots: ArrayQueue::new(slots),
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

    /// Takes a tick, or counts it as lost.
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
        self.high_water.fetch_max(len + 1, Ordering::Relaxed);
        self.wake_reader();
    }

    /// Takes anything else, or counts it as lost.
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

    /// Puts rows about losses before what comes next; false when they do not fit either.
    fn announce_losses(&self, recv_ts: UnixNanos) -> bool {
        while let Some(row) = self.take_loss() {
            let arrival = Arrival::Session(row);
            if let Err(back) = self.slots.push(Stamped { recv_ts, arrival }) {
                self.give_back(&back.arrival);
                return false;
            }
        }
        true
    }

    /// The row about what was lost, once.
    pub(super) fn take_loss(&self) -> Option<SessionEvent> {
        if self.lost_ticks.load(Ordering::Acquire) > 0 {
            let dropped = self.lost_ticks.swap(0, Ordering::AcqRel);
            if dropped > 0 {
                return Some(SessionEvent::Overflow { dropped });
            }
        }
        if self.lost_events.load(Ordering::Acquire) > 0 {
            let events = self.lost_events.swap(0, Ordering::AcqRel);
            if events > 0 {
                return Some(SessionEvent::Note {
                    text: format!("{events}{LOST_EVENTS}"),
                });
            }
        }
        None
    }

    fn give_back(&self, arrival: &Arrival) {
        match arrival {
            Arrival::Session(SessionEvent::Overflow { dropped }) => {
                self.lost_ticks.fetch_add(*dropped, Ordering::AcqRel);
            }
            Arrival::Session(SessionEvent::Note { text }) => {
                let count = text.strip_suffix(LOST_EVENTS).and_then(|n| n.parse().ok());
                self.lost_events
                    .fetch_add(count.unwrap_or(1), Ordering::AcqRel);
            }
            _ => {}
        }
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

    /// Blocks the calling thread, the only reader, until something may have arrived. It looks again
    /// for some microseconds first: ticks come in bursts, and to wake a sleeper costs the callback
    /// more than everything else that it does.
    pub(super) fn wait(&self, at_most: Duration) {
        for _ in 0..LOOKS_BEFORE_SLEEP {
            if !self.slots.is_empty() {
                return;
            }
            std::hint::spin_loop();
        }
        let reader = self.reader.get_or_init(std::thread::current);
        // A push between the reader's last look and its registration would not wake it: look again.
        if self.slots.is_empty() && reader.id() == std::thread::current().id() {
            std::thread::park_timeout(at_most);
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

    /// Says that nothing more will be pushed.
    pub(super) fn close(&self) {
        self.closed.store(true, Ordering::Release);
        self.wake_reader();
    }

    pub(super) fn is_closed(&self) -> bool {
        self.closed.load(Ordering::Acquire)
    }

    /// Says that nobody will read any more.
    pub(super) fn abandon(&self) {
        self.abandoned.store(true, Ordering::Release);
    }

    pub(super) fn is_abandoned(&self) -> bool {
        self.abandoned.load(Ordering::Acquire)
    }
}

/// End of the note about session events that did not fit.
const LOST_EVENTS: &str = " session events did not fit the queue";

/// Where the callbacks of one session put what they receive. Every method returns at once, may be
/// called from any thread, and does nothing once the session is being closed.
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

    /// From here on callbacks are not heard.
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
        // An id that does not fit the field is no id of CTP's; what fits is kept.
        let kept = &instrument[..instrument.len().min(80)];
        let instrument = InstrumentId::new(kept).unwrap_or_default();
        self.queue.push(Arrival::Acknowledged {
            instrument,
            error_id,
        });
        if error_id != 0 {
            let id = String::from_utf8_lossy(kept).into_owned();
            self.tell(Input::SubscriptionRefused { id, error_id });
        }
    }

    /// `OnRspError`, or anything that the library does and should not.
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
            self.tell(input);
        }
    }

    /// Never blocks. The channel can only be full while the supervisor closes a session that has
    /// gone wild, and what that one still says is of no interest.
    fn tell(&self, input: Input) {
        let attempt = self.attempt;
        let _ = self.notices.try_send(Notice { attempt, input });
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use tickdeck_core::clock::VirtualClock;
    use tickdeck_core::event::Text;

    fn inlet(slots: usize) -> (Inlet, Arc<Queue>) {
        let queue = Arc::new(Queue::new(slots, Arc::new(VirtualClock::new())));
        let (notices, _) = crossbeam_channel::bounded(8);
        (Inlet::new(Arc::clone(&queue), 1, notices), queue)
    }

    fn tick(volume: i32) -> RawTick {
        RawTick {
            volume,
            instrument_id: Text::new(b"rb2601").unwrap(),
            ..RawTick::unset()
        }
    }

    /// What is in the queue, in short: volumes of ticks, `-n` for an overflow of n, 0 for the rest.
    fn shown(queue: &Queue) -> Vec<i64> {
        std::iter::from_fn(|| queue.pop())
            .map(|stamped| match stamped.arrival {
                Arrival::Tick(tick) => i64::from(tick.volume),
                Arrival::Session(SessionEvent::Overflow { dropped }) => {
                    -i64::try_from(dropped).unwrap()
                }
                _ => 0,
            })
            .collect()
    }

    #[test]
    fn what_did_not_fit_is_a_row_before_the_first_that_fitted_again() {
        let (inlet, queue) = inlet(16);
        for volume in 1..=20 {
            inlet.tick(&tick(volume));
        }
        assert_eq!((queue.len(), queue.dropped()), (14, 6));
        for _ in 0..2 {
            queue.pop();
        }
        inlet.tick(&tick(21));
        assert_eq!(
            shown(&queue),
            [3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, -6, 21]
        );
        assert_eq!(queue.take_loss(), None);
        assert_eq!(queue.high_water(), 14);
    }

    #[test]
    fn ticks_leave_room_for_session_events() {
        let (inlet, queue) = inlet(16);
        for volume in 1..=20 {
            inlet.tick(&tick(volume));
        }
        inlet.front_disconnected(4097);
        let rows = shown(&queue);
        assert_eq!(rows[14..], [-6, 0], "the overflow stands before the end");
    }

    #[test]
    fn session_events_that_do_not_fit_are_told_too() {
        let (inlet, queue) = inlet(8);
        for _ in 0..11 {
            inlet.front_connected();
        }
        assert_eq!(shown(&queue).len(), 8);
        let text = "3 session events did not fit the queue".to_owned();
        assert_eq!(queue.take_loss(), Some(SessionEvent::Note { text }));
        // One that finds no room for its row is not lost from the count.
        for _ in 0..9 {
            inlet.front_connected();
        }
        inlet.front_connected();
        assert_eq!(shown(&queue).len(), 8);
        let text = "2 session events did not fit the queue".to_owned();
        assert_eq!(queue.take_loss(), Some(SessionEvent::Note { text }));
    }

    #[test]
    fn a_shut_inlet_hears_nothing() {
        let (inlet, queue) = inlet(16);
        inlet.shut();
        inlet.tick(&tick(1));
        inlet.front_connected();
        inlet.subscribed(b"rb2601", 0);
        assert_eq!(shown(&queue), [0_i64; 0]);
        assert_eq!(queue.dropped(), 0);
    }

    #[test]
    fn a_push_wakes_the_reader() {
        let (inlet, queue) = inlet(16);
        let reading = Arc::clone(&queue);
        let reader = std::thread::spawn(move || {
            while reading.len() == 0 {
                reading.wait(Duration::from_secs(3600));
            }
            reading.len()
        });
        while queue.reader.get().is_none() {
            std::thread::yield_now();
        }
        inlet.tick(&tick(1));
        assert_eq!(reader.join().unwrap(), 1);
    }

    #[test]
    fn a_silent_front_is_two_rows() {
        let (inlet, queue) = inlet(16);
        inlet.front_disconnected(0x2001);
        let rows: Vec<Arrival> = std::iter::from_fn(|| queue.pop())
            .map(|stamped| stamped.arrival)
            .collect();
        assert_eq!(
            rows,
            [
                Arrival::Session(SessionEvent::HeartbeatLost {}),
                Arrival::Session(SessionEvent::FrontDisconnected { reason: 0x2001 }),
            ]
        );
    }
}

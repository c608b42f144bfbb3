//! Drives a source through recorder and publisher until it ends, or until the user stops a replay.
//!
//! How events are released is a value: a live session releases [`Immediately`](Release::Immediately)
//! and is never asked about due times. A replay is [`Paced`].

use std::collections::VecDeque;
use std::sync::Arc;

use tickdeck_core::block::EventRef;
use tickdeck_core::event_window::{EventSlice, EventWindow};
use tickdeck_core::pace::{ClockTicks, PaceReport};
use tickdeck_core::source::{Source, SourceError};
use tickdeck_core::time::UnixNanos;
use tickdeck_recording::{EventWriter, RecordingError};

use super::Numbering;
use super::delay::DelayMeter;
use super::pace_driver::{Go, PaceDriver};
use super::publisher::Publisher;
use crate::progress::{Position, Progress};
use crate::sink::SinkError;

/// Events fetched at a time by default. They stay in the processor's cache from the source to the
/// encoder, and a recording assembles as many at once.
pub const DEFAULT_BATCH_EVENTS: u32 = 2048;

/// A run could not continue.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum PlayError {
    /// The source failed.
    #[error(transparent)]
    Source(#[from] SourceError),
    /// The recorder failed.
    #[error(transparent)]
    Record(#[from] RecordingError),
    /// A sink failed.
    #[error(transparent)]
    Sink(#[from] SinkError),
}

/// When events are released.
pub enum Release<'a> {
    /// As soon as the source yields them. Only the end of the source ends the run.
    Immediately,
    /// At their due time, under the control of the user.
    Paced(&'a mut Paced),
}

/// How a replay is released.
pub struct Paced {
    driver: PaceDriver,
    clock_ticks: Option<ClockTicks>,
    max_ticks: Option<u64>,
    prime_until: Option<UnixNanos>,
    /// Ticks released so far, over all passes.
    ticks: u64,
}

impl Paced {
    /// At the due times of `driver`, which also follows stop and pause requests.
    #[must_use]
    pub const fn new(driver: PaceDriver) -> Self {
        Self {
            driver,
            clock_ticks: None,
            max_ticks: None,
            prime_until: None,
            ticks: 0,
        }
    }

    /// Publishes clock stamps as well.
    #[must_use]
    pub const fn clock_ticks(mut self, clock_ticks: Option<ClockTicks>) -> Self {
        self.clock_ticks = clock_ticks;
        self
    }

    /// Stops after this many ticks, counted over all passes.
    #[must_use]
    pub const fn max_ticks(mut self, max_ticks: Option<u64>) -> Self {
        self.max_ticks = max_ticks;
        self
    }

    /// Events before this instant only prime the state of each instrument.
    #[must_use]
    pub const fn prime_until(mut self, start: Option<UnixNanos>) -> Self {
        self.prime_until = start;
        self
    }

    /// Whether the tick limit was reached.
    #[must_use]
    pub fn is_limit_reached(&self) -> bool {
        self.max_ticks == Some(self.ticks)
    }

    /// The result of the pacing. Call it right after the last event was released.
    #[must_use]
    pub fn report(&self) -> PaceReport {
        self.driver.report()
    }
}

/// Where released events go, in the order of the fields.
pub struct Output<'a> {
    /// Numbers them; `None` where they keep their `seq`.
    pub numbering: Option<Numbering>,
    /// The recording; `None` when nothing is recorded.
    pub recorder: Option<&'a mut (dyn EventWriter + 'static)>,
    /// The sinks.
    pub publisher: &'a mut Publisher,
    /// Measures the time from receipt to hand-over; `None` in a replay, where the receipt may be
    /// years ago.
    pub delay: Option<&'a mut DelayMeter>,
    /// Notified after each batch.
    pub progress: &'a mut dyn Progress,
    /// Events handed over so far, over all passes.
    pub events: u64,
}

/// Plays sources, one pass after the other.
pub struct Player<'a> {
    /// When to release.
    pub release: Release<'a>,
    /// Events fetched at a time. Changes how work is cut, never what is published.
    pub batch_events: usize,
    /// Where to.
    pub output: Output<'a>,
}

/// Events that were fetched together.
struct Fetch {
    window: EventWindow,
    /// Those before only prime.
    first: usize,
    /// What came after them. Events that came before an error are valid, and played before it is
    /// reported.
    result: Result<(), SourceError>,
}

impl Fetch {
    /// The next events of `source`, at most `max`, in its form or as whole events. Those of `window` are
    /// replaced.
    fn from(source: &mut dyn Source, max: usize, are_whole: bool, mut window: EventWindow) -> Self {
        let result = match are_whole {
            true => window.refill(|events| {
                events.reserve(max);
                source.next_batch(events, max)
            }),
            false => source.next_window(&mut window, max),
        };
        Self {
            window,
            first: 0,
            result,
        }
    }

    /// Whether the source has nothing more.
    fn is_last(&self) -> bool {
        self.window.slice().is_empty() || self.result.is_err()
    }
}

/// How a pass ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Pass {
    Ended,
    Stopped,
}

impl Player<'_> {
    /// Plays one pass over `source`. True when the source ended, false when the pass was stopped or
    /// the tick limit was reached.
    ///
    /// The source works on this thread: events are used while they are in the cache. Wrap one that
    /// computes or waits a lot in an [`AheadSource`](tickdeck_core::source::AheadSource).
    ///
    /// # Errors
    /// When source, recorder or a sink fails. What was published before stays counted.
    pub fn play(&mut self, mut source: Box<dyn Source>) -> Result<bool, PlayError> {
        let pass = self.consume(&mut *source)?;
        self.output.publisher.new_pass();
        if let Release::Paced(paced) = &mut self.release {
            paced.driver.new_pass();
            if let Some(ticks) = &mut paced.clock_ticks {
                ticks.new_pass();
            }
        }
        Ok(pass == Pass::Ended)
    }

    fn consume(&mut self, source: &mut dyn Source) -> Result<Pass, PlayError> {
        let mut prime_until = match &self.release {
            Release::Immediately => None,
            Release::Paced(paced) => paced.prime_until,
        };
        if prime_until.is_some() && self.is_limit_reached() {
            return Ok(Pass::Stopped);
        }
        let mut fetched: VecDeque<Fetch> = VecDeque::new();
        let mut spare = EventWindow::default();
        let are_whole = self.output.needs_whole_events();
        loop {
            let max = self.batch_events.max(1);
            let mut fetch = Fetch::from(source, max, are_whole, spare);
            let is_last = fetch.is_last();
            if let Some(start) = prime_until {
                if self.is_stopped() {
                    return Ok(Pass::Stopped);
                }
                fetch.first = self.prime(&fetch.window, start);
                if fetch.first < fetch.window.slice().len() {
                    prime_until = None;
                    self.output.publisher.publish_primed()?;
                }
            }
            self.number(&mut fetch);
            self.output.publisher.begin(&fetch.window, fetch.first);
            fetched.push_back(fetch);
            spare = EventWindow::default();
            let ahead = match is_last {
                true => 0,
                false => self.output.publisher.windows_ahead().saturating_sub(1),
            };
            while fetched.len() > ahead
                && let Some(fetch) = fetched.pop_front()
            {
                let events = fetch.window.slice();
                if self.release(events.range(fetch.first..events.len()))? == Pass::Stopped {
                    return Ok(Pass::Stopped);
                }
                fetch.result?;
                spare = fetch.window;
            }
            if is_last {
                break;
            }
        }
        if prime_until.is_some() {
            self.output.publisher.publish_primed()?;
        }
        Ok(Pass::Ended)
    }

    fn is_stopped(&self) -> bool {
        match &self.release {
            Release::Immediately => false,
            Release::Paced(paced) => paced.driver.is_stopped(),
        }
    }

    fn is_limit_reached(&self) -> bool {
        match &self.release {
            Release::Immediately => false,
            Release::Paced(paced) => paced.is_limit_reached(),
        }
    }

    /// Shows the events before `start` to the publisher and returns their number.
    fn prime(&mut self, events: &EventWindow, start: UnixNanos) -> usize {
        let before = events
            .slice()
            .iter()
            .take_while(|event| event.recv_ts < start)
            .count();
        self.output.publisher.prime(events, before);
        before
    }

    /// Numbers the events that are not numbered yet. What is encoded ahead must have its number.
    fn number(&mut self, fetch: &mut Fetch) {
        if let Some(numbering) = &mut self.output.numbering
            && let EventWindow::Events(events) = &mut fetch.window
        {
            numbering.renumber(&mut Arc::make_mut(events)[fetch.first..]);
        }
    }

    /// Releases events. Those that are due together are handed over together.
    fn release(&mut self, events: EventSlice<'_>) -> Result<Pass, PlayError> {
        match &mut self.release {
            Release::Paced(paced) => paced.release(events, &mut self.output),
            Release::Immediately => {
                self.output.hand_over(events, None)?;
                Ok(Pass::Ended)
            }
        }
    }
}

impl Paced {
    /// Releases each event at its due time, until a stop or the tick limit.
    fn release(
        &mut self,
        events: EventSlice<'_>,
        output: &mut Output<'_>,
    ) -> Result<Pass, PlayError> {
        let mut pending = 0;
        for (position, event) in events.iter().enumerate() {
            if !self.driver.is_ready(event.recv_ts) || self.driver.is_stopped() {
                output.hand_over(events.range(pending..position), self.driver.lag_ns())?;
                pending = position;
            }
            if self.release_stamps(event, events.range(pending..position), output)? {
                pending = position;
            }
            let is_limit = self.max_ticks == Some(self.ticks);
            let go = loop {
                let go = if is_limit {
                    Go::Stop
                } else {
                    self.driver.wait(event.recv_ts)
                };
                if go != Go::CheckSinks {
                    break go;
                }
                output.hand_over(events.range(pending..position), self.driver.lag_ns())?;
                pending = position;
                output.publisher.check_sinks()?;
            };
            if go == Go::Stop {
                output.hand_over(events.range(pending..position), self.driver.lag_ns())?;
                return Ok(Pass::Stopped);
            }
            self.ticks += u64::from(event.is_tick());
        }
        output.hand_over(events.range(pending..events.len()), self.driver.lag_ns())?;
        Ok(Pass::Ended)
    }

    /// Publishes the clock stamps that come before `event`, after the events of `before`. True when
    /// there were any.
    fn release_stamps(
        &mut self,
        event: EventRef<'_>,
        before: EventSlice<'_>,
        output: &mut Output<'_>,
    ) -> Result<bool, PlayError> {
        let Some(ticks) = &mut self.clock_ticks else {
            return Ok(false);
        };
        let mut stamps = ticks.until(event.recv_ts).peekable();
        if stamps.peek().is_none() {
            return Ok(false);
        }
        output.hand_over(before, self.driver.lag_ns())?;
        for stamp in stamps {
            loop {
                match self.driver.wait_stamp(stamp) {
                    Go::Release => break,
                    Go::CheckSinks => output.publisher.check_sinks()?,
                    Go::Stop => return Ok(true),
                }
            }
            output.publisher.publish_clock(stamp)?;
        }
        Ok(true)
    }
}

impl Output<'_> {
    /// Whether it records, numbers or times events. Then a change of a tick is not enough.
    fn needs_whole_events(&self) -> bool {
        self.numbering.is_some() || self.recorder.is_some() || self.delay.is_some()
    }

    fn hand_over(&mut self, events: EventSlice<'_>, lag_ns: Option<i64>) -> Result<(), PlayError> {
        if events.is_empty() {
            return Ok(());
        }
        // The recording has priority over the sinks. Only what is released is recorded, so that a
        // stopped session replays to the same digest.
        let whole = events.events().unwrap_or_default();
        if let Some(recorder) = &mut self.recorder {
            recorder.write(whole)?;
        }
        self.publisher.publish_slice(events)?;
        if let Some(delay) = &mut self.delay {
            delay.handed_over(whole);
        }
        self.events += events.len() as u64;
        self.publisher.note_received(events);
        self.progress.at(Position {
            events: self.events,
            time: Some(events.get(events.len() - 1).recv_ts),
            lag_ns,
        });
        Ok(())
    }
}

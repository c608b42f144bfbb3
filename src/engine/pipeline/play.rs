//! Drives a source through recorder, pacer and publisher until it ends or the user stops it.

use std::sync::Arc;

use tickdeck_core::event::Event;
use tickdeck_core::pace::{ClockTicks, Control, Go, PaceDriver};
use tickdeck_core::source::{Source, SourceError};
use tickdeck_core::time::UnixNanos;
use tickdeck_recording::{EventWriter, RecordingError};

use super::delay::DelayMeter;
use super::publisher::Publisher;
use crate::progress::{Position, Progress};
use crate::sink::SinkError;

/// Events fetched at a time unless something else is asked for: so many stay near the processor from
/// the source to the encoder, and a recording puts as many together at once.
pub const DEFAULT_BATCH_EVENTS: u32 = 2048;

/// How a source is played.
#[derive(Debug, Clone, Copy)]
pub struct PlayOptions {
    /// Events fetched at a time. Changes how work is cut, never what is published.
    pub batch_events: usize,
    /// Stop after this many ticks.
    pub max_ticks: Option<u64>,
    /// Events before this are only used to prime the state, see [`Publisher::prime`].
    pub prime_until: Option<UnixNanos>,
}

impl Default for PlayOptions {
    fn default() -> Self {
        Self {
            batch_events: DEFAULT_BATCH_EVENTS as usize,
            max_ticks: None,
            prime_until: None,
        }
    }
}

/// A run could not go on.
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

/// Everything that a run needs besides its source.
pub struct Player<'a> {
    /// How to play.
    pub options: PlayOptions,
    /// When to release.
    pub pacer: &'a mut PaceDriver,
    /// The user's wishes.
    pub control: &'a Arc<Control>,
    /// Where to publish.
    pub publisher: &'a mut Publisher,
    /// Where to record what is released, before it is published; `None` for a replay.
    pub recorder: Option<&'a mut (dyn EventWriter + 'static)>,
    /// Clock stamps to publish.
    pub clock_ticks: Option<ClockTicks>,
    /// Is told after each batch.
    pub progress: &'a mut dyn Progress,
    /// Measures how long after its receipt a tick was handed to the sinks; `None` in a replay,
    /// where the receipt may be years ago.
    pub delay: Option<&'a mut DelayMeter>,
    /// Ticks released so far, over all passes.
    pub ticks: u64,
    /// Events released so far, over all passes.
    pub events: u64,
}

/// Whether a pass came to its natural end.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Pass {
    Ended,
    Stopped,
}

impl Player<'_> {
    /// Plays one pass over `source`. True when it ended by itself, false when it was stopped or the
    /// tick limit was reached.
    ///
    /// The source works on this thread: events are used while they are near the processor. One that
    /// computes or waits much is better wrapped in an [`AheadSource`](tickdeck_core::source::AheadSource).
    ///
    /// # Errors
    /// When source, recorder or a sink fails. What was published before stays counted.
    pub fn play(&mut self, mut source: Box<dyn Source>) -> Result<bool, PlayError> {
        let pass = self.consume(&mut *source)?;
        self.publisher.new_pass();
        self.pacer.new_pass();
        if let Some(ticks) = &mut self.clock_ticks {
            ticks.new_pass();
        }
        Ok(pass == Pass::Ended)
    }

    fn consume(&mut self, source: &mut dyn Source) -> Result<Pass, PlayError> {
        let max = self.options.batch_events.max(1);
        let mut batch: Vec<Event> = Vec::with_capacity(max);
        let mut is_priming = self.options.prime_until.is_some();
        loop {
            batch.clear();
            // What came before an error is valid and is played before it.
            let fetched = source.next_batch(&mut batch, max);
            let mut events = &batch[..];
            if is_priming {
                if self.control.is_stopped() {
                    return Ok(Pass::Stopped);
                }
                events = self.prime(events);
                if !events.is_empty() {
                    is_priming = false;
                    self.publisher.publish_primed()?;
                }
            }
            if self.release(events)? == Pass::Stopped {
                return Ok(Pass::Stopped);
            }
            fetched?;
            if batch.is_empty() {
                break;
            }
        }
        if is_priming {
            self.publisher.publish_primed()?;
        }
        Ok(Pass::Ended)
    }

    /// Shows the events before the start point to the publisher and returns the rest.
    fn prime<'e>(&mut self, events: &'e [Event]) -> &'e [Event] {
        let start = self.options.prime_until.unwrap_or_default();
        let before = events
            .iter()
            .take_while(|event| event.recv_ts < start)
            .count();
        let (before, rest) = events.split_at(before);
        for event in before {
            self.publisher.prime(event);
        }
        rest
    }

    /// Releases events at their time; what is due together is handed over together.
    fn release(&mut self, events: &[Event]) -> Result<Pass, PlayError> {
        let mut pending = 0;
        for (position, event) in events.iter().enumerate() {
            if !self.pacer.is_ready(event.recv_ts) || self.control.is_stopped() {
                self.hand_over(&events[pending..position])?;
                pending = position;
            }
            if self.release_stamps(event, &events[pending..position])? {
                pending = position;
            }
            let is_limit = self.options.max_ticks == Some(self.ticks);
            if is_limit || self.pacer.wait(event.recv_ts) == Go::Stop {
                self.hand_over(&events[pending..position])?;
                return Ok(Pass::Stopped);
            }
            self.ticks += u64::from(event.as_tick().is_some());
        }
        self.hand_over(&events[pending..])?;
        Ok(Pass::Ended)
    }

    /// Publishes the clock stamps that come before `event`, after `before`. True when there were
    /// any.
    fn release_stamps(&mut self, event: &Event, before: &[Event]) -> Result<bool, PlayError> {
        let Some(ticks) = &mut self.clock_ticks else {
            return Ok(false);
        };
        let mut stamps = ticks.until(event.recv_ts).peekable();
        if stamps.peek().is_none() {
            return Ok(false);
        }
        self.hand_over(before)?;
        for stamp in stamps {
            if self.pacer.wait_stamp(stamp) == Go::Stop {
                break;
            }
            self.publisher.publish_clock(stamp)?;
        }
        Ok(true)
    }

    fn hand_over(&mut self, events: &[Event]) -> Result<(), PlayError> {
        if events.is_empty() {
            return Ok(());
        }
        // Recorded first: it has the priority over the sinks. Only what is released is recorded, so
        // that a session that is stopped replays to the same digest.
        if let Some(recorder) = &mut self.recorder {
            recorder.write(events)?;
        }
        self.publisher.publish(events)?;
        if let Some(delay) = &mut self.delay {
            delay.handed_over(events);
        }
        self.events += events.len() as u64;
        let ticks = events.iter().filter(|event| event.as_tick().is_some());
        self.publisher.note_received(ticks.count() as u64);
        self.progress.at(Position {
            events: self.events,
            lag_ns: self.pacer.lag_ns(),
        });
        Ok(())
    }
}

//! What to publish next, and what is known to be stored. No I/O: time, acknowledgements and the
//! stream's state are arguments.
//!
//! - **The order number of a message is its sequence in the stream**: position *p* of the run becomes
//!   sequence `base + p`. Each message carries the sequence that must precede it, so the server
//!   refuses one that is out of place: nothing is stored twice, and nothing after a gap.
//! - **Acknowledgements are cumulative.** Because of that chain, a message that is stored proves that
//!   all before it are. So only some messages ask for one.
//! - **The first goes alone.** Others follow when it is stored. A writer that is not alone is refused
//!   before anything of it can be stored by chance.
//! - **Go back.** When a message is refused as out of place, those after it are refused too. Sending
//!   stops, the stream is asked for its last sequence, and sending continues from there. The same
//!   happens after a reconnect and when an acknowledgement does not come.
//! - **What the broker lost.** If the last sequence is lower than what was acknowledged, the difference
//!   is counted and sent again from what is [retained](super::retained).

use std::time::Duration;

use tickdeck_core::clock::MonoNanos;

use super::retained::Retained;
use super::storing::Storing;
use crate::nats::StreamProblem;
use crate::nats::stream::api::StoredMessage;
use crate::nats::stream::check::Place;
use crate::sink::MessageBatch;

/// Messages on their way at most. A server drops what exceeds 10,000 per stream in its queue
/// (`max_buffered_msgs`).
const WINDOW_MESSAGES_MAX: u64 = 8 * 1024;
/// Bytes on their way, or waiting to be sent, at which no more is taken.
const WINDOW_BYTES_MAX: u64 = 32 * 1024 * 1024;
/// Bytes that are kept after they were acknowledged.
const KEPT_BYTES: u64 = 64 * 1024 * 1024;
/// Messages of an atomic batch; a server's limit.
pub(super) const GROUP_MESSAGES_MAX: u64 = 1000;
/// Without an acknowledgement for this long, the stream is asked.
const ACK_TIMEOUT: Duration = Duration::from_secs(10);
/// First pause before the stream is asked again without progress.
const BACKOFF_FIRST: Duration = Duration::from_millis(20);
/// Longest such pause.
const BACKOFF_MAX: Duration = Duration::from_secs(2);
/// How often a replicated stream must state that it lost messages: a new leader may know less for a
/// moment.
const DOUBTS_MAX: u32 = 4;
/// The pause between those questions.
const DOUBT_PAUSE: Duration = Duration::from_millis(250);

/// The stream as a run finds it.
#[derive(Debug, Clone)]
pub(super) struct Found {
    pub(super) stream: String,
    /// The run that publishes.
    pub(super) run: String,
    /// When the stream was created, ns.
    pub(super) created: i128,
    pub(super) replicas: usize,
    pub(super) place: Place,
    /// Its last message, if it is continued.
    pub(super) last: Option<StoredMessage>,
}

/// What the stream says about itself.
#[derive(Debug, Clone)]
pub(super) struct StreamNow {
    pub(super) created: i128,
    pub(super) last: u64,
    /// Its last message, where the machine [asked](Machine::wants_message) for it.
    pub(super) message: Option<StoredMessage>,
}

/// How the server answers a message.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Answer {
    /// It is stored.
    Stored { sequence: u64 },
    /// It is out of place.
    OutOfPlace,
    /// It may be accepted later.
    Later(String),
    /// The server has no room for it, or its storage failed. Another leader may have room.
    NotStored(String),
    /// It is refused.
    Refused(String),
}

/// Messages to send at once.
#[derive(Debug, Clone)]
pub(super) struct Run {
    pub(super) parts: Vec<MessageBatch>,
    /// Position of the first one.
    pub(super) first: u64,
    /// Position after the last one.
    pub(super) end: u64,
}

/// What to do next.
#[derive(Debug)]
pub(super) enum Next {
    /// Send these. The last one asks for an acknowledgement.
    Send(Run),
    /// Ask the stream for its state, then call [`Machine::on_state`].
    Ask,
    /// Wait for an answer, for more messages, or until then.
    Wait(MonoNanos),
}

/// A change that the log should have.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Note {
    /// The broker lost messages that it had acknowledged. They are sent again.
    WentBack { lost: u64, last: u64 },
    /// Messages are sent again.
    Resent { messages: u64 },
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum State {
    Sending,
    /// Sending continues at this time.
    Resting(MonoNanos),
    /// The stream must be asked, not before this time.
    Asking(MonoNanos),
}

/// Publishes a run to one stream.
#[derive(Debug)]
pub(super) struct Machine {
    found: Found,
    /// Whether messages are sent in atomic batches.
    durable: bool,
    retained: Retained,
    /// Position after the last message that is known to be stored.
    acked: u64,
    /// The largest value of `acked`.
    confirmed: u64,
    /// Position of the next message to send.
    sent: u64,
    /// The largest value of `sent`.
    most_sent: u64,
    /// Whether a message was stored since the last question.
    is_accepted: bool,
    /// Distinguishes answers to what was sent before the last question from later ones.
    generation: u64,
    state: State,
    /// When the last answer came, or sending began.
    progress: MonoNanos,
    backoff: Duration,
    doubts: u32,
    storing: Storing,
    lost: u64,
    resent: u64,
}

impl Machine {
    /// A machine that has sent nothing, at a stream that was just looked at.
    pub(super) fn new(found: Found, durable: bool, now: MonoNanos) -> Self {
        let stored = found.place.stored;
        Self {
            found,
            durable,
            retained: Retained::default(),
            acked: stored,
            confirmed: stored,
            sent: stored,
            most_sent: stored,
            is_accepted: false,
            generation: 0,
            state: State::Sending,
            progress: now,
            backoff: BACKOFF_FIRST,
            doubts: 0,
            storing: Storing::default(),
            lost: 0,
            resent: 0,
        }
    }

    /// Appends messages of the run. Those that the stream has already count as stored.
    ///
    /// # Errors
    /// When the stream's last message at the start is not the one of this place.
    pub(super) fn take(&mut self, messages: MessageBatch) -> Result<(), StreamProblem> {
        self.retained.push(messages);
        self.trim();
        let stored = self.found.place.stored;
        if stored > 0
            && self.retained.end() >= stored
            && let Some(last) = self.found.last.take()
            && let Some(part) = self.difference(stored - 1, &last)
        {
            return Err(StreamProblem::Differs {
                stream: self.found.stream.clone(),
                sequence: self.sequence(stored - 1),
                part,
            });
        }
        Ok(())
    }

    /// Whether more messages may be taken.
    pub(super) fn has_room(&self) -> bool {
        self.retained.end().saturating_sub(self.acked) < WINDOW_MESSAGES_MAX
            && self.retained.bytes_from(self.acked) < WINDOW_BYTES_MAX
    }

    /// Messages that are known to be stored, or were: the count never falls.
    pub(super) fn confirmed(&self) -> u64 {
        self.confirmed.min(self.retained.end())
    }

    /// Whether everything taken is stored.
    pub(super) fn is_idle(&self) -> bool {
        self.acked >= self.retained.end()
    }

    /// Acknowledged messages that the broker lost.
    pub(super) const fn lost(&self) -> u64 {
        self.lost
    }

    /// Messages sent again.
    pub(super) const fn resent(&self) -> u64 {
        self.resent
    }

    /// Where the run begins in the stream.
    pub(super) const fn base(&self) -> u64 {
        self.found.place.base
    }

    /// Sequence of the message at a position.
    pub(super) const fn sequence(&self, position: u64) -> u64 {
        self.found.place.base + position
    }

    /// The tag of answers to what is sent now.
    pub(super) const fn generation(&self) -> u64 {
        self.generation
    }

    /// What to do next.
    pub(super) fn next(&mut self, now: MonoNanos) -> Next {
        match self.state {
            State::Asking(at) if at <= now => return Next::Ask,
            State::Asking(at) | State::Resting(at) if at > now => return Next::Wait(at),
            State::Asking(_) | State::Resting(_) | State::Sending => self.state = State::Sending,
        }
        let on_the_way = self.sent - self.acked;
        if on_the_way > 0 && now >= self.progress.after(ACK_TIMEOUT) {
            self.storing.note_overdue();
            self.state = State::Asking(now);
            return Next::Ask;
        }
        match self.runnable(on_the_way) {
            Some(run) => {
                let end = run.end;
                if on_the_way == 0 {
                    self.progress = now;
                }
                self.resent += end.min(self.most_sent).saturating_sub(run.first);
                self.sent = end;
                self.most_sent = self.most_sent.max(end);
                Next::Send(run)
            }
            None if on_the_way > 0 => Next::Wait(self.progress.after(ACK_TIMEOUT)),
            None => Next::Wait(MonoNanos::NEVER),
        }
    }

    /// The messages that may be sent now.
    fn runnable(&self, on_the_way: u64) -> Option<Run> {
        let waiting = self.retained.end().saturating_sub(self.sent);
        let room = WINDOW_MESSAGES_MAX.saturating_sub(on_the_way);
        let mut count = waiting.min(room);
        if !self.is_accepted {
            if on_the_way > 0 {
                return None;
            }
            count = count.min(1);
        }
        if self.durable {
            // While a batch is on its way, the next one fills.
            if on_the_way > 0 && count < GROUP_MESSAGES_MAX {
                return None;
            }
            count = count.min(GROUP_MESSAGES_MAX);
        }
        if count == 0 {
            return None;
        }
        let parts = self.retained.run(self.sent, count);
        let found: usize = parts.iter().map(MessageBatch::len).sum();
        (found > 0).then(|| Run {
            parts,
            first: self.sent,
            end: self.sent + found as u64,
        })
    }

    /// The server answers the message before position `end`, sent in `generation`.
    ///
    /// # Errors
    /// When the run cannot continue.
    pub(super) fn on_answer(
        &mut self,
        generation: u64,
        end: u64,
        answer: Answer,
        now: MonoNanos,
    ) -> Result<(), StreamProblem> {
        let is_current = generation == self.generation && self.state == State::Sending;
        match answer {
            Answer::Stored { sequence } if sequence + 1 != self.sequence(end) => {
                Err(self.other_writer(sequence))
            }
            Answer::Stored { .. } => {
                // An answer that was overtaken by the state of the stream changes nothing.
                if is_current && end <= self.sent && end > self.acked {
                    self.acked = end;
                    self.is_accepted = true;
                    self.progressed(now);
                }
                Ok(())
            }
            Answer::OutOfPlace if is_current => {
                self.state = State::Asking(now);
                Ok(())
            }
            Answer::Later(_) if is_current => self.wait(now),
            Answer::NotStored(cause) if is_current => {
                self.storing.fail(now, cause);
                self.wait(now)
            }
            Answer::Refused(cause) if is_current => Err(self.refused(end.saturating_sub(1), cause)),
            Answer::OutOfPlace | Answer::Later(_) | Answer::NotStored(_) | Answer::Refused(_) => {
                Ok(())
            }
        }
    }

    /// A new connection is up. What was on its way may or may not have arrived.
    pub(super) fn on_connected(&mut self, now: MonoNanos) {
        self.storing = Storing::default();
        self.generation += 1;
        self.is_accepted = false;
        self.state = State::Asking(now);
    }

    /// The stream did not state its state.
    ///
    /// # Errors
    /// When the server could not store messages before, so that waiting does not help.
    pub(super) fn on_no_state(&mut self, now: MonoNanos) -> Result<(), StreamProblem> {
        self.wait(now)
    }

    /// Whether the message at `sequence` is needed to know who wrote it.
    pub(super) fn wants_message(&self, sequence: u64) -> bool {
        let end = (sequence + 1).saturating_sub(self.base());
        (self.acked + 1..=self.most_sent).contains(&end) && end > self.found.place.stored
    }

    /// The stream states its state.
    ///
    /// # Errors
    /// When the run cannot continue.
    pub(super) fn on_state(
        &mut self,
        now: MonoNanos,
        stream: &StreamNow,
    ) -> Result<Vec<Note>, StreamProblem> {
        if stream.created != self.found.created {
            let stream = self.found.stream.clone();
            return Err(StreamProblem::Replaced { stream });
        }
        let Some(end) = (stream.last + 1).checked_sub(self.base()) else {
            return Err(self.went_back_too_far(0, stream.last));
        };
        if end > self.most_sent || self.is_foreign(end, stream) {
            return Err(self.other_writer(stream.last));
        }
        if end == self.acked && self.storing.is_stuck() {
            return Err(StreamProblem::Unanswered {
                stream: self.found.stream.clone(),
                sequence: self.sequence(end),
            });
        }
        let mut notes = Vec::new();
        if end < self.acked {
            if self.found.replicas > 1 && self.doubts < DOUBTS_MAX {
                self.doubts += 1;
                self.state = State::Asking(now.after(DOUBT_PAUSE));
                return Ok(notes);
            }
            if end < self.retained.first() {
                return Err(self.went_back_too_far(end, stream.last));
            }
            let lost = self.acked - end;
            self.lost += lost;
            notes.push(Note::WentBack {
                lost,
                last: stream.last,
            });
        }
        self.continue_from(end, now, &mut notes);
        Ok(notes)
    }

    /// Sends again from `end` on.
    fn continue_from(&mut self, end: u64, now: MonoNanos, notes: &mut Vec<Note>) {
        let again = self.sent.saturating_sub(end);
        if again > 0 {
            notes.push(Note::Resent { messages: again });
        }
        let has_progressed = end > self.acked || again == 0;
        self.doubts = 0;
        self.acked = end;
        self.sent = end;
        self.generation += 1;
        self.is_accepted = false;
        self.state = State::Sending;
        if has_progressed {
            self.progressed(now);
        } else {
            // Messages that follow a refused one are refused as well: the first time needs no pause.
            if self.backoff > BACKOFF_FIRST {
                self.state = State::Resting(now.after(self.backoff));
            }
            self.backoff = (self.backoff * 2).min(BACKOFF_MAX);
            self.progress = now;
        }
        self.trim();
    }

    fn progressed(&mut self, now: MonoNanos) {
        self.confirmed = self.confirmed.max(self.acked);
        self.progress = now;
        self.backoff = BACKOFF_FIRST;
        self.storing = Storing::default();
        self.trim();
    }

    fn trim(&mut self) {
        // While the stream is ahead of the run, nothing that comes can be missing from it.
        self.retained.trim(self.acked, KEPT_BYTES);
    }

    /// Asks the stream after a pause that grows, unless the server has failed to store too often.
    fn wait(&mut self, now: MonoNanos) -> Result<(), StreamProblem> {
        if let Some(cause) = self.storing.give_up(now) {
            return Err(self.refused(self.acked, cause));
        }
        self.state = State::Asking(now.after(self.backoff));
        self.backoff = (self.backoff * 2).min(BACKOFF_MAX);
        Ok(())
    }

    fn refused(&self, position: u64, cause: String) -> StreamProblem {
        StreamProblem::Refused {
            stream: self.found.stream.clone(),
            sequence: self.sequence(position),
            cause,
        }
    }

    /// Whether the stream's last message is not of this run.
    fn is_foreign(&self, end: u64, stream: &StreamNow) -> bool {
        let Some(message) = &stream.message else {
            return false;
        };
        let is_of_this_run = message.run.as_deref() == Some(&self.found.run);
        !is_of_this_run || end == 0 || self.difference(end - 1, message).is_some()
    }

    /// In which part a stored message differs from the one at `position`.
    fn difference(&self, position: u64, stored: &StoredMessage) -> Option<&'static str> {
        let message = self.retained.get(position)?;
        if message.subject != stored.subject {
            return Some("subject");
        }
        (message.payload != stored.payload).then_some("payload")
    }

    fn other_writer(&self, sequence: u64) -> StreamProblem {
        StreamProblem::OtherWriter {
            stream: self.found.stream.clone(),
            sequence,
        }
    }

    fn went_back_too_far(&self, end: u64, last: u64) -> StreamProblem {
        let below = self.base().saturating_sub(last + 1);
        StreamProblem::WentBack {
            stream: self.found.stream.clone(),
            lost: self.acked - end + below,
            gone: self.retained.first().saturating_sub(end) + below,
        }
    }
}

#[cfg(test)]
#[path = "machine_tests.rs"]
mod tests;

//! Pairs each message of one stream with its partner in another, in linear time and bounded memory.
//!
//! While the heads of both streams are the same bytes, they are taken together; equal streams need
//! nothing else. Otherwise the side that is behind is taken alone, and a message without a partner
//! waits in the pool of its subject:
//!
//! ```text
//! first  ──> head ─┐ same bytes: together          ┌ pool of a subject: waiting for a partner
//!                  ├─ behind: alone ───────────────┤
//! second ──> head ─┘                                └ full: told as changed, missing or extra
//! ```
//!
//! One lost message therefore makes one difference, not a million. A pool holds [`POOL_MESSAGES`],
//! all pools together [`POOL_BYTES`]; beyond that a pool holds [`CROWDED_MESSAGES`].

use std::cmp::Ordering;
use std::collections::VecDeque;

use rustc_hash::FxHashMap;

use super::comparison::{Before, Comparison};
use super::error::CheckError;
use super::marks::{Alignment, Marks, OrderBy, order_by, share_seq};
use super::messages::Messages;
use super::tally::{Seen, Tally};
use crate::sink::{MessageBatch, MessageRef};

/// Messages of one subject and side that wait for a partner.
const POOL_MESSAGES: usize = 64;
/// Bytes of all that wait together.
const POOL_BYTES: usize = 32 << 20;
/// Messages of one subject and side that wait when that is exceeded.
const CROWDED_MESSAGES: usize = 4;
/// Messages shown before the first difference.
const CONTEXT_MESSAGES: usize = 3;

/// A message without a partner.
#[derive(Debug)]
struct Waiting {
    position: u64,
    marks: Marks,
    payload: Box<[u8]>,
}

impl Waiting {
    fn seen(&self) -> Seen<'_> {
        Seen {
            position: self.position,
            payload: &self.payload,
        }
    }
}

#[derive(Debug, Default)]
struct Pools {
    first: VecDeque<Waiting>,
    second: VecDeque<Waiting>,
}

impl Pools {
    fn of(&mut self, side: Side) -> (&mut VecDeque<Waiting>, &mut VecDeque<Waiting>) {
        match side {
            Side::First => (&mut self.first, &mut self.second),
            Side::Second => (&mut self.second, &mut self.first),
        }
    }

    /// The places of the two that are partners, or of the one that has none and is behind. One of
    /// them has waited longest.
    fn decided(&self, alignment: Alignment) -> (Option<usize>, Option<usize>) {
        let (first, second) = match (self.first.front(), self.second.front()) {
            (Some(first), Some(second)) => (&first.marks, &second.marks),
            (first, second) => return (first.map(|_| 0), second.map(|_| 0)),
        };
        let partners = |likely: fn(&Marks, &Marks) -> bool| {
            let partner = |marks: &Marks, pool: &VecDeque<Waiting>| {
                pool.iter().position(|other| likely(marks, &other.marks))
            };
            [partner(first, &self.second), partner(second, &self.first)]
        };
        let pair = |partners: [Option<usize>; 2]| match partners {
            [Some(at), _] => Some((Some(0), Some(at))),
            [None, Some(at)] => Some((Some(at), Some(0))),
            [None, None] => None,
        };
        let by_key = partners(Marks::have_one_key);
        let is_first = first.order <= second.order;
        let behind = (is_first.then_some(0), (!is_first).then_some(0));
        if alignment == Alignment::Seq {
            return pair(by_key).unwrap_or(behind);
        }
        if let Some(pair) = pair(partners(Marks::are_of_one_moment)) {
            return pair;
        }
        // Where the volumes changed, a key may be that of a neighbour in the same second.
        let is_doubtful = by_key.iter().any(Option::is_none);
        if is_doubtful && first.have_one_time(second) && self.have_as_many_of(first) {
            return (Some(0), Some(0));
        }
        let in_order = match first.are_of_two_moments(second) {
            true => behind,
            false => (Some(0), Some(0)),
        };
        pair(by_key)
            .or_else(|| pair(partners(Marks::have_one_time)))
            .unwrap_or(in_order)
    }

    /// Whether as many messages wait on both sides with the exchange time of `marks`.
    fn have_as_many_of(&self, marks: &Marks) -> bool {
        let count = |pool: &VecDeque<Waiting>| {
            let same = pool.iter().filter(|other| other.marks.have_one_time(marks));
            same.count()
        };
        count(&self.first) == count(&self.second)
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Side {
    First,
    Second,
}

/// The first stream and a cursor at its head.
struct Head<M> {
    messages: M,
    batch: Option<MessageBatch>,
    at: usize,
    position: u64,
    /// The batch before, for context.
    before: Option<MessageBatch>,
}

impl<M: Messages> Head<M> {
    /// Makes sure that there is a head; false at the end.
    #[inline]
    fn fill(&mut self) -> Result<bool, CheckError> {
        loop {
            if self
                .batch
                .as_ref()
                .is_some_and(|batch| self.at < batch.len())
            {
                return Ok(true);
            }
            match self.messages.next_chunk()? {
                Some(chunk) => {
                    self.before = self.batch.replace(chunk.messages);
                    self.at = 0;
                }
                None => return Ok(false),
            }
        }
    }

    #[inline]
    fn message(&self) -> Option<MessageRef<'_>> {
        self.batch.as_ref().and_then(|batch| batch.get(self.at))
    }

    /// The message after the head, as far as it is known.
    fn following(&self) -> Option<MessageRef<'_>> {
        self.batch.as_ref().and_then(|batch| batch.get(self.at + 1))
    }

    #[inline]
    const fn advance(&mut self) {
        self.at += 1;
        self.position += 1;
    }

    /// The messages before the head, oldest first.
    fn context(&self) -> Vec<Before> {
        let batches = self.before.iter().chain(&self.batch);
        let lengths = self.before.as_ref().map_or(0, MessageBatch::len) + self.at;
        let known = batches.flat_map(MessageBatch::iter).take(lengths);
        let skipped = lengths.saturating_sub(CONTEXT_MESSAGES);
        let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
        let shown = (lengths - skipped) as u64;
        let positions = self.position - shown..;
        known
            .skip(skipped)
            .zip(positions)
            .map(|(message, position)| Before {
                position,
                subject: text(message.subject),
                payload: text(message.payload),
            })
            .collect()
    }
}

/// Compares a first stream, which it pulls, with a second one, which is pushed.
pub(super) struct Aligner<M> {
    head: Head<M>,
    found: Found,
    context: Option<Vec<Before>>,
}

impl<M> std::fmt::Debug for Aligner<M> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Aligner")
            .field("first", &self.head.position)
            .field("second", &self.found.position)
            .finish_non_exhaustive()
    }
}

/// Everything but the first stream.
struct Found {
    alignment: Alignment,
    order_by: OrderBy,
    /// The latest exchange time of each side so far: a single message that is dated too early holds
    /// up no side. One that is dated too late does, for as long as the pools have room.
    latest: [u128; 2],
    tally: Tally,
    subjects: Vec<Box<[u8]>>,
    by_name: FxHashMap<Box<[u8]>, usize>,
    pools: Vec<Pools>,
    waiting_bytes: usize,
    /// Messages of the second stream so far.
    position: u64,
    /// Positions of the pair that is last in the first stream.
    last_pair: Option<(u64, u64)>,
}

impl<M: Messages> Aligner<M> {
    /// Compares with `first`; the first `most` differences are kept in full.
    pub(super) fn new(first: M, alignment: Alignment, most: usize) -> Self {
        Self {
            head: Head {
                messages: first,
                batch: None,
                at: 0,
                position: 0,
                before: None,
            },
            found: Found {
                alignment,
                order_by: OrderBy::Receipt,
                latest: [0; 2],
                tally: Tally::new(most),
                subjects: Vec::new(),
                by_name: FxHashMap::default(),
                pools: Vec::new(),
                waiting_bytes: 0,
                position: 0,
                last_pair: None,
            },
            context: None,
        }
    }

    /// Takes the next messages of the second stream.
    ///
    /// # Errors
    /// When the first stream cannot continue.
    pub(super) fn take(&mut self, batch: &MessageBatch) -> Result<(), CheckError> {
        // Both streams are at their beginnings.
        if self.found.position == 0
            && self.head.fill()?
            && let Some(first) = &self.head.batch
        {
            if self.found.alignment == Alignment::Seq && !share_seq(first, batch) {
                self.found.alignment = Alignment::Content;
            }
            self.found.order_by = order_by(first, batch);
        }
        for (at, second) in batch.iter().enumerate() {
            self.take_one(second, || batch.get(at + 1))?;
            self.found.position += 1;
        }
        Ok(())
    }

    /// Takes one message. `following` is the one after it, as far as it is known.
    #[inline]
    fn take_one<'a>(
        &mut self,
        second: MessageRef<'_>,
        following: impl Fn() -> Option<MessageRef<'a>>,
    ) -> Result<(), CheckError> {
        loop {
            self.head.fill()?;
            if let Some(first) = self.head.message()
                && first.payload == second.payload
                && first.subject == second.subject
            {
                self.found.tally.equal();
                self.found.last_pair = Some((self.head.position, self.found.position));
                self.head.advance();
                return Ok(());
            }
            if self.context.is_none() {
                self.context = Some(self.head.context());
            }
            let Some(first) = self.head.message() else {
                let position = self.found.position;
                self.found.put_aside(Side::Second, second, position);
                return Ok(());
            };
            let position = self.head.position;
            let of_first = self.found.marks(Side::First, first, position);
            let of_second = self.found.marks(Side::Second, second, self.found.position);
            // One message that came early, or is on one side only, does not decide the order.
            let behind = if following() == Some(first) {
                Ordering::Greater
            } else if self.head.following() == Some(second) {
                Ordering::Less
            } else {
                of_first.order.cmp(&of_second.order)
            };
            match behind {
                Ordering::Less => {
                    self.found.place(Side::First, first, position, of_first);
                    self.head.advance();
                }
                Ordering::Greater => {
                    let position = self.found.position;
                    self.found.place(Side::Second, second, position, of_second);
                    return Ok(());
                }
                Ordering::Equal => {
                    self.found
                        .place_both((first, position, of_first), (second, of_second));
                    self.head.advance();
                    return Ok(());
                }
            }
        }
    }

    /// The second stream has ended. Returns the first one too.
    ///
    /// # Errors
    /// When the first stream cannot continue.
    pub(super) fn finish(mut self) -> Result<(Comparison, M), CheckError> {
        while self.head.fill()? {
            if self.context.is_none() {
                self.context = Some(self.head.context());
            }
            if let Some(first) = self.head.message() {
                self.found.put_aside(Side::First, first, self.head.position);
            }
            self.head.advance();
        }
        for slot in 0..self.found.pools.len() {
            self.found.settle(slot, 0);
        }
        let messages = (self.head.position, self.found.position);
        let Found {
            tally, subjects, ..
        } = self.found;
        let context = self.context.unwrap_or_default();
        let comparison = tally.finish(messages, &subjects, context);
        Ok((comparison, self.head.messages))
    }
}

impl Found {
    fn slot(&mut self, subject: &[u8]) -> usize {
        if let Some(&slot) = self.by_name.get(subject) {
            return slot;
        }
        let slot = self.subjects.len();
        self.subjects.push(subject.into());
        self.by_name.insert(subject.into(), slot);
        self.pools.push(Pools::default());
        slot
    }

    fn put_aside(&mut self, side: Side, message: MessageRef<'_>, position: u64) {
        let marks = self.marks(side, message, position);
        self.place(side, message, position, marks);
    }

    fn marks(&mut self, side: Side, message: MessageRef<'_>, position: u64) -> Marks {
        let mut marks = Marks::of(self.alignment, self.order_by, message.payload, position);
        if self.alignment == Alignment::Content && self.order_by == OrderBy::ExchangeTime {
            let latest = &mut self.latest[side as usize];
            *latest = marks.order.max(*latest);
            marks.order = *latest;
        }
        marks
    }

    /// Both heads are equally far: they may be of one message.
    fn place_both(
        &mut self,
        (first, position, of_first): (MessageRef<'_>, u64, Marks),
        (second, of_second): (MessageRef<'_>, Marks),
    ) {
        if first.subject == second.subject && of_first.are_of_one(&of_second) {
            let slot = self.slot(first.subject);
            let seen = |position, payload| Seen { position, payload };
            self.pair(
                slot,
                seen(position, first.payload),
                seen(self.position, second.payload),
            );
            return;
        }
        self.place(Side::First, first, position, of_first);
        self.place(Side::Second, second, self.position, of_second);
    }

    /// Finds the partner of a message among those that wait, or adds it to them.
    fn place(&mut self, side: Side, message: MessageRef<'_>, position: u64, marks: Marks) {
        let slot = self.slot(message.subject);
        let (own, others) = self.pools[slot].of(side);
        let partner = others
            .iter()
            .position(|other| other.marks.are_of_one(&marks));
        if let Some(partner) = partner.and_then(|at| others.remove(at)) {
            self.waiting_bytes -= partner.payload.len();
            let here = Seen {
                position,
                payload: message.payload,
            };
            match side {
                Side::First => self.pair(slot, here, partner.seen()),
                Side::Second => self.pair(slot, partner.seen(), here),
            }
            return;
        }
        own.push_back(Waiting {
            position,
            marks,
            payload: message.payload.into(),
        });
        let is_shared = !others.is_empty();
        let waiting = own.len();
        self.waiting_bytes += message.payload.len();
        let is_crowded = self.waiting_bytes > POOL_BYTES;
        if waiting > POOL_MESSAGES {
            self.settle(slot, POOL_MESSAGES / 2);
        } else if is_crowded && (is_shared || waiting > CROWDED_MESSAGES) {
            self.settle(slot, CROWDED_MESSAGES / 2);
        }
    }

    /// Two partners. They left their place when the pair that is last in one stream is not last in
    /// the other.
    fn pair(&mut self, slot: usize, before: Seen<'_>, after: Seen<'_>) {
        let (here, there) = (before.position, after.position);
        let is_moved = match self.last_pair {
            Some((first, second)) => (here < first) != (there < second),
            None => false,
        };
        if self.last_pair.is_none_or(|(first, _)| here > first) {
            self.last_pair = Some((here, there));
        }
        let subject = (slot, &self.subjects[slot][..]);
        self.tally.pair(subject, before, after, is_moved);
    }

    /// Decides about the messages of a subject that wait longest, until each side has at most
    /// `keep`.
    fn settle(&mut self, slot: usize, keep: usize) {
        loop {
            let pools = &self.pools[slot];
            if pools.first.len() <= keep && pools.second.len() <= keep {
                return;
            }
            let (take_first, take_second) = pools.decided(self.alignment);
            let pools = &mut self.pools[slot];
            let first = take_first.and_then(|at| pools.first.remove(at));
            let second = take_second.and_then(|at| pools.second.remove(at));
            for gone in first.iter().chain(&second) {
                self.waiting_bytes -= gone.payload.len();
            }
            let subject = (slot, &self.subjects[slot][..]);
            match (first, second) {
                (Some(first), Some(second)) => self.pair(slot, first.seen(), second.seen()),
                (Some(first), None) => self.tally.missing(subject, first.seen()),
                (None, Some(second)) => self.tally.extra(subject, second.seen()),
                (None, None) => return,
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::stream::MessagesInMemory;
    use super::*;

    #[test]
    fn what_waits_is_bounded_however_much_has_no_partner() {
        const SUBJECTS: usize = 300;
        const PAYLOAD: usize = 1000;
        let stream = |side: char| {
            let mut text = String::new();
            for round in 0..80 {
                for subject in 0..SUBJECTS {
                    let name = format!("a.{subject}");
                    text.push_str(&format!("{name} {side}{round:0>PAYLOAD$}\n"));
                }
            }
            MessagesInMemory::of_text(&text).unwrap()
        };
        let mut aligner = Aligner::new(stream('x'), Alignment::Content, 1);
        let mut second = stream('y');
        let mut most = 0;
        while let Some(chunk) = second.next_chunk().unwrap() {
            aligner.take(&chunk.messages).unwrap();
            most = most.max(aligner.found.waiting_bytes);
        }
        // Each subject may hold a few more on both sides when the pools are full.
        let few = SUBJECTS * 2 * (CROWDED_MESSAGES + 1) * (PAYLOAD + 1);
        let is_used = most > POOL_BYTES / 10 * 9;
        assert!(is_used && most <= POOL_BYTES + few, "{most}");
        let (found, _) = aligner.finish().unwrap();
        assert_eq!((found.changed, found.equal), (80 * SUBJECTS as u64, 0));
    }
}

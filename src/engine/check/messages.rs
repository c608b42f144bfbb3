//! Sources of messages for a comparison: a recording replayed in virtual time, its raw events, or a
//! payload stream in a file. Each reads only a few chunks ahead.

use std::collections::VecDeque;
use std::ops::Range;
use std::sync::{Arc, Mutex, PoisonError};

use rustc_hash::FxHashMap;
use tickdeck_core::contract::ContractTable;
use tickdeck_core::event::{Event, EventKind, InstrumentId};
use tickdeck_core::source::{ReceiveTimes, Source};
use tickdeck_recording::{EventFilter, Recording};

use super::error::CheckError;
use super::parts::{Chunk, Cuts};
use super::payload::push_without;
use crate::encode::subject::push_token;
use crate::export::jsonl::JsonlWriter;
use crate::pipeline::{InstrumentLedger, Publisher, PublisherOptions};
use crate::reference::Reference;
use crate::sink::{Fate, MessageBatch, MessageBatchBuilder, Outstanding, Sink, SinkError};

/// Events published at a time: their messages are still in the cache when they are compared.
const PUBLISH_EVENTS: usize = 256;
/// Events fetched at a time.
const FETCH_EVENTS: usize = 2048;

/// Called with the number of messages so far; false stops.
pub type Watch<'a> = &'a mut dyn FnMut(u64) -> bool;

/// Facts known after the last message.
#[derive(Debug, Clone, Default)]
pub struct Ended {
    /// The ledger of the ticks of a recording.
    pub ledger: Option<InstrumentLedger>,
    /// BLAKE3 of the stream, if it was computed anyway.
    pub digest: Option<String>,
    /// BLAKE3 of the stream in its file, if fields were omitted since.
    pub digest_in_file: Option<String>,
}

/// Yields messages in order.
pub trait Messages {
    /// The next messages; `None` at the end.
    ///
    /// # Errors
    /// When the source fails.
    fn next_chunk(&mut self) -> Result<Option<Chunk>, CheckError>;

    /// Facts known after the end.
    fn ended(&mut self) -> Ended {
        Ended::default()
    }

    /// The same messages from the beginning; `None` where they can be read only once.
    ///
    /// # Errors
    /// When the source cannot be opened again.
    fn again(&self) -> Result<Option<Box<dyn Messages>>, CheckError> {
        Ok(None)
    }
}

impl<M: Messages + ?Sized> Messages for Box<M> {
    fn next_chunk(&mut self) -> Result<Option<Chunk>, CheckError> {
        (**self).next_chunk()
    }

    fn ended(&mut self) -> Ended {
        (**self).ended()
    }

    fn again(&self) -> Result<Option<Box<dyn Messages>>, CheckError> {
        (**self).again()
    }
}

/// The default options for a replay of `recording`: its own contracts and calendar, payload `vnpy`,
/// nothing dropped.
///
/// # Errors
/// When the recording's own tables cannot be read.
pub fn publisher_options(recording: &Recording) -> Result<PublisherOptions, CheckError> {
    let reference = Reference::of_recordings(std::slice::from_ref(recording))?;
    Ok(PublisherOptions::new(
        &reference,
        recording.source().payload_source(),
    ))
}

/// Messages queued for the comparison.
type Waiting = Arc<Mutex<VecDeque<MessageBatch>>>;

fn next_of(waiting: &Waiting) -> Option<MessageBatch> {
    let mut waiting = waiting.lock().unwrap_or_else(PoisonError::into_inner);
    waiting.pop_front()
}

/// Queues batches for the comparison on the same thread.
struct Collect {
    waiting: Waiting,
    outstanding: Outstanding,
}

impl Sink for Collect {
    fn name(&self) -> String {
        "comparison".into()
    }

    fn publish(&mut self, batch: &MessageBatch) -> Result<(), SinkError> {
        self.outstanding.take(batch.len() as u64);
        self.outstanding.confirm_all();
        let mut waiting = self.waiting.lock().unwrap_or_else(PoisonError::into_inner);
        waiting.push_back(batch.clone());
        Ok(())
    }

    fn flush(&mut self) -> Result<(), SinkError> {
        Ok(())
    }

    fn settled(&mut self, each: &mut dyn FnMut(Range<u64>, Fate)) {
        self.outstanding.report(each);
    }

    fn finish(self: Box<Self>) -> Result<(), SinkError> {
        Ok(())
    }
}

/// The messages of a replay, produced on demand.
pub struct PublishedMessages {
    replayed: Replayed,
    source: Box<dyn Source>,
    publisher: Option<Publisher>,
    waiting: Waiting,
    events: Vec<Event>,
    /// Events of the batch already published.
    done: usize,
    cuts: Cuts,
    seq: u64,
    ended: Ended,
}

/// What is replayed, and how.
#[derive(Clone)]
struct Replayed {
    recording: Recording,
    filter: EventFilter,
    options: PublisherOptions,
}

impl std::fmt::Debug for PublishedMessages {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("PublishedMessages")
            .field("seq", &self.seq)
            .finish_non_exhaustive()
    }
}

impl PublishedMessages {
    /// Everything in `recording`, published with `options`.
    #[must_use]
    pub fn of(recording: &Recording, options: PublisherOptions) -> Self {
        Self::selected(recording, EventFilter::default(), options)
    }

    /// The events of `recording` that `filter` selects.
    #[must_use]
    pub fn selected(recording: &Recording, filter: EventFilter, options: PublisherOptions) -> Self {
        let waiting = Waiting::default();
        let sink = Collect {
            waiting: Arc::clone(&waiting),
            outstanding: Outstanding::default(),
        };
        Self {
            source: Box::new(recording.reader(filter.clone()).read_ahead()),
            publisher: Some(Publisher::new(options.clone(), vec![Box::new(sink)])),
            replayed: Replayed {
                recording: recording.clone(),
                filter,
                options,
            },
            waiting,
            events: Vec::with_capacity(FETCH_EVENTS),
            done: 0,
            cuts: Cuts::default(),
            seq: 0,
            ended: Ended::default(),
        }
    }

    /// For a comparison with a golden, which counts the rejected ticks: they need no warning.
    pub(super) fn expecting_rejects(mut self) -> Self {
        self.publisher = self.publisher.map(Publisher::expecting_rejects);
        self
    }

    /// Cuts chunks at segments too.
    pub(super) fn cut_at(mut self, cuts: Cuts) -> Self {
        self.cuts = cuts;
        self
    }

    /// Corrupts the output, to test whether a check finds it.
    #[cfg(test)]
    pub(super) fn mutated(mut self, mutation: crate::pipeline::Mutation) -> Self {
        self.publisher = self.publisher.map(|publisher| publisher.mutated(mutation));
        self
    }
}

impl Messages for PublishedMessages {
    fn next_chunk(&mut self) -> Result<Option<Chunk>, CheckError> {
        loop {
            if let Some(messages) = next_of(&self.waiting) {
                let seq = Some(self.seq);
                return Ok(Some(Chunk { messages, seq }));
            }
            let Some(publisher) = &mut self.publisher else {
                return Ok(None);
            };
            if self.done == self.events.len() {
                self.events.clear();
                self.done = 0;
                self.source.next_batch(&mut self.events, FETCH_EVENTS)?;
            }
            let rest = &self.events[self.done..];
            let Some(first) = rest.first() else {
                if let Some(publisher) = self.publisher.take() {
                    let (ledger, digest, error) = publisher.finish(true);
                    if let Some(error) = error {
                        return Err(error.into());
                    }
                    self.ended = Ended {
                        digest_in_file: None,
                        ledger: Some(ledger.total()),
                        digest: Some(digest),
                    };
                }
                continue;
            };
            self.seq = first.seq.0;
            // `seq` may have gaps in a selection. An event after the cut belongs to the next
            // chunk.
            let end = first.seq.0.saturating_add(self.cuts.room(first.seq.0));
            let most = &rest[..rest.len().min(PUBLISH_EVENTS)];
            let count = most.partition_point(|event| event.seq.0 < end).max(1);
            publisher.publish(&rest[..count])?;
            self.done += count;
        }
    }

    fn ended(&mut self) -> Ended {
        std::mem::take(&mut self.ended)
    }

    fn again(&self) -> Result<Option<Box<dyn Messages>>, CheckError> {
        let Replayed {
            recording,
            filter,
            options,
        } = self.replayed.clone();
        Ok(Some(Box::new(Self::selected(&recording, filter, options))))
    }
}

/// The raw events of a recording as messages: the subject names the instrument, the payload is the
/// event as `export --format jsonl` writes it.
pub struct RawMessages {
    recording: Recording,
    source: Box<dyn Source>,
    contracts: ContractTable,
    subjects: FxHashMap<InstrumentId, String>,
    events: Vec<Event>,
}

impl std::fmt::Debug for RawMessages {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("RawMessages").finish_non_exhaustive()
    }
}

impl RawMessages {
    /// Everything in `recording`.
    ///
    /// # Errors
    /// When the recording's contract table cannot be read.
    pub fn of(recording: &Recording) -> Result<Self, CheckError> {
        let mut contracts = ContractTable::builtin();
        recording.contracts(&mut contracts)?;
        Ok(Self {
            recording: recording.clone(),
            // Two of these are read side by side: hold one row group of each, not two.
            source: Box::new(recording.reader(EventFilter::default())),
            contracts,
            subjects: FxHashMap::default(),
            events: Vec::with_capacity(PUBLISH_EVENTS),
        })
    }
}

/// The subject of the ticks of an instrument.
fn raw_subject(contracts: &ContractTable, id: &InstrumentId) -> String {
    let contract = contracts.resolve(id.as_bytes()).ok();
    let exchange = contract.map_or("unknown", |contract| contract.exchange.as_str());
    let mut subject = format!("raw.{exchange}.");
    push_token(&mut subject, id.as_bytes());
    subject
}

impl Messages for RawMessages {
    fn next_chunk(&mut self) -> Result<Option<Chunk>, CheckError> {
        self.events.clear();
        self.source.next_batch(&mut self.events, PUBLISH_EVENTS)?;
        if self.events.is_empty() {
            return Ok(None);
        }
        let mut builder = MessageBatchBuilder::default();
        let mut line = Vec::new();
        for event in &self.events {
            line.clear();
            let mut writer = JsonlWriter::new(&mut line, ReceiveTimes::Measured);
            let written = writer.write(std::slice::from_ref(event));
            written.map_err(CheckError::io("memory".as_ref(), "writing"))?;
            let payload = line.strip_suffix(b"\n").unwrap_or(&line);
            match &event.kind {
                EventKind::Session(session) => {
                    let subject = format!("raw.session.{}", session.kind());
                    builder.push(subject.as_bytes(), payload);
                }
                EventKind::Tick(tick) => {
                    let (contracts, id) = (&self.contracts, tick.instrument_id);
                    let subject = self.subjects.entry(id);
                    let subject = subject.or_insert_with(|| raw_subject(contracts, &id));
                    builder.push(subject.as_bytes(), payload);
                }
            }
        }
        let seq = self.events.first().map(|event| event.seq.0);
        Ok(Some(Chunk {
            messages: builder.take(),
            seq,
        }))
    }

    fn again(&self) -> Result<Option<Box<dyn Messages>>, CheckError> {
        Ok(Some(Box::new(Self::of(&self.recording)?)))
    }
}

/// Messages with some payload fields omitted.
pub(super) struct Without<M> {
    inner: M,
    fields: Vec<Field>,
}

/// An omitted field.
struct Field {
    name: String,
    /// Whether a message had it.
    is_seen: bool,
}

impl<M> Without<M> {
    pub(super) fn new(inner: M, fields: Vec<String>) -> Self {
        let unseen = |name| Field {
            name,
            is_seen: false,
        };
        Self {
            inner,
            fields: fields.into_iter().map(unseen).collect(),
        }
    }

    /// The fields that no message had.
    pub(super) fn unseen(&self) -> Vec<String> {
        let unseen = self.fields.iter().filter(|field| !field.is_seen);
        unseen.map(|field| field.name.clone()).collect()
    }

    /// The same messages without the fields.
    fn without(&mut self, messages: &MessageBatch) -> MessageBatch {
        let mut builder =
            MessageBatchBuilder::with_capacity(messages.len(), messages.frames().len());
        for message in messages.iter() {
            builder.push_with(message.subject, |out| {
                push_without(out, message.payload, |key| {
                    let mut fields = self.fields.iter_mut();
                    let field = fields.find(|field| field.name.as_bytes() == key);
                    field.map(|field| field.is_seen = true).is_some()
                });
            });
        }
        builder.take()
    }
}

impl<M: Messages> Messages for Without<M> {
    fn next_chunk(&mut self) -> Result<Option<Chunk>, CheckError> {
        let chunk = self.inner.next_chunk()?;
        if self.fields.is_empty() {
            return Ok(chunk);
        }
        Ok(chunk.map(|chunk| Chunk {
            messages: self.without(&chunk.messages),
            seq: chunk.seq,
        }))
    }

    fn ended(&mut self) -> Ended {
        let mut ended = self.inner.ended();
        if !self.fields.is_empty() {
            // It is the digest of the unmodified input.
            ended.digest_in_file = ended.digest.take();
        }
        ended
    }

    fn again(&self) -> Result<Option<Box<dyn Messages>>, CheckError> {
        let fields = self.fields.iter().map(|field| field.name.clone());
        let fields: Vec<String> = fields.collect();
        let again = self.inner.again()?;
        Ok(again.map(|inner| Box::new(Without::new(inner, fields)) as Box<dyn Messages>))
    }
}

//! Reading a stream by sequence: every message once, in order, whatever happens to the connection.
//!
//! A consumer without acknowledgements delivers from a sequence on. When the connection or the consumer
//! is lost, another one continues after the last message that was read. The consumer is deleted at the
//! end; the server removes one that was left behind.

use std::ops::ControlFlow;
use std::time::Duration;

use async_nats::jetstream::consumer::{AckPolicy, Consumer, DeliverPolicy, pull};
use async_nats::jetstream::stream::Info;
use futures_util::StreamExt as _;
use tickdeck_core::time::UnixNanos;

use super::StreamName;
use super::api::{RequestFailure, StreamApi};
use crate::encode::MessageRef;
use crate::nats::connect::{self, Connection, Plan, connect};
use crate::nats::{NatsError, NatsFailure, NatsOptions, StreamProblem, runtime};

/// Messages that are asked for at once.
const PULL_MESSAGES: usize = 4096;
/// How often the server says that a consumer is alive. Twice this without one, and it is replaced.
const HEARTBEAT: Duration = Duration::from_secs(5);
/// How long one request for messages is valid.
const PULL_EXPIRES: Duration = Duration::from_secs(30);
/// After this long the server removes a consumer that was left behind.
const CONSUMER_TIMEOUT: Duration = Duration::from_secs(30);
/// Attempts in a row without a message after which reading ends.
const ATTEMPTS_MAX: u32 = 6;
/// The pause between them.
const ATTEMPT_PAUSE: Duration = Duration::from_millis(500);

/// Which messages, both ends included.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct StreamRange {
    /// The first sequence; by default that of the stream's first message.
    pub first: Option<u64>,
    /// The last sequence; by default that of the stream's last message when reading begins.
    pub last: Option<u64>,
}

/// A message of a stream.
#[derive(Debug, Clone, Copy)]
pub struct StreamMessage<'m> {
    /// Its place in the stream.
    pub sequence: u64,
    /// Subject and payload.
    pub message: MessageRef<'m>,
    /// When the server stored it.
    pub stored_at: UnixNanos,
}

/// What was read.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct StreamRead {
    /// The first sequence that was wanted.
    pub first: u64,
    /// The last sequence that was wanted; less than `first` where the stream has none of them.
    pub last: u64,
    /// Messages read.
    pub messages: u64,
    /// Sequences between `first` and `last` that the stream does not have.
    pub missing: u64,
    /// The last sequence of the stream when reading began.
    pub last_of_stream: u64,
}

/// Reads messages of a stream on this thread, and hands each to `each`, which may end it.
///
/// # Errors
/// When the stream does not exist or can no longer be read.
///
/// # Panics
/// When called from inside an async runtime.
pub fn read_stream(
    nats: &NatsOptions,
    name: &StreamName,
    range: StreamRange,
    each: &mut dyn FnMut(StreamMessage<'_>) -> ControlFlow<()>,
) -> Result<StreamRead, NatsError> {
    let plan = nats.plan()?;
    let at = connect::at(&plan);
    let mut reader = Reader {
        plan,
        name: name.clone(),
        range,
        place: None,
        each,
    };
    reader.run().map_err(at)
}

/// How far reading is.
#[derive(Debug, Clone, Copy)]
struct Place {
    next: u64,
    read: StreamRead,
    is_ended: bool,
}

impl Place {
    const fn is_done(&self) -> bool {
        self.is_ended || self.next > self.read.last
    }
}

struct Reader<'e> {
    plan: Plan,
    name: StreamName,
    range: StreamRange,
    /// `None` until the stream has stated its state.
    place: Option<Place>,
    each: &'e mut dyn FnMut(StreamMessage<'_>) -> ControlFlow<()>,
}

impl Reader<'_> {
    fn run(&mut self) -> Result<StreamRead, NatsFailure> {
        let mut attempts = 0;
        loop {
            let before = self.place.map(|place| place.next);
            let read =
                runtime::run(self.connect_and_read()).map_err(|error| NatsFailure::Other {
                    cause: format!("starting the connection: {error}"),
                })?;
            let cause = match read? {
                Ok(()) => String::new(),
                Err(RequestFailure::Later(cause)) => cause,
                Err(failure) => return Err(failure.into_failure(&self.name)),
            };
            if let Some(place) = self.place.filter(Place::is_done) {
                return Ok(place.read);
            }
            attempts = match before == self.place.map(|place| place.next) {
                true => attempts + 1,
                false => 0,
            };
            if attempts >= ATTEMPTS_MAX {
                let stream = self.name.to_string();
                return Err(StreamProblem::Request { stream, cause }.into());
            }
            self.plan.is_repeated = true;
        }
    }

    /// Reads until the end, or until something must be made again.
    async fn connect_and_read(&mut self) -> Result<Result<(), RequestFailure>, NatsFailure> {
        let limit = Some(self.plan.options.connect_timeout);
        let connection = connect(&self.plan, limit).await?;
        let fate = std::sync::Arc::clone(&connection.fate);
        let read = tokio::select! {
            biased;
            () = fate.lost() => Err(RequestFailure::Later("the connection was lost".to_owned())),
            read = self.read(&connection) => read,
        };
        if matches!(read, Err(RequestFailure::Later(_))) {
            runtime::sleep(ATTEMPT_PAUSE).await;
        }
        Ok(read)
    }

    async fn read(&mut self, connection: &Connection) -> Result<(), RequestFailure> {
        let api = StreamApi::on(connection, &self.name);
        let mut place = match self.place {
            Some(place) => place,
            None => begin(&api.info().await?, self.range),
        };
        self.place = Some(place);
        if place.is_done() {
            return Ok(());
        }
        let consumer = api.consumer(config(place.next)).await?;
        let read = self.consume(&consumer, &mut place).await;
        self.place = Some(place);
        // One that stays is removed by the server, after a while.
        let _ = api.remove_consumer(&consumer.cached_info().name).await;
        read
    }

    async fn consume(
        &mut self,
        consumer: &Consumer<pull::Config>,
        place: &mut Place,
    ) -> Result<(), RequestFailure> {
        let messages = consumer.stream();
        let messages = messages
            .max_messages_per_batch(PULL_MESSAGES)
            .heartbeat(HEARTBEAT)
            .expires(PULL_EXPIRES)
            .messages();
        let later = |error: String| RequestFailure::Later(error);
        let mut messages = messages.await.map_err(|error| later(error.to_string()))?;
        let mut delivered = 0;
        while let Some(message) = messages.next().await {
            let message = message.map_err(|error| later(error.to_string()))?;
            let info = message.info().map_err(|error| later(error.to_string()))?;
            delivered += 1;
            if info.consumer_sequence != delivered {
                return Err(later("a message was not delivered".to_owned()));
            }
            let (sequence, is_newest) = (info.stream_sequence, info.pending == 0);
            let stored_at = info.published.unix_timestamp_nanos();
            if sequence > place.read.last {
                place.read.missing += place.read.last + 1 - place.next;
                place.next = place.read.last + 1;
                return Ok(());
            }
            place.read.missing += sequence - place.next;
            place.next = sequence + 1;
            place.read.messages += 1;
            let passed = (self.each)(StreamMessage {
                sequence,
                message: MessageRef {
                    subject: message.subject.as_bytes(),
                    payload: &message.payload,
                },
                stored_at: UnixNanos(i64::try_from(stored_at).unwrap_or(i64::MAX)),
            });
            place.is_ended |= passed.is_break();
            if is_newest && !place.is_done() {
                place.read.missing += place.read.last + 1 - place.next;
                place.next = place.read.last + 1;
            }
            if place.is_done() {
                return Ok(());
            }
        }
        Err(later("the consumer has ended".to_owned()))
    }
}

/// Where reading begins in a stream.
fn begin(info: &Info, range: StreamRange) -> Place {
    let state = &info.state;
    let first = range.first.unwrap_or(state.first_sequence);
    let last = range.last.unwrap_or(state.last_sequence);
    let next = first.max(state.first_sequence);
    // What the stream no longer has, or does not have yet.
    let end = last.min(state.last_sequence);
    let wanted = (last + 1).saturating_sub(first);
    let present = match state.messages {
        0 => 0,
        _ => (end + 1).saturating_sub(next),
    };
    Place {
        next: if present == 0 { last + 1 } else { next },
        read: StreamRead {
            first,
            last: if present == 0 { last } else { end },
            messages: 0,
            missing: wanted.saturating_sub(present),
            last_of_stream: state.last_sequence,
        },
        is_ended: present == 0,
    }
}

/// A consumer that delivers from a sequence on, and is kept by one server in memory.
fn config(start_sequence: u64) -> pull::Config {
    pull::Config {
        description: Some("tickdeck reads the stream once".to_owned()),
        deliver_policy: DeliverPolicy::ByStartSequence { start_sequence },
        ack_policy: AckPolicy::None,
        inactive_threshold: CONSUMER_TIMEOUT,
        memory_storage: true,
        num_replicas: 1,
        ..pull::Config::default()
    }
}

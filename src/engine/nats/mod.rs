//! The NATS connection that sinks, the health responder and the `health` verb share: where the
//! server is, how to log in, and what went wrong in one sentence. JetStream's streams are in
//! [`stream`].
//!
//! Invariant: a credential leaves this module only towards the server. [`Secret`] masks it in every
//! text, and addresses are shown without user information. The client library masks the login in
//! its own log lines; a test checks that at every level. Nothing outside this module,
//! `sink::nats` and `sink::jetstream` names the client library.
//!
//! Connections are the client library's, but for the one that a replay publishes with (`wire`).
//!
//! It knows no ticks, recordings or payloads.

mod ask;
pub(crate) mod connect;
mod error;
mod health;
pub(crate) mod marks;
mod merge;
mod options;
mod queue;
pub(crate) mod refusal;
pub(crate) mod runtime;
pub mod stream;
mod stream_problem;
mod subscriber;
pub(crate) mod wire;

pub use crate::encode::pattern::{PatternError, SubjectPattern};
pub use ask::{ReadyCount, ReadyPoll, count_ready, count_subscribers, probe};
pub use error::{NatsError, NatsFailure};
pub use health::{
    Answer, HEALTH_SUBJECT, HealthOptions, HealthResponder, HealthSnapshot, request_health,
};
pub use options::{NatsOptions, Servers};
pub use stream_problem::{StreamProblem, age_in_words};
pub use subscriber::{Received, Subscriber, SubscriberOptions};
pub use tickdeck_ffi::Secret;
#[doc(hidden)]
pub use wire::protocol::{
    LINE_MAX, MESSAGE_MAX, ProtocolError, ServerBytes, ServerMessage, ServerOp,
};

//! The NATS connection that sinks, the health responder and the `health` verb share: where the
//! server is, how to log in, and what went wrong in one sentence.
//!
//! Invariants: a credential leaves this module only towards the server. [`Secret`] masks it in
//! every text, the address that is shown never carries user information, and the client library's
//! own log lines (its `TRACE` level prints the login) are cut off in the threads that run it.
//! Nothing outside this module and `sink::nats` names the client library.
//!
//! It knows nothing of ticks, recordings or payloads.

pub(crate) mod connect;
mod error;
mod health;
mod options;
pub(crate) mod quiet;
mod secret;
mod subscriber;

pub use error::{NatsError, NatsFailure};
pub use health::{HEALTH_SUBJECT, HealthOptions, HealthResponder, HealthSnapshot, request_health};
pub use options::{NatsOptions, Servers};
pub use secret::Secret;
pub use subscriber::{Subscriber, count_subscribers};

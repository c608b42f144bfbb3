//! JetStream streams: what a new one is like, whether an existing one keeps every tick, what the server
//! promises, and reading one by sequence. Publishing to a stream is the
//! [sink's](crate::sink::JetStreamSink) work.
//!
//! `settings` and `check` only compute.

pub(crate) mod api;
pub(crate) mod check;
mod promise;
mod reader;
mod settings;

pub use promise::{PersistMode, StreamPromise, stream_promise};
pub use reader::{StreamMessage, StreamRange, StreamRead, read_stream};
pub use settings::{StreamName, StreamSettings, StreamStorage};

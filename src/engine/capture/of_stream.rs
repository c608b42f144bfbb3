//! The messages of a JetStream stream as a payload stream: read by sequence, so that none is missed.

use std::ops::ControlFlow;

use super::driver::CaptureOutput;
use crate::control::Control;
use crate::encode::pattern::SubjectPattern;
use crate::nats::stream::{StreamName, StreamRange, StreamRead, read_stream};
use crate::nats::{NatsError, NatsOptions};
use crate::sink::{StreamDigest, is_line};

/// Which messages of a stream to capture.
#[derive(Debug, Clone, Default)]
pub struct StreamCaptureOptions {
    /// Subjects that are wanted; none for all.
    pub subjects: Vec<SubjectPattern>,
    /// End after this many messages.
    pub count: Option<u64>,
}

/// What was captured of a stream.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StreamCaptured {
    /// What was read, wanted or not.
    pub read: StreamRead,
    /// Messages written.
    pub messages: u64,
    /// Bytes of their payloads.
    pub bytes: u64,
    /// Messages left out, because a payload stream cannot have them.
    pub unwritable: u64,
    /// The payload digest of the messages written.
    pub digest: String,
    /// Whether the user ended it.
    pub is_stopped: bool,
}

impl StreamCaptured {
    /// Whether the capture lacks a message that the stream had, or has lost.
    #[must_use]
    pub const fn is_lossy(&self) -> bool {
        self.read.missing > 0 || self.unwritable > 0
    }
}

/// A stream was not captured.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum StreamCaptureError<E> {
    /// It cannot be read.
    #[error(transparent)]
    Nats(NatsError),
    /// The output failed.
    #[error(transparent)]
    Output(E),
}

/// Reads a stream from its first message to the one that is the last when reading begins. The times of
/// the output are those at which the server stored a message.
///
/// # Errors
/// When the stream cannot be read, or the output fails.
///
/// # Panics
/// When called from inside an async runtime.
pub fn capture_stream<O: CaptureOutput>(
    nats: &NatsOptions,
    stream: &StreamName,
    options: &StreamCaptureOptions,
    output: &mut O,
    control: &Control,
) -> Result<StreamCaptured, StreamCaptureError<O::Error>> {
    let mut captured = StreamCaptured {
        read: StreamRead::default(),
        messages: 0,
        bytes: 0,
        unwritable: 0,
        digest: String::new(),
        is_stopped: false,
    };
    let mut digest = StreamDigest::new();
    let mut failed = None;
    let is_wanted = |subject: &[u8]| {
        let subject = String::from_utf8_lossy(subject);
        let mut patterns = options.subjects.iter();
        options.subjects.is_empty() || patterns.any(|pattern| pattern.matches(&subject))
    };
    let read = read_stream(nats, stream, StreamRange::default(), &mut |found| {
        if control.is_stopped() {
            captured.is_stopped = true;
            return ControlFlow::Break(());
        }
        let message = found.message;
        if !is_wanted(message.subject) {
            return ControlFlow::Continue(());
        }
        if !is_line(message) {
            captured.unwritable += 1;
            return ControlFlow::Continue(());
        }
        if let Err(error) = output.push(message, found.stored_at) {
            failed = Some(error);
            return ControlFlow::Break(());
        }
        digest.update_message(message);
        captured.messages += 1;
        captured.bytes += message.payload.len() as u64;
        match options.count {
            Some(count) if captured.messages >= count => ControlFlow::Break(()),
            _ => ControlFlow::Continue(()),
        }
    });
    if let Some(error) = failed {
        return Err(StreamCaptureError::Output(error));
    }
    captured.read = read.map_err(StreamCaptureError::Nats)?;
    captured.digest = digest.hex();
    output.write().map_err(StreamCaptureError::Output)?;
    Ok(captured)
}

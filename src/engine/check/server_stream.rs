//! A JetStream stream as an input: `jetstream:STREAM` in place of a file. It is read by sequence, so that
//! no message is missed.

use std::path::Path;
#[cfg(feature = "nats")]
use std::{
    ops::ControlFlow,
    sync::{Arc, OnceLock},
};

#[cfg(feature = "nats")]
use super::error::CheckError;
#[cfg(feature = "nats")]
use super::stream_parts::{BATCH_MESSAGES, Part, Sender};
#[cfg(feature = "nats")]
use crate::encode::control::ControlSubject;
#[cfg(feature = "nats")]
use crate::nats::NatsOptions;
#[cfg(feature = "nats")]
use crate::nats::stream::{StreamName, StreamRange, read_stream};
#[cfg(feature = "nats")]
use crate::sink::{StreamDigest, is_line};

/// What precedes the name of a stream.
#[cfg(feature = "nats")]
const PREFIX: &str = "jetstream:";

/// Whether an input is a stream of a server. A file of that name is `./jetstream:NAME`.
#[must_use]
pub fn is_on_server(path: &Path) -> bool {
    #[cfg(feature = "nats")]
    return name_of(path).is_some();
    #[cfg(not(feature = "nats"))]
    return {
        let _ = path;
        false
    };
}

#[cfg(feature = "nats")]
pub(super) fn name_of(path: &Path) -> Option<&str> {
    path.to_str()?.strip_prefix(PREFIX)
}

/// A stream of a server.
#[cfg(feature = "nats")]
#[derive(Debug, Clone)]
pub(super) struct ServerStream {
    pub(super) nats: NatsOptions,
    pub(super) name: StreamName,
    /// What the first reading found: another one reads the same, even if the stream has grown.
    pub(super) range: Arc<OnceLock<StreamRange>>,
}

#[cfg(feature = "nats")]
impl ServerStream {
    /// Reads it to its end, or until no more is wanted.
    pub(super) fn read(&self, path: &Path, sender: &Sender) {
        let mut digest = StreamDigest::new();
        let mut builder = sender.builder();
        let (mut is_wanted, mut failed) = (true, None);
        let range = self.range.get().copied().unwrap_or_default();
        let read = read_stream(&self.nats, &self.name, range, &mut |found| {
            let message = found.message;
            // Control messages are not part of what is published, see `encode::control`.
            if ControlSubject::is_subject(message.subject) {
                return ControlFlow::Continue(());
            }
            if !is_line(message) {
                failed = Some(CheckError::NotALine {
                    path: path.to_owned(),
                    sequence: found.sequence,
                });
                return ControlFlow::Break(());
            }
            builder.push(message.subject, message.payload);
            if builder.len() < BATCH_MESSAGES {
                return ControlFlow::Continue(());
            }
            let batch = builder.take();
            digest.update(&batch);
            builder = sender.builder();
            is_wanted = sender.send(Ok(Part::Messages(batch)));
            match is_wanted {
                true => ControlFlow::Continue(()),
                false => ControlFlow::Break(()),
            }
        });
        if !is_wanted {
            return;
        }
        let end = match (failed, read) {
            (Some(error), _) => Err(error),
            (None, Err(error)) => Err(CheckError::Nats(error)),
            (None, Ok(read)) => {
                let (first, last) = (Some(read.first), Some(read.last));
                // A later reading found the same.
                let _ = self.range.set(StreamRange { first, last });
                if !builder.is_empty() {
                    let batch = builder.take();
                    digest.update(&batch);
                    if !sender.send(Ok(Part::Messages(batch))) {
                        return;
                    }
                }
                match read.missing {
                    0 => Ok(Part::End(digest.hex())),
                    missing => Err(CheckError::Holes {
                        path: path.to_owned(),
                        missing,
                    }),
                }
            }
        };
        sender.send(end);
    }
}

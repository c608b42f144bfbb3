//! The files of a capture. Arrival times have their own file, so that streams can be compared byte by
//! byte.

use std::ffi::OsString;
use std::io::Write as _;
use std::path::{Path, PathBuf};

use anyhow::Context as _;
use tickdeck::sink::{JsonlSink, MessageBatchBuilder, MessageRef, NewFile, Sink};
use tickdeck_core::time::UnixNanos;

use super::ready::ReadyFile;
use crate::args::{CaptureArgs, OutputTarget};
use crate::outcome::{UsageError, stdout};
use crate::outputs::{is_same, refuse_existing, refuse_inside_recording};

/// Messages that are written at once at most, and bytes after which fewer are.
const BATCH_MESSAGES: usize = 256;
const BATCH_BYTES: usize = 1 << 20;

/// Where a capture goes. Files get their names at the end.
pub(super) struct Output {
    sink: Box<dyn Sink>,
    times: Option<NewFile>,
    /// The times of the stream that is replaced, when the new one has none.
    stale: Option<PathBuf>,
    batch: MessageBatchBuilder,
    batch_bytes: usize,
    /// Arrival times of the batch, as lines.
    stamps: String,
}

impl Output {
    /// Begins the files; nothing is replaced yet. The ready file of an earlier run is removed once the
    /// outputs are accepted.
    pub(super) fn create(args: &CaptureArgs) -> anyhow::Result<(Self, ReadyFile<'_>)> {
        let times = times_path(args);
        let stream = match &args.output {
            OutputTarget::Stdout => None,
            OutputTarget::Path(path) => Some(path.as_path()),
        };
        if let (Some(stream), Some(times)) = (stream, &times)
            && is_same(stream, times)
        {
            return Err(
                UsageError::new("--times and --output name the same file: give them two").into(),
            );
        }
        let stale = stream.filter(|_| args.no_times).map(times_of);
        if let Some(stale) = stale.as_deref().filter(|path| path.is_file()) {
            // It would be mistaken for the times of the new stream.
            refuse_existing(stale, args.force)?;
        }
        let ready = ReadyFile::accept(args, times.as_deref())?;
        // Pipes and devices are written to as they are.
        let is_direct = stream.is_some_and(is_special);
        if let Some(path) = stream {
            refuse_inside_recording(path)?;
            if !is_direct {
                refuse_existing(path, args.force)?;
            }
        }
        if let Some(path) = &times {
            refuse_inside_recording(path)?;
            if is_special(path) {
                let message = format!(
                    "--times {} is not a regular file: choose another path",
                    path.display()
                );
                return Err(UsageError::new(message).into());
            }
            refuse_existing(path, args.force)?;
        }
        let times = times
            .map(|path| NewFile::create(&path).with_context(|| writing(&path)))
            .transpose()?;
        if is_direct {
            // A pipe opens when its reader does, and the reader may wait for the ready file.
            ready.remove_stale()?;
        }
        let sink = match stream {
            None => JsonlSink::to_writer(Box::new(stdout()), "stdout"),
            Some(path) => JsonlSink::create(path)?,
        };
        ready.remove_stale()?;
        let output = Self {
            sink: Box::new(sink),
            times,
            stale: stale.filter(|path| path.is_file()),
            batch: MessageBatchBuilder::default(),
            batch_bytes: 0,
            stamps: String::new(),
        };
        Ok((output, ready))
    }

    /// Buffers a message. True when it is time to [`write`](Self::write).
    pub(super) fn push(&mut self, message: MessageRef<'_>, at: UnixNanos) -> bool {
        self.batch.push(message.subject, message.payload);
        self.batch_bytes += message.payload.len();
        if self.times.is_some() {
            self.stamps.push_str(itoa::Buffer::new().format(at.0));
            self.stamps.push('\n');
        }
        self.batch.len() == BATCH_MESSAGES || self.batch_bytes >= BATCH_BYTES
    }

    /// Writes the buffered messages. False when there were none.
    pub(super) fn write(&mut self) -> anyhow::Result<bool> {
        if self.batch.is_empty() {
            return Ok(false);
        }
        self.batch_bytes = 0;
        self.sink.publish(&self.batch.take())?;
        if let Some(times) = &mut self.times {
            times
                .write_all(self.stamps.as_bytes())
                .with_context(|| writing(times.path()))?;
            self.stamps.clear();
        }
        Ok(true)
    }

    /// Completes the files: the times first, so that a stream never exists without them.
    pub(super) fn finish(self) -> anyhow::Result<()> {
        if let Some(times) = self.times {
            let path = times.path().to_owned();
            times.finish().with_context(|| writing(&path))?;
        }
        if let Some(path) = self.stale {
            std::fs::remove_file(&path)
                .with_context(|| format!("removing the old {}", path.display()))?;
        }
        self.sink.finish()?;
        Ok(())
    }
}

/// Whether something is there that is not a regular file.
fn is_special(path: &Path) -> bool {
    path.metadata().is_ok_and(|found| !found.is_file())
}

fn writing(path: &Path) -> String {
    format!("writing to {}", path.display())
}

fn times_path(args: &CaptureArgs) -> Option<PathBuf> {
    if args.no_times {
        return None;
    }
    args.times.clone().or_else(|| match &args.output {
        OutputTarget::Stdout => None,
        OutputTarget::Path(path) if is_special(path) => None,
        OutputTarget::Path(path) => Some(times_of(path)),
    })
}

/// Where the arrival times of a stream are.
fn times_of(stream: &Path) -> PathBuf {
    let mut times = OsString::from(stream);
    times.push(".times");
    times.into()
}

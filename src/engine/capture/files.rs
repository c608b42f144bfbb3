//! The files of a capture. Arrival times have their own file, so that streams can be compared byte by
//! byte.

use std::ffi::OsString;
use std::fmt;
use std::io::Write;
use std::path::{Path, PathBuf};

use tickdeck_core::time::UnixNanos;

use super::driver::CaptureOutput;
use super::error::CaptureFileError;
use super::ready::ReadyFile;
use crate::progress::{Position, Progress, Silent};
use crate::sink::paths::{is_inside_recording, is_same_place};
use crate::sink::{JsonlSink, MessageBatchBuilder, MessageRef, NewFile, Sink};

type Result<T> = std::result::Result<T, CaptureFileError>;

/// Messages that are written at once at most, and bytes after which fewer are.
const BATCH_MESSAGES: usize = 256;
const BATCH_BYTES: usize = 1 << 20;

/// Where the stream of a capture goes.
pub enum StreamTo {
    /// A file, compressed if its name ends in `.zst`. Pipes and devices are written to as they are.
    Path(PathBuf),
    /// Stdout, through a writer that may treat its errors as the program needs it.
    Stdout(Box<dyn Write + Send>),
    /// A writer, called `name` in errors.
    Writer {
        /// The writer.
        writer: Box<dyn Write + Send>,
        /// Its name.
        name: &'static str,
    },
}

impl fmt::Debug for StreamTo {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Path(path) => f.debug_tuple("Path").field(path).finish(),
            Self::Stdout(_) => f.write_str("Stdout"),
            Self::Writer { name, .. } => f.debug_tuple("Writer").field(name).finish(),
        }
    }
}

/// Where the arrival times of a capture go: one line per message, ns since 1970 UTC.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub enum TimesTo {
    /// Beside the stream, with `.times` after its name. None if the stream is not a file.
    #[default]
    Beside,
    /// This file.
    Path(PathBuf),
    /// Nowhere.
    None,
}

/// The files that a capture makes.
#[derive(Debug)]
pub struct CaptureTo {
    /// The stream.
    pub stream: StreamTo,
    /// The arrival times.
    pub times: TimesTo,
    /// A file that appears when the server has the subscription.
    pub ready: Option<PathBuf>,
    /// Replace existing files.
    pub overwrite: bool,
    /// Make the files of a capture without a message. It would else be mistaken for one with messages.
    pub keep_empty: bool,
}

impl CaptureTo {
    /// A new file, with the arrival times beside it.
    #[must_use]
    pub fn path(stream: impl Into<PathBuf>) -> Self {
        Self {
            stream: StreamTo::Path(stream.into()),
            times: TimesTo::Beside,
            ready: None,
            overwrite: false,
            keep_empty: false,
        }
    }
}

/// The files of a running capture. They get their names at the end: dropped before
/// [`finish`](Self::finish), they leave nothing.
pub struct CaptureFiles {
    sink: Box<dyn Sink>,
    times: Option<NewFile>,
    /// The times of the stream that is replaced, when the new one has none.
    stale: Option<PathBuf>,
    ready: ReadyFile,
    progress: Box<dyn Progress>,
    keep_empty: bool,
    messages: u64,
    batch: MessageBatchBuilder,
    batch_bytes: usize,
    /// Arrival times of the batch, as lines.
    stamps: String,
}

impl fmt::Debug for CaptureFiles {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("CaptureFiles")
            .field("sink", &self.sink.name())
            .field("times", &self.times)
            .field("messages", &self.messages)
            .finish_non_exhaustive()
    }
}

impl CaptureFiles {
    /// Begins the files; nothing is replaced yet. The ready file of an earlier run is removed once the
    /// outputs are accepted.
    ///
    /// # Errors
    /// When a path is refused or cannot be written.
    pub fn create(to: CaptureTo) -> Result<Self> {
        let overwrite = to.overwrite;
        let path = match &to.stream {
            StreamTo::Path(path) => Some(path.clone()),
            StreamTo::Stdout(_) | StreamTo::Writer { .. } => None,
        };
        let stream = path.as_deref();
        let has_no_times = to.times == TimesTo::None;
        let times = times_path(to.times, stream);
        if let (Some(stream), Some(times)) = (stream, &times)
            && is_same_place(stream, times)
        {
            let path = times.clone();
            return Err(CaptureFileError::SameFile { path });
        }
        let stale = stream.filter(|_| has_no_times).map(times_of);
        if let Some(stale) = stale.as_deref().filter(|path| path.is_file()) {
            // It would be mistaken for the times of the new stream.
            refuse_existing(stale, overwrite)?;
        }
        let ready = ReadyFile::accept(to.ready, stream, times.as_deref())?;
        // Pipes and devices are written to as they are.
        let is_direct = stream.is_some_and(is_special);
        if let Some(path) = stream {
            refuse_inside_recording(path)?;
            if !is_direct {
                refuse_existing(path, overwrite)?;
            }
        }
        if let Some(path) = &times {
            refuse_inside_recording(path)?;
            if is_special(path) {
                let path = path.clone();
                return Err(CaptureFileError::TimesNotAFile { path });
            }
            refuse_existing(path, overwrite)?;
        }
        let times = times
            .map(|path| {
                // The user named the stream only, and the times go beside it.
                let beside = stream.filter(|stream| times_of(stream) == path);
                NewFile::create(&path).map_err(writing(beside.unwrap_or(&path)))
            })
            .transpose()?;
        if is_direct {
            // A pipe opens when its reader does, and the reader may wait for the ready file.
            ready.remove_stale()?;
        }
        let sink = match to.stream {
            StreamTo::Stdout(writer) => JsonlSink::to_stdout(writer),
            StreamTo::Writer { writer, name } => JsonlSink::to_writer(writer, name),
            StreamTo::Path(path) => JsonlSink::create(&path)?,
        };
        ready.remove_stale()?;
        Ok(Self {
            sink: Box::new(sink),
            times,
            stale: stale.filter(|path| path.is_file()),
            ready,
            progress: Box::new(Silent),
            keep_empty: to.keep_empty,
            messages: 0,
            batch: MessageBatchBuilder::default(),
            batch_bytes: 0,
            stamps: String::new(),
        })
    }

    /// Makes the ready file, if there is to be one. For callers whose subscription is confirmed.
    ///
    /// # Errors
    /// When it cannot be written.
    pub fn mark_ready(&self) -> Result<()> {
        self.ready.make()
    }

    /// Reports how many messages came.
    #[must_use]
    pub fn progress(mut self, progress: Box<dyn Progress>) -> Self {
        self.progress = progress;
        self
    }

    /// Completes the files: the times first, so that a stream never exists without them. Without a
    /// message there are none, unless [`keep_empty`](CaptureTo::keep_empty) is set.
    ///
    /// # Errors
    /// When a file cannot be completed, or old times cannot be removed.
    pub fn finish(mut self) -> Result<()> {
        self.progress.finish();
        if self.messages == 0 && !self.keep_empty {
            return Ok(());
        }
        if let Some(times) = self.times {
            let path = times.path().to_owned();
            times.finish().map_err(writing(&path))?;
        }
        if let Some(path) = self.stale {
            let removed = std::fs::remove_file(&path);
            removed.map_err(CaptureFileError::io("removing the old", &path))?;
        }
        Ok(self.sink.finish()?)
    }
}

impl CaptureOutput for CaptureFiles {
    type Error = CaptureFileError;

    fn push(&mut self, message: MessageRef<'_>, at: UnixNanos) -> Result<()> {
        self.messages += 1;
        self.batch.push(message.subject, message.payload);
        self.batch_bytes += message.payload.len();
        if self.times.is_some() {
            self.stamps.push_str(itoa::Buffer::new().format(at.0));
            self.stamps.push('\n');
        }
        if self.batch.len() == BATCH_MESSAGES || self.batch_bytes >= BATCH_BYTES {
            self.write()?;
        }
        Ok(())
    }

    fn write(&mut self) -> Result<()> {
        if self.batch.is_empty() {
            return Ok(());
        }
        self.batch_bytes = 0;
        self.sink.publish(&self.batch.take())?;
        if let Some(times) = &mut self.times {
            let written = times.write_all(self.stamps.as_bytes());
            written.map_err(writing(times.path()))?;
            self.stamps.clear();
        }
        self.progress.at(Position {
            events: self.messages,
            time: None,
            lag_ns: None,
        });
        Ok(())
    }
}

fn refuse_inside_recording(path: &Path) -> Result<()> {
    if is_inside_recording(path) {
        let path = path.to_owned();
        return Err(CaptureFileError::InsideRecording { path });
    }
    Ok(())
}

fn refuse_existing(path: &Path, overwrite: bool) -> Result<()> {
    if path.exists() && !overwrite {
        let path = path.to_owned();
        return Err(CaptureFileError::Exists { path });
    }
    Ok(())
}

/// Whether something is there that is not a regular file.
fn is_special(path: &Path) -> bool {
    path.metadata().is_ok_and(|found| !found.is_file())
}

fn writing(path: &Path) -> impl FnOnce(std::io::Error) -> CaptureFileError {
    CaptureFileError::io("writing to", path)
}

fn times_path(times: TimesTo, stream: Option<&Path>) -> Option<PathBuf> {
    match times {
        TimesTo::None => None,
        TimesTo::Path(path) => Some(path),
        TimesTo::Beside => stream.filter(|path| !is_special(path)).map(times_of),
    }
}

/// Where the arrival times of a stream are.
fn times_of(stream: &Path) -> PathBuf {
    let mut times = OsString::from(stream);
    times.push(".times");
    times.into()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_files_of_a_capture_appear_at_its_end() {
        let folder = tempfile::tempdir().unwrap();
        let path = |name: &str| folder.path().join(name);
        let read = |name: &str| std::fs::read_to_string(path(name)).unwrap();
        let to = || CaptureTo {
            ready: Some(path("ready")),
            ..CaptureTo::path(path("out"))
        };
        let message = MessageRef {
            subject: b"t.SHFE.rb2601",
            payload: b"{}",
        };
        let mut dropped = CaptureFiles::create(to()).unwrap();
        dropped.push(message, UnixNanos(7)).unwrap();
        dropped.write().unwrap();
        drop(dropped);
        assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 0);
        let mut files = CaptureFiles::create(to()).unwrap();
        files.mark_ready().unwrap();
        files.push(message, UnixNanos(7)).unwrap();
        files.write().unwrap();
        assert!(!path("out").exists() && !path("out.times").exists());
        files.finish().unwrap();
        assert_eq!(read("out"), "t.SHFE.rb2601 {}\n");
        assert_eq!(
            (read("out.times"), read("ready")),
            ("7\n".into(), "ready\n".into())
        );
        let again = CaptureFiles::create(to()).unwrap_err();
        assert!(matches!(again, CaptureFileError::Exists { .. }), "{again}");
        assert_eq!(
            read("ready"),
            "ready\n",
            "a refused capture changes nothing"
        );
    }
}

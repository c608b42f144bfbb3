//! The payload stream as lines: subject, one space, the payload bytes, a newline.
//!
//! A file appears under its name only when it is complete: [`finish`](super::Sink::finish) renames
//! it. A sink that fails or is dropped leaves nothing. A name that ends in `.zst` means compressed.
//! Stdout, pipes and devices are written directly, batch by batch, so that a reader follows a paced
//! replay.

use std::fs::OpenOptions;
use std::io::{self, BufWriter, ErrorKind, Write};
use std::ops::Range;
use std::path::Path;

use super::{Fate, MessageBatch, NewFile, Outstanding, Sink, SinkError};

const BUFFER_BYTES: usize = 256 * 1024;

enum Target {
    /// Renamed to the path when finished.
    File(NewFile),
    /// A pipe, a device or stdout: flushed after every batch.
    Stream(BufWriter<Box<dyn Write + Send>>, StreamName),
}

/// What errors and the log call a stream.
#[derive(Clone)]
enum StreamName {
    Stdout,
    Other(String),
}

impl std::fmt::Display for StreamName {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self {
            Self::Stdout => "stdout",
            Self::Other(name) => name,
        })
    }
}

/// Writes `subject SPACE payload NEWLINE`.
pub struct JsonlSink {
    target: Target,
    outstanding: Outstanding,
    failed: bool,
    /// Whether any message was taken.
    is_used: bool,
    keep_empty: bool,
}

impl std::fmt::Debug for JsonlSink {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("JsonlSink")
            .field("name", &self.name())
            .field("failed", &self.failed)
            .finish_non_exhaustive()
    }
}

impl JsonlSink {
    /// Writes to `path`, or to stdout when it is `-`. An existing file keeps its content until
    /// [`finish`](Sink::finish).
    ///
    /// # Errors
    /// When the folder does not exist or cannot be written.
    pub fn create(path: &Path) -> Result<Self, SinkError> {
        let target = if path == Path::new("-") {
            Target::stream(Box::new(io::stdout()), StreamName::Stdout)
        } else if path.metadata().is_ok_and(|metadata| !metadata.is_file()) {
            let device = OpenOptions::new().write(true).open(path);
            Target::stream(
                Box::new(device.map_err(|error| io_error(path, error))?),
                StreamName::Other(path.display().to_string()),
            )
        } else {
            Target::File(NewFile::create(path).map_err(|error| io_error(path, error))?)
        };
        Ok(Self::to(target))
    }

    /// Writes to any writer. Errors call it `name`.
    #[must_use]
    pub fn to_writer(writer: Box<dyn Write + Send>, name: &str) -> Self {
        Self::to(Target::stream(writer, StreamName::Other(name.to_owned())))
    }

    /// Writes to stdout through `writer`, which may treat its errors as the program needs it.
    #[must_use]
    pub fn to_stdout(writer: Box<dyn Write + Send>) -> Self {
        Self::to(Target::stream(writer, StreamName::Stdout))
    }

    fn to(target: Target) -> Self {
        Self {
            target,
            outstanding: Outstanding::default(),
            failed: false,
            is_used: false,
            keep_empty: true,
        }
    }

    /// Whether a file without a message is kept, which is the default. Otherwise an existing file
    /// stays, and no new one is made. Streams are written as they are.
    #[must_use]
    pub const fn keep_empty(mut self, keep_empty: bool) -> Self {
        self.keep_empty = keep_empty;
        self
    }

    fn io_error(&mut self, source: io::Error) -> SinkError {
        self.failed = true;
        // A file that failed never gets its name, so nothing of it arrives.
        self.outstanding.reject_all();
        match &self.target {
            Target::Stream(..) if source.kind() == ErrorKind::BrokenPipe => SinkError::BrokenPipe,
            Target::Stream(_, name) => SinkError::Io {
                target: name.to_string(),
                source,
            },
            Target::File(file) => io_error(file.path(), source),
        }
    }

    fn refuse_after_failure(&mut self) -> Result<(), SinkError> {
        if self.failed {
            let earlier = io::Error::other("an earlier write failed");
            return Err(self.io_error(earlier));
        }
        Ok(())
    }
}

fn io_error(path: &Path, source: io::Error) -> SinkError {
    SinkError::Io {
        target: path.display().to_string(),
        source,
    }
}

impl Target {
    fn stream(writer: Box<dyn Write + Send>, name: StreamName) -> Self {
        Self::Stream(BufWriter::with_capacity(BUFFER_BYTES, writer), name)
    }

    fn write(&mut self, batch: &MessageBatch) -> io::Result<()> {
        match self {
            Self::File(file) => write_lines(file, batch),
            Self::Stream(writer, _) => {
                write_lines(writer, batch)?;
                writer.flush()
            }
        }
    }

    fn flush(&mut self) -> io::Result<()> {
        match self {
            Self::File(file) => file.flush(),
            Self::Stream(writer, _) => writer.flush(),
        }
    }
}

fn write_lines(writer: &mut impl Write, batch: &MessageBatch) -> io::Result<()> {
    for message in batch.iter() {
        debug_assert!(
            !message.payload.contains(&b'\n') && !message.subject.contains(&b' '),
            "encoders give one-line payloads and subjects without spaces"
        );
        writer.write_all(message.subject)?;
        writer.write_all(b" ")?;
        writer.write_all(message.payload)?;
        writer.write_all(b"\n")?;
    }
    Ok(())
}

impl Sink for JsonlSink {
    fn name(&self) -> String {
        match &self.target {
            Target::File(file) => format!("jsonl:{}", file.path().display()),
            Target::Stream(_, StreamName::Stdout) => "jsonl:-".to_owned(),
            Target::Stream(_, StreamName::Other(name)) => format!("jsonl:{name}"),
        }
    }

    fn publish(&mut self, batch: &MessageBatch) -> Result<(), SinkError> {
        self.refuse_after_failure()?;
        self.is_used |= !batch.is_empty();
        self.outstanding.take(batch.len() as u64);
        let written = self.target.write(batch);
        written.map_err(|error| self.io_error(error))?;
        if matches!(self.target, Target::Stream(..)) {
            self.outstanding.confirm_all();
        }
        Ok(())
    }

    fn flush(&mut self) -> Result<(), SinkError> {
        self.refuse_after_failure()?;
        let flushed = self.target.flush();
        flushed.map_err(|error| self.io_error(error))?;
        self.outstanding.confirm_all();
        Ok(())
    }

    fn settled(&mut self, each: &mut dyn FnMut(Range<u64>, Fate)) {
        self.outstanding.report(each);
    }

    fn finish(mut self: Box<Self>) -> Result<(), SinkError> {
        self.flush()?;
        let Target::File(file) = self.target else {
            return Ok(());
        };
        if !self.is_used && !self.keep_empty {
            return Ok(());
        }
        let path = file.path().to_owned();
        file.finish().map_err(|error| io_error(&path, error))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sink::MessageBatchBuilder;

    fn two() -> MessageBatch {
        let mut builder = MessageBatchBuilder::default();
        builder.push(b"a.b", br#"{"x":1}"#);
        builder.push(b"c", b"{}");
        builder.take()
    }

    fn settled(sink: &mut JsonlSink) -> Vec<(Range<u64>, Fate)> {
        let mut reports = Vec::new();
        sink.settled(&mut |range, fate| reports.push((range, fate)));
        reports
    }

    fn names(folder: &Path) -> Vec<String> {
        let entries = std::fs::read_dir(folder).unwrap();
        entries
            .map(|entry| entry.unwrap().file_name().into_string().unwrap())
            .collect()
    }

    #[test]
    fn a_finished_file_has_its_lines_and_its_name() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("out.jsonl");
        let mut sink = Box::new(JsonlSink::create(&path).unwrap());
        sink.publish(&two()).unwrap();
        assert_eq!(settled(&mut sink), []);
        sink.flush().unwrap();
        assert_eq!(settled(&mut sink), [(0..2, Fate::Confirmed)]);
        assert!(!path.exists(), "not before it is finished");
        assert_eq!(sink.name(), format!("jsonl:{}", path.display()));
        sink.finish().unwrap();
        assert_eq!(
            std::fs::read_to_string(&path).unwrap(),
            "a.b {\"x\":1}\nc {}\n"
        );
        assert_eq!(names(folder.path()), ["out.jsonl"]);
    }

    #[test]
    fn a_dropped_sink_leaves_an_older_file_as_it_was() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("out.jsonl");
        std::fs::write(&path, "older").unwrap();
        let mut sink = JsonlSink::create(&path).unwrap();
        sink.publish(&two()).unwrap();
        drop(sink);
        assert_eq!(names(folder.path()), ["out.jsonl"]);
        assert_eq!(std::fs::read_to_string(&path).unwrap(), "older");
    }

    #[test]
    fn a_file_without_a_message_is_kept_on_demand() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("out.jsonl");
        let finish = |keep_empty, batches: &[MessageBatch]| {
            let sink = JsonlSink::create(&path).unwrap().keep_empty(keep_empty);
            let mut sink = Box::new(sink);
            batches
                .iter()
                .for_each(|batch| sink.publish(batch).unwrap());
            sink.finish().unwrap();
        };
        finish(false, &[]);
        assert!(names(folder.path()).is_empty());
        std::fs::write(&path, "older").unwrap();
        finish(false, &[MessageBatchBuilder::default().take()]);
        assert_eq!(std::fs::read_to_string(&path).unwrap(), "older");
        finish(false, &[two()]);
        assert_eq!(std::fs::read_to_string(&path).unwrap().lines().count(), 2);
        finish(true, &[]);
        assert_eq!(std::fs::read_to_string(&path).unwrap(), "");
    }

    #[test]
    fn a_missing_folder_is_named() {
        let error = JsonlSink::create(Path::new("/nonexistent/folder/out.jsonl")).unwrap_err();
        assert_eq!(
            error.to_string(),
            "writing to /nonexistent/folder/out.jsonl"
        );
    }

    #[cfg(unix)]
    #[test]
    fn a_finished_file_has_the_mode_of_the_umask() {
        use std::os::unix::fs::PermissionsExt;
        let folder = tempfile::tempdir().unwrap();
        let (path, plain) = (folder.path().join("out"), folder.path().join("plain"));
        Box::new(JsonlSink::create(&path).unwrap())
            .finish()
            .unwrap();
        std::fs::write(&plain, "").unwrap();
        let mode = |path: &Path| path.metadata().unwrap().permissions().mode();
        assert_eq!(mode(&path), mode(&plain));
    }

    #[cfg(target_os = "linux")]
    #[test]
    fn a_full_device_is_an_error_and_counts_as_failed() {
        let mut sink = JsonlSink::create(Path::new("/dev/full")).unwrap();
        assert!(matches!(
            sink.publish(&two()),
            Err(SinkError::Io { target, .. }) if target == "/dev/full"
        ));
        assert!(sink.publish(&two()).is_err(), "refuses after a failure");
        assert_eq!(settled(&mut sink), [(0..2, Fate::Rejected)]);
    }

    #[test]
    fn only_the_sink_to_stdout_is_called_so() {
        let writer = || Box::new(io::sink());
        let called = |sink: JsonlSink| sink.name();
        assert_eq!(called(JsonlSink::to_stdout(writer())), "jsonl:-");
        let named = JsonlSink::to_writer(writer(), "stdout");
        assert_eq!(called(named), "jsonl:stdout");
    }

    #[test]
    fn a_closed_reader_is_a_broken_pipe() {
        let (reader, writer) = io::pipe().unwrap();
        let mut sink = JsonlSink::to_writer(Box::new(writer), "pipe");
        sink.publish(&two()).unwrap();
        drop(reader);
        assert!(matches!(sink.publish(&two()), Err(SinkError::BrokenPipe)));
        assert_eq!(
            settled(&mut sink),
            [(0..2, Fate::Confirmed), (2..4, Fate::Rejected)]
        );
    }
}

//! Writes the payload stream of a golden, compressed, on another thread: compressing costs more than
//! making the messages.

use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::thread::JoinHandle;

use crossbeam_channel::{Receiver, Sender, bounded};
use tickdeck_core::thread;

use super::error::CheckError;
use crate::sink::{MessageBatch, NewFile};

/// Batches that may wait to be compressed.
const QUEUED_BATCHES: usize = 8;

/// A payload stream being written; it gets its name when it is complete. Dropped before, it leaves
/// nothing.
pub(super) struct StreamWriter {
    path: PathBuf,
    /// `None` at the end.
    batches: Option<Sender<MessageBatch>>,
    /// `None` after it was joined.
    thread: Option<JoinHandle<Result<NewFile, CheckError>>>,
}

impl StreamWriter {
    pub(super) fn create(path: &Path) -> Result<Self, CheckError> {
        // Level 9 of zstd made the file a third smaller, and took four times as long.
        let file = NewFile::create(path).map_err(CheckError::io(path, "creating"))?;
        let (sender, batches) = bounded(QUEUED_BATCHES);
        let spawned = thread::spawn("golden-stream", move || write(file, &batches));
        Ok(Self {
            path: path.to_owned(),
            batches: Some(sender),
            thread: Some(spawned.map_err(CheckError::io(path, "starting a thread for"))?),
        })
    }

    /// Appends messages. An error may be that of an earlier call.
    pub(super) fn push(&mut self, messages: &MessageBatch) -> Result<(), CheckError> {
        let sent = self
            .batches
            .as_ref()
            .is_some_and(|batches| batches.send(messages.clone()).is_ok());
        // The thread takes batches until it fails.
        if sent { Ok(()) } else { self.join().map(drop) }
    }

    /// Ends the file and gives it its name.
    pub(super) fn finish(mut self) -> Result<(), CheckError> {
        let file = self.join()?;
        file.finish().map_err(CheckError::io(&self.path, "writing"))
    }

    fn join(&mut self) -> Result<NewFile, CheckError> {
        self.batches = None;
        let ended = self.thread.take().map(JoinHandle::join);
        // A panic was reported with its place.
        ended.and_then(Result::ok).unwrap_or_else(|| {
            let error = std::io::Error::other("the thread that writes it has ended");
            Err(CheckError::io(&self.path, "writing")(error))
        })
    }
}

impl Drop for StreamWriter {
    fn drop(&mut self) {
        // The thread has the file, and removes it.
        let _ = self.join();
    }
}

/// Writes messages as lines until the last one has come.
fn write(mut file: NewFile, batches: &Receiver<MessageBatch>) -> Result<NewFile, CheckError> {
    let mut lines = Vec::new();
    for messages in batches {
        lines.clear();
        for message in messages.iter() {
            lines.extend_from_slice(message.subject);
            lines.push(b' ');
            lines.extend_from_slice(message.payload);
            lines.push(b'\n');
        }
        let written = file.write_all(&lines);
        written.map_err(CheckError::io(file.path(), "writing"))?;
    }
    Ok(file)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sink::MessageBatchBuilder;

    #[test]
    fn a_stream_that_is_dropped_leaves_nothing() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("golden.jsonl.zst");
        let mut messages = MessageBatchBuilder::default();
        messages.push(b"t.SHFE.rb2601", b"{}");
        let messages = messages.take();
        let mut dropped = StreamWriter::create(&path).unwrap();
        dropped.push(&messages).unwrap();
        drop(dropped);
        assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 0);
        let mut kept = StreamWriter::create(&path).unwrap();
        kept.push(&messages).unwrap();
        kept.finish().unwrap();
        let text = zstd::decode_all(&std::fs::read(&path).unwrap()[..]).unwrap();
        assert_eq!(text, b"t.SHFE.rb2601 {}\n");
    }
}

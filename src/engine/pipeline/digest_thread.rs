//! The stream digest on its own thread: hashing costs a quarter of a replay.
//!
//! Small batches, as a paced session makes them, are gathered before the thread is woken.

use std::thread::JoinHandle;

use crossbeam_channel::{Receiver, Sender, bounded};
use tickdeck_core::thread;

use crate::sink::{MessageBatch, MessageBatchBuilder, StreamDigest};

/// Batches that wait to be hashed.
const QUEUED_BATCHES: usize = 16;
/// Bytes that are gathered before the thread is woken.
const GATHER_BYTES: usize = 512 * 1024;

/// A stream digest that is computed on another thread.
#[derive(Debug)]
pub(super) struct DigestThread {
    gathered: Vec<MessageBatch>,
    gathered_bytes: usize,
    hashing: Hashing,
}

#[derive(Debug)]
enum Hashing {
    OnThread {
        batches: Sender<MessageBatch>,
        /// Buffers of batches that no sink kept.
        spares: Receiver<MessageBatchBuilder>,
        thread: JoinHandle<StreamDigest>,
    },
    /// The system could not start a thread.
    Here(Box<StreamDigest>),
}

impl DigestThread {
    /// The digest of the empty stream.
    pub(super) fn start() -> Self {
        let (batches, incoming) = bounded::<MessageBatch>(QUEUED_BATCHES);
        let (recycled, spares) = bounded(QUEUED_BATCHES);
        let hash = move || {
            let mut digest = StreamDigest::new();
            for batch in incoming {
                digest.update(&batch);
                if let Some(buffers) = batch.recycle() {
                    // A full channel means that there are enough spares.
                    let _ = recycled.try_send(buffers);
                }
            }
            digest
        };
        let hashing = match thread::spawn("digest", hash) {
            Ok(thread) => Hashing::OnThread {
                batches,
                spares,
                thread,
            },
            Err(_) => Hashing::Here(Box::default()),
        };
        Self {
            gathered: Vec::new(),
            gathered_bytes: 0,
            hashing,
        }
    }

    /// Appends a batch.
    pub(super) fn update(&mut self, batch: MessageBatch) {
        self.gathered_bytes += batch.frames().len();
        self.gathered.push(batch);
        if self.gathered_bytes >= GATHER_BYTES {
            self.pass_on();
        }
    }

    fn pass_on(&mut self) {
        self.gathered_bytes = 0;
        for batch in self.gathered.drain(..) {
            match &mut self.hashing {
                // The thread ends only when the channel is closed: it takes every batch.
                Hashing::OnThread { batches, .. } => drop(batches.send(batch)),
                Hashing::Here(digest) => digest.update(&batch),
            }
        }
    }

    /// Buffers for the next batch.
    pub(super) fn spare(&self) -> Option<MessageBatchBuilder> {
        match &self.hashing {
            Hashing::OnThread { spares, .. } => spares.try_recv().ok(),
            Hashing::Here(_) => None,
        }
    }

    /// The digest of everything, as 64 lower case hex digits. A new stream begins.
    pub(super) fn finish(&mut self) -> String {
        self.pass_on();
        match std::mem::replace(&mut self.hashing, Hashing::Here(Box::default())) {
            Hashing::OnThread {
                batches, thread, ..
            } => {
                drop(batches);
                match thread.join() {
                    Ok(digest) => digest.hex(),
                    Err(panic) => std::panic::resume_unwind(panic),
                }
            }
            Hashing::Here(digest) => digest.hex(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_thread_computes_the_digest_of_the_stream() {
        let mut builder = MessageBatchBuilder::default();
        for i in 0..5000_u32 {
            builder.push(b"market.tick.SHFE.rb2601", &[i.to_le_bytes(); 50].concat());
        }
        let batch = builder.take();
        let mut expected = StreamDigest::new();
        expected.update(&batch);
        for size in [1, 100, 5000] {
            let mut digest = DigestThread::start();
            for chunk in batch.chunks(size) {
                digest.update(chunk);
            }
            assert_eq!(digest.finish(), expected.hex());
        }
        assert_eq!(DigestThread::start().finish(), StreamDigest::new().hex());
    }
}

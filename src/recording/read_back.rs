//! Where the events of a session are while it is recorded, for a consumer that lags behind the recorder.
//!
//! A session may have several recordings, one after the other, each with its own `seq`. Here events have
//! the `seq` of the session.

use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use tickdeck_core::event::{Event, Seq};
use tickdeck_core::source::{Source, SourceError};

use super::background_writer::{BackgroundWriter, HasEnded};
use super::follow::FollowReader;

/// The recordings of a session. Clones share them.
#[derive(Debug, Clone, Default)]
pub struct ReadBack(Arc<Mutex<Vec<Part>>>);

/// One recording of the session.
#[derive(Debug, Clone)]
struct Part {
    /// `seq` of its first event in the session.
    first_seq: u64,
    folder: PathBuf,
    has_ended: HasEnded,
}

impl ReadBack {
    /// Those of a session with the one recording of `writer`.
    #[must_use]
    pub fn of(writer: &BackgroundWriter) -> Self {
        let recordings = Self::default();
        recordings.add(0, writer);
        recordings
    }

    /// The recording of `writer` begins with the event `first_seq` of the session.
    pub(super) fn add(&self, first_seq: u64, writer: &BackgroundWriter) {
        self.lock().push(Part {
            first_seq,
            folder: writer.folder().to_owned(),
            has_ended: writer.has_ended(),
        });
    }

    /// The recording with an event. `None` before the first one.
    fn part_of(&self, seq: u64) -> Option<Part> {
        let parts = self.lock();
        let mut parts = parts.iter().rev();
        parts.find(|part| part.first_seq <= seq).cloned()
    }

    /// A reader from `seq` on. Those events were given to a recorder, and need not be in a file yet.
    #[must_use]
    pub fn reader(&self, seq: u64) -> ReadBackReader {
        ReadBackReader {
            parts: self.clone(),
            next_seq: seq,
            current: None,
        }
    }

    fn lock(&self) -> MutexGuard<'_, Vec<Part>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Yields the recorded events of a session, and waits for those that are not in a file yet. It ends where
/// its recorder has failed.
#[derive(Debug)]
pub struct ReadBackReader {
    parts: ReadBack,
    next_seq: u64,
    /// The `seq` at which the recording begins that is read.
    current: Option<(u64, FollowReader)>,
}

impl Source for ReadBackReader {
    fn next_batch(&mut self, batch: &mut Vec<Event>, max: usize) -> Result<(), SourceError> {
        let Some(part) = self.parts.part_of(self.next_seq) else {
            return Ok(());
        };
        let first_seq = part.first_seq;
        let reader = match &mut self.current {
            Some((first, reader)) if *first == first_seq => reader,
            other => {
                let reader = follow(&part.folder, self.next_seq - first_seq, part.has_ended);
                &mut other.insert((first_seq, reader)).1
            }
        };
        let before = batch.len();
        reader.next_batch(batch, max)?;
        for event in &mut batch[before..] {
            event.seq = Seq(event.seq.0 + first_seq);
            self.next_seq = event.seq.0 + 1;
        }
        Ok(())
    }
}

fn follow(folder: &Path, seq: u64, has_ended: HasEnded) -> FollowReader {
    FollowReader::from_seq(folder, seq, move || has_ended.get())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::day_recorder::DayRecorder;
    use crate::event_writer::EventWriter as _;
    use crate::rolling_tests::at_hours;
    use crate::tests::options;
    use crate::{RecorderOptions, Rolling};

    #[test]
    fn events_of_several_days_are_read_back_in_order() {
        let root = tempfile::tempdir().unwrap();
        // The day and the night of Tuesday, and the night of Wednesday.
        let events = at_hours(&[3, 3, 9, 13, 22, 33, 34]);
        let session = "run".parse().unwrap();
        let options = options(Rolling::default());
        let recorder = RecorderOptions::default();
        let mut recorder = DayRecorder::new(root.path(), session, options, recorder);
        recorder.write(&events).unwrap();
        for from in 0..events.len() {
            let mut reader = recorder.recordings().reader(from as u64);
            let mut found = Vec::new();
            while found.len() < events.len() - from {
                let before = found.len();
                reader.next_batch(&mut found, 2).unwrap();
                assert!(found.len() > before);
            }
            assert_eq!(found, events[from..]);
        }
        assert!(recorder.finish(0).error.is_none());
    }
}

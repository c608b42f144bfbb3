//! Reads a recording while it is written, to its end: across blocks, journal files and sealed segments.

use std::io::ErrorKind;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tickdeck_core::event::Event;
use tickdeck_core::source::{Source, SourceError};
use tickdeck_core::wait;

use super::error::RecordingError;
use super::filter::EventFilter;
use super::finding::Finding;
use super::journal::{JournalFiles, JournalReader, Next};
use super::owner::is_owned;
use super::reader::{Recording, RecordingReader};
use super::storage::{Storage, StorageError, local};

type Result<T> = std::result::Result<T, RecordingError>;

/// How often to look for more. A writer writes at least as often.
const POLL_INTERVAL: Duration = Duration::from_millis(50);

/// Events read from a recording at a time.
const BATCH_EVENTS: usize = 2048;

/// Says what a follower found when it last looked. Clones share it with the thread of the follower.
#[derive(Debug, Clone, Default)]
pub struct Followed(Arc<Found>);

#[derive(Debug, Default)]
struct Found {
    is_finished: AtomicBool,
    damage: Mutex<Option<Finding>>,
}

impl Followed {
    /// Whether the recording was finished, so that nothing more comes.
    #[must_use]
    pub fn is_finished(&self) -> bool {
        self.0.is_finished.load(Ordering::Acquire)
    }

    /// What is known before the follower looks.
    pub fn set_finished(&self, is_finished: bool) {
        self.0.is_finished.store(is_finished, Ordering::Release);
    }

    /// The part of the journal that could not be read, where the follower therefore ended.
    #[must_use]
    pub fn damage(&self) -> Option<Finding> {
        self.damaged().clone()
    }

    fn damaged(&self) -> MutexGuard<'_, Option<Finding>> {
        self.0.damage.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Yields the events of a recording and waits for more, until its writer has finished it.
pub struct FollowReader {
    storage: Arc<dyn Storage>,
    path: PathBuf,
    /// The session whose journal files are read; any of a recorder that follows its own.
    session: Option<String>,
    filter: EventFilter,
    place: Position,
    /// `seq` of the next event, wanted or not.
    next_seq: u64,
    /// Events that were read and not handed out yet.
    events: std::vec::IntoIter<Event>,
    is_stopped: Box<dyn Fn() -> bool + Send>,
    followed: Followed,
    /// Whether it reads one file alone, which does not grow.
    is_lone: bool,
}

/// Where the next events come from.
#[derive(Debug)]
enum Position {
    /// What was on disk when the recording was opened, with the `seq` after its last event.
    Opened(Box<RecordingReader>, u64),
    /// A journal file.
    Journal(Box<JournalReader>),
    /// To be found.
    Unknown,
    /// There is nothing more.
    Ended,
}

impl std::fmt::Debug for FollowReader {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("FollowReader")
            .field("path", &self.path)
            .field("place", &self.place)
            .field("next_seq", &self.next_seq)
            .finish_non_exhaustive()
    }
}

impl Recording {
    /// A reader over the events that `filter` selects, now and later. It ends when the writer has ended,
    /// where the journal is damaged, or when `is_stopped` says so. A segment or journal file alone is read
    /// as it was opened.
    #[must_use]
    pub fn follow(
        &self,
        filter: EventFilter,
        is_stopped: impl Fn() -> bool + Send + 'static,
    ) -> FollowReader {
        let until = self.manifest().map_or(u64::MAX, |manifest| manifest.events);
        FollowReader {
            storage: Arc::clone(self.storage()),
            path: self.path().to_owned(),
            session: Some(self.session().to_owned()),
            place: Position::Opened(Box::new(self.reader(filter.clone())), until),
            filter,
            next_seq: 0,
            events: Vec::new().into_iter(),
            is_stopped: Box::new(is_stopped),
            followed: {
                let followed = Followed::default();
                followed.set_finished(self.is_complete());
                followed
            },
            is_lone: self.manifest().is_none(),
        }
    }
}

impl FollowReader {
    /// Reports to `followed` whether the recording is finished.
    #[must_use]
    pub fn reporting(self, followed: &Followed) -> Self {
        followed.set_finished(self.followed.is_finished());
        let followed = followed.clone();
        Self { followed, ..self }
    }

    /// A reader over the events of the recording at `folder` from `seq` on, for the session that records
    /// it. The event with that `seq` need not be in a file yet. It ends when `is_stopped` says so and no
    /// file has more.
    #[must_use]
    pub fn from_seq(
        folder: &Path,
        seq: u64,
        is_stopped: impl Fn() -> bool + Send + 'static,
    ) -> Self {
        Self {
            storage: local(),
            path: folder.to_owned(),
            session: None,
            place: Position::Unknown,
            filter: EventFilter::default(),
            next_seq: seq,
            events: Vec::new().into_iter(),
            is_stopped: Box::new(is_stopped),
            followed: Followed::default(),
            is_lone: false,
        }
    }

    /// Reads until there are events or the end.
    fn fill(&mut self) -> Result<()> {
        while self.events.len() == 0 {
            let mut read = Vec::new();
            match &mut self.place {
                Position::Ended => return Ok(()),
                Position::Opened(reader, until) => {
                    reader.next_events(&mut read, BATCH_EVENTS)?;
                    if read.is_empty() {
                        self.next_seq = self.next_seq.max(*until);
                        self.place = match self.is_lone {
                            true => Position::Ended,
                            false => Position::Unknown,
                        };
                    }
                }
                Position::Journal(reader) => match reader.next(&mut read)? {
                    Next::Block => {
                        let from = self.next_seq;
                        self.next_seq = from.max(reader.next_seq());
                        let filter = &self.filter;
                        read.retain(|event| event.seq.0 >= from && filter.wants(event));
                    }
                    Next::End => self.look(false)?,
                    Next::Torn(_) => {
                        let is_damaged = reader.has_later_blocks()?;
                        self.look(is_damaged)?;
                    }
                },
                Position::Unknown => self.look(false)?,
            }
            self.events = read.into_iter();
        }
        Ok(())
    }

    /// Finds the place of the next event, or waits a moment. `is_damaged` says that the file that is being
    /// read is: its writer will not complete the next block.
    fn look(&mut self, is_damaged: bool) -> Result<()> {
        // First: a writer that ends in between has written everything.
        let is_owned = is_owned(&*self.storage, &self.path);
        let is_stopped = (self.is_stopped)();
        if !self.storage.exists(&self.path) {
            let gone = StorageError::at(&self.path, "following, until it was moved or removed,");
            return Err(gone(ErrorKind::NotFound.into()).into());
        }
        let journal = JournalFiles::paths(&*self.storage, &self.path)?;
        if let Some(reader) = self.next_journal(&journal)? {
            self.place = Position::Journal(Box::new(reader));
            return Ok(());
        }
        // A file that has gone is sealed, and so may be those after it.
        // One that is damaged grows no more, nor does one that the writer has left for the next.
        let grows = self
            .current()
            .is_some_and(|path| journal.last() == Some(path))
            && !is_damaged;
        if is_owned && grows {
            self.wait(is_stopped);
            return Ok(());
        }
        let recording = Recording::open_in(Arc::clone(&self.storage), &self.path)?;
        self.followed.set_finished(recording.is_complete());
        let events = recording.manifest().map_or(0, |manifest| manifest.events);
        if events > self.next_seq {
            let reader = recording.reader_from(self.next_seq, self.filter.clone());
            self.place = Position::Opened(Box::new(reader), events);
        } else if let Some(damage) = recording.journal_damage() {
            *self.followed.damaged() = Some(damage);
            self.place = Position::Ended;
        } else if is_owned {
            self.wait(is_stopped);
        } else {
            self.place = Position::Ended;
        }
        Ok(())
    }

    /// The journal file that is being read.
    fn current(&self) -> Option<&PathBuf> {
        match &self.place {
            Position::Journal(reader) => Some(reader.path()),
            _ => None,
        }
    }

    /// The file of the journal with the next event, unless it is the one that is being read.
    fn next_journal(&self, journal: &[PathBuf]) -> Result<Option<JournalReader>> {
        for path in journal.iter().rev() {
            if self.current() == Some(path) {
                return Ok(None);
            }
            if let Some(reader) = self.journal_at(path)? {
                return Ok(Some(reader));
            }
        }
        Ok(None)
    }

    /// The journal file at `path`, if it is of the session and the next event may be in it.
    fn journal_at(&self, path: &Path) -> Result<Option<JournalReader>> {
        let Ok(file) = self.storage.open(path) else {
            // Its events are in a segment by now.
            return Ok(None);
        };
        let reader = JournalReader::of_file(path, file)?;
        let is_ours = |reader: &JournalReader| {
            let mut ours = self.session.iter();
            ours.all(|session| session == reader.session()) && reader.next_seq() <= self.next_seq
        };
        Ok(reader.filter(is_ours))
    }

    fn wait(&mut self, is_stopped: bool) {
        if is_stopped {
            self.place = Position::Ended;
        } else {
            wait::nap(POLL_INTERVAL);
        }
    }
}

impl Source for FollowReader {
    fn next_batch(
        &mut self,
        batch: &mut Vec<Event>,
        max: usize,
    ) -> std::result::Result<(), SourceError> {
        self.fill()?;
        batch.extend(self.events.by_ref().take(max));
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sealer::journal_of;
    use crate::tests::{options, some_ticks};
    use crate::{RecordingOptions, RecordingWriter, Rolling};

    fn next(reader: &mut FollowReader) -> Vec<Event> {
        let mut events = Vec::new();
        reader.next_batch(&mut events, 4).unwrap();
        assert!(events.len() <= 4);
        events
    }

    #[test]
    fn a_follower_of_a_folder_that_was_moved_says_so() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("rec");
        let writer = RecordingWriter::create(&path, options(Rolling::default())).unwrap();
        let mut reader = FollowReader::from_seq(&path, 0, || false);
        std::fs::rename(&path, folder.path().join("moved")).unwrap();
        let error = reader.next_batch(&mut Vec::new(), 4).unwrap_err();
        let text = error.to_string();
        assert!(text.contains("until it was moved or removed"), "{text}");
        drop(writer);
    }

    /// A journal with files of 10 events and blocks of 5, whose writer lives, and the ends of its blocks
    /// in the first file.
    fn written(path: &Path, events: &[Event]) -> (impl Sized, Vec<u64>) {
        let options = RecordingOptions {
            keep_partial: true,
            ..options(Rolling {
                max_rows: 100,
                row_group_rows: 10,
                ..Rolling::default()
            })
        };
        let writer = RecordingWriter::create(path, options).unwrap();
        let (mut journal, sealer) = journal_of(writer);
        let mut ends = Vec::new();
        for block in events.chunks(5) {
            for event in block {
                journal.append(event).unwrap();
            }
            journal.write().unwrap();
            ends.push(path.join(FIRST).metadata().unwrap().len());
        }
        ((journal, sealer), ends)
    }

    const FIRST: &str = "journal-00000.tdj";

    fn flip(path: &Path, at: u64) {
        let mut bytes = std::fs::read(path).unwrap();
        bytes[usize::try_from(at).unwrap()] ^= 1;
        std::fs::write(path, bytes).unwrap();
    }

    /// All that a follower reads, which is stopped if it waits for more than a second.
    fn follow_all(recording: &Recording, followed: &Followed) -> Vec<Event> {
        let waits = std::sync::atomic::AtomicU32::new(0);
        let is_stopped = move || waits.fetch_add(1, Ordering::Relaxed) > 20;
        let mut reader = recording.follow(EventFilter::default(), is_stopped);
        reader = reader.reporting(followed);
        let batches = std::iter::from_fn(|| Some(next(&mut reader)).filter(|it| !it.is_empty()));
        batches.flatten().collect()
    }

    #[test]
    fn a_follower_ends_where_the_journal_is_damaged() {
        let events = some_ticks(25);
        // In the first block, and in the last one of a file that the writer has left.
        for (block, whole) in [(0, 0), (1, 5)] {
            let folder = tempfile::tempdir().unwrap();
            let path = folder.path().join("rec");
            let (writer, ends) = written(&path, &events);
            flip(&path.join(FIRST), ends[block] - 1);
            let opened = Recording::open(&path).unwrap();
            assert!(opened.is_being_written());
            let followed = Followed::default();
            assert_eq!(follow_all(&opened, &followed), events[..whole]);
            let damage = followed.damage().unwrap();
            assert_eq!(damage.file, path.join(FIRST));
            let lost = format!("events {whole} to 24 are lost");
            assert!(damage.problem.contains(&lost), "{damage:?}");
            assert!(!followed.is_finished());
            assert_eq!(
                opened.journal_damage(),
                Some(damage),
                "as it is without following"
            );
            drop(writer);
        }
    }

    #[test]
    fn a_follower_reads_no_journal_of_another_session() {
        let folder = tempfile::tempdir().unwrap();
        let [path, other] = ["rec", "other"].map(|name| folder.path().join(name));
        let events = some_ticks(15);
        let (writer, _) = written(&path, &events);
        let theirs = RecordingOptions {
            session: "another".into(),
            ..options(Rolling {
                row_group_rows: 10,
                ..Rolling::default()
            })
        };
        let (mut journal, sealer) = journal_of(RecordingWriter::create(&other, theirs).unwrap());
        events
            .iter()
            .for_each(|event| journal.append(event).unwrap());
        journal.write().unwrap();
        let [ours, theirs] = [&path, &other].map(|path| path.join("journal-00001.tdj"));
        std::fs::copy(theirs, &ours).unwrap();
        let opened = Recording::open(&path).unwrap();
        let followed = Followed::default();
        assert_eq!(follow_all(&opened, &followed), events[..10]);
        let damage = followed.damage().unwrap();
        assert_eq!(damage.file, ours);
        assert!(damage.problem.contains("session \"another\""), "{damage:?}");
        drop((writer, sealer));
    }

    #[test]
    fn a_block_that_is_not_whole_is_damage_once_its_writer_has_ended() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("rec");
        let events = some_ticks(10);
        let (writer, ends) = written(&path, &events);
        let file = std::fs::File::options().write(true).open(path.join(FIRST));
        file.unwrap().set_len(ends[1] - 1).unwrap();
        let opened = Recording::open(&path).unwrap();
        let followed = Followed::default();
        assert_eq!(follow_all(&opened, &followed), events[..5]);
        assert_eq!(followed.damage(), None, "it may be on its way");
        drop(writer);
        assert_eq!(follow_all(&opened, &followed), events[..5]);
        let damage = followed.damage().unwrap();
        assert!(damage.problem.contains("not a whole block"), "{damage:?}");
        let now = Recording::open(&path).unwrap();
        assert_eq!(
            now.journal_damage(),
            Some(damage),
            "as it is without following"
        );
    }

    #[test]
    fn a_follower_sees_everything_once() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("rec");
        let options = RecordingOptions {
            keep_partial: true,
            ..options(Rolling {
                max_rows: 20,
                row_group_rows: 10,
                ..Rolling::default()
            })
        };
        let events = some_ticks(200);
        let writer = RecordingWriter::create(&path, options).unwrap();
        let (mut journal, mut sealer) = journal_of(writer);
        let opened = Recording::open(&path).unwrap();
        let followed = Followed::default();
        let theirs = followed.clone();
        let seen = tickdeck_core::thread::spawn("follower", move || {
            let reader = opened.follow(EventFilter::default(), || false);
            let mut reader = reader.reporting(&theirs);
            assert!(!theirs.is_finished());
            let batches = std::iter::from_fn(|| Some(next(&mut reader)).filter(|b| !b.is_empty()));
            batches.flatten().collect::<Vec<_>>()
        })
        .unwrap();
        for (index, block) in events.chunks(3).enumerate() {
            for event in block {
                journal.append(event).unwrap();
            }
            journal.write().unwrap();
            // Now and then the follower lags behind several segments.
            if index % 7 != 0 {
                wait::nap(Duration::from_millis(2));
            }
            sealer.follow(journal.written_seq()).unwrap();
        }
        sealer.into_writer().finish().unwrap();
        assert!(seen.join().unwrap() == events);
        assert!(followed.is_finished());
    }

    /// The sealer overtakes it while the writer continues.
    #[test]
    fn a_follower_that_is_overtaken_waits_for_nothing() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("rec");
        let options = options(Rolling {
            max_rows: 20,
            row_group_rows: 10,
            ..Rolling::default()
        });
        let events = some_ticks(75);
        let writer = RecordingWriter::create(&path, options).unwrap();
        let (mut journal, mut sealer) = journal_of(writer);
        let mut record = |events: &[Event]| {
            for event in events {
                journal.append(event).unwrap();
            }
            journal.write().unwrap();
            journal.written_seq()
        };
        record(&events[..4]);
        // Ends instead of waiting.
        let is_stopped = || true;
        let mut reader = FollowReader::from_seq(&path, 0, is_stopped);
        let mut found = next(&mut reader);
        assert_eq!(found, events[..4]);
        sealer.follow(record(&events[4..])).unwrap();
        while found.len() < events.len() {
            let read = next(&mut reader);
            assert!(!read.is_empty(), "it waits after {} events", found.len());
            found.extend(read);
        }
        assert_eq!(found, events);
        drop(sealer);
    }

    #[test]
    fn a_follower_ends_on_request_and_after_a_kill() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("rec");
        let writer = RecordingWriter::create(&path, options(Rolling::default())).unwrap();
        let (mut journal, sealer) = journal_of(writer);
        for event in &some_ticks(4) {
            journal.append(event).unwrap();
        }
        journal.write().unwrap();
        let stop = Arc::new(AtomicBool::new(false));
        let stopped = Arc::clone(&stop);
        let opened = Recording::open(&path).unwrap();
        let mut reader = opened.follow(EventFilter::default(), move || {
            stopped.load(Ordering::Relaxed)
        });
        assert_eq!(next(&mut reader), some_ticks(4));
        stop.store(true, Ordering::Relaxed);
        assert_eq!(next(&mut reader), []);
        let followed = Followed::default();
        let reader = opened.follow(EventFilter::default(), || false);
        let mut reader = reader.reporting(&followed);
        assert_eq!(next(&mut reader), some_ticks(4));
        drop(sealer);
        assert_eq!(next(&mut reader), []);
        assert!(!followed.is_finished(), "its writer was killed");
    }

    #[test]
    fn a_finished_recording_is_followed_to_its_end() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("rec");
        let mut writer = RecordingWriter::create(&path, options(Rolling::default())).unwrap();
        writer.write(&some_ticks(4)).unwrap();
        writer.finish().unwrap();
        let opened = Recording::open(&path).unwrap();
        let mut reader = opened.follow(EventFilter::default(), || false);
        assert_eq!(next(&mut reader), some_ticks(4));
        assert_eq!(next(&mut reader), []);
    }
}

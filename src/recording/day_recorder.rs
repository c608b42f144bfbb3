//! Records a session into a catalogue: one recording per trading day.
//!
//! The trading day is that of the receive time: it begins at 18:00 Shanghai time with the night session
//! that belongs to it. A recording that ends is sealed on a separate thread, so that the next one
//! does not wait for it.
//!
//! Each recording has `seq` from 0 on, and a session id that no other one has.
//! Merged, they have the session's events in the session's order.

use std::mem;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::thread::JoinHandle;

use chrono::NaiveDate;
use tickdeck_core::event::Event;
use tickdeck_core::thread;

use super::background_writer::{BackgroundWriter, JournalEnd, Recorded, RecorderOptions};
use super::catalog::{Catalog, SessionId};
use super::error::RecordingError;
use super::event_writer::EventWriter;
use super::numbering::{Numbering, unbroken};
use super::read_back::ReadBack;
use super::recorder_stats::RecorderStats;
use super::removal::remove;
use super::storage::{Storage, local};
use super::tally::DayOf;
use super::writer::{RecordingOptions, RecordingWriter};

type Result<T> = std::result::Result<T, RecordingError>;

/// The recording of a day.
struct Day {
    date: NaiveDate,
    folder: PathBuf,
    recorder: BackgroundWriter,
    numbering: Numbering,
}

/// A recording that is being sealed.
struct Ending {
    folder: PathBuf,
    thread: JoinHandle<Recorded>,
}

/// Records a session by trading day. The first recording begins with the first event.
pub struct DayRecorder {
    storage: Arc<dyn Storage>,
    root: PathBuf,
    session: SessionId,
    options: RecordingOptions,
    recorder: RecorderOptions,
    stats: Arc<RecorderStats>,
    recordings: ReadBack,
    /// Ids that were used.
    parts: u64,
    days: DayOf,
    current: Option<Day>,
    /// That of the newest day: the next one follows it.
    journal_end: Option<JournalEnd>,
    ending: Vec<Ending>,
    next_seq: u64,
    has_failed: bool,
    /// The first error that no caller has seen.
    failure: Option<RecordingError>,
}

impl std::fmt::Debug for DayRecorder {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("DayRecorder")
            .field("root", &self.root)
            .field("session", &self.session)
            .finish_non_exhaustive()
    }
}

impl DayRecorder {
    /// Records under `root`. The session id of `options` is replaced by `session`, with a number where
    /// there are several days. `start` puts each recording behind its threads.
    #[must_use]
    pub fn new(
        root: &Path,
        session: SessionId,
        options: RecordingOptions,
        recorder: RecorderOptions,
    ) -> Self {
        Self::new_in(local(), root, session, options, recorder)
    }

    /// The same on any storage.
    pub(super) fn new_in(
        storage: Arc<dyn Storage>,
        root: &Path,
        session: SessionId,
        options: RecordingOptions,
        recorder: RecorderOptions,
    ) -> Self {
        Self {
            storage,
            root: root.to_owned(),
            session,
            options: RecordingOptions {
                keep_partial: true,
                ..options
            },
            recorder,
            stats: Arc::default(),
            recordings: ReadBack::default(),
            parts: 0,
            days: DayOf::default(),
            current: None,
            journal_end: None,
            ending: Vec::new(),
            next_seq: 0,
            has_failed: false,
            failure: None,
        }
    }

    /// Appends events, unless that fails or has failed: then false. The result of
    /// [`finish`](Self::finish) has the reason.
    pub(super) fn offer(&mut self, events: &[Event]) -> bool {
        let written = self.write(events);
        self.stats.accepts(written, &mut self.failure)
    }

    /// Whether nothing more is accepted.
    pub(super) fn has_failed(&self) -> bool {
        let current = self.current.as_ref();
        self.has_failed || current.is_some_and(|day| day.recorder.has_failed())
    }

    /// Counts of all days. Other threads may read them, also after the end.
    pub(super) const fn stats(&self) -> &Arc<RecorderStats> {
        &self.stats
    }

    /// Where the events are while they are recorded.
    pub(super) const fn recordings(&self) -> &ReadBack {
        &self.recordings
    }

    /// The root of the catalogue.
    pub(super) fn root(&self) -> &Path {
        &self.root
    }

    /// Waits until everything is in segments, and finishes the last recording. `overflow` are the ticks
    /// that were lost before they could be recorded; those of all days are in its ledger.
    #[must_use]
    pub fn finish(mut self, overflow: u64) -> Recorded {
        let mut all = Recorded {
            error: self.failure.take(),
            ..Recorded::default()
        };
        let mut is_sealed = true;
        for ending in mem::take(&mut self.ending) {
            let recorded = ending.thread.join().unwrap_or_else(|_| Recorded {
                // The panic was reported with its place.
                error: Some(RecordingError::WriterFailed {
                    path: ending.folder.clone(),
                }),
                ..Recorded::default()
            });
            add(&mut all, &mut is_sealed, ending.folder, recorded);
        }
        if let Some(day) = self.current.take() {
            add(
                &mut all,
                &mut is_sealed,
                day.folder,
                day.recorder.finish(overflow),
            );
        }
        all
    }

    /// Removes what was recorded. A recording that the last day should replace stays as it was.
    ///
    /// # Errors
    /// When recording failed, or something cannot be removed.
    pub fn discard(mut self) -> Result<()> {
        if let Some(day) = self.current.take() {
            day.recorder.discard()?;
            // The folder of a day that has other sessions stays.
            let day = day.folder.parent();
            let _ = day.map(|day| self.storage.remove_folder(day));
        }
        for Ending { folder, thread } in mem::take(&mut self.ending) {
            match thread.join().map(|recorded| recorded.error) {
                Ok(None) => remove(&self.storage, &folder)?,
                Ok(Some(error)) => return Err(error),
                Err(_) => return Err(RecordingError::WriterFailed { path: folder }),
            }
        }
        Ok(())
    }

    fn write_run(&mut self, events: &[Event], date: NaiveDate) -> Result<()> {
        let count = unbroken(self.next_seq, events);
        if count > 0 {
            self.write_unbroken(&events[..count], date)?;
        }
        match events.get(count) {
            None => Ok(()),
            Some(gap) => Err(RecordingError::SeqGap {
                path: self.root.clone(),
                expected: self.next_seq,
                found: gap.seq.0,
            }),
        }
    }

    fn write_unbroken(&mut self, events: &[Event], date: NaiveDate) -> Result<()> {
        let day = match self.current.take() {
            Some(day) if day.date >= date => day,
            before => {
                before.map(|day| self.end(day)).transpose()?;
                self.begin(date)?
            }
        };
        let day = self.current.insert(day);
        day.recorder.write(day.numbering.number(events))?;
        self.next_seq += events.len() as u64;
        Ok(())
    }

    fn begin(&mut self, date: NaiveDate) -> Result<Day> {
        let (folder, writer) = self.create_numbered(date)?;
        let earlier = self.journal_end.take();
        let recorder =
            BackgroundWriter::start_after(earlier, writer, self.recorder, Arc::clone(&self.stats));
        let recorder = recorder.map_err(RecordingError::io(&folder, "starting a thread for"))?;
        self.recordings.add(self.next_seq, &recorder);
        self.journal_end = Some(recorder.journal_end());
        Ok(Day {
            date,
            folder,
            recorder,
            numbering: Numbering::default(),
        })
    }

    /// Begins a recording in the catalogue. An id that the day has already gets a number: a session that
    /// was restarted must not end because of the one before.
    fn create_numbered(&mut self, date: NaiveDate) -> Result<(PathBuf, RecordingWriter)> {
        loop {
            let session = self.session.of_part(self.parts);
            self.parts += 1;
            let folder = Catalog::folder(&self.root, date, &session);
            let options = RecordingOptions {
                session,
                ..self.options.clone()
            };
            match RecordingWriter::create_in(Arc::clone(&self.storage), &folder, options) {
                Ok(writer) => return Ok((folder, writer)),
                Err(RecordingError::OutputExists { .. } | RecordingError::InUse { .. }) => {}
                Err(error) => return Err(error),
            }
        }
    }

    /// Seals the recording of a day on a separate thread.
    fn end(&mut self, day: Day) -> Result<()> {
        let Day {
            folder, recorder, ..
        } = day;
        let seal = move || recorder.finish(0);
        let thread = thread::spawn("day-sealer", seal)
            .map_err(RecordingError::io(&folder, "starting a thread for"))?;
        self.ending.push(Ending { folder, thread });
        Ok(())
    }
}

/// Adds the recording of a day to the session's, which is sealed if every day is.
fn add(all: &mut Recorded, is_sealed: &mut bool, folder: PathBuf, day: Recorded) {
    all.ticks += day.ticks;
    match &day.manifest {
        Some(made) => all.days.push((folder, made.clone())),
        None => *is_sealed = false,
    }
    all.manifest = day.manifest.filter(|_| *is_sealed);
    all.error = RecordingError::first_cause(all.error.take(), day.error);
}

impl EventWriter for DayRecorder {
    fn write(&mut self, events: &[Event]) -> Result<()> {
        if self.has_failed {
            return Err(RecordingError::WriterFailed {
                path: self.root.clone(),
            });
        }
        let mut rest = events;
        while let Some(first) = rest.first() {
            let calendar = &self.options.calendar;
            let mut date = self.days.day(first.recv_ts, calendar);
            // A clock that went back does not reopen a day.
            if let Some(day) = &self.current {
                date = date.max(day.date);
            }
            let mut same_day = |event: &&Event| self.days.day(event.recv_ts, calendar) <= date;
            let count = rest.iter().take_while(&mut same_day).count();
            let (run, others) = rest.split_at(count);
            if let Err(error) = self.write_run(run, date) {
                self.has_failed = true;
                return Err(error);
            }
            rest = others;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::rolling_tests::at_hours;
    use crate::tests::{options, read_all};
    use crate::{EventFilter, Recording, Rolling, Status, verify};
    use tickdeck_core::source::{MergeSource, Source};

    fn recorder(root: &Path) -> DayRecorder {
        let session = "run".parse().unwrap();
        let options = options(Rolling::default());
        DayRecorder::new(root, session, options, RecorderOptions::default())
    }

    #[test]
    fn a_session_is_sealed_only_if_every_day_is() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("rec");
        let made = crate::tests::record(&path, &at_hours(&HOURS), Rolling::default());
        let day = |manifest| Recorded {
            manifest,
            ..Recorded::default()
        };
        let (mut all, mut is_sealed) = (Recorded::default(), true);
        for (manifest, is_expected) in [
            (Some(made.clone()), true),
            (None, false),
            (Some(made), false),
        ] {
            add(&mut all, &mut is_sealed, path.clone(), day(manifest));
            assert_eq!(all.manifest.is_some(), is_expected);
        }
        assert_eq!(all.days.len(), 2);
    }

    /// 15:00 of a Monday; the night and the day of Tuesday; the night of Wednesday.
    const HOURS: [i64; 7] = [3, 3, 9, 13, 22, 33, 34];

    fn folders(root: &Path) -> Vec<String> {
        let entries = Catalog::open(root).unwrap().entries.into_iter();
        let relative = entries.map(|entry| entry.folder.strip_prefix(root).unwrap().to_owned());
        relative.map(|path| path.display().to_string()).collect()
    }

    #[test]
    fn each_trading_day_has_its_own_recording() {
        let root = tempfile::tempdir().unwrap();
        let events = at_hours(&HOURS);
        let mut recorder = recorder(root.path());
        for batch in events.chunks(4) {
            recorder.write(batch).unwrap();
        }
        let recorded = recorder.finish(5);
        assert!(recorded.error.is_none());
        assert_eq!(
            folders(root.path()),
            [
                "trading_day=2026-01-05/session=run",
                "trading_day=2026-01-06/session=run-2",
                "trading_day=2026-01-07/session=run-3",
            ]
        );
        let counts = recorded.days.iter().map(|(_, made)| made.events);
        assert_eq!(counts.collect::<Vec<_>>(), [2, 3, 2]);
        let mut sources = Vec::new();
        for (folder, made) in &recorded.days {
            assert_eq!(made.status, Status::Complete);
            assert!(folder.ends_with(format!("session={}", made.session)));
            let recording = Recording::open(folder).unwrap();
            assert!(verify(&recording, &mut |_| {}).is_intact());
            sources.push(Box::new(recording.reader(EventFilter::default())) as Box<dyn Source>);
        }
        assert_eq!(recorded.days[2].1.ledger.dropped["overflow"], 5);
        let mut merged = Vec::new();
        MergeSource::new(sources)
            .next_batch(&mut merged, 100)
            .unwrap();
        assert_eq!(merged, events);
    }

    #[test]
    fn a_clock_that_goes_back_reopens_no_day() {
        let root = tempfile::tempdir().unwrap();
        let mut recorder = recorder(root.path());
        recorder.write(&at_hours(&[3, 9, 3, 9])).unwrap();
        let recorded = recorder.finish(0);
        let counts = recorded.days.iter().map(|(_, made)| made.events);
        assert_eq!(counts.collect::<Vec<_>>(), [1, 3]);
    }

    #[test]
    fn files_that_are_no_data_are_hidden_in_a_catalogue() {
        let root = tempfile::tempdir().unwrap();
        let mut recorder = recorder(root.path());
        let events = at_hours(&[3, 3]);
        recorder.write(&events).unwrap();
        let folder = root.path().join("trading_day=2026-01-05/session=run");
        let is_hidden = |name: &String| name.starts_with(['_', '.']);
        assert!((0..500).any(|_| {
            tickdeck_core::wait::nap(std::time::Duration::from_millis(10));
            folder.join("_journal-00000.tdj").exists()
        }));
        assert!(local().list(&folder).unwrap().iter().all(is_hidden));
        // A killed writer leaves this, and it is read and recovered like any other recording.
        let copy = root.path().join("elsewhere");
        std::fs::create_dir(&copy).unwrap();
        assert!((0..500).any(|_| {
            tickdeck_core::wait::nap(std::time::Duration::from_millis(10));
            Recording::open(&folder).is_ok_and(|recording| recording.journal_events() == 2)
        }));
        for name in ["_manifest.json", "_contracts.parquet", "_journal-00000.tdj"] {
            std::fs::copy(folder.join(name), copy.join(name)).unwrap();
        }
        assert_eq!(crate::recover(&copy).unwrap().from_journal, 2);
        let recovered = Recording::open(&copy).unwrap();
        assert_eq!(read_all(&recovered, EventFilter::default(), 9), events);
        assert!(recorder.finish(0).error.is_none());
        let names = local().list(&folder).unwrap();
        assert_eq!(
            names,
            ["_contracts.parquet", "_manifest.json", "part-00000.parquet"]
        );
    }

    #[test]
    fn an_id_that_the_day_has_gets_a_number() {
        let root = tempfile::tempdir().unwrap();
        let mut first = recorder(root.path());
        first.write(&at_hours(&[3])).unwrap();
        // The first one is still being written.
        let mut second = recorder(root.path());
        second.write(&at_hours(&[3, 3])).unwrap();
        assert_eq!(first.finish(0).days[0].1.session, "run");
        assert_eq!(second.finish(0).days[0].1.session, "run-2");
        let mut third = recorder(root.path());
        third.write(&at_hours(&[3, 9])).unwrap();
        let recorded = third.finish(0);
        let ids = recorded.days.iter().map(|(_, made)| made.session.as_str());
        assert_eq!(ids.collect::<Vec<_>>(), ["run-3", "run-4"]);
    }

    #[test]
    fn a_gap_is_refused_and_nothing_more_is_taken() {
        let root = tempfile::tempdir().unwrap();
        let mut recorder = recorder(root.path());
        let events = at_hours(&[3; 10]);
        recorder.write(&events[..3]).unwrap();
        let error = recorder.write(&events[5..]).unwrap_err();
        assert!(matches!(error, RecordingError::SeqGap { expected: 3, .. }));
        let again = recorder.write(&events[3..]).unwrap_err();
        assert!(matches!(again, RecordingError::WriterFailed { .. }));
        assert_eq!(recorder.finish(0).days[0].1.events, 3);
    }
}

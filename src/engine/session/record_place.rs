//! Prepares the place of a recording: seals what a killed recorder left there, and refuses a place that
//! cannot take a session.
//!
//! A session may take long to start, and should not fail only then.

use std::path::{Path, PathBuf};

use tickdeck_core::causes::with_causes;
use tickdeck_recording::{
    Catalog, RecorderOptions, RecordingError, RecordingWriter, Recovery, Salvage, TRIAL_PREFIX,
    check_free_space, leftovers, recover, remove_eventless, rings, salvage_ring,
};

use super::error::{PlaceError, SessionError};
use super::record::RecordTo;

impl RecordTo {
    /// Seals what killed recorders left at this place, and refuses a place that is taken, cannot be
    /// written or has too little space. What cannot be sealed is logged and stays.
    ///
    /// A session does this when it begins. Call it before other work to fail early.
    ///
    /// # Errors
    /// When nothing can be recorded here.
    pub fn prepare(&self, recorder: RecorderOptions) -> Result<(), SessionError> {
        self.claim(Beside::Silent)?;
        if let Some(store) = &self.store {
            store.check()?;
        }
        self.check_place(recorder)
    }

    /// The same for a session that begins now, which names the recordings beside its target.
    pub(super) fn prepare_to_begin(&self, recorder: RecorderOptions) -> Result<(), SessionError> {
        self.claim(Beside::Named)?;
        self.check_place(recorder)
    }

    fn check_place(&self, recorder: RecorderOptions) -> Result<(), SessionError> {
        let unusable = |error| SessionError::Place {
            path: self.folder.clone(),
            error,
        };
        check_writable(&self.folder).map_err(unusable)?;
        check_free_space(&self.folder, recorder.min_free_space)
            .map_err(|error| unusable(PlaceError::Space(error)))
    }

    /// Seals leftovers. Refuses the folder of another recording, unless that is replaced, and a root that
    /// is not a catalogue.
    fn claim(&self, beside: Beside) -> Result<(), RecordingError> {
        if self.by_day.is_none() {
            let mut left = leftovers(&self.folder)?;
            let is_free = |folder: &Path| RecordingWriter::check_target(folder, false).is_ok();
            // A recording without an event gives way to the new one.
            left.retain(|folder| folder != &self.folder || !is_free(folder));
            let unfinished = seal_leftovers(&left, &self.folder, beside);
            if let Some(store) = &self.store {
                store.store_leftover(&self.folder)?;
            }
            let checked = RecordingWriter::check_target(&self.folder, self.options.overwrite);
            return checked.map_err(|error| match error {
                RecordingError::OutputExists { path } if unfinished.contains(&path) => {
                    RecordingError::OutputUnfinished { path }
                }
                other => other,
            });
        }
        if self.folder.exists() {
            for entry in Catalog::open(&self.folder)?.entries {
                if remove_eventless(&entry.folder)? {
                    continue;
                }
                seal_leftovers(&leftovers(&entry.folder)?, &entry.folder, beside);
            }
            for ring in rings(&self.folder)? {
                keep_leftovers(&ring);
            }
        }
        Ok(())
    }
}

/// What becomes of finished recordings beside a target.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Beside {
    /// The session will name them when it begins.
    Silent,
    Named,
}

/// Seals what an earlier recorder of the same target left, and returns the folders with something unfinished.
/// A recording that cannot be recovered does not keep a new one from beginning.
fn seal_leftovers(left: &[PathBuf], target: &Path, beside: Beside) -> Vec<PathBuf> {
    let mut found = Vec::new();
    for folder in left {
        match recover(folder) {
            Ok(recovery) if !recovery.was_unfinished && beside == Beside::Silent => {}
            Ok(recovery) if !recovery.was_unfinished => tracing::warn!(
                event = "recording_beside",
                path = %folder.display(),
                events = recovery.events,
                "an earlier recorder was killed before its recording could replace {}: it is whole, \
                 and stays there",
                target.display()
            ),
            Ok(recovery) => {
                log_recovery(&recovery);
                found.push(recovery.recording);
            }
            Err(error) => {
                tracing::warn!(
                    event = "recording_not_recovered",
                    path = %folder.display(),
                    error = with_causes(&error),
                    "an earlier recorder was killed, and what it left stays as it is"
                );
                found.push(folder.clone());
            }
        }
    }
    found
}

/// Says what was sealed, and each loss.
fn log_recovery(recovery: &Recovery) {
    let lost = recovery.lost.iter();
    let losses = lost.map(|lost| format!("{}: {}", lost.file.display(), lost.problem));
    let losses = losses.collect::<Vec<_>>().join("; ");
    tracing::warn!(
        event = "recording_recovered",
        path = %recovery.recording.display(),
        events = recovery.events,
        from_journal = recovery.from_journal,
        lost = recovery.lost.len(),
        losses = Some(losses).filter(|losses| !losses.is_empty()),
        "an earlier recorder was killed: what it left was sealed"
    );
}

/// Keeps what a killed session left in its ring. One that is still running has its own.
fn keep_leftovers(ring: &Path) {
    match salvage_ring(ring) {
        Ok(Salvage {
            made, lost, kept, ..
        }) => {
            if let Some((folder, made)) = made {
                tracing::warn!(
                    event = "ring_kept",
                    path = %folder.display(),
                    events = made.events,
                    lost = lost.len(),
                    "an earlier session was killed: what its ring had was kept"
                );
            }
            for slot in kept {
                tracing::warn!(
                    event = "ring_damaged",
                    path = %slot.display(),
                    "a part of an earlier ring cannot be read, and stays here"
                );
            }
        }
        Err(RecordingError::InUse { .. }) => {}
        Err(error) => tracing::warn!(
            event = "ring_not_kept",
            path = %ring.display(),
            error = with_causes(&error),
            "an earlier session was killed, and what its ring has stays as it is"
        ),
    }
}

/// Refuses a folder in which nothing can be created.
fn check_writable(target: &Path) -> Result<(), PlaceError> {
    let try_in = |folder: &Path| {
        // Dropped, and so removed, at once.
        let tried = tempfile::Builder::new()
            .prefix(TRIAL_PREFIX)
            .tempdir_in(folder);
        tried.map(drop).map_err(|error| PlaceError::Unwritable {
            folder: folder.to_owned(),
            error,
        })
    };
    let is_there = |folder: &&Path| folder.as_os_str().is_empty() || folder.exists();
    let nearest = |target: &Path| match target.ancestors().find(is_there) {
        Some(folder) if folder != Path::new("") => folder.to_owned(),
        _ => PathBuf::from("."),
    };
    // A recording that replaces another is first written beside it.
    if let (true, Some(parent)) = (is_occupied(target), target.parent()) {
        try_in(&nearest(parent))?;
    }
    try_in(&nearest(target))
}

/// Whether this is a folder that is not empty.
fn is_occupied(folder: &Path) -> bool {
    std::fs::read_dir(folder).is_ok_and(|mut found| found.next().is_some())
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use tickdeck_core::clock::{Clock, VirtualClock};
    use tickdeck_core::source::SourceInfo;
    use tickdeck_market::source::{SyntheticOptions, SyntheticSource};
    use tickdeck_recording::{EventWriter as _, Recording, Status};

    use super::*;
    use crate::reference::Reference;

    fn market() -> (SyntheticSource, Reference) {
        let reference = Reference::of_recordings(&[]).unwrap();
        let market = SyntheticSource::open(SyntheticOptions::default(), &reference.calendar);
        (market.unwrap(), reference)
    }

    fn record_to(folder: &Path) -> RecordTo {
        let (market, reference) = market();
        RecordTo::new(folder, market.info(), &reference)
    }

    #[test]
    fn what_a_killed_recorder_left_is_sealed_first() {
        use tickdeck_core::source::Source as _;
        let folder = tempfile::tempdir().unwrap();
        let place = folder.path().join("rec");
        let mut events = Vec::new();
        market().0.next_batch(&mut events, 50).unwrap();
        let clock: Arc<dyn Clock> = Arc::new(VirtualClock::new());
        let begin = || record_to(&place).begin(RecorderOptions::default(), &clock);
        let mut killed = begin().unwrap();
        killed.write(&events).unwrap();
        // Without an end, as after a kill.
        drop(killed);
        let status = || Recording::open(&place).unwrap().manifest().unwrap().status;
        assert_eq!(status(), Status::Recording);
        let refused = || match begin() {
            Err(SessionError::Record(error)) => error,
            _ => panic!("the place was not refused"),
        };
        let first = refused();
        assert!(matches!(first, RecordingError::OutputUnfinished { .. }));
        assert_eq!(status(), Status::Recovered);
        let second = refused();
        assert!(matches!(second, RecordingError::OutputExists { .. }));
    }

    #[test]
    fn a_place_that_cannot_be_used_is_refused_before_the_session() {
        let unwritable = record_to(Path::new("/proc/tickdeck"));
        let refused = unwritable.prepare(RecorderOptions::default()).unwrap_err();
        let found = with_causes(&refused);
        assert!(
            found.starts_with(
                "a recording cannot be made at /proc/tickdeck: /proc cannot be written"
            ),
            "{found}"
        );
        let folder = tempfile::tempdir().unwrap();
        let place = folder.path().join("rec");
        let greedy = RecorderOptions {
            min_free_space: u64::MAX,
            ..RecorderOptions::default()
        };
        let refused = record_to(&place).prepare(greedy).unwrap_err();
        let is_space = |error: &SessionError| {
            matches!(
                error,
                SessionError::Place {
                    error: PlaceError::Space(_),
                    ..
                }
            )
        };
        assert!(is_space(&refused), "{refused}");
        assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 0);
    }

    #[test]
    fn a_root_that_is_a_file_is_refused() {
        let folder = tempfile::tempdir().unwrap();
        let root = folder.path().join("root");
        std::fs::write(&root, "").unwrap();
        let reference = market().1;
        let session = "s".parse().unwrap();
        let to = RecordTo::under(&root, session, SourceInfo::default(), &reference);
        let refused = to.prepare(RecorderOptions::default()).unwrap_err();
        assert!(matches!(refused, SessionError::Record(_)), "{refused}");
    }
}

//! Checks a recording against its manifest: files, digests, order, counts.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;
use std::sync::Arc;

use rustc_hash::FxHashMap;
use tickdeck_core::event::{Event, InstrumentId};
use tickdeck_core::time::UnixNanos;

use super::contracts_file;
use super::error::{NOT_FETCHED, RecordingError};
use super::file_hash::{self, StatedFile};
use super::filter::EventFilter;
use super::finding::{Finding, problem};
use super::journal::JournalFiles;
use super::latin1::text_to_utf8;
use super::manifest::{Manifest, Status};
use super::names::MANIFEST_FILE;
use super::observed::Observed;
use super::reader::Recording;
use super::segment_check::SegmentCheck;
use super::storage::{Location, Storage};
use super::unsealed::later_events;

/// Events read at a time.
const BATCH_EVENTS: usize = 4096;

/// The result of [`verify`].
#[derive(Debug, Clone, Default, PartialEq, Eq, serde::Serialize)]
pub struct VerifyReport {
    /// All mismatches; empty when the recording is intact.
    pub findings: Vec<Finding>,
    /// Events that an earlier recovery could not read, by the manifest. The files are as it left them.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub lost: Vec<Finding>,
    /// Segments checked.
    pub segments: usize,
    /// Events read.
    pub events: u64,
    /// Events that are ticks.
    pub ticks: u64,
    /// The event digest, by its short name.
    pub digest: String,
    /// Digest of the logical events, as read.
    pub event_digest: String,
}

impl VerifyReport {
    /// Whether nothing was found.
    #[must_use]
    pub const fn is_intact(&self) -> bool {
        self.findings.is_empty()
    }

    fn add(&mut self, file: &Path, problem: impl Into<String>) {
        self.findings.push(Finding {
            file: file.to_owned(),
            problem: problem.into(),
        });
    }
}

/// The check of one recording, opened as far as it can be.
///
/// ```
/// use tickdeck_recording::Verification;
///
/// # fn main() -> Result<(), Box<dyn std::error::Error>> {
/// # let path = concat!(env!("CARGO_MANIFEST_DIR"), "/../../recordings/quick");
/// let report = Verification::open(path.as_ref())?.run(&mut |_| {});
/// assert!(report.is_intact());
/// assert_eq!(report.ticks, 918);
/// # Ok(())
/// # }
/// ```
#[derive(Debug)]
pub struct Verification {
    /// `None` where nothing could be opened.
    recording: Option<Recording>,
    /// What kept it from being opened whole.
    finding: Option<Finding>,
}

impl Verification {
    /// Opens a recording, as [`Recording::open`] does. Damage that prevents opening is a finding like any
    /// other, and the readable parts are still checked.
    ///
    /// # Errors
    /// When nothing can be verified: the path is missing, it is not a recording, or of a newer format.
    pub fn open(path: &Path) -> Result<Self, RecordingError> {
        let Location { storage, path } = Location::of(path)?;
        Self::open_in(storage, &path)
    }

    /// The same on any storage.
    ///
    /// # Errors
    /// As [`open`](Self::open).
    pub fn open_in(storage: Arc<dyn Storage>, path: &Path) -> Result<Self, RecordingError> {
        let error = match Recording::open_in(Arc::clone(&storage), path) {
            Ok(recording) => {
                return Ok(Self {
                    recording: Some(recording),
                    finding: None,
                });
            }
            Err(error) => error,
        };
        let is_found = matches!(
            error,
            RecordingError::Damaged { .. }
                | RecordingError::NotFetched { .. }
                | RecordingError::DanglingLink { .. }
        );
        let is_in_parts = matches!(
            error,
            RecordingError::NotARecording { .. } | RecordingError::NoManifest { .. }
        );
        if !is_found && !is_in_parts {
            return Err(error);
        }
        // `Recording::open_salvage_in` takes segments alone.
        let has_events = matches!(error, RecordingError::NoManifest { .. })
            && JournalFiles::paths(&*storage, path).is_ok_and(|files| !files.is_empty());
        let recording = Recording::open_salvage_in(storage, path).ok();
        // There is neither a manifest nor a segment nor a journal, so it is not a recording.
        if recording.is_none() && !is_found && !has_events {
            return Err(error);
        }
        Ok(Self {
            recording,
            finding: Some(finding_of(error, path)),
        })
    }

    /// The events that the manifest promises; `None` without one.
    #[must_use]
    pub fn expected_events(&self) -> Option<u64> {
        let manifest = self.recording.as_ref()?.manifest();
        manifest.map(|manifest| manifest.events)
    }

    /// Reads everything, see [`verify`].
    #[must_use]
    pub fn run(self, progress: &mut dyn FnMut(u64)) -> VerifyReport {
        let recording = self.recording.as_ref();
        let mut report = recording.map_or_else(VerifyReport::default, |recording| {
            verify(recording, progress)
        });
        if let Some(finding) = self.finding
            && !report.findings.contains(&finding)
        {
            report.findings.insert(0, finding);
        }
        report
    }
}

/// The finding that stands for an error of opening.
fn finding_of(error: RecordingError, path: &Path) -> Finding {
    let (file, problem) = match error {
        RecordingError::Damaged { path, problem } => (path, problem),
        RecordingError::NotARecording { path, reason } => (path, reason),
        RecordingError::NoManifest { path } => (path, format!("{MANIFEST_FILE} is missing")),
        RecordingError::NotFetched { path } => (path, NOT_FETCHED.into()),
        other => (path.to_owned(), other.to_string()),
    };
    Finding { file, problem }
}

/// Reads everything and compares it with the manifest. Damage is a finding, not an error.
/// `progress` receives the number of events after each batch.
pub fn verify(recording: &Recording, progress: &mut dyn FnMut(u64)) -> VerifyReport {
    run(recording, true, progress)
}

/// The same for a recovery, which keeps what the manifest states beside the events: segment by segment,
/// times and received ticks. A wrong number there costs no event.
pub(super) fn verify_events(recording: &Recording) -> VerifyReport {
    run(recording, false, &mut |_| {})
}

fn run(
    recording: &Recording,
    with_statements: bool,
    progress: &mut dyn FnMut(u64),
) -> VerifyReport {
    let mut report = VerifyReport::default();
    check_files(recording, &mut report);
    let mut counts = FxHashMap::default();
    let mut segments = SegmentCheck::of(recording);
    let read = read_events(recording, &mut report, &mut counts, &mut segments, progress);
    if let Some(manifest) = recording.manifest() {
        let lost = manifest.lost.iter();
        report.lost = lost.map(|it| it.finding(recording.path())).collect();
        let counts = counts
            .into_iter()
            .map(|(id, count)| (text_to_utf8(id.as_bytes()), count))
            .collect();
        compare(recording, manifest, &counts, read.gaps, &mut report);
        if with_statements {
            let found = segments.compare(manifest, read.is_whole);
            report.findings.extend(found);
            compare_received(recording, manifest, &mut report);
            find_later_events(recording, manifest, &mut report);
        }
        if with_statements && read.is_whole {
            compare_range(recording, manifest, read.range, &mut report);
        }
    }
    report
}

/// A journal with events behind the end of a finished manifest: no reader takes it up, but a recovery does.
fn find_later_events(recording: &Recording, manifest: &Manifest, report: &mut VerifyReport) {
    if manifest.status == Status::Recording || recording.storage().is_remote() {
        return;
    }
    match later_events(recording.storage(), recording.path(), manifest) {
        Ok(0) => {}
        Ok(later) => report.add(
            recording.path(),
            format!(
                "{later} events are in the journal, behind the end that the manifest states: \
                 `tickdeck recover` takes them up"
            ),
        ),
        Err(error) => report.add(recording.path(), problem(&error)),
    }
}

impl Recording {
    /// Compares size and BLAKE3 of every segment with the manifest, as a replay does before its
    /// first event. Of a recording on a server only the sizes: it would be transferred twice. There
    /// each row group is compared with its BLAKE3 as it is read.
    #[must_use]
    pub fn damaged_segments(&self) -> Vec<Finding> {
        let mut report = VerifyReport::default();
        match self.storage().is_remote() {
            true => check_sizes(self, &mut report),
            false => check_files(self, &mut report),
        }
        report.findings
    }
}

fn check_sizes(recording: &Recording, report: &mut VerifyReport) {
    let storage = &**recording.storage();
    for entry in recording.manifest().iter().flat_map(|it| &it.segments) {
        let path = recording.path().join(&entry.file);
        let bytes = storage.open(&path).and_then(|file| file.bytes());
        match bytes {
            Ok(found) if found == entry.bytes => {}
            Ok(found) => {
                let expected = entry.bytes;
                report.add(
                    &path,
                    format!("{found} bytes, the manifest says {expected}"),
                );
            }
            Err(error) => report.add(&path, problem(&error.into())),
        }
    }
}

fn check_files(recording: &Recording, report: &mut VerifyReport) {
    let Some(manifest) = recording.manifest() else {
        // A lone file of a journal. That of an unfinished recording is compared with its manifest.
        report.findings.extend(recording.journal_damage());
        return;
    };
    let storage = &**recording.storage();
    let segments = manifest.segments.iter().map(|entry| StatedFile {
        path: recording.path().join(&entry.file),
        bytes: (!entry.is_unknown()).then_some(entry.bytes),
        blake3: &entry.blake3,
    });
    let contracts = StatedFile {
        path: recording.contracts_path(),
        bytes: None,
        blake3: &manifest.contracts_blake3,
    };
    let has_contracts = !contracts.blake3.is_empty() && !recording.has_other_contracts();
    let files = segments.chain(has_contracts.then_some(contracts));
    for (path, error) in file_hash::check_files(storage, &files.collect::<Vec<_>>()) {
        report.add(&path, problem(&error));
    }
}

/// What was read of all events together.
struct Read {
    gaps: u64,
    /// Smallest and largest receive time.
    range: Option<(UnixNanos, UnixNanos)>,
    /// Whether nothing was left out.
    is_whole: bool,
}

/// Reads and counts all events.
fn read_events(
    recording: &Recording,
    report: &mut VerifyReport,
    counts: &mut FxHashMap<InstrumentId, u64>,
    segments: &mut SegmentCheck,
    progress: &mut dyn FnMut(u64),
) -> Read {
    let reader = recording.reader(EventFilter::default()).salvage(true);
    let mut reader = reader.read_ahead();
    let mut observed = Observed::default();
    let mut batch: Vec<Event> = Vec::with_capacity(BATCH_EVENTS);
    let mut gap_reported = false;
    let mut range: Option<(UnixNanos, UnixNanos)> = None;
    let mut is_whole = true;
    loop {
        batch.clear();
        if let Err(error) = reader.next_events(&mut batch, BATCH_EVENTS) {
            report.add(recording.path(), error.to_string());
            is_whole = false;
            break;
        }
        if batch.is_empty() {
            break;
        }
        for event in &batch {
            let expected = report.events;
            if event.seq.0 != expected && recording.manifest().is_some() && !gap_reported {
                gap_reported = true;
                let found = event.seq;
                report.add(
                    recording.path(),
                    format!("event {expected} has seq {found}, expected {expected}"),
                );
            }
            observed.on(event);
            segments.on(event);
            let (start, end) = range.unwrap_or((event.recv_ts, event.recv_ts));
            range = Some((start.min(event.recv_ts), end.max(event.recv_ts)));
            report.events += 1;
            if let Some(tick) = event.as_tick() {
                report.ticks += 1;
                *counts.entry(tick.instrument_id).or_insert(0) += 1;
            }
        }
        progress(report.events);
    }
    report.segments = recording.segments().len();
    let (digest, gaps) = observed.finish();
    report.event_digest = digest;
    report.digest.clone_from(&report.event_digest);
    for missing in reader.missing() {
        is_whole = false;
        report.findings.push(Finding {
            file: missing.path.clone(),
            problem: missing.problem.clone(),
        });
    }
    Read {
        gaps,
        range,
        is_whole,
    }
}

/// Compares the ticks that the source delivered with those that are there or were dropped.
fn compare_received(recording: &Recording, manifest: &Manifest, report: &mut VerifyReport) {
    let dropped: u64 = manifest.ledger.dropped.values().sum();
    let (found, stated) = (
        report.ticks.saturating_add(dropped),
        manifest.ledger.received,
    );
    if found != stated {
        let problem = format!("{found} ledger.received, the manifest says {stated}");
        report.add(&recording.manifest_path(), problem);
    }
}

/// Compares the times of the first and the last receipt.
fn compare_range(
    recording: &Recording,
    manifest: &Manifest,
    found: Option<(UnixNanos, UnixNanos)>,
    report: &mut VerifyReport,
) {
    let shown = |at: Option<UnixNanos>| at.map_or_else(|| "nothing".into(), |at| at.to_string());
    let (start, end) = found.unzip();
    for (what, stated, found) in [
        ("earliest", manifest.start, start),
        ("latest", manifest.end, end),
    ] {
        if stated != found {
            let (stated, found) = (shown(stated), shown(found));
            let problem = format!("the {what} event is of {found}, the manifest says {stated}");
            report.add(&recording.manifest_path(), problem);
        }
    }
}

/// Compares the ticks of each instrument. The finding shows the first difference.
fn compare_instruments(
    recording: &Recording,
    manifest: &Manifest,
    counts: &BTreeMap<String, u64>,
    report: &mut VerifyReport,
) {
    let of = |counts: &BTreeMap<String, u64>, id: &String| counts.get(id).copied().unwrap_or(0);
    let ids: BTreeSet<&String> = counts.keys().chain(manifest.instruments.keys()).collect();
    let differs = |id: &&&String| of(counts, id) != of(&manifest.instruments, id);
    let mut differing = ids.iter().filter(differs);
    let Some(id) = differing.next() else {
        return;
    };
    let (found, stated) = (of(counts, id), of(&manifest.instruments, id));
    let more = match differing.count() {
        0 => String::new(),
        more => format!(" (and {more} more instruments)"),
    };
    report.add(
        &recording.manifest_path(),
        format!("{found} ticks of {id}, the manifest says {stated}{more}"),
    );
}

fn compare(
    recording: &Recording,
    manifest: &Manifest,
    counts: &BTreeMap<String, u64>,
    gaps: u64,
    report: &mut VerifyReport,
) {
    let folder = recording.path();
    if manifest.status == Status::Recording {
        let events = recording.journal_events();
        let reason = if recording.is_being_written() {
            "it is being written"
        } else if recording.is_writer_unknown() {
            "its .lock may not be read, so its writer may be running or not"
        } else {
            "its writer is gone; recover it"
        };
        report.add(
            folder,
            format!("unfinished: {reason} ({events} events are in the journal)"),
        );
    }
    for name in recording.unlisted_segments() {
        report.add(&folder.join(name), "the manifest does not list it");
    }
    report.findings.extend(recording.journal_damage());
    for (what, expected, found) in [
        ("events", manifest.events, report.events),
        ("ticks", manifest.ticks, report.ticks),
        ("ledger.recorded", manifest.ledger.recorded, report.ticks),
        ("gaps", manifest.gaps.unwrap_or(gaps), gaps),
    ] {
        if expected != found {
            report.add(
                &recording.manifest_path(),
                format!("{found} {what}, the manifest says {expected}"),
            );
        }
    }
    compare_instruments(recording, manifest, counts, report);
    if !manifest.digest.is_empty() && manifest.digest != report.digest {
        let (found, expected) = (report.digest.clone(), &manifest.digest);
        report.add(
            &recording.manifest_path(),
            format!("event digest is {found}, the manifest says {expected}"),
        );
    }
    let contracts = recording.contracts_path();
    if recording.storage().exists(&contracts)
        && let Err(error) = contracts_file::read(&**recording.storage(), &contracts)
    {
        report.add(&contracts, problem(&error));
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Rolling;
    use crate::tests::{record, some_ticks};

    fn report(path: &Path) -> Result<VerifyReport, RecordingError> {
        Verification::open(path).map(|opened| opened.run(&mut |_| {}))
    }

    #[test]
    fn damage_that_prevents_opening_is_a_finding() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("rec");
        record(&path, &some_ticks(20), Rolling::default());
        let opened = Verification::open(&path).unwrap();
        assert_eq!(opened.expected_events(), Some(20));
        assert!(opened.run(&mut |_| {}).is_intact());

        std::fs::write(path.join(MANIFEST_FILE), "{").unwrap();
        assert!(Recording::open(&path).is_err());
        let damaged = report(&path).unwrap();
        assert_eq!(damaged.ticks, 20);
        assert_eq!(damaged.findings[0].file, path.join(MANIFEST_FILE));

        std::fs::remove_file(path.join(MANIFEST_FILE)).unwrap();
        let missing = report(&path).unwrap();
        assert_eq!((missing.ticks, missing.findings.len()), (20, 1));
        assert_eq!(missing.findings[0].problem, "manifest.json is missing");
    }

    /// Changes a statement of a manifest; verifying names it, with the file.
    #[test]
    fn what_a_manifest_states_is_compared_with_the_segments() {
        type Spoil = fn(&mut Manifest);
        let spoils: [(&str, &str, Spoil); 7] = [
            ("part-00000.parquet", "it is of session", |it| {
                it.session = "other".into();
            }),
            ("part-00000.parquet", "its ticks are", |it| {
                it.segments[0].ticks = 1;
            }),
            ("part-00000.parquet", "it begins at", |it| {
                it.segments[0].start.0 += 1;
            }),
            ("part-00000.parquet", "it ends at", |it| {
                it.segments[0].end.0 += 1;
            }),
            (MANIFEST_FILE, "the earliest event is of", |it| {
                it.start = None;
            }),
            (MANIFEST_FILE, "ledger.received", |it| {
                it.ledger.received += 1;
            }),
            (MANIFEST_FILE, "ticks of au2602, the manifest says", |it| {
                it.instruments.values_mut().for_each(|count| *count += 1);
            }),
        ];
        for (file, problem, spoil) in spoils {
            let folder = tempfile::tempdir().unwrap();
            let path = folder.path().join("rec");
            record(&path, &some_ticks(20), Rolling::default());
            let mut manifest = Manifest::read(&path).unwrap();
            spoil(&mut manifest);
            manifest.write(&*crate::storage::local(), &path).unwrap();
            let findings = report(&path).unwrap().findings;
            let is_it = |it: &Finding| it.file == path.join(file) && it.problem.contains(problem);
            assert!(findings.iter().any(is_it), "{problem}: {findings:?}");
        }
    }

    #[test]
    fn a_segment_that_cannot_be_opened_is_a_finding() {
        let folder = tempfile::tempdir().unwrap();
        let segment = folder.path().join("part-00000.parquet");
        std::fs::write(&segment, "PAR1").unwrap();
        let damaged = report(&segment).unwrap();
        assert_eq!((damaged.events, damaged.findings.len()), (0, 1));
        assert_eq!(damaged.findings[0].file, segment);
    }

    #[test]
    fn what_is_no_recording_is_not_verified() {
        let folder = tempfile::tempdir().unwrap();
        for path in [folder.path().join("gone"), folder.path().to_owned()] {
            let refused = report(&path);
            let is_none = matches!(refused, Err(RecordingError::NotARecording { .. }));
            assert!(is_none, "{refused:?}");
        }
        let path = folder.path().join("rec");
        record(&path, &some_ticks(1), Rolling::default());
        let manifest = path.join(MANIFEST_FILE);
        let text = std::fs::read_to_string(&manifest).unwrap();
        let newer = text.replace("\"1.0\"", "\"9.0\"");
        assert_ne!(newer, text);
        std::fs::write(&manifest, newer).unwrap();
        let newer = report(&path);
        assert!(
            matches!(newer, Err(RecordingError::NewerFormat { .. })),
            "{newer:?}"
        );
    }
}

//! Checks a recording against its manifest: files, digests, order, counts.

use std::collections::BTreeMap;
use std::path::Path;

use rustc_hash::FxHashMap;
use tickdeck_core::event::{Event, InstrumentId};

use super::contracts_file;
use super::digest::EventDigest;
use super::error::RecordingError;
use super::file_hash::hash_file;
use super::filter::EventFilter;
use super::finding::{Finding, problem};
use super::manifest::{Manifest, Status};
use super::names::contracts_path;
use super::pointer::refuse_pointer;
use super::reader::Recording;
use super::segment_writer::text_to_utf8;
use super::storage::Storage;

/// Events read at a time.
const BATCH_EVENTS: usize = 4096;

/// The result of [`verify`].
#[derive(Debug, Clone, Default, PartialEq, Eq, serde::Serialize)]
pub struct VerifyReport {
    /// All mismatches; empty when the recording is intact.
    pub findings: Vec<Finding>,
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

/// Reads everything and compares it with the manifest. Damage is a finding, not an error.
/// `progress` receives the number of events after each batch.
pub fn verify(recording: &Recording, progress: &mut dyn FnMut(u64)) -> VerifyReport {
    let mut report = VerifyReport::default();
    check_files(recording, &mut report);
    let mut counts = FxHashMap::default();
    read_events(recording, &mut report, &mut counts, progress);
    if let Some(manifest) = recording.manifest() {
        let counts = counts
            .into_iter()
            .map(|(id, count)| (text_to_utf8(id.as_bytes()), count))
            .collect();
        compare(recording, manifest, &counts, &mut report);
    }
    report
}

impl Recording {
    /// Compares size and BLAKE3 of every segment with the manifest, as a replay does before its
    /// first event.
    #[must_use]
    pub fn damaged_segments(&self) -> Vec<Finding> {
        let mut report = VerifyReport::default();
        check_files(self, &mut report);
        report.findings
    }
}

fn check_files(recording: &Recording, report: &mut VerifyReport) {
    let Some(manifest) = recording.manifest() else {
        return;
    };
    let storage = &**recording.storage();
    for entry in &manifest.segments {
        let path = recording.path().join(&entry.file);
        if let Err(error) = check_file(storage, &path, Some(entry.bytes), &entry.blake3) {
            report.add(&path, problem(&error));
        }
    }
    if !manifest.contracts_blake3.is_empty() {
        let path = contracts_path(storage, recording.path());
        if let Err(error) = check_file(storage, &path, None, &manifest.contracts_blake3) {
            report.add(&path, problem(&error));
        }
    }
}

fn check_file(
    storage: &dyn Storage,
    path: &Path,
    bytes: Option<u64>,
    blake3: &str,
) -> Result<(), RecordingError> {
    refuse_pointer(storage, path)?;
    let size = storage.open(path)?.bytes()?;
    if let Some(expected) = bytes
        && size != expected
    {
        return Err(RecordingError::damaged(
            path,
            format!("{size} bytes, the manifest says {expected}"),
        ));
    }
    let (_, found) = hash_file(storage, path)?;
    if found != blake3 {
        return Err(RecordingError::damaged(
            path,
            format!("BLAKE3 is {found}, the manifest says {blake3}"),
        ));
    }
    Ok(())
}

fn read_events(
    recording: &Recording,
    report: &mut VerifyReport,
    counts: &mut FxHashMap<InstrumentId, u64>,
    progress: &mut dyn FnMut(u64),
) {
    let mut reader = recording.reader(EventFilter::default()).salvage(true);
    let mut digest = EventDigest::new();
    let mut batch: Vec<Event> = Vec::with_capacity(BATCH_EVENTS);
    let mut gap_reported = false;
    loop {
        batch.clear();
        if let Err(error) = reader.next_events(&mut batch, BATCH_EVENTS) {
            report.add(recording.path(), error.to_string());
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
            digest.update(event);
            report.events += 1;
            if let Some(tick) = event.as_tick() {
                report.ticks += 1;
                *counts.entry(tick.instrument_id).or_insert(0) += 1;
            }
        }
        progress(report.events);
    }
    report.segments = recording.segments().len();
    report.event_digest = digest.finish();
    report.digest.clone_from(&report.event_digest);
    for missing in reader.missing() {
        report.findings.push(Finding {
            file: missing.path.clone(),
            problem: missing.problem.clone(),
        });
    }
}

fn compare(
    recording: &Recording,
    manifest: &Manifest,
    counts: &BTreeMap<String, u64>,
    report: &mut VerifyReport,
) {
    let folder = recording.path();
    if manifest.status == Status::Recording {
        let events = recording.journal_events();
        let reason = match recording.is_being_written() {
            true => "it is being written",
            false => "its writer was killed; recover it",
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
    ] {
        if expected != found {
            report.add(
                folder,
                format!("{found} {what}, the manifest says {expected}"),
            );
        }
    }
    if counts != &manifest.instruments {
        let differing = counts
            .iter()
            .find(|(id, count)| manifest.instruments.get(*id) != Some(count));
        let example = differing.map_or(String::new(), |(id, count)| {
            format!(", for example {id}: {count}")
        });
        report.add(
            folder,
            format!("ticks per instrument differ from the manifest{example}"),
        );
    }
    if !manifest.digest.is_empty() && manifest.digest != report.digest {
        let (found, expected) = (report.digest.clone(), &manifest.digest);
        report.add(
            folder,
            format!("event digest is {found}, the manifest says {expected}"),
        );
    }
    let contracts = contracts_path(&**recording.storage(), folder);
    if recording.storage().exists(&contracts)
        && let Err(error) = contracts_file::read(&**recording.storage(), &contracts)
    {
        report.add(&contracts, problem(&error));
    }
}

//! The manifest of a recording whose own is missing, or cannot be read.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use tickdeck_core::calendar::TradingCalendar;
use tickdeck_core::contract::ContractTable;
use tickdeck_core::source::SourceInfo;

use super::error::RecordingError;
use super::finding::{Finding, problem};
use super::format_version::FormatVersion;
use super::journal::{JournalFiles, JournalReader};
use super::manifest::{CalendarCopy, FORMAT_NAME, Ledger, Manifest, Status};
use super::names::{is_segment, manifest_path};
use super::reader::Recording;
use super::set_aside::keep_damaged;
use super::storage::Storage;

type Result<T> = std::result::Result<T, RecordingError>;

/// The manifest of an unfinished recording by what segments and journal say.
pub(super) fn made_again(
    storage: &Arc<dyn Storage>,
    folder: &Path,
    names: &[String],
    journal: &[PathBuf],
) -> Result<Manifest> {
    let mut segments = names.iter().filter(|name| is_segment(name));
    let open = |name| Recording::open_in(Arc::clone(storage), &folder.join(name)).ok();
    let (session, source) = match segments.find_map(open) {
        Some(lone) => (lone.session().to_owned(), lone.source().clone()),
        None => session_of_journal(&**storage, folder, journal)?,
    };
    let calendar = TradingCalendar::builtin();
    Ok(Manifest {
        format: FORMAT_NAME.into(),
        format_version: FormatVersion::WITH_JOURNAL,
        session,
        status: Status::Recording,
        source,
        events: 0,
        ticks: 0,
        start: None,
        end: None,
        trading_days: Vec::new(),
        digest: String::new(),
        contracts_digest: ContractTable::builtin().digest(),
        contracts_blake3: String::new(),
        calendar: CalendarCopy {
            digest: calendar.digest(),
            text: calendar.to_text(),
        },
        epoch: None,
        ledger: Ledger::default(),
        instruments: BTreeMap::new(),
        exchanges: None,
        gaps: None,
        segments: Vec::new(),
        lost: Vec::new(),
    })
}

/// Puts another manifest in the place of one that is damaged, and keeps that one. The new one has what can
/// still be read of it. Returns what is lost with it, and where it is now.
pub(super) fn replace_damaged_manifest(
    storage: &Arc<dyn Storage>,
    folder: &Path,
    names: &[String],
    journal: &[PathBuf],
) -> Result<Option<(Option<Finding>, PathBuf)>> {
    let path = manifest_path(&**storage, folder);
    let error = match Manifest::read_in(&**storage, folder) {
        Ok(manifest) => match TradingCalendar::parse(&manifest.calendar.text) {
            Err(error) if !manifest.calendar.text.is_empty() => {
                RecordingError::damaged(&path, format!("its calendar: {error}"))
            }
            _ => return Ok(None),
        },
        Err(error) => error,
    };
    let is_damage = error.is_damage() || matches!(error, RecordingError::NotARecording { .. });
    let has_events = !journal.is_empty() || names.iter().any(|name| is_segment(name));
    if !is_damage || !has_events {
        return Err(error);
    }
    let mut manifest = made_again(storage, folder, names, journal)?;
    let readable = Manifest::read_description(&**storage, &path);
    let is_readable = readable.is_some();
    if let Some(readable) = readable {
        manifest = Manifest {
            session: manifest.session,
            format_version: manifest.format_version,
            status: manifest.status,
            ..readable
        };
    }
    let (file, kept) = keep_damaged(&**storage, &path)?;
    manifest.write(&**storage, folder)?;
    // Wrong numbers are counted again, and cost nothing.
    let lost = (!is_readable).then(|| Finding {
        file,
        problem: format!(
            "{}: it was made again, without the calendar, the dropped ticks and the losses it had",
            problem(&error)
        ),
    });
    Ok(Some((lost, kept)))
}

/// Session and source by the first journal file that says so.
fn session_of_journal(
    storage: &dyn Storage,
    folder: &Path,
    journal: &[PathBuf],
) -> Result<(String, SourceInfo)> {
    for path in journal {
        if let Some(reader) = JournalReader::open(storage, path)? {
            return Ok((reader.session().to_owned(), reader.source().clone()));
        }
    }
    for path in journal {
        if !JournalFiles::is_empty(storage, path)? {
            return Err(RecordingError::damaged(path, "its header cannot be read"));
        }
    }
    Err(RecordingError::NothingToRecover {
        path: folder.to_owned(),
    })
}

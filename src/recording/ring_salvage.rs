//! Rings on disk, and what a killed session left in one.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use tickdeck_core::calendar::TradingCalendar;
use tickdeck_core::contract::ContractTable;

use super::catalog::SessionId;
use super::day_recorder::create_numbered;
use super::error::RecordingError;
use super::filter::EventFilter;
use super::manifest::Manifest;
use super::owner::Owner;
use super::reader::Recording;
use super::recover::recover;
use super::ring::{Copy, RING, clear, detail, verified};
use super::storage::local;
use super::writer::{RecordingOptions, Rolling};

type Result<T> = std::result::Result<T, RecordingError>;

/// Whether a folder is named as a ring.
#[must_use]
pub fn is_ring(folder: &Path) -> bool {
    let name = folder.file_name().unwrap_or_default();
    name.to_string_lossy().starts_with(RING)
}

/// The folders of rings under a root.
///
/// # Errors
/// When the root cannot be listed.
pub fn rings(root: &Path) -> Result<Vec<PathBuf>> {
    let names = local().list(root)?.into_iter();
    let rings = names.filter(|name| name.starts_with(RING));
    Ok(rings.map(|name| root.join(name)).collect())
}

/// Keeps what a session left in its ring when it was killed: one recording, with the status `recovered`.
/// `None` where there is no event. The ring goes when the recording is verified.
///
/// # Errors
/// When the session is still running, or something cannot be read or written. The ring stays then.
pub fn salvage_ring(ring: &Path) -> Result<Option<(PathBuf, Manifest)>> {
    let storage = local();
    let not_a_ring = || RecordingError::NothingToRecover {
        path: ring.to_owned(),
    };
    let name = ring.file_name().unwrap_or_default().to_string_lossy();
    let session = name.strip_prefix(RING).ok_or_else(not_a_ring)?;
    let session: SessionId = session.parse().map_err(|_| not_a_ring())?;
    let root = ring.parent().ok_or_else(not_a_ring)?;
    let owner = Owner::of(&*storage, ring)?;
    let mut slots = storage.list(ring)?;
    slots.retain(|name| name.starts_with("slot-"));
    let mut recordings = Vec::new();
    for slot in &slots {
        let folder = ring.join(slot);
        match recover(&folder) {
            Ok(_) => recordings.push(Recording::open(&folder)?),
            // It was killed before its first event.
            Err(RecordingError::NothingToRecover { .. }) => {}
            Err(error) => return Err(error),
        }
    }
    let made = merge(root, &session, &recordings)?;
    for slot in &slots {
        clear(&*storage, &ring.join(slot))?;
    }
    drop(owner);
    storage.remove_folder(ring)?;
    Ok(made)
}

/// All events of the slots as one recording of the catalogue.
fn merge(
    root: &Path,
    session: &SessionId,
    slots: &[Recording],
) -> Result<Option<(PathBuf, Manifest)>> {
    let first = slots.iter().find_map(|slot| slot.manifest()?.start);
    let Some((first, slot)) = first.zip(slots.first()) else {
        return Ok(None);
    };
    let mut contracts = ContractTable::builtin();
    slots
        .iter()
        .try_for_each(|slot| slot.contracts(&mut contracts))?;
    let calendar = slot.calendar()?.unwrap_or_else(TradingCalendar::builtin);
    let date = calendar.trading_day_of(first).0;
    let mut options = RecordingOptions {
        session: session.to_string(),
        source: slot.source().clone(),
        contracts: Arc::new(contracts),
        calendar: Arc::new(calendar),
        rolling: Rolling::default(),
        overwrite: false,
        keep_partial: true,
    };
    options.source.detail = detail(&options.source.detail, &["killed".to_owned()]);
    let (folder, writer) = create_numbered(root, session, &mut 0, date, &options)?;
    let mut copy = Copy::into(writer);
    for slot in slots {
        copy.add(slot, &EventFilter::default())?;
    }
    let made = copy.writer.finish_partly()?;
    verified(&folder)?;
    Ok(Some((folder, made)))
}

//! Copies events of a ring's slots into a recording of the catalogue.
//!
//! The copy is made in a hidden folder of the ring and verified there. Then it is renamed to its place. A
//! kill therefore leaves no part of a recording in the catalogue: the slots have everything.

use std::io::ErrorKind;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use chrono::NaiveDate;
use tickdeck_core::event::Event;

use super::catalog::{Catalog, SessionId};
use super::error::RecordingError;
use super::filter::EventFilter;
use super::manifest::Manifest;
use super::names::SESSION_KEY;
use super::numbering::Numbering;
use super::reader::Recording;
use super::ring_slot::clear;
use super::storage::Storage;
use super::verify::verify;
use super::writer::{RecordingOptions, RecordingWriter};

type Result<T> = std::result::Result<T, RecordingError>;

/// Events copied at a time.
const BATCH_EVENTS: usize = 4096;

/// Where a copy goes, and what it holds.
#[derive(Debug)]
pub(super) struct Keep {
    pub(super) storage: Arc<dyn Storage>,
    /// The root of the catalogue.
    pub(super) root: PathBuf,
    /// The folder of the ring.
    pub(super) ring: PathBuf,
    pub(super) session: SessionId,
    /// Ids of the session that were used.
    pub(super) parts: Arc<AtomicU64>,
    pub(super) date: NaiveDate,
    pub(super) options: RecordingOptions,
    pub(super) filter: EventFilter,
}

/// The id of a recording, and its folder.
pub(super) type Target = (String, PathBuf);

impl Keep {
    /// The next id whose place is free.
    pub(super) fn target(&self) -> Target {
        loop {
            let part = self.parts.fetch_add(1, Ordering::Relaxed);
            let id = self.session.of_part(part);
            let folder = Catalog::folder(&self.root, self.date, &id);
            if !self.storage.exists(&folder) {
                return (id, folder);
            }
        }
    }

    /// Copies the selected events of slots that are sealed. Returns where the recording is.
    pub(super) fn run(&self, slots: &[PathBuf], mut target: Target) -> Result<(PathBuf, Manifest)> {
        loop {
            let (id, place) = target;
            let options = RecordingOptions {
                session: id,
                keep_partial: false,
                ..self.options.clone()
            };
            let (hidden, made) = copy(&self.storage, &self.ring, options, |mut writer| {
                let mut numbering = Numbering::default();
                for slot in slots {
                    let slot = Recording::open_in(Arc::clone(&self.storage), slot)?;
                    let filter = self.filter.clone();
                    each_batch(&slot, filter, false, &mut numbering, &mut |events| {
                        writer.write(events)
                    })?;
                }
                writer.finish()
            })?;
            if put_in_place(&*self.storage, &hidden, &place)? {
                return Ok((place, made));
            }
            // Another session has the name since.
            clear(&*self.storage, &hidden)?;
            target = self.target();
        }
    }
}

/// Whether a name in the folder of a ring is that of a copy that is being made.
pub(super) fn is_copy(name: &str) -> bool {
    name.strip_prefix('.')
        .is_some_and(|name| name.starts_with(SESSION_KEY))
}

/// Makes a recording in a hidden folder of the ring, and verifies it. After an error nothing is left.
pub(super) fn copy(
    storage: &Arc<dyn Storage>,
    ring: &Path,
    options: RecordingOptions,
    write: impl FnOnce(RecordingWriter) -> Result<Manifest>,
) -> Result<(PathBuf, Manifest)> {
    let hidden = ring.join(format!(".{SESSION_KEY}{}", options.session));
    let writer = RecordingWriter::create_in(Arc::clone(storage), &hidden, options)?;
    let made = write(writer).and_then(|made| verified(storage, &hidden).map(|()| made));
    match made {
        Ok(made) => Ok((hidden, made)),
        Err(error) => {
            // The slots have its events. A writer that failed has removed it already.
            let _ = clear(&**storage, &hidden);
            Err(error)
        }
    }
}

/// Renames a finished folder. False if something is in its place.
pub(super) fn put_in_place(storage: &dyn Storage, hidden: &Path, place: &Path) -> Result<bool> {
    let folder = |path: &Path| path.parent().unwrap_or(path).to_owned();
    let (ring, day) = (folder(hidden), folder(place));
    storage.create_folder(&day)?;
    storage.sync_dir(&folder(&day))?;
    match storage.rename(hidden, place) {
        Ok(()) => {}
        Err(error) => {
            let taken = [ErrorKind::DirectoryNotEmpty, ErrorKind::AlreadyExists];
            let is_taken = taken.contains(&error.source.kind());
            return is_taken.then_some(false).ok_or_else(|| error.into());
        }
    }
    storage.sync_dir(&day)?;
    storage.sync_dir(&ring)?;
    Ok(true)
}

/// Shows `visit` the selected events of a slot, numbered as those of one recording. With `salvage` what
/// cannot be read is passed over.
pub(super) fn each_batch(
    slot: &Recording,
    filter: EventFilter,
    salvage: bool,
    numbering: &mut Numbering,
    visit: &mut dyn FnMut(&[Event]) -> Result<()>,
) -> Result<()> {
    let mut reader = slot.reader(filter).salvage(salvage);
    let mut batch = Vec::new();
    loop {
        batch.clear();
        reader.next_events(&mut batch, BATCH_EVENTS)?;
        if batch.is_empty() {
            return Ok(());
        }
        numbering.renumber(&mut batch);
        visit(&batch)?;
    }
}

/// Reads a finished recording back. Damage is an error.
pub(super) fn verified(storage: &Arc<dyn Storage>, folder: &Path) -> Result<()> {
    let recording = Recording::open_in(Arc::clone(storage), folder)?;
    let report = verify(&recording, &mut |_| {});
    match report.findings.into_iter().next() {
        Some(finding) => Err(RecordingError::damaged(&finding.file, finding.problem)),
        None => Ok(()),
    }
}

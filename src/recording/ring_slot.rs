//! A slot of a ring on disk, and how it is removed.

use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::JoinHandle;

use tickdeck_core::time::UnixNanos;

use super::background_writer::Recorded;
use super::error::RecordingError;
use super::names::{LOCK_FILE, is_of_recording};
use super::storage::{Storage, local};

type Result<T> = std::result::Result<T, RecordingError>;

/// What the name of a slot begins with.
pub(super) const SLOT: &str = "slot-";

/// The same of a slot that is being removed.
pub(super) const GONE: &str = "gone-";

/// A slot on disk, which the last owner [releases](release).
#[derive(Debug)]
pub(super) struct Slot {
    pub(super) folder: PathBuf,
    /// Receive times of its events.
    pub(super) first: UnixNanos,
    pub(super) last: UnixNanos,
    pub(super) sealing: Mutex<Option<JoinHandle<Recorded>>>,
    /// Its ticks that are on disk, once it is sealed.
    pub(super) ticks: AtomicU64,
    /// Stays on disk: its events could not be copied.
    pub(super) stays: AtomicBool,
    /// A recording has some of its events.
    pub(super) is_copied: AtomicBool,
}

impl Slot {
    /// Waits until it is sealed.
    pub(super) fn sealed(&self) -> Result<()> {
        let mut sealing = self.sealing.lock().unwrap_or_else(PoisonError::into_inner);
        let Some(sealing) = sealing.take() else {
            return Ok(());
        };
        // The panic was reported with its place.
        let failed = |_| RecordingError::WriterFailed {
            path: self.folder.clone(),
        };
        let Recorded { ticks, error, .. } = sealing.join().map_err(failed)?;
        self.ticks.store(ticks, Ordering::Relaxed);
        error.map_or(Ok(()), Err)
    }
}

/// Removes a slot, unless it has another owner or stays. What is removed has another name first: a kill
/// leaves no part of a slot.
pub(super) fn release(slot: Arc<Slot>) -> Result<()> {
    let Some(slot) = Arc::into_inner(slot) else {
        return Ok(());
    };
    // Its events are not needed, so it does not matter whether they are all there.
    let sealed = slot.sealed();
    if slot.stays.load(Ordering::Relaxed) {
        return Ok(());
    }
    let storage = local();
    let name = slot.folder.file_name().unwrap_or_default();
    let name = format!("{GONE}{}", name.to_string_lossy());
    let gone = slot.folder.with_file_name(name);
    if let Err(error) = storage.rename(&slot.folder, &gone) {
        return Err(sealed.err().unwrap_or_else(|| error.into()));
    }
    clear(&*storage, &gone)
}

/// Keeps the slot on disk.
pub(super) fn stay(slot: &Arc<Slot>) {
    slot.stays.store(true, Ordering::Relaxed);
}

/// Removes the folder of a recording. Other files stay, and the folder with them, which is an error.
pub(super) fn clear(storage: &dyn Storage, folder: &Path) -> Result<()> {
    let mut names = storage.list(folder)?;
    names.retain(|name| is_of_recording(name) || name == LOCK_FILE);
    for name in names {
        storage.remove(&folder.join(name))?;
    }
    Ok(storage.remove_folder(folder)?)
}

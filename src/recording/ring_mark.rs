//! The mark of a ring. It says which slots a recording has, before they go.

use std::io::ErrorKind;
use std::path::{Component, Path, PathBuf};

use serde::{Deserialize, Serialize};

use super::error::RecordingError;
use super::names::{MERGED_FILE, is_manifest, is_partial, is_segment, journal_index};
use super::ring_slot::SLOT;
use super::storage::{Storage, read_whole};
use super::unstarted::is_eventless;

type Result<T> = std::result::Result<T, RecordingError>;

/// A mark has the names of some slots.
const MOST_MARK_BYTES: u64 = 1 << 20;

/// What is in the file `merged.json` of a ring.
#[derive(Debug, Serialize, Deserialize)]
pub(super) struct Mark {
    /// Below the root; `None` if there was no event.
    pub(super) recording: Option<PathBuf>,
    /// Digest of its events.
    pub(super) digest: String,
    /// Slots that are removed.
    pub(super) removed: Vec<String>,
    /// Slots that are kept elsewhere.
    pub(super) damaged: Vec<String>,
}

impl Mark {
    /// The mark in the folder of a ring. One that no salvage can have written is damage.
    pub(super) fn read(storage: &dyn Storage, ring: &Path) -> Result<Option<Self>> {
        let path = ring.join(MERGED_FILE);
        if !storage.exists(&path) {
            return Ok(None);
        }
        let damaged = |problem: String| RecordingError::damaged(&path, problem);
        let text = match read_whole(storage, &path, MOST_MARK_BYTES) {
            Err(error) => {
                let of_another = [ErrorKind::FileTooLarge, ErrorKind::IsADirectory];
                let is_other = of_another.contains(&error.source.kind());
                return Err(match is_other {
                    true => damaged(error.source.to_string()),
                    false => error.into(),
                });
            }
            Ok(text) => text,
        };
        let mark: Self =
            serde_json::from_slice(&text).map_err(|error| damaged(error.to_string()))?;
        if !mark.names_slots() {
            return Err(damaged("it names other files".into()));
        }
        // Only of slots without events no recording is made.
        if mark.recording.is_none() {
            for slot in &mark.removed {
                if may_have_events(storage, &ring.join(slot))? {
                    return Err(damaged(format!("it has no recording for {slot}")));
                }
            }
        }
        Ok(Some(mark))
    }

    /// Whether it names slots of the ring, and a recording below the root.
    fn names_slots(&self) -> bool {
        let is_slot = |name: &String| name.starts_with(SLOT) && !name.contains('/');
        let is_below = |made: &PathBuf| {
            let mut parts = made.components();
            parts.all(|part| matches!(part, Component::Normal(_)))
        };
        self.removed.iter().chain(&self.damaged).all(is_slot)
            && self.recording.as_ref().is_none_or(is_below)
    }

    pub(super) fn write(&self, storage: &dyn Storage, ring: &Path) -> Result<()> {
        let path = ring.join(MERGED_FILE);
        let text = serde_json::to_vec(self).map_err(std::io::Error::from);
        let text = text.map_err(RecordingError::io(&path, "writing"))?;
        storage.put(&path, &text)?;
        Ok(storage.sync_dir(ring)?)
    }
}

/// Whether a slot has anything that may hold an event. One that is gone has not.
fn may_have_events(storage: &dyn Storage, slot: &Path) -> Result<bool> {
    if !storage.is_folder(slot) || is_eventless(storage, slot)? {
        return Ok(false);
    }
    let may_hold = |name: &String| {
        is_segment(name) || is_partial(name) || is_manifest(name) || journal_index(name).is_some()
    };
    Ok(storage.list(slot)?.iter().any(may_hold))
}

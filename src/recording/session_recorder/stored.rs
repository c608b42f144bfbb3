//! Records a session into a store: on the disk as any other, in a spool, and from there to the store.
//!
//! ```text
//! recorder ── journal ── segments in the spool ──uploader thread──> files and manifests in the store
//! ```
//!
//! The spool has the guarantees of every recording. What the store does not take waits there. It is removed
//! only when the store has everything, compared.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use tickdeck_core::event::Event;

use super::SessionRecorder;
use crate::background_writer::Recorded;
use crate::error::RecordingError;
use crate::event_writer::EventWriter;
use crate::manifest::Manifest;
use crate::owner::Owner;
use crate::read_back::ReadBack;
use crate::recorder_stats::RecorderStats;
use crate::storage::local;
use crate::store_target::{OnStore, StoreTarget};
use crate::uploader::Uploader;

type Result<T> = std::result::Result<T, RecordingError>;

/// A recorder whose recordings go to a store.
#[derive(Debug)]
pub struct StoredRecorder {
    inner: SessionRecorder,
    uploader: Uploader,
    spool: PathBuf,
    /// Keeps other sessions out of the root of a catalogue. A recording has its own lock.
    root: Option<Owner>,
}

impl StoredRecorder {
    /// Stores what `inner` records in `spool`. `on_store` learns of a store that does not take something.
    ///
    /// # Errors
    /// When another session has the spool, the store has another recording or cannot be used, or the
    /// system starts no thread. A store that does not answer is not an error.
    pub fn start(
        inner: SessionRecorder,
        spool: &Path,
        target: StoreTarget,
        on_store: OnStore,
    ) -> Result<Self> {
        let own = |is_root: bool| -> Result<Option<Owner>> {
            if !is_root {
                return Ok(None);
            }
            local().create_folder(spool)?;
            Owner::of_any(&*local(), spool).map(Some)
        };
        let started = own(target.is_root).and_then(|root| {
            Ok((
                root,
                Uploader::start(target, spool, inner.stats(), on_store)?,
            ))
        });
        match started {
            Ok((root, uploader)) => Ok(Self {
                inner,
                uploader,
                spool: spool.to_owned(),
                root,
            }),
            Err(error) => {
                // Nothing was recorded yet.
                let _ = inner.discard();
                Err(error)
            }
        }
    }

    pub(super) fn offer(&mut self, events: &[Event]) -> bool {
        !self.uploader.has_failed() && self.inner.offer(events)
    }

    pub(super) fn idle(&mut self) -> bool {
        !self.uploader.has_failed() && self.inner.idle()
    }

    pub(super) fn has_failed(&self) -> bool {
        self.uploader.has_failed() || self.inner.has_failed()
    }

    pub(super) fn stats(&self) -> &Arc<RecorderStats> {
        self.inner.stats()
    }

    pub(super) fn recordings(&self) -> ReadBack {
        self.inner.recordings()
    }

    pub(super) fn folder(&self) -> &Path {
        &self.spool
    }

    /// Finishes the recordings, stores the rest and removes the spool. Where the store does not take
    /// everything, [`Recorded::unstored`] says what is still in the spool.
    pub(super) fn finish(self, overflow: u64) -> Recorded {
        let mut recorded = self.inner.finish(overflow);
        let failure = self.uploader.take_failure();
        let has_failed = self.uploader.has_failed();
        let made: Vec<(PathBuf, Manifest)> = match (&recorded.manifest, &*recorded.days) {
            (Some(manifest), []) => vec![(self.spool.clone(), manifest.clone())],
            _ => std::mem::take(&mut recorded.days),
        };
        let Some(upload) = self.uploader.end() else {
            recorded.days = made;
            recorded.error = recorded.error.or(Some(RecordingError::WriterFailed {
                path: self.spool.clone(),
            }));
            return recorded;
        };
        let places: Vec<PathBuf> = made.iter().map(|(it, _)| upload.place_of(it)).collect();
        let (unstored, refused) = match has_failed {
            true => (Vec::new(), None),
            false => upload.finish(),
        };
        let is_stored = |folder: &PathBuf| {
            !has_failed && !unstored.iter().any(|unstored| unstored.spool == *folder)
        };
        let made = made.into_iter().zip(places);
        recorded.days = made
            .map(|((folder, manifest), place)| match is_stored(&folder) {
                true => (place, manifest),
                false => (folder, manifest),
            })
            .collect();
        recorded.error = RecordingError::first_cause(recorded.error, failure.or(refused));
        recorded.unstored = unstored;
        if let Some(owner) = self.root {
            drop(owner);
            // Recordings that stay keep it.
            let _ = local().remove_folder(&self.spool);
        }
        recorded
    }

    /// Removes what was recorded. The store has a recording without an event then, which gives way to the
    /// next one.
    pub(super) fn discard(self) -> Result<()> {
        drop(self.uploader.end());
        self.inner.discard()
    }
}

impl EventWriter for StoredRecorder {
    fn write(&mut self, events: &[Event]) -> Result<()> {
        if !self.uploader.has_failed() {
            return self.inner.write(events);
        }
        let path = self.spool.clone();
        let failure = self.uploader.take_failure();
        Err(failure.unwrap_or(RecordingError::WriterFailed { path }))
    }
}

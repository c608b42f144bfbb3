//! What is checked or compared, opened.

use std::path::{Path, PathBuf};

use tickdeck_recording::{Recording, RecordingError};

use super::error::CheckError;
use super::stream::{InputKind, input_kind};

/// One side of a comparison.
#[derive(Debug, Clone)]
pub enum Input {
    /// A recording, or a lone segment.
    Recording(Box<Recording>),
    /// A payload stream. It is opened when it is read, because it may be a pipe.
    Stream(PathBuf),
}

impl Input {
    /// Opens what is at `path`. A recording may be unfinished or damaged.
    ///
    /// # Errors
    /// When there is nothing, or a recording cannot be opened.
    pub fn open(path: &Path) -> Result<Self, CheckError> {
        if input_kind(path)? == InputKind::Stream {
            return Ok(Self::Stream(path.to_owned()));
        }
        open_recording(path).map(|recording| Self::Recording(Box::new(recording)))
    }

    /// The recording; `None` for a stream.
    #[must_use]
    pub fn recording(&self) -> Option<&Recording> {
        match self {
            Self::Recording(recording) => Some(recording),
            Self::Stream(_) => None,
        }
    }

    /// Drops a damaged contract table if the caller `has_other` contracts.
    pub(super) fn replace_damaged_contracts(&mut self, has_other: bool) {
        if let (Self::Recording(recording), true) = (self, has_other) {
            recording.replace_damaged_contracts();
        }
    }

    /// Whether it is whole. Streams have no state.
    #[must_use]
    pub fn is_complete(&self) -> bool {
        self.recording().is_none_or(Recording::is_complete)
    }
}

/// Opens a recording where only a recording will do.
pub(super) fn open_recording(path: &Path) -> Result<Recording, CheckError> {
    match Recording::open(path) {
        Err(RecordingError::NoManifest { path }) => Err(CheckError::NotAnInput { path }),
        opened => Ok(opened?),
    }
}

/// Refuses a recording whose files differ from what was written.
pub(super) fn refuse_damage(recording: &Recording) -> Result<(), CheckError> {
    let findings = recording.damaged_files();
    match findings.is_empty() {
        true => Ok(()),
        false => Err(CheckError::DamagedRecording { findings }),
    }
}

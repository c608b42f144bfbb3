//! Where and how a session is recorded.

use std::path::PathBuf;
use std::sync::Arc;

use tickdeck_recording::{
    BackgroundWriter, RecorderOptions, RecordingOptions, RecordingWriter, Rolling, SourceInfo,
    session_of,
};

use super::error::SessionError;
use crate::reference::Reference;

/// Where a session is recorded.
#[derive(Debug, Clone)]
pub struct RecordTo {
    /// Folder of the recording.
    pub folder: PathBuf,
    /// Options of the recording.
    pub options: RecordingOptions,
}

impl RecordTo {
    /// A new recording in `folder`, which must be new or empty. The session id is the name of the
    /// folder. What was recorded is kept if the session fails.
    #[must_use]
    pub fn new(folder: impl Into<PathBuf>, source: SourceInfo, reference: &Reference) -> Self {
        let folder = folder.into();
        let options = RecordingOptions {
            session: session_of(&folder),
            source,
            contracts: Arc::clone(&reference.contracts),
            calendar: Arc::clone(&reference.calendar),
            rolling: Rolling::default(),
            overwrite: false,
            keep_partial: true,
        };
        Self { folder, options }
    }

    /// Begins the recording, behind a journal.
    pub(super) fn begin(self, options: RecorderOptions) -> Result<BackgroundWriter, SessionError> {
        let writer = RecordingWriter::create(&self.folder, self.options)?;
        BackgroundWriter::start_with(writer, options).map_err(SessionError::Thread)
    }
}

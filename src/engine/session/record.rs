//! Where and how a session is recorded.

use std::path::PathBuf;

use tickdeck_recording::RecordingOptions;

/// Where a session is recorded.
#[derive(Debug, Clone)]
pub struct RecordTo {
    /// Folder of the recording.
    pub folder: PathBuf,
    /// Options of the recording.
    pub options: RecordingOptions,
}

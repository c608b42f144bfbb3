//! How every session closes its recording, and what it logs if that is not whole.

use tickdeck_core::causes::with_causes;
use tickdeck_recording::{Recorded, RecordingError, SessionRecorder, Status};

/// Finishes a recording as far as it is whole, and logs if it is not. `dropped` are the ticks that were
/// lost before it, `refused` is the error with which it refused events.
pub(super) fn finish(
    writer: SessionRecorder,
    dropped: u64,
    refused: Option<&RecordingError>,
) -> Recorded {
    let folder = writer.folder().display().to_string();
    let recorded = writer.finish(dropped);
    if let Some(error) = refused.or(recorded.error.as_ref()) {
        log(&folder, &recorded, error);
    }
    recorded
}

/// Removes a recording without a tick; `None` unless that fails.
pub(super) fn discard(writer: SessionRecorder) -> Option<Recorded> {
    let folder = writer.folder().display().to_string();
    let error = writer.discard().err()?;
    let failed = Recorded::default();
    log(&folder, &failed, &error);
    Some(Recorded {
        error: Some(error),
        ..failed
    })
}

/// Logs what failed, where, and what is safe.
fn log(path: &str, recorded: &Recorded, error: &RecordingError) {
    let is_gone = matches!(error, RecordingError::FolderReplaced { .. });
    let error = with_causes(error);
    let ticks = recorded.ticks;
    if let Some(ring) = &recorded.ring {
        tracing::error!(
            event = "recording_failed",
            path = %ring.display(),
            recorded = ticks,
            sealed = false,
            error,
            "these ticks are safe in recordings and the ring: recover its root to keep those of the ring"
        );
        return;
    }
    match &recorded.manifest {
        Some(manifest) if manifest.status != Status::Recording => tracing::error!(
            event = "recording_failed",
            path,
            recorded = ticks,
            sealed = true,
            error,
            "the recording was closed and ends with these ticks"
        ),
        _ if ticks == 0 && is_gone => tracing::error!(
            event = "recording_failed",
            path,
            recorded = ticks,
            sealed = false,
            error,
            "no tick is safe: there is nothing to recover"
        ),
        _ if ticks == 0 => tracing::error!(
            event = "recording_failed",
            path,
            recorded = ticks,
            sealed = false,
            error,
            "the disk confirmed no tick: recover the recording to keep what is there"
        ),
        _ => tracing::error!(
            event = "recording_failed",
            path,
            recorded = ticks,
            sealed = false,
            error,
            "these ticks are safe in segments and journal: recover the recording to seal them"
        ),
    }
}

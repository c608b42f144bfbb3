//! The recorder of a live session, and what becomes of the session when it fails.

use std::path::PathBuf;
use std::sync::Arc;
use std::thread::JoinHandle;

use tickdeck_core::event::Event;
use tickdeck_core::thread;
use tickdeck_recording::{EventWriter, Recorded, RecorderStats, RecordingError, SessionRecorder};

use super::backlog::StoppableRecorder;
use super::recording_failure;
use crate::live::LiveStats;

/// What a live session does when it can no longer be recorded.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum OnRecordingFailure {
    /// It closes the recording as far as that is whole, and continues to publish.
    #[default]
    Continue,
    /// It ends.
    Stop,
}

/// Records a live session until that fails. Neither the failure nor closing the recording delays what is
/// published.
pub(super) struct LiveRecorder {
    on_failure: OnRecordingFailure,
    folder: PathBuf,
    stats: Arc<RecorderStats>,
    /// Ticks that were lost before the recorder.
    live: Arc<LiveStats>,
    state: State,
    /// What continues, as far as a failure was logged.
    continues: Option<Continues>,
}

/// What continues after a failure.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Continues {
    /// Events reach the journal. Segments could not be written.
    Journal,
    Nothing,
}

impl Continues {
    const fn as_str(self) -> &'static str {
        match self {
            Self::Journal => "journal",
            Self::Nothing => "nothing",
        }
    }
}

enum State {
    Recording(Box<SessionRecorder>),
    /// A thread closes the recording.
    Closing(JoinHandle<Recorded>),
    Closed(Box<Recorded>),
}

impl LiveRecorder {
    pub(super) fn new(
        writer: SessionRecorder,
        on_failure: OnRecordingFailure,
        live: Arc<LiveStats>,
    ) -> Self {
        Self {
            on_failure,
            folder: writer.folder().to_owned(),
            stats: Arc::clone(writer.stats()),
            live,
            state: State::Recording(Box::new(writer)),
            continues: None,
        }
    }

    pub(super) const fn stats(&self) -> &Arc<RecorderStats> {
        &self.stats
    }

    /// Closes the recording after everything that was accepted, or waits until it is closed. `dropped`
    /// are the ticks that were lost before it.
    pub(super) fn finish(self, dropped: u64) -> Recorded {
        let (folder, stats) = (self.folder, self.stats);
        match self.state {
            State::Recording(writer) => recording_failure::finish(*writer, dropped, None),
            // A panic was reported with its place. What it left on the disk is unknown.
            State::Closing(thread) => thread.join().unwrap_or_else(|_| Recorded {
                ticks: stats.ticks(),
                error: Some(RecordingError::WriterFailed { path: folder }),
                ..Recorded::default()
            }),
            State::Closed(recorded) => *recorded,
        }
    }

    /// Closes the recording on another thread.
    fn close(&mut self) {
        let placeholder = State::Closed(Box::default());
        let State::Recording(writer) = std::mem::replace(&mut self.state, placeholder) else {
            return;
        };
        let dropped = self.live.dropped();
        // The closure is dropped when the system gives no thread, and so is the writer, which seals
        // nothing then: its journal stays.
        let closing = thread::spawn("recording-close", move || {
            recording_failure::finish(*writer, dropped, None)
        });
        self.state = match closing {
            Ok(thread) => State::Closing(thread),
            Err(error) => State::Closed(Box::new(Recorded {
                ticks: self.stats.ticks(),
                error: Some(RecordingError::Io {
                    path: self.folder.clone(),
                    doing: "starting a thread to close",
                    source: error,
                }),
                ..Recorded::default()
            })),
        };
    }

    /// What continues, if the recorder has failed. `is_accepted` says whether it took the last events.
    fn failed(&self, is_accepted: bool) -> Option<Continues> {
        let State::Recording(writer) = &self.state else {
            return None;
        };
        if is_accepted && self.stats.failure().is_none() {
            return None;
        }
        // Looked at after the reason was seen, which a recorder that accepts nothing more gives last.
        Some(match is_accepted && !writer.has_failed() {
            true => Continues::Journal,
            false => Continues::Nothing,
        })
    }

    /// Looks whether the recorder has failed, and does what the session should do then.
    fn look(&mut self, is_accepted: bool) -> Result<(), RecordingError> {
        let Some(continues) = self.failed(is_accepted) else {
            return Ok(());
        };
        if self.continues != Some(continues) {
            self.continues = Some(continues);
            self.log(continues);
        }
        match (self.on_failure, continues) {
            (OnRecordingFailure::Stop, _) => Err(RecordingError::WriterFailed {
                path: self.folder.clone(),
            }),
            (OnRecordingFailure::Continue, Continues::Journal) => Ok(()),
            (OnRecordingFailure::Continue, Continues::Nothing) => {
                self.close();
                Ok(())
            }
        }
    }

    fn log(&self, continues: Continues) {
        let message = match continues {
            Continues::Journal => {
                "segments could not be written: the journal keeps their events and continues"
            }
            Continues::Nothing => "nothing more is recorded",
        };
        tracing::error!(
            event = "recorder_failed",
            path = %self.folder.display(),
            recorded = self.stats.ticks(),
            continues = continues.as_str(),
            error = self.stats.failure().unwrap_or("its thread has ended"),
            "{message}"
        );
    }
}

impl EventWriter for LiveRecorder {
    fn write(&mut self, events: &[Event]) -> Result<(), RecordingError> {
        let State::Recording(writer) = &mut self.state else {
            return Ok(());
        };
        let is_accepted = writer.offer(events);
        self.look(is_accepted)
    }
}

impl StoppableRecorder for LiveRecorder {
    fn is_recording(&self) -> bool {
        matches!(self.state, State::Recording(_))
    }

    fn idle(&mut self) -> Result<(), RecordingError> {
        let State::Recording(writer) = &mut self.state else {
            return Ok(());
        };
        let is_accepted = writer.idle();
        self.look(is_accepted)
    }
}

//! Where and how a session is recorded.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use tickdeck_core::causes::with_causes;
use tickdeck_core::clock::Clock;
use tickdeck_recording::{
    BackgroundWriter, Catalog, DayRecorder, Manifest, RecorderOptions, RecordingError,
    RecordingOptions, RecordingWriter, Ring, RingRecorder, Rolling, SessionId, SessionRecorder,
    SourceInfo, StoreNotice, StoreTarget, StoredRecorder, session_of,
};

use tickdeck_core::time::UnixNanos;

use super::error::SessionError;
use crate::reference::Reference;

/// Where a session is recorded.
#[derive(Debug, Clone)]
pub struct RecordTo {
    /// Folder of the recording, or with `by_day` the root of a catalogue.
    pub folder: PathBuf,
    /// Makes a recording of each trading day, in a catalogue, as this session.
    pub by_day: Option<SessionId>,
    /// Records into a ring, and in the catalogue only what is asked for. Needs `by_day`.
    pub ring: Option<Ring>,
    /// Brings what is recorded in `folder`, which is then a spool, to a store.
    pub store: Option<StoreTarget>,
    /// Options of the recording.
    pub options: RecordingOptions,
}

/// Logs if an earlier run under the root had the id of this session. On a day that has it, this run gets
/// another id. On another day, it adds to the session.
fn log_continued(root: &Path, session: &SessionId) {
    // What is wrong with a root is found where the recording begins.
    let entries = Catalog::open(root).map(|catalog| catalog.entries);
    let entries = entries.unwrap_or_default().into_iter();
    let of_session = entries.filter(|entry| entry.session == session.as_str());
    let days: Vec<String> = of_session
        .map(|entry| entry.trading_day.to_string())
        .collect();
    if !days.is_empty() {
        tracing::warn!(
            event = "session_continued",
            session = session.as_str(),
            days = days.join(","),
            "earlier runs recorded this session on these trading days: on another day this run adds to \
             it, on one of them it gets another id"
        );
    }
}

/// Logs what became of a range of a ring.
fn log_kept(folder: &Path, made: &Result<Manifest, RecordingError>) {
    let path = folder.display();
    match made {
        Ok(made) => tracing::info!(
            event = "ring_kept",
            %path,
            events = made.events,
            ticks = made.ticks,
            reason = made.source.detail
        ),
        Err(error) => tracing::error!(
            event = "ring_not_kept",
            %path,
            error = with_causes(error),
            "what was to be kept stays in the ring"
        ),
    }
}

/// Logs what becomes of a store.
fn log_store(spool: &Path, notice: &StoreNotice<'_>) {
    let spool = spool.display();
    match notice {
        StoreNotice::Slow => tracing::warn!(
            event = "store_slow",
            %spool,
            "the store has not answered yet: the recording begins, and waits in its spool"
        ),
        StoreNotice::Unreachable { failures, error } => tracing::warn!(
            event = "store_unreachable",
            %spool,
            failures,
            error = with_causes(*error),
            "the recording continues, and waits in its spool"
        ),
        StoreNotice::Reached { failures } => {
            tracing::info!(event = "store_reached", %spool, failures);
        }
        StoreNotice::Refused(error) => tracing::error!(
            event = "store_refused",
            %spool,
            error = with_causes(*error),
            "nothing more is stored, and what was recorded stays in the spool"
        ),
        _ => {}
    }
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
            rolling: Rolling {
                by_trading_day: true,
                ..Rolling::default()
            },
            overwrite: false,
            keep_partial: true,
        };
        Self {
            folder,
            by_day: None,
            ring: None,
            store: None,
            options,
        }
    }

    /// One recording per trading day under `root`, the root of a catalogue.
    #[must_use]
    pub fn under(
        root: impl Into<PathBuf>,
        session: SessionId,
        source: SourceInfo,
        reference: &Reference,
    ) -> Self {
        let mut record = Self::new(root, source, reference);
        session.as_str().clone_into(&mut record.options.session);
        record.by_day = Some(session);
        record
    }

    /// The folder of a recording that begins at `recv_ts`.
    #[must_use]
    pub fn folder_at(&self, recv_ts: UnixNanos) -> PathBuf {
        match &self.by_day {
            None => self.folder.clone(),
            Some(session) => {
                let day = self.options.calendar.trading_day_of(recv_ts);
                Catalog::folder(&self.folder, day.0, session.as_str())
            }
        }
    }

    /// Records in the folder as in a spool, and brings that to a store.
    #[must_use]
    pub fn stored(mut self, store: StoreTarget) -> Self {
        if self.by_day.is_none() {
            self.options.session = session_of(&store.url);
        }
        self.store = Some(store);
        self
    }

    /// Prepares the place and begins the recording, behind a journal.
    pub(super) fn begin(
        self,
        recorder: RecorderOptions,
        clock: &Arc<dyn Clock>,
    ) -> Result<SessionRecorder, SessionError> {
        self.prepare_to_begin(recorder)?;
        let (folder, store) = (self.folder.clone(), self.store.clone());
        let recorder = self.begin_locally(recorder, clock)?;
        let Some(store) = store else {
            return Ok(recorder);
        };
        let stored = StoredRecorder::start(recorder, &folder, store, log_store)?;
        Ok(SessionRecorder::Stored(Box::new(stored)))
    }

    fn begin_locally(
        self,
        recorder: RecorderOptions,
        clock: &Arc<dyn Clock>,
    ) -> Result<SessionRecorder, SessionError> {
        let (folder, options) = (&self.folder, self.options);
        if let Some(session) = self.by_day {
            log_continued(folder, &session);
            return Ok(match self.ring {
                Some(ring) => {
                    let clock = Arc::clone(clock);
                    let ring = RingRecorder::create(
                        folder, session, options, recorder, ring, clock, log_kept,
                    )?;
                    SessionRecorder::Ring(Box::new(ring))
                }
                None => {
                    let days = DayRecorder::new(folder, session, options, recorder);
                    SessionRecorder::Days(Box::new(days))
                }
            });
        }
        let writer = RecordingWriter::create(folder, options)?;
        let writer = BackgroundWriter::start_with(writer, recorder);
        writer
            .map(|writer| SessionRecorder::Folder(Box::new(writer)))
            .map_err(SessionError::Thread)
    }
}

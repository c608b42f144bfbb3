//! Where a session is recorded: a folder, or a catalogue with a recording per trading day.

use std::path::{Path, PathBuf};

use tickdeck::reference::Reference;
use tickdeck::session::RecordTo;
use tickdeck_recording::{Manifest, RecordingOptions, Ring, RingTrigger, SessionId, SourceInfo};

use super::args::RollArgs;
use super::outputs::{refuse_output_of_inputs, session_of, session_rolling};
use super::render::Made;

/// The place of a new session.
#[derive(Debug, Clone)]
pub(super) struct SessionPlace {
    /// The folder of the recording, or the root of the catalogue.
    folder: PathBuf,
    /// The session in the catalogue.
    by_day: Option<SessionId>,
    /// Keeps only the last minutes on disk, until it is asked for them.
    ring: Option<Ring>,
    /// Whether an existing recording is replaced.
    pub(super) force: bool,
}

impl SessionPlace {
    /// A folder.
    pub(super) fn folder(folder: &Path, force: bool) -> Self {
        Self {
            folder: folder.to_owned(),
            by_day: None,
            ring: None,
            force,
        }
    }

    /// Under the root of a catalogue.
    pub(super) fn under(root: &Path, session: SessionId, force: bool) -> Self {
        Self {
            folder: root.to_owned(),
            by_day: Some(session),
            ring: None,
            force,
        }
    }

    /// The same, as a ring.
    pub(super) fn with_ring(self, ring: Option<Ring>) -> Self {
        Self { ring, ..self }
    }

    /// What asks the ring to keep what it has.
    pub(super) fn trigger(&self) -> Option<RingTrigger> {
        self.ring.as_ref().map(|ring| ring.trigger.clone())
    }

    /// The session id.
    pub(super) fn session(&self) -> String {
        match &self.by_day {
            None => session_of(&self.folder),
            Some(session) => session.to_string(),
        }
    }

    /// Refuses a place that overlaps with what is recorded. A catalogue may have both.
    pub(super) fn check_inputs(&self, inputs: &[PathBuf]) -> anyhow::Result<()> {
        match &self.by_day {
            Some(_) if !self.force => Ok(()),
            _ => refuse_output_of_inputs(&self.folder, inputs),
        }
    }

    /// The recording of a session.
    pub(super) fn record_to(
        &self,
        roll: &RollArgs,
        source: SourceInfo,
        reference: &Reference,
    ) -> RecordTo {
        let record = match &self.by_day {
            None => RecordTo::new(&self.folder, source, reference),
            Some(session) => RecordTo::under(&self.folder, session.clone(), source, reference),
        };
        RecordTo {
            options: RecordingOptions {
                rolling: session_rolling(roll),
                overwrite: self.force,
                ..record.options
            },
            ring: self.ring.clone(),
            ..record
        }
    }

    /// The results to print: each recording of a catalogue, or the one of a folder.
    pub(super) fn made<'a>(
        &self,
        manifest: Option<&'a Manifest>,
        days: &'a [(PathBuf, Manifest)],
    ) -> Vec<Made<'a>> {
        if days.is_empty() {
            return vec![Made::of(&self.folder, manifest)];
        }
        let days = days.iter();
        days.map(|(folder, made)| Made::new(folder, made)).collect()
    }
}

//! Where a session is recorded: a folder, or a catalogue with a recording per trading day.

use std::path::{Path, PathBuf};

use tickdeck::reference::Reference;
use tickdeck::session::RecordTo;
use tickdeck_recording::storage::{check_url, is_url};
use tickdeck_recording::{
    Manifest, RecordingOptions, Ring, RingTrigger, SessionId, SourceInfo, StoreTarget, Unstored,
};

use super::args::RollArgs;
use super::outputs::{refuse_output_of_inputs, session_of, session_rolling};
use super::render::Made;
use super::user_folders::UserFolders;

/// The place of a new session.
#[derive(Debug, Clone)]
pub(super) struct SessionPlace {
    /// The folder of the recording, or the root of the catalogue.
    folder: PathBuf,
    /// The session in the catalogue.
    by_day: Option<SessionId>,
    /// Keeps only the last minutes on disk, until it is asked for them.
    ring: Option<Ring>,
    /// The URL of a store. Then the folder is a spool.
    store: Option<PathBuf>,
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
            store: None,
            force,
        }
    }

    /// Under the root of a catalogue.
    pub(super) fn under(root: &Path, session: SessionId, force: bool) -> Self {
        Self {
            folder: root.to_owned(),
            by_day: Some(session),
            ring: None,
            store: None,
            force,
        }
    }

    /// The same where a URL is recorded in a spool: a folder in `spools`, or in the user's state folder.
    ///
    /// # Errors
    /// When the URL cannot be used, or no folder is known.
    pub(super) fn spooled(mut self, spools: Option<&Path>) -> anyhow::Result<Self> {
        if !is_url(&self.folder) {
            return Ok(self);
        }
        check_url(&self.folder)?;
        let spools = match spools {
            Some(folder) => folder.to_owned(),
            None => UserFolders::from_environment().spools()?,
        };
        let spool = spools.join(StoreTarget::spool_name(&self.folder));
        self.store = Some(std::mem::replace(&mut self.folder, spool));
        Ok(self)
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
            None => session_of(self.store.as_ref().unwrap_or(&self.folder)),
            Some(session) => session.to_string(),
        }
    }

    /// Refuses a place that overlaps with what is recorded. A catalogue may have both.
    pub(super) fn check_inputs(&self, inputs: &[PathBuf]) -> anyhow::Result<()> {
        match &self.by_day {
            Some(_) if !self.force => Ok(()),
            _ => refuse_output_of_inputs(self.store.as_ref().unwrap_or(&self.folder), inputs),
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
        let record = RecordTo {
            options: RecordingOptions {
                rolling: session_rolling(roll),
                // In a spool there is nothing to replace.
                overwrite: self.force && self.store.is_none(),
                ..record.options
            },
            ring: self.ring.clone(),
            ..record
        };
        match &self.store {
            None => record,
            Some(url) => record.stored(StoreTarget {
                url: url.clone(),
                is_root: self.by_day.is_some(),
                force: self.force,
            }),
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

/// Warns about recordings that are not in their store, and says how to bring them there.
pub(super) fn warn_unstored(unstored: &[Unstored]) {
    for Unstored {
        spool,
        target,
        reason,
    } in unstored
    {
        let (spool, target) = (spool.display(), target.display());
        tracing::warn!(
            event = "recording_not_stored",
            recording = %spool,
            target_url = %target,
            error = reason,
            "it is whole in its spool: `tickdeck push {spool} {target}` stores it"
        );
    }
}

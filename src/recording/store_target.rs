//! Where a session is stored that is recorded in a spool, and what an earlier session left there.

use std::io::ErrorKind;
use std::path::{Path, PathBuf};
use std::time::Duration;

use crossbeam_channel::bounded;
use tickdeck_core::causes::with_causes;
use tickdeck_core::thread;
use tickdeck_core::wait::{Received, receive};

use super::catalog::Catalog;
use super::error::RecordingError;
use super::manifest::Status;
use super::owner::is_in_use;
use super::reader::Recording;
use super::recover::recover;
use super::storage::{Location, local};
use super::store_writer::{StoreWriter, check_place};
use super::unstarted::remove_eventless;

type Result<T> = std::result::Result<T, RecordingError>;

/// The start of a session waits this long for the store. One that answers later is used then.
pub(super) const START_WAIT: Duration = Duration::from_secs(5);

/// Where a session is stored that is recorded in a spool.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StoreTarget {
    /// The URL of the recording, or with `is_root` of the root of a catalogue.
    pub url: PathBuf,
    /// Whether the spool is the root of a catalogue.
    pub is_root: bool,
    /// Whether another recording at the URL is superseded. Its files stay.
    pub force: bool,
}

/// A finished recording that is not in its store.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Unstored {
    /// Where it is, whole.
    pub spool: PathBuf,
    /// Where it should be.
    pub target: PathBuf,
    /// Why it is not there.
    pub reason: String,
}

/// What a session learns of its store.
#[derive(Debug)]
#[non_exhaustive]
pub enum StoreNotice<'a> {
    /// It has not answered yet. The session begins.
    Slow,
    /// Requests fail. The recording continues, and waits in its spool.
    Unreachable {
        /// How often in a row.
        failures: usize,
        /// The last error.
        error: &'a RecordingError,
    },
    /// It takes again what it did not take before.
    Reached {
        /// How often it did not.
        failures: usize,
    },
    /// Nothing more is stored. What was recorded stays in the spool.
    Refused(&'a RecordingError),
}

/// Learns of the store of the recordings in a spool.
pub type OnStore = fn(&Path, &StoreNotice<'_>);

/// Digits of the BLAKE3 in the name of a spool.
const SPOOL_DIGITS: usize = 8;
/// Letters of the URL in it.
const SPOOL_LETTERS: usize = 64;

impl StoreTarget {
    /// The name of the spool of a URL: its last letters, and what tells it from others with the same. The
    /// next session with the URL finds there what the one before left.
    #[must_use]
    pub fn spool_name(url: &Path) -> String {
        let url = url.to_string_lossy();
        let url = url.trim_end_matches('/');
        let plain = |c: char| match c.is_ascii_alphanumeric() || ".-_".contains(c) {
            true => c,
            false => '_',
        };
        let text: Vec<char> = url.chars().map(plain).collect();
        let shown = text.len().saturating_sub(SPOOL_LETTERS);
        let shown: String = text.iter().skip(shown).collect();
        let digest = blake3::hash(url.as_bytes()).to_hex();
        format!("{shown}-{}", digest.get(..SPOOL_DIGITS).unwrap_or(&digest))
    }

    /// The place of a recording in the spool `root`.
    pub(super) fn of(&self, root: &Path, folder: &Path) -> Result<Location> {
        let inside = folder.strip_prefix(root).ok().filter(|_| self.is_root);
        let place = inside.map_or_else(|| self.url.clone(), |inside| self.url.join(inside));
        Ok(Location::of(&place)?)
    }

    /// Refuses a URL that cannot be used, or has another recording. A store that does not answer within
    /// some seconds is not waited for.
    ///
    /// # Errors
    /// When it is refused.
    pub fn check(&self) -> Result<()> {
        let location = Location::of(&self.url)?;
        let (found, answer) = bounded(1);
        let (is_root, force) = (self.is_root, self.force);
        let check = move || {
            let checked = match is_root {
                true => can_list(&location),
                false => check_place(&location, force),
            };
            // A late answer is dropped.
            let _ = found.try_send(checked);
        };
        thread::spawn("store-check", check)
            .map_err(RecordingError::io(&self.url, "starting a thread for"))?;
        match receive(&answer, START_WAIT) {
            Received::Message(Err(error)) if is_refusal(&error) => Err(error),
            _ => Ok(()),
        }
    }

    /// Brings what an earlier session left in the spool to the store, and removes it there. In a catalogue
    /// the next session does that while it runs.
    ///
    /// # Errors
    /// When it cannot be read, or the store does not take it.
    pub fn store_leftover(&self, spool: &Path) -> Result<()> {
        let is_left = !self.is_root
            && local().exists(spool)
            && !is_in_use(spool)
            && !remove_eventless(spool)?
            && Recording::open(spool).is_ok();
        if !is_left {
            return Ok(());
        }
        if Recording::open(spool)?.status() == Status::Recording {
            recover(spool)?;
        }
        let target = self.of(spool, spool)?;
        let stored = StoreWriter::new(spool, target, false).finish();
        stored.map_err(|error| not_stored(spool, error))
    }

    pub(super) fn unstored(&self, spool: &Path, folder: &Path, error: &RecordingError) -> Unstored {
        let target = self.of(spool, folder);
        Unstored {
            spool: folder.to_owned(),
            target: target.map_or_else(|_| self.url.clone(), |it| it.path),
            reason: with_causes(error),
        }
    }
}

/// The recordings in a spool.
pub(super) fn recordings_in(spool: &Path, is_root: bool) -> Result<Vec<PathBuf>> {
    if !local().exists(spool) {
        return Ok(Vec::new());
    }
    if !is_root {
        return Ok(vec![spool.to_owned()]);
    }
    let entries = Catalog::open(spool)?.entries.into_iter();
    Ok(entries.map(|entry| entry.folder).collect())
}

/// Whether a store answers, before there is something to store.
pub(super) fn can_list(target: &Location) -> Result<()> {
    match target.storage.list(&target.path) {
        Err(error) if error.source.kind() != ErrorKind::NotFound => Err(error.into()),
        _ => Ok(()),
    }
}

pub(super) fn not_stored(spool: &Path, error: RecordingError) -> RecordingError {
    RecordingError::NotStored {
        spool: spool.to_owned(),
        source: Box::new(error),
    }
}

/// Whether trying again cannot help: another writer has the place, or the store is not usable.
pub(super) const fn is_final(error: &RecordingError) -> bool {
    matches!(
        error,
        RecordingError::Overtaken { .. }
            | RecordingError::OtherRecording { .. }
            | RecordingError::Unconditional { .. }
            | RecordingError::Location(_)
    )
}

/// The same before anything was stored. A store that answers with an error is a mistake then, such as a wrong
/// bucket or key. One that does not answer is an outage.
pub(super) fn is_refusal(error: &RecordingError) -> bool {
    let no_answer = [ErrorKind::TimedOut, ErrorKind::ConnectionAborted];
    match error {
        RecordingError::Io { source, .. } => !no_answer.contains(&source.kind()),
        _ => true,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn urls_that_look_alike_have_their_own_spools() {
        let name = |url: &str| StoreTarget::spool_name(Path::new(url));
        assert!(name("s3://ticks/a/b").starts_with("s3___ticks_a_b-"));
        assert_eq!(name("s3://ticks/a/b"), name("s3://ticks/a/b/"));
        assert_ne!(name("s3://ticks/a/b"), name("s3://ticks/a_b"));
        let long = name(&format!("s3://ticks/{}", "x".repeat(300)));
        assert!(long.len() < 100, "{long}");
    }
}

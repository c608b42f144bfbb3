//! The files of a journal as they are now: what of them is whole, and from where on it is not.

use std::io::ErrorKind;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use tickdeck_core::event::Event;

use super::reader::{JournalReader, Next};
use crate::error::RecordingError;
use crate::names::journal_index;
use crate::storage::{ReadFile, Storage, StorageError};

type Result<T> = std::result::Result<T, RecordingError>;

/// Journal files, in order, open.
pub(crate) type OpenFiles = Vec<(PathBuf, Arc<dyn ReadFile>)>;

/// One file with events that no sealed segment has.
#[derive(Debug, Clone)]
pub(crate) struct JournalPart {
    pub(crate) path: PathBuf,
    /// Stays readable when the writer removes the file.
    pub(crate) file: Arc<dyn ReadFile>,
    /// The `seq` after its last whole block.
    pub(crate) end_seq: u64,
}

/// A part of a journal that cannot be read.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct JournalDamage {
    pub(crate) path: PathBuf,
    pub(crate) problem: String,
    /// Whether a crash may leave this: it is the end of the last file.
    pub(crate) is_tail: bool,
}

/// The events after the sealed segments.
#[derive(Debug, Clone, Default)]
pub(crate) struct JournalFiles {
    pub(crate) parts: Vec<JournalPart>,
    /// `seq` of the first event that no segment has.
    pub(crate) from_seq: u64,
    /// The `seq` after the last event.
    pub(crate) until_seq: u64,
    /// Why there is nothing behind `until_seq`, if bytes are there.
    pub(crate) damage: Option<JournalDamage>,
}

impl JournalFiles {
    /// Opens the journal files of `folder`. `None` if one was removed meanwhile: its events are in a
    /// segment now.
    pub(crate) fn open(storage: &dyn Storage, folder: &Path) -> Result<Option<OpenFiles>> {
        let mut files = Vec::new();
        for path in Self::paths(storage, folder)? {
            match storage.open(&path) {
                Ok(file) => files.push((path, file)),
                Err(StorageError { source, .. }) if source.kind() == ErrorKind::NotFound => {
                    return Ok(None);
                }
                Err(error) => return Err(error.into()),
            }
        }
        Ok(Some(files))
    }

    /// The journal files of `folder`, in order.
    pub(crate) fn paths(storage: &dyn Storage, folder: &Path) -> Result<Vec<PathBuf>> {
        let names = storage.list(folder)?.into_iter();
        let mut numbered: Vec<(u64, String)> = names
            .filter_map(|name| Some((journal_index(&name)?, name)))
            .collect();
        numbered.sort();
        let names = numbered.into_iter();
        Ok(names.map(|(_, name)| folder.join(name)).collect())
    }

    /// Reads the files and shows `visit` every event from `from_seq` on.
    pub(crate) fn scan(
        files: OpenFiles,
        session: &str,
        from_seq: u64,
        visit: &mut dyn FnMut(&Event),
    ) -> Result<Self> {
        let mut found = Self {
            from_seq,
            until_seq: from_seq,
            ..Self::default()
        };
        let mut events = Vec::new();
        let last = files.len().saturating_sub(1);
        for (index, (path, file)) in files.into_iter().enumerate() {
            let damage = |problem: String| JournalDamage {
                path: path.clone(),
                problem,
                is_tail: index == last,
            };
            let Some(mut reader) = JournalReader::of_file(&path, Arc::clone(&file))? else {
                if file.bytes()? > 0 {
                    found.damage = Some(damage("its header is not whole".into()));
                }
                break;
            };
            if reader.session() != session {
                let other = reader.session();
                found.damage = Some(damage(format!("it belongs to session {other:?}")));
                break;
            }
            if reader.next_seq() > found.until_seq {
                let (first, expected) = (reader.next_seq(), found.until_seq);
                found.damage = Some(damage(format!(
                    "it begins with event {first}, expected {expected}"
                )));
                break;
            }
            let next = loop {
                events.clear();
                match reader.next(&mut events)? {
                    Next::Block => {}
                    other => break other,
                }
                let new = events.iter().filter(|event| event.seq.0 >= found.until_seq);
                new.for_each(&mut *visit);
                found.until_seq = found.until_seq.max(reader.next_seq());
            };
            if reader.next_seq() > from_seq {
                found.parts.push(JournalPart {
                    path: path.clone(),
                    file,
                    end_seq: reader.next_seq(),
                });
            }
            if let Next::Torn(problem) = next {
                found.damage = Some(damage(problem));
                break;
            }
        }
        Ok(found)
    }

    /// Number of events.
    pub(crate) const fn events(&self) -> u64 {
        self.until_seq - self.from_seq
    }
}

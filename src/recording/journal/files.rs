//! The files of a journal as they are now: what of them is whole, and from where on it is not.

use std::io::ErrorKind;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use tickdeck_core::event::Event;

use super::block::MAGIC;
use super::reader::{JournalReader, Next};
use super::resync::search;
use crate::error::RecordingError;
use crate::finding::lost_from;
use crate::names::journal_index;
use crate::storage::{ReadFile, Storage, StorageError};

type Result<T> = std::result::Result<T, RecordingError>;

/// The headers of ordinary sessions are smaller.
const MOST_HEADER_BYTES: u64 = 4096;

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
    /// The `seq` after the last event that is known to be lost, if one is.
    pub(crate) until_seq: Option<u64>,
}

impl JournalDamage {
    /// The problem, and the events that are lost: the first one is `from`.
    pub(crate) fn lost_from(&self, from: u64) -> String {
        lost_from(&self.problem, from, self.last_lost())
    }

    /// The last event that is known to be lost.
    pub(crate) fn last_lost(&self) -> Option<u64> {
        self.until_seq.and_then(|until| until.checked_sub(1))
    }
}

/// A file that was read to its end.
#[derive(Debug, Clone)]
pub(crate) struct ReadJournal {
    pub(crate) path: PathBuf,
    /// `seq` of its first event.
    pub(crate) first_seq: u64,
    /// The `seq` after its last event.
    pub(crate) end_seq: u64,
}

/// The events after the sealed segments.
#[derive(Debug, Clone, Default)]
pub(crate) struct JournalFiles {
    pub(crate) parts: Vec<JournalPart>,
    /// `seq` of the first event that no segment has.
    pub(crate) from_seq: u64,
    /// The `seq` after the last event.
    pub(crate) until_seq: u64,
    /// Files of which nothing else can be had.
    pub(crate) read: Vec<ReadJournal>,
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

    /// Whether a file has no event, and is as a writer leaves one that was killed before its first block.
    pub(crate) fn is_empty(storage: &dyn Storage, path: &Path) -> Result<bool> {
        let file = storage.open(path)?;
        if let Some(mut reader) = JournalReader::of_file(path, Arc::clone(&file))? {
            return Ok(reader.next(&mut Vec::new())? == Next::End);
        }
        let bytes = file.bytes()?;
        if bytes > MOST_HEADER_BYTES || search(&*file, 0, bytes, 0)?.has_blocks {
            return Ok(false);
        }
        let mut content = vec![0; usize::try_from(bytes).unwrap_or(0)];
        file.read_at(&mut content, 0)?;
        // After a power failure it may have the size and no bytes.
        let is_blank = content.iter().all(|byte| *byte == 0);
        let begins = content
            .iter()
            .zip(MAGIC)
            .all(|(found, magic)| *found == magic);
        Ok(is_blank || begins)
    }

    /// A file alone, whatever recording it is of, and a reader at its beginning. Shows `visit` its events.
    /// `None` if it is not a file of a journal.
    ///
    /// # Errors
    /// When it is one and its header is damaged, or it cannot be read.
    pub(crate) fn lone(
        storage: &dyn Storage,
        path: &Path,
        visit: &mut dyn FnMut(&Event),
    ) -> Result<Option<(Self, JournalReader)>> {
        let file = storage.open(path)?;
        let mut magic = [0; MAGIC.len()];
        if file.bytes()? < magic.len() as u64 {
            return Ok(None);
        }
        file.read_at(&mut magic, 0)?;
        if magic != MAGIC {
            return Ok(None);
        }
        let Some(reader) = JournalReader::of_file(path, Arc::clone(&file))? else {
            return Err(RecordingError::damaged(path, "its header is not whole"));
        };
        let files = vec![(path.to_owned(), file)];
        let found = Self::scan(files, reader.session(), reader.next_seq(), visit)?;
        Ok(Some((found, reader)))
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
        let (files, readers) = in_order(files, session)?;
        // The file that could not be read to its end. It matters unless the next one continues.
        let mut unread: Option<(usize, Unread)> = None;
        for (index, ((_, file), reader)) in files.iter().zip(readers).enumerate() {
            let read = match Opened::of(file, reader, session, found.until_seq)? {
                Opened::Reader(reader) => found.read(*reader, file, visit)?,
                Opened::Unread(stop) => {
                    unread.get_or_insert((index, stop));
                    if unread.as_ref().is_some_and(|(first, _)| *first < index) {
                        break;
                    }
                    continue;
                }
            };
            unread = read.map(|stop| (index, stop));
        }
        if let Some((index, stop)) = unread {
            found.stop(&files, session, index, stop)?;
        }
        Ok(found)
    }

    /// Reads one file. Returns why that ended before the end of the file.
    fn read(
        &mut self,
        mut reader: JournalReader,
        file: &Arc<dyn ReadFile>,
        visit: &mut dyn FnMut(&Event),
    ) -> Result<Option<Unread>> {
        let mut events = Vec::new();
        let mut first_seq = None;
        let next = loop {
            events.clear();
            match reader.next(&mut events)? {
                Next::Block => {}
                other => break other,
            }
            first_seq = first_seq.or_else(|| events.first().map(|event| event.seq.0));
            let new = events.iter().filter(|event| event.seq.0 >= self.until_seq);
            new.for_each(&mut *visit);
            self.until_seq = self.until_seq.max(reader.next_seq());
        };
        let (path, end_seq) = (reader.path().clone(), reader.next_seq());
        if end_seq > self.from_seq {
            self.parts.push(JournalPart {
                path: path.clone(),
                file: Arc::clone(file),
                end_seq,
            });
        }
        Ok(match next {
            Next::Torn(problem) => Some(Unread {
                problem,
                is_tail: !reader.rest()?.has_blocks,
                has_no_block: false,
            }),
            Next::Block | Next::End => {
                self.read.push(ReadJournal {
                    path,
                    first_seq: first_seq.unwrap_or(end_seq),
                    end_seq,
                });
                None
            }
        })
    }

    /// Notes that there is nothing to read behind the file `index`.
    fn stop(&mut self, files: &OpenFiles, session: &str, index: usize, stop: Unread) -> Result<()> {
        let Some((path, file)) = files.get(index) else {
            return Ok(());
        };
        let is_last = index + 1 == files.len();
        if is_last && stop.has_no_block {
            // A crash while the file was created.
            self.read.push(ReadJournal {
                path: path.clone(),
                first_seq: self.until_seq,
                end_seq: self.until_seq,
            });
            if file.bytes()? == 0 {
                return Ok(());
            }
        }
        let until = last_known(&files[index..], session, self.until_seq)?;
        self.damage = Some(JournalDamage {
            path: path.clone(),
            problem: stop.problem,
            is_tail: is_last && stop.is_tail,
            until_seq: until.filter(|until| *until > self.until_seq),
        });
        Ok(())
    }

    /// Number of events.
    pub(crate) const fn events(&self) -> u64 {
        self.until_seq - self.from_seq
    }
}

/// A file whose end was not reached.
#[derive(Debug)]
struct Unread {
    problem: String,
    /// Whether a crash may leave this in the last file.
    is_tail: bool,
    /// Whether it is at most the beginning of a header.
    has_no_block: bool,
}

/// A file that continues the events before it, or why it does not.
enum Opened {
    Reader(Box<JournalReader>),
    Unread(Unread),
}

impl Opened {
    /// `reader` is at the beginning of the file; `None` if its header is not whole.
    fn of(
        file: &Arc<dyn ReadFile>,
        reader: Option<JournalReader>,
        session: &str,
        until_seq: u64,
    ) -> Result<Self> {
        let foreign = |problem: String| {
            Self::Unread(Unread {
                problem,
                is_tail: false,
                has_no_block: false,
            })
        };
        let Some(reader) = reader else {
            let bytes = file.bytes()?;
            // The header is whole before anything follows it.
            let is_short = bytes <= MOST_HEADER_BYTES;
            let is_tail = is_short && !search(&**file, 0, bytes, until_seq)?.has_blocks;
            return Ok(Self::Unread(Unread {
                problem: match bytes {
                    0 => "it is empty".into(),
                    _ => "its header is not whole".into(),
                },
                is_tail,
                has_no_block: is_tail,
            }));
        };
        if reader.session() != session {
            let other = reader.session();
            return Ok(foreign(format!("it belongs to session {other:?}")));
        }
        if reader.next_seq() > until_seq {
            let first = reader.next_seq();
            return Ok(foreign(format!(
                "it begins with event {first}, expected {until_seq}"
            )));
        }
        Ok(Self::Reader(Box::new(reader)))
    }
}

/// The files by their first `seq`, which their names follow unless someone renamed them. One that does not
/// say it stays behind the file before it. With each file a reader, unless its header is not whole.
fn in_order(files: OpenFiles, session: &str) -> Result<(OpenFiles, Vec<Option<JournalReader>>)> {
    let mut first_seq = 0;
    let mut placed = Vec::new();
    for (path, file) in files {
        let reader = JournalReader::of_file(&path, Arc::clone(&file))?;
        if let Some(reader) = &reader
            && reader.session() == session
        {
            first_seq = reader.next_seq();
        }
        placed.push((first_seq, ((path, file), reader)));
    }
    placed.sort_by_key(|(first_seq, _)| *first_seq);
    Ok(placed.into_iter().map(|(_, file)| file).unzip())
}

/// The `seq` after the last event of this session that the files show, wherever the damage is.
fn last_known(
    files: &[(PathBuf, Arc<dyn ReadFile>)],
    session: &str,
    next_seq: u64,
) -> Result<Option<u64>> {
    let mut known = None;
    for (path, file) in files {
        let Some(mut reader) = JournalReader::of_file(path, Arc::clone(file))? else {
            let rest = search(&**file, 0, file.bytes()?, next_seq)?;
            known = known.max(rest.until_seq);
            continue;
        };
        if reader.session() != session {
            continue;
        }
        let mut events = Vec::new();
        while let Ok(Next::Block) = reader.next(&mut events) {
            events.clear();
        }
        known = known
            .max(Some(reader.next_seq()))
            .max(reader.rest()?.until_seq);
    }
    Ok(known)
}

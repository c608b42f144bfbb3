//! Appends events to the journal of a recording.

use std::path::PathBuf;
use std::sync::Arc;

use tickdeck_core::event::Event;
use tickdeck_core::source::SourceInfo;

use super::block::{
    BLOCK_HEAD_BYTES, Checksum, Description, EMPTY_HEAD, VERSION, file_header, seal_block,
};
use super::entry::Encoder;
use crate::error::RecordingError;
use crate::names::FileNames;
use crate::storage::{Storage, StorageError, WriteFile};

type Result<T> = std::result::Result<T, RecordingError>;

/// A block is written when it has this many bytes, however recent it is.
const BLOCK_BYTES: usize = 256 * 1024;

/// Appends events. They reach the file with [`write`](Self::write) and the disk with
/// [`sync`](Self::sync).
///
/// After a failed write nothing more is written: a part of a block may be in the file.
#[derive(Debug)]
pub(crate) struct JournalWriter {
    storage: Arc<dyn Storage>,
    folder: PathBuf,
    session: String,
    source: SourceInfo,
    rows_per_file: u64,
    index: usize,
    file: Option<OpenFile>,
    next_seq: u64,
    /// Events before this `seq` are in a file.
    written_seq: u64,
    ticks: u64,
    /// Ticks that are in a file.
    written_ticks: u64,
    /// Ticks that are on the disk.
    synced_ticks: u64,
    has_failed: bool,
    /// Whether the failure is one of a sync.
    has_failed_sync: bool,
}

#[derive(Debug)]
struct OpenFile {
    path: PathBuf,
    file: Box<dyn WriteFile>,
    encoder: Encoder,
    /// The block that is being filled, behind a place for its header.
    block: Vec<u8>,
    checksum: Checksum,
    rows: u64,
    is_synced: bool,
}

impl JournalWriter {
    /// A journal in `folder`, with files of `rows_per_file` events. There is no file before the first
    /// event.
    pub(crate) const fn new(
        storage: Arc<dyn Storage>,
        folder: PathBuf,
        session: String,
        source: SourceInfo,
        rows_per_file: u64,
    ) -> Self {
        Self {
            storage,
            folder,
            session,
            source,
            rows_per_file,
            index: 0,
            file: None,
            next_seq: 0,
            written_seq: 0,
            ticks: 0,
            written_ticks: 0,
            synced_ticks: 0,
            has_failed: false,
            has_failed_sync: false,
        }
    }

    /// Adds the next event to the block in memory, and writes the block if it is large enough.
    pub(crate) fn append(&mut self, event: &Event) -> Result<()> {
        if event.seq.0 != self.next_seq {
            return Err(RecordingError::SeqGap {
                path: self.folder.clone(),
                expected: self.next_seq,
                found: event.seq.0,
            });
        }
        if self.has_failed {
            return Err(self.failed());
        }
        let is_full = |file: &OpenFile| file.rows >= self.rows_per_file;
        if self.file.as_ref().is_some_and(is_full) {
            // The next file may be durable before this one, which would leave a hole.
            self.sync()?;
            self.file = None;
            self.index += 1;
        }
        let file = match &mut self.file {
            Some(file) => file,
            none => {
                // Until the file is there.
                self.has_failed = true;
                let file = OpenFile::create(
                    &*self.storage,
                    FileNames::of(&*self.storage, &self.folder).journal(&self.folder, self.index),
                    &Description {
                        format_version: VERSION,
                        session: self.session.clone(),
                        source: self.source.clone(),
                        first_seq: self.next_seq,
                    },
                )?;
                self.has_failed = false;
                none.insert(file)
            }
        };
        file.encoder.put(&mut file.block, event);
        file.rows += 1;
        self.next_seq += 1;
        self.ticks += u64::from(event.as_tick().is_some());
        if file.block.len() >= BLOCK_BYTES {
            self.write()?;
        }
        Ok(())
    }

    /// Writes the block that is being filled.
    pub(crate) fn write(&mut self) -> Result<()> {
        if self.has_failed {
            return Err(self.failed());
        }
        let Some(file) = &mut self.file else {
            return Ok(());
        };
        if self.written_seq == self.next_seq {
            return Ok(());
        }
        self.has_failed = true;
        let events = self.next_seq - self.written_seq;
        // A block ends at a quarter of a megabyte, with at least two bytes for an event.
        let events = u32::try_from(events).unwrap_or(u32::MAX);
        let first_seq = self.written_seq;
        file.checksum = seal_block(&mut file.block, events, first_seq, &file.checksum);
        let written = file.file.write_all(&file.block);
        written.map_err(StorageError::at(&file.path, "writing"))?;
        file.block.truncate(BLOCK_HEAD_BYTES);
        file.is_synced = false;
        self.written_seq = self.next_seq;
        self.written_ticks = self.ticks;
        self.has_failed = false;
        Ok(())
    }

    /// Writes the block that is being filled, and makes the file durable.
    pub(crate) fn sync(&mut self) -> Result<()> {
        self.write()?;
        if let Some(file) = &mut self.file
            && !file.is_synced
        {
            // After a failed sync it is unknown what is on the disk.
            self.has_failed = true;
            self.has_failed_sync = true;
            file.file.sync()?;
            self.has_failed = false;
            self.has_failed_sync = false;
            file.is_synced = true;
        }
        self.synced_ticks = self.written_ticks;
        Ok(())
    }

    /// After a failed write: makes durable what was written before it, unless a sync has failed.
    pub(crate) fn sync_written(&mut self) -> Result<()> {
        if !self.has_failed || self.has_failed_sync {
            return Ok(());
        }
        if let Some(file) = &mut self.file {
            self.has_failed_sync = true;
            file.file.sync()?;
            self.has_failed_sync = false;
        }
        self.synced_ticks = self.written_ticks;
        Ok(())
    }

    /// The `seq` after the last event that is in a file.
    pub(crate) const fn written_seq(&self) -> u64 {
        self.written_seq
    }

    /// Ticks that are in a file.
    pub(crate) const fn written_ticks(&self) -> u64 {
        self.written_ticks
    }

    /// Ticks that are on the disk.
    pub(crate) const fn synced_ticks(&self) -> u64 {
        self.synced_ticks
    }

    fn failed(&self) -> RecordingError {
        RecordingError::WriterFailed {
            path: self.folder.clone(),
        }
    }

    /// Whether there are events that are not in a file.
    pub(crate) const fn has_unwritten(&self) -> bool {
        self.written_seq < self.next_seq
    }
}

impl OpenFile {
    fn create(storage: &dyn Storage, path: PathBuf, description: &Description) -> Result<Self> {
        let header = file_header(description).map_err(std::io::Error::from);
        let (header, checksum) = header.map_err(StorageError::at(&path, "writing"))?;
        let mut file = storage.create(&path)?;
        let mut begin = || -> Result<()> {
            let written = file.write_all(&header);
            written.map_err(StorageError::at(&path, "writing"))?;
            file.sync()?;
            if let Some(folder) = path.parent() {
                storage.sync_dir(folder)?;
            }
            Ok(())
        };
        if let Err(error) = begin() {
            // It has no event, and nothing else would remove it. One that stays does no harm.
            let _ = storage.remove(&path);
            return Err(error);
        }
        Ok(Self {
            path,
            file,
            encoder: Encoder::default(),
            block: EMPTY_HEAD.to_vec(),
            checksum,
            rows: 0,
            is_synced: true,
        })
    }
}

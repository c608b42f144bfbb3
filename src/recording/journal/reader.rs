//! Reads one file of a journal, block by block, also while it grows.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use tickdeck_core::event::Event;
use tickdeck_core::source::SourceInfo;

use super::block::{
    BLOCK_HEAD_BYTES, BlockHead, Checksum, Description, FILE_HEAD_BYTES, description_bytes,
    read_description,
};
use super::entry::Decoder;
use super::resync::{Rest, search};
use crate::error::RecordingError;
use crate::storage::{ReadFile, Storage};

type Result<T> = std::result::Result<T, RecordingError>;

/// What the next bytes of a journal are.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Next {
    /// A block, whose events were appended.
    Block,
    /// There are none.
    End,
    /// They are not a whole block. A block that is still being written looks like this, too.
    Torn(String),
}

/// Reads a file of a journal. A position behind the last whole block is kept, so that reading continues
/// when more is written.
#[derive(Debug)]
pub(crate) struct JournalReader {
    path: PathBuf,
    file: Arc<dyn ReadFile>,
    description: Description,
    decoder: Decoder,
    checksum: Checksum,
    offset: u64,
    /// The size of the file when it was last looked at.
    seen: u64,
    next_seq: u64,
    /// The content of a block.
    buffer: Vec<u8>,
}

impl JournalReader {
    /// Opens a file. `None` if its header is not whole: its writer ended while it created the file.
    pub(crate) fn open(storage: &dyn Storage, path: &Path) -> Result<Option<Self>> {
        Self::of_file(path, storage.open(path)?)
    }

    /// The same for a file that is open already.
    pub(crate) fn of_file(path: &Path, file: Arc<dyn ReadFile>) -> Result<Option<Self>> {
        let bytes = file.bytes()?;
        let mut head = [0; FILE_HEAD_BYTES];
        if bytes < head.len() as u64 {
            return Ok(None);
        }
        file.read_at(&mut head, 0)?;
        let Some(length) = description_bytes(&head) else {
            return Ok(None);
        };
        let end = head.len() as u64 + length;
        if end > bytes {
            return Ok(None);
        }
        let mut rest = vec![0; usize::try_from(length).unwrap_or(0)];
        file.read_at(&mut rest, head.len() as u64)?;
        let Some((description, checksum)) = read_description(&head, &rest) else {
            return Ok(None);
        };
        description.format_version.check(path)?;
        Ok(Some(Self {
            path: path.to_owned(),
            file,
            next_seq: description.first_seq,
            description,
            decoder: Decoder::default(),
            checksum,
            offset: end,
            seen: end,
            buffer: Vec::new(),
        }))
    }

    /// Reads the next block and appends its events.
    pub(crate) fn next(&mut self, events: &mut Vec<Event>) -> Result<Next> {
        self.seen = self.file.bytes()?;
        let rest = self.seen.saturating_sub(self.offset);
        if rest == 0 {
            return Ok(Next::End);
        }
        let torn = |problem: String| Ok(Next::Torn(problem));
        let mut head = [0; BLOCK_HEAD_BYTES];
        if rest < head.len() as u64 {
            return torn(format!(
                "{rest} bytes at {} are not a whole block",
                self.offset
            ));
        }
        self.file.read_at(&mut head, self.offset)?;
        let block = BlockHead::parse(&head);
        let length = head.len() as u64 + u64::from(block.bytes);
        let content = usize::try_from(block.bytes).ok();
        let Some(content) = content.filter(|_| length <= rest) else {
            return torn(format!(
                "{rest} bytes at {} are not a whole block",
                self.offset
            ));
        };
        self.buffer.resize(content, 0);
        let start = self.offset + head.len() as u64;
        self.file.read_at(&mut self.buffer, start)?;
        let checksum = block.verified(&head, &self.buffer, &self.checksum);
        let next_seq = self.next_seq.checked_add(u64::from(block.events));
        let (Some(checksum), Some(next_seq)) = (checksum, next_seq) else {
            return torn(format!("the block at {} is damaged", self.offset));
        };
        // The checksum is right, so no crash did this.
        let is_valid = block.first_seq == self.next_seq;
        let before = events.len();
        if !is_valid || !(self.decoder).take(&self.buffer, self.next_seq, block.events, events) {
            events.truncate(before);
            return Err(RecordingError::damaged(
                &self.path,
                format!("the block at {} has no valid events", self.offset),
            ));
        }
        self.checksum = checksum;
        self.offset += length;
        self.next_seq = next_seq;
        Ok(Next::Block)
    }

    /// What is behind the last whole block. What was written since the last look does not count.
    pub(super) fn rest(&self) -> Result<Rest> {
        search(&*self.file, self.offset, self.seen, self.next_seq)
    }

    /// Whether there are whole blocks behind bytes that are none: no writer leaves that.
    pub(crate) fn has_later_blocks(&self) -> Result<bool> {
        Ok(self.rest()?.has_blocks)
    }

    /// The `seq` of the next event.
    pub(crate) const fn next_seq(&self) -> u64 {
        self.next_seq
    }

    /// Events read so far.
    pub(crate) const fn rows(&self) -> u64 {
        self.next_seq - self.description.first_seq
    }

    /// The session that it belongs to.
    pub(crate) fn session(&self) -> &str {
        &self.description.session
    }

    /// Where its events came from.
    pub(crate) const fn source(&self) -> &SourceInfo {
        &self.description.source
    }

    /// The file.
    pub(crate) const fn path(&self) -> &PathBuf {
        &self.path
    }
}

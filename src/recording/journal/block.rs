//! The bytes around the entries: the header of a file and that of a block.
//!
//! The checksum of the header covers the header. That of a block covers the checksum before it, its
//! own header and its content. A block is therefore valid only at its place in its file.

use serde::{Deserialize, Serialize};
use tickdeck_core::source::SourceInfo;

use crate::format_version::FormatVersion;

/// The first bytes of a journal.
pub(super) const MAGIC: [u8; 8] = *b"TDJOURNL";

/// Bytes of a checksum: the first half of a BLAKE3.
const CHECKSUM_BYTES: usize = 16;

/// Magic, length of the description.
pub(super) const FILE_HEAD_BYTES: usize = 12;

/// Length, number of events, first `seq`, checksum.
pub(super) const BLOCK_HEAD_BYTES: usize = 16 + CHECKSUM_BYTES;

/// A checksum, which the next block continues.
pub(super) type Checksum = [u8; CHECKSUM_BYTES];

/// The version of the journal's format.
pub(super) const VERSION: FormatVersion = FormatVersion { major: 1, minor: 0 };

fn checksum(parts: [&[u8]; 3]) -> Checksum {
    let mut hasher = blake3::Hasher::new();
    for part in parts {
        hasher.update(part);
    }
    let mut checksum = [0; CHECKSUM_BYTES];
    checksum.copy_from_slice(&hasher.finalize().as_bytes()[..CHECKSUM_BYTES]);
    checksum
}

/// What a file says about itself, as JSON.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Description {
    pub(super) format_version: FormatVersion,
    pub(super) session: String,
    pub(super) source: SourceInfo,
    pub(super) first_seq: u64,
}

/// The header of a file, and the checksum that its first block continues.
pub(super) fn file_header(description: &Description) -> serde_json::Result<(Vec<u8>, Checksum)> {
    let text = serde_json::to_vec(description)?;
    let mut header = MAGIC.to_vec();
    header.extend_from_slice(&(text.len() as u64).to_le_bytes()[..4]);
    header.extend_from_slice(&text);
    let checksum = checksum([&header, &[], &[]]);
    header.extend_from_slice(&checksum);
    Ok((header, checksum))
}

/// Bytes of the description and its checksum, by the first bytes of a file; `None` if they are not of
/// a journal.
pub(super) fn description_bytes(head: &[u8; FILE_HEAD_BYTES]) -> Option<u64> {
    let (magic, length) = head.split_at(MAGIC.len());
    let length = u32::from_le_bytes(length.try_into().ok()?);
    (magic == MAGIC).then_some(u64::from(length) + CHECKSUM_BYTES as u64)
}

/// The description in the rest of a header, and the checksum; `None` if they are damaged.
pub(super) fn read_description(
    head: &[u8; FILE_HEAD_BYTES],
    rest: &[u8],
) -> Option<(Description, Checksum)> {
    let (text, stored) = rest.split_at_checked(rest.len().checked_sub(CHECKSUM_BYTES)?)?;
    let found = checksum([head, text, &[]]);
    if found != stored {
        return None;
    }
    Some((serde_json::from_slice(text).ok()?, found))
}

/// The header of a block.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct BlockHead {
    /// Bytes of the content.
    pub(super) bytes: u32,
    pub(super) events: u32,
    pub(super) first_seq: u64,
    stored: Checksum,
}

/// A reserved place for the header at the beginning of a block.
pub(super) const EMPTY_HEAD: [u8; BLOCK_HEAD_BYTES] = [0; BLOCK_HEAD_BYTES];

/// Fills in the header of `block`, whose content follows [`EMPTY_HEAD`]. Returns its checksum.
pub(super) fn seal_block(
    block: &mut [u8],
    events: u32,
    first_seq: u64,
    before: &Checksum,
) -> Checksum {
    let (head, content) = block.split_at_mut(BLOCK_HEAD_BYTES);
    head[..4].copy_from_slice(&(content.len() as u64).to_le_bytes()[..4]);
    head[4..8].copy_from_slice(&events.to_le_bytes());
    head[8..16].copy_from_slice(&first_seq.to_le_bytes());
    let checksum = checksum([before, &head[..16], content]);
    head[16..].copy_from_slice(&checksum);
    checksum
}

impl BlockHead {
    pub(super) fn parse(head: &[u8; BLOCK_HEAD_BYTES]) -> Self {
        let word = |at: usize| {
            let mut word = [0; 4];
            word.copy_from_slice(&head[at..at + 4]);
            u32::from_le_bytes(word)
        };
        let mut stored = [0; CHECKSUM_BYTES];
        stored.copy_from_slice(&head[16..]);
        Self {
            bytes: word(0),
            events: word(4),
            first_seq: u64::from(word(8)) | u64::from(word(12)) << 32,
            stored,
        }
    }

    /// The checksum that the header states. The next block continues it.
    pub(super) const fn stored(&self) -> Checksum {
        self.stored
    }

    /// The checksum of the block with this header; `None` if it is not the stored one.
    pub(super) fn verified(
        &self,
        head: &[u8; BLOCK_HEAD_BYTES],
        content: &[u8],
        before: &Checksum,
    ) -> Option<Checksum> {
        let found = checksum([before, &head[..16], content]);
        (found == self.stored).then_some(found)
    }
}

//! Looks for blocks behind a part of a file that cannot be read.
//!
//! Such blocks cannot be decoded: each continues the ticks before it. They show that the damage is not
//! the end of the file, and how many events are lost.

use super::block::{BLOCK_HEAD_BYTES, BlockHead, Checksum};
use crate::error::RecordingError;
use crate::storage::ReadFile;

/// A file of 65,536 of the longest ticks is smaller.
const MOST_BYTES: u64 = 64 << 20;

/// What is behind the last block that can be read.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(super) struct Rest {
    /// Whether something looks like a further block.
    pub(super) has_blocks: bool,
    /// The `seq` after the last block that is proved by the checksum in the block before it.
    pub(super) until_seq: Option<u64>,
}

/// Looks at the bytes `from..end` of a file. Blocks behind them begin with `next_seq` or later.
pub(super) fn search(
    file: &dyn ReadFile,
    from: u64,
    end: u64,
    next_seq: u64,
) -> Result<Rest, RecordingError> {
    let bytes = end.saturating_sub(from);
    let Some(length) = usize::try_from(bytes).ok().filter(|_| bytes <= MOST_BYTES) else {
        // No writer makes such a file, so nothing is assumed about its content.
        return Ok(Rest {
            has_blocks: true,
            until_seq: None,
        });
    };
    let mut rest = vec![0; length];
    file.read_at(&mut rest, from)?;
    Ok(search_in(&rest, next_seq))
}

fn search_in(rest: &[u8], next_seq: u64) -> Rest {
    let mut found = Rest::default();
    let first = split(rest).map(|(head, _)| BlockHead::parse(head).stored());
    let mut position = 1;
    while let Some(bytes) = rest.get(position..) {
        let Some(block) = Candidate::at(bytes, next_seq) else {
            if bytes.len() < BLOCK_HEAD_BYTES {
                break;
            }
            position += 1;
            continue;
        };
        found.has_blocks = true;
        let is_proved = first.is_some_and(|before| block.is_after(&before));
        let (until, length) = block.chain(bytes, next_seq);
        let until = until.or_else(|| is_proved.then(|| block.until_seq()).flatten());
        found.until_seq = found.until_seq.max(until);
        position += match until {
            Some(_) => length,
            None => 1,
        };
    }
    found
}

type Head = [u8; BLOCK_HEAD_BYTES];

fn split(bytes: &[u8]) -> Option<(&Head, &[u8])> {
    bytes.split_first_chunk::<BLOCK_HEAD_BYTES>()
}

/// Bytes that may be a block.
struct Candidate<'a> {
    bytes: &'a Head,
    head: BlockHead,
    content: &'a [u8],
}

impl<'a> Candidate<'a> {
    fn at(bytes: &'a [u8], next_seq: u64) -> Option<Self> {
        let (bytes, rest) = split(bytes)?;
        let head = BlockHead::parse(bytes);
        let content = rest.get(..usize::try_from(head.bytes).ok()?)?;
        // An event has at least two bytes.
        let is_possible = head.events > 0
            && u64::from(head.events) * 2 <= u64::from(head.bytes)
            && head.first_seq >= next_seq
            && head.first_seq - next_seq <= MOST_BYTES;
        is_possible.then_some(Self {
            bytes,
            head,
            content,
        })
    }

    fn is_after(&self, before: &Checksum) -> bool {
        self.head
            .verified(self.bytes, self.content, before)
            .is_some()
    }

    fn until_seq(&self) -> Option<u64> {
        self.head.first_seq.checked_add(u64::from(self.head.events))
    }

    fn length(&self) -> usize {
        BLOCK_HEAD_BYTES + self.content.len()
    }

    /// Follows the blocks from this one on, each proved by the one before it. Returns the `seq` after
    /// the last proved one, and the length of all.
    fn chain(&self, bytes: &[u8], next_seq: u64) -> (Option<u64>, usize) {
        let (mut until, mut length) = (None, self.length());
        let mut before = self.head.stored();
        while let Some(block) = bytes
            .get(length..)
            .and_then(|bytes| Candidate::at(bytes, next_seq))
            && block.is_after(&before)
        {
            until = block.until_seq();
            length += block.length();
            before = block.head.stored();
        }
        (until, length)
    }
}

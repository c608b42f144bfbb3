//! Writes Parquet's hybrid of runs and bit-packed values: dictionary keys and definition levels.
//!
//! The decoder of the same name says what the bytes mean.

use super::bits::{put_integer, put_packed};

/// Values are packed in groups of this many. As many equal ones are a run.
const GROUP: usize = 8;

/// Most values that are packed under one header, which then is one byte. Other writers have the same
/// limit.
const MOST_PACKED: usize = 63 * GROUP;

/// Writes values of `width` bits each, at most 32.
pub(super) struct HybridWriter<'a> {
    out: &'a mut Vec<u8>,
    width: u32,
    /// Values that are to be packed.
    pending: [u32; MOST_PACKED],
    /// How many there are: fewer than fill `pending`.
    len: usize,
}

impl<'a> HybridWriter<'a> {
    pub(super) const fn new(width: u32, out: &'a mut Vec<u8>) -> Self {
        Self {
            out,
            width,
            pending: [0; MOST_PACKED],
            len: 0,
        }
    }

    /// Appends `value` `count` times. It is best if the values before and after differ.
    pub(super) fn put(&mut self, value: u32, count: usize) {
        // A run begins where a group ends.
        let missing = self.len.next_multiple_of(GROUP) - self.len;
        if count < missing + GROUP {
            return self.pend(value, count);
        }
        self.pend(value, missing);
        self.pack();
        put_integer((count - missing) as u64 * 2, self.out);
        let bytes = self.width.div_ceil(8) as usize;
        self.out.extend_from_slice(&value.to_le_bytes()[..bytes]);
    }

    /// Writes what is pending.
    pub(super) fn finish(mut self) {
        self.pack();
    }

    fn pend(&mut self, value: u32, count: usize) {
        for _ in 0..count {
            self.pending[self.len] = value;
            self.len += 1;
            if self.len == MOST_PACKED {
                self.pack();
            }
        }
    }

    /// Packs the pending values and zeros that fill the last group.
    fn pack(&mut self) {
        if self.len == 0 {
            return;
        }
        let padded = self.len.next_multiple_of(GROUP);
        self.pending[self.len..padded].fill(0);
        self.len = 0;
        put_integer((padded / GROUP) as u64 * 2 + 1, self.out);
        let values = self.pending[..padded].iter();
        put_packed(values.map(|value| u64::from(*value)), self.width, self.out);
    }
}

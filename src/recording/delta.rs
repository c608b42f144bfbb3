//! Parquet's `DELTA_BINARY_PACKED`: integers as packed differences from the one before.
//!
//! The header says how many values a block has, in how many miniblocks, how many values there are in
//! all, and the first of them. A block begins with its smallest difference and the width of each
//! miniblock in bits. A miniblock is its differences minus the smallest one, packed.

/// Values decoded at a time.
const BATCH: usize = 128;

/// The bytes are not what a writer of this encoding makes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub(super) enum DeltaError {
    /// More values are expected than there are.
    #[error("the differences end early")]
    Short,
    /// The header does not fit the specification.
    #[error("blocks of {block} values in {miniblocks} parts")]
    Header {
        /// Values of a block.
        block: u64,
        /// Miniblocks of a block.
        miniblocks: u64,
    },
    /// Differences have up to 64 bits.
    #[error("differences of {0} bits")]
    Width(u8),
}

/// Decodes one stream of integers.
#[derive(Debug)]
pub(super) struct Delta<'a> {
    bytes: &'a [u8],
    /// Values of a miniblock.
    size: usize,
    miniblocks: usize,
    /// Values that are not yet decoded.
    left: usize,
    /// The first value, until it is decoded.
    first: Option<i64>,
    last: i64,
    smallest: i64,
    /// Widths of the miniblocks that are left in the block.
    widths: &'a [u8],
    /// Values that are left in the miniblock, and what it consists of.
    in_miniblock: usize,
    width: u8,
    packed: &'a [u8],
    batch: [i64; BATCH],
}

impl<'a> Delta<'a> {
    pub(super) fn new(mut bytes: &'a [u8]) -> Result<Self, DeltaError> {
        let block = split_integer(&mut bytes)?;
        let miniblocks = split_integer(&mut bytes)?;
        let count = split_integer(&mut bytes)?;
        let first = split_signed(&mut bytes)?;
        let bad = DeltaError::Header { block, miniblocks };
        let number = |value| usize::try_from(value).ok();
        let size = block.checked_div(miniblocks).and_then(number);
        let size = size.filter(|size| *size > 0 && size.is_multiple_of(32));
        Ok(Self {
            bytes,
            size: size
                .filter(|_| block.is_multiple_of(miniblocks))
                .ok_or(bad)?,
            miniblocks: number(miniblocks).ok_or(bad)?,
            left: number(count).ok_or(DeltaError::Short)?,
            first: Some(first),
            last: first,
            smallest: 0,
            widths: &[],
            in_miniblock: 0,
            width: 0,
            packed: &[],
            batch: [0; BATCH],
        })
    }

    /// Values that are left.
    pub(super) const fn left(&self) -> usize {
        self.left
    }

    /// What follows the last value.
    pub(super) const fn rest(&self) -> &'a [u8] {
        self.bytes
    }

    /// Between one and `most` values; none only for a `most` of 0.
    pub(super) fn next(&mut self, most: usize) -> Result<&[i64], DeltaError> {
        if most == 0 {
            return Ok(&[]);
        }
        if self.left == 0 {
            return Err(DeltaError::Short);
        }
        if let Some(first) = self.first.take() {
            self.left -= 1;
            self.batch[0] = first;
            return Ok(&self.batch[..1]);
        }
        if self.in_miniblock == 0 {
            self.start_miniblock()?;
        }
        let taken = most.min(self.left).min(self.in_miniblock).min(BATCH);
        let batch = &mut self.batch[..taken];
        let start = (self.size - self.in_miniblock) * usize::from(self.width);
        unpack(self.packed, self.width, start, batch);
        for value in &mut *batch {
            self.last = self.last.wrapping_add(self.smallest).wrapping_add(*value);
            *value = self.last;
        }
        self.left -= taken;
        self.in_miniblock -= taken;
        Ok(&self.batch[..taken])
    }

    fn start_miniblock(&mut self) -> Result<(), DeltaError> {
        if self.widths.is_empty() {
            self.smallest = split_signed(&mut self.bytes)?;
            let split = self.bytes.split_at_checked(self.miniblocks);
            (self.widths, self.bytes) = split.ok_or(DeltaError::Short)?;
        }
        let (width, widths) = self.widths.split_first().ok_or(DeltaError::Short)?;
        if *width > 64 {
            return Err(DeltaError::Width(*width));
        }
        (self.width, self.widths) = (*width, widths);
        // A multiple of 32 values is a whole number of bytes.
        let bytes = (self.size / 8).checked_mul(usize::from(self.width));
        let split = bytes.and_then(|bytes| self.bytes.split_at_checked(bytes));
        (self.packed, self.bytes) = split.ok_or(DeltaError::Short)?;
        self.in_miniblock = self.size;
        Ok(())
    }
}

/// An integer in groups of seven bits, lowest first.
fn split_integer(bytes: &mut &[u8]) -> Result<u64, DeltaError> {
    let mut value = 0;
    for shift in (0..64).step_by(7) {
        let (byte, rest) = bytes.split_first().ok_or(DeltaError::Short)?;
        *bytes = rest;
        value |= u64::from(byte & 0x7f) << shift;
        if byte & 0x80 == 0 {
            return Ok(value);
        }
    }
    Err(DeltaError::Short)
}

/// The same with the sign in the lowest bit.
fn split_signed(bytes: &mut &[u8]) -> Result<i64, DeltaError> {
    let value = split_integer(bytes)?;
    Ok((value >> 1).cast_signed() ^ -(value & 1).cast_signed())
}

/// Unpacks values from bit `start` on. They lie within `bytes`.
fn unpack(bytes: &[u8], width: u8, start: usize, values: &mut [i64]) {
    let width = usize::from(width);
    if width == 0 {
        values.fill(0);
        return;
    }
    let mask = u64::MAX >> (64 - width);
    let mut bit = start;
    for value in values {
        let (tail, shift) = (&bytes[bit / 8..], bit % 8);
        let word = tail.first_chunk().copied().unwrap_or_else(|| {
            let mut word = [0; 8];
            word[..tail.len()].copy_from_slice(tail);
            word
        });
        let mut found = u64::from_le_bytes(word) >> shift;
        if width + shift > 64 {
            found |= u64::from(tail[8]) << (64 - shift);
        }
        *value = (found & mask).cast_signed();
        bit += width;
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn prop_any_bytes_are_integers_or_an_error(
            header in prop_oneof![Just(vec![128, 1, 4]), Just(vec![32, 1]), Just(vec![])],
            bytes in proptest::collection::vec(any::<u8>(), 0..300),
            most in 1_usize..300,
        ) {
            let bytes = [header, bytes].concat();
            if let Ok(mut delta) = Delta::new(&bytes) {
                let mut left = delta.left().min(10_000);
                while left > 0 {
                    let before = delta.left();
                    let Ok(values) = delta.next(most.min(left)) else { break };
                    let taken = values.len();
                    prop_assert!((1..=most).contains(&taken));
                    prop_assert_eq!(delta.left(), before - taken);
                    left -= taken;
                }
            }
        }
    }

    #[test]
    fn impossible_headers_are_errors() {
        for header in [&[0, 1, 4][..], &[128, 1, 0], &[128, 1, 3], &[]] {
            let bytes = [header, &[1, 2]].concat();
            assert!(Delta::new(&bytes).is_err(), "{header:?}");
        }
        // One block, whose only miniblock has differences of 65 bits.
        let mut wide = Delta::new(&[32, 1, 2, 0, 0, 65]).unwrap();
        assert_eq!(wide.next(1), Ok(&[0][..]));
        assert_eq!(wide.next(1), Err(DeltaError::Width(65)));
    }
}

//! Integers as Parquet packs them.
//!
//! **Hybrid** of runs and bit-packed values: dictionary keys and definition levels.
//!
//! A run is a header and content. An even header is twice the length of a run, followed by its value in
//! as few bytes as the width needs. An odd header is twice the number of groups of eight values, plus
//! one, followed by the values, packed with the lowest bits first.
//!
//! **`DELTA_BINARY_PACKED`**: differences from the one before.
//!
//! The header says how many values a block has, in how many miniblocks, how many values there are in
//! all, and the first of them. A block begins with its smallest difference and the width of each
//! miniblock in bits. A miniblock is its differences minus the smallest one, packed.

/// Values unpacked at a time.
const BLOCK: usize = 256;

/// The bytes are not what a writer of this encoding makes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub(super) enum HybridError {
    /// More values are expected than there are.
    #[error("the values end early")]
    Short,
    /// Values have up to 32 bits.
    #[error("values of {0} bits")]
    Width(u8),
    /// A value that the width has no room for.
    #[error("a value of more than {0} bits")]
    Value(u8),
    /// The length of a run has more than 32 bits.
    #[error("a run is too long")]
    LongRun,
}

/// Consecutive values.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Values<'a> {
    /// One value, several times.
    Repeated(u32, usize),
    /// Different values.
    Each(&'a [u32]),
}

/// The rest of the run at the front.
#[derive(Debug, Clone, Copy)]
enum Run {
    Repeated { value: u32, left: usize },
    Packed { at: usize, left: usize },
}

/// Decodes one stream of values.
#[derive(Debug)]
pub(super) struct Hybrid<'a> {
    bytes: &'a [u8],
    width: u8,
    run: Run,
    block: [u32; BLOCK],
}

impl<'a> Hybrid<'a> {
    /// Values of `width` bits each.
    pub(super) fn new(bytes: &'a [u8], width: u8) -> Result<Self, HybridError> {
        if width > 32 {
            return Err(HybridError::Width(width));
        }
        Ok(Self {
            bytes,
            width,
            run: Run::Repeated { value: 0, left: 0 },
            block: [0; BLOCK],
        })
    }

    /// Between one and `most` values; none only for a `most` of 0.
    pub(super) fn next(&mut self, most: usize) -> Result<Values<'_>, HybridError> {
        if most == 0 {
            return Ok(Values::Each(&[]));
        }
        loop {
            match &mut self.run {
                Run::Repeated { left: 0, .. } | Run::Packed { left: 0, .. } => {}
                Run::Repeated { value, left } => {
                    let taken = most.min(*left);
                    *left -= taken;
                    return Ok(Values::Repeated(*value, taken));
                }
                Run::Packed { at, left } => {
                    let taken = most.min(*left).min(BLOCK);
                    let block = &mut self.block[..taken];
                    unpack(self.bytes, self.width, *at, block);
                    self.pass(taken);
                    return Ok(Values::Each(&self.block[..taken]));
                }
            }
            self.start_run()?;
        }
    }

    /// Passes over values.
    pub(super) fn skip(&mut self, mut count: usize) -> Result<(), HybridError> {
        while count > 0 {
            let (Run::Repeated { left, .. } | Run::Packed { left, .. }) = self.run;
            if left == 0 {
                self.start_run()?;
                continue;
            }
            let passed = count.min(left);
            self.pass(passed);
            count -= passed;
        }
        Ok(())
    }

    /// Passes over values of the run at the front.
    fn pass(&mut self, count: usize) {
        match &mut self.run {
            Run::Repeated { left, .. } => *left -= count,
            Run::Packed { at, left } => {
                *at += count;
                *left -= count;
                if *left == 0 {
                    let used = (*at * usize::from(self.width)).div_ceil(8);
                    self.bytes = self.bytes.get(used..).unwrap_or_default();
                }
            }
        }
    }

    fn start_run(&mut self) -> Result<(), HybridError> {
        let header = self.header()?;
        let count = (header >> 1) as usize;
        let width = usize::from(self.width);
        self.run = if header & 1 == 0 {
            let size = width.div_ceil(8);
            let (value, rest) = self
                .bytes
                .split_at_checked(size)
                .ok_or(HybridError::Short)?;
            let mut bytes = [0; 4];
            bytes[..size].copy_from_slice(value);
            self.bytes = rest;
            let value = u32::from_le_bytes(bytes);
            if u64::from(value) >> width != 0 {
                return Err(HybridError::Value(self.width));
            }
            Run::Repeated { value, left: count }
        } else {
            let left = match width {
                0 => count.saturating_mul(8),
                // Some writers cut the last group short.
                _ => count
                    .saturating_mul(8)
                    .min(self.bytes.len().saturating_mul(8) / width),
            };
            if left == 0 && count > 0 {
                return Err(HybridError::Short);
            }
            Run::Packed { at: 0, left }
        };
        Ok(())
    }

    /// An integer in groups of seven bits, lowest first.
    fn header(&mut self) -> Result<u32, HybridError> {
        let mut header = 0_u32;
        for shift in (0..32).step_by(7) {
            let (&byte, rest) = self.bytes.split_first().ok_or(HybridError::Short)?;
            self.bytes = rest;
            let bits = u32::from(byte & 0x7f);
            if bits.leading_zeros() < shift {
                return Err(HybridError::LongRun);
            }
            header |= bits << shift;
            if byte & 0x80 == 0 {
                return Ok(header);
            }
        }
        Err(HybridError::LongRun)
    }
}

/// Unpacks values from the `first` on. They lie within `bytes`.
fn unpack(bytes: &[u8], width: u8, first: usize, values: &mut [u32]) {
    let width = usize::from(width);
    if width == 0 {
        values.fill(0);
        return;
    }
    let mask = u64::MAX >> (64 - width);
    let start = first * width;
    // Whole words as far as they reach, then bytes that are padded with zeros.
    let whole = (bytes.len() * 8).saturating_sub(63 + start) / width;
    let (front, rest) = values.split_at_mut(whole.min(values.len()));
    let mut bit = start;
    for value in front {
        let word = bytes[bit / 8..].first_chunk().copied().unwrap_or_default();
        *value = low(u64::from_le_bytes(word) >> (bit % 8) & mask);
        bit += width;
    }
    for value in rest {
        let mut word = [0; 8];
        let tail = &bytes[bit / 8..];
        let size = tail.len().min(8);
        word[..size].copy_from_slice(&tail[..size]);
        *value = low(u64::from_le_bytes(word) >> (bit % 8) & mask);
        bit += width;
    }
}

/// A value of at most 32 bits.
#[expect(clippy::cast_possible_truncation, reason = "masked to 32 bits")]
const fn low(value: u64) -> u32 {
    value as u32
}

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
        unpack_differences(self.packed, self.width, start, batch);
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
fn unpack_differences(bytes: &[u8], width: u8, start: usize, values: &mut [i64]) {
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

    fn decode(bytes: &[u8], width: u8, count: usize, most: usize) -> Result<Vec<u32>, HybridError> {
        let mut hybrid = Hybrid::new(bytes, width)?;
        let mut decoded = Vec::new();
        while decoded.len() < count {
            match hybrid.next(most.min(count - decoded.len()))? {
                Values::Repeated(value, times) => {
                    decoded.extend(std::iter::repeat_n(value, times));
                }
                Values::Each(values) => decoded.extend_from_slice(values),
            }
        }
        Ok(decoded)
    }

    fn push_header(bytes: &mut Vec<u8>, mut header: usize) {
        while header >= 0x80 {
            bytes.push(0x80 | u8::try_from(header & 0x7f).unwrap());
            header >>= 7;
        }
        bytes.push(u8::try_from(header).unwrap());
    }

    /// Runs, each repeated or packed, as the specification says.
    fn encode(runs: &[(Vec<u32>, usize)], width: u8) -> (Vec<u8>, Vec<u32>) {
        let (mut bytes, mut values) = (Vec::new(), Vec::new());
        for (different, times) in runs {
            match different[..] {
                [value] => {
                    push_header(&mut bytes, times << 1);
                    let size = usize::from(width).div_ceil(8);
                    bytes.extend_from_slice(&value.to_le_bytes()[..size]);
                    values.extend(std::iter::repeat_n(value, *times));
                }
                _ => {
                    let groups = different.len().div_ceil(8);
                    push_header(&mut bytes, groups << 1 | 1);
                    let mut bits = vec![0_u8; groups * usize::from(width)];
                    let padded = groups * 8 - different.len();
                    let zeros = std::iter::repeat_n(0, padded);
                    for (index, value) in different.iter().copied().chain(zeros).enumerate() {
                        for bit in 0..usize::from(width) {
                            let at = index * usize::from(width) + bit;
                            bits[at / 8] |= u8::from(value >> bit & 1 == 1) << (at % 8);
                        }
                        values.push(value);
                    }
                    bytes.extend_from_slice(&bits);
                }
            }
        }
        (bytes, values)
    }

    fn runs() -> impl Strategy<Value = (u8, Vec<(Vec<u32>, usize)>)> {
        (0_u8..=32).prop_flat_map(|width| {
            let mask = u32::try_from((1_u64 << width) - 1).unwrap();
            let value = any::<u32>().prop_map(move |value| value & mask);
            let run = prop_oneof![
                (value.clone(), 1_usize..1000).prop_map(|(value, times)| (vec![value], times)),
                proptest::collection::vec(value, 2..600).prop_map(|values| (values, 1)),
            ];
            (Just(width), proptest::collection::vec(run, 0..8))
        })
    }

    proptest! {
        #[test]
        fn prop_runs_of_any_width_are_decoded((width, runs) in runs(), most in 1_usize..700) {
            let (bytes, values) = encode(&runs, width);
            prop_assert_eq!(decode(&bytes, width, values.len(), most), Ok(values.clone()));
            // A last group without its padding.
            let padded = bytes.len().saturating_sub(1);
            let _ = decode(&bytes[..padded], width, values.len(), most);
        }

        #[test]
        fn prop_any_bytes_are_values_or_an_error(
            bytes in proptest::collection::vec(any::<u8>(), 0..200),
            width in any::<u8>(),
            most in 1_usize..700,
        ) {
            let decoded = decode(&bytes, width, 2000, most);
            if let (Ok(values), true) = (decoded, width < 32) {
                prop_assert!(values.iter().all(|value| value >> width == 0));
            }
        }
    }

    #[test]
    fn an_overlong_run_is_an_error() {
        let error = decode(&[0xff; 9], 3, 1, 1).unwrap_err();
        assert_eq!(error, HybridError::LongRun);
        assert_eq!(decode(&[], 3, 1, 1), Err(HybridError::Short));
        assert_eq!(decode(&[2], 33, 1, 1), Err(HybridError::Width(33)));
    }

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

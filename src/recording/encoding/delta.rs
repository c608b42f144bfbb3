//! Writes Parquet's `DELTA_BINARY_PACKED`: integers as packed differences from the one before.
//!
//! The decoder of the same name says what the bytes mean.

use super::bits::{put_integer, put_packed, put_signed, width_of};

/// Differences of a miniblock.
const MINIBLOCK: usize = 32;

/// Most differences of a block.
const MOST: usize = 256;

/// An integer of a column.
pub(super) trait Integer: Copy + Into<i64> {
    /// `self - before`, wrapping at the size of the type.
    fn difference(self, before: Self) -> i64;
}

impl Integer for i32 {
    fn difference(self, before: Self) -> i64 {
        self.wrapping_sub(before).into()
    }
}

impl Integer for i64 {
    fn difference(self, before: Self) -> i64 {
        self.wrapping_sub(before)
    }
}

/// Appends integers, in blocks of the size that takes fewer bytes. In a short block, fewer rows
/// suffer from a difference between two instruments. Long ones need fewer headers.
pub(super) fn put_delta<T: Integer>(values: &[T], out: &mut Vec<u8>) {
    let start = out.len();
    put_blocks(values, MOST, out);
    let middle = out.len();
    put_blocks(values, MOST / 2, out);
    if out.len() - middle < middle - start {
        out.drain(start..middle);
    } else {
        out.truncate(middle);
    }
}

fn put_blocks<T: Integer>(values: &[T], size: usize, out: &mut Vec<u8>) {
    put_integer(size as u64, out);
    put_integer((size / MINIBLOCK) as u64, out);
    put_integer(values.len() as u64, out);
    let Some((first, rest)) = values.split_first() else {
        return put_signed(0, out);
    };
    put_signed((*first).into(), out);
    let mut before = *first;
    let mut differences = [0; MOST];
    for block in rest.chunks(size) {
        for (difference, value) in differences.iter_mut().zip(block) {
            *difference = value.difference(before);
            before = *value;
        }
        put_block(&differences[..block.len()], size / MINIBLOCK, out);
    }
}

fn put_block(differences: &[i64], miniblocks: usize, out: &mut Vec<u8>) {
    let smallest = differences.iter().copied().min().unwrap_or_default();
    put_signed(smallest, out);
    let widths = out.len();
    // Miniblocks without a difference have no bits.
    out.resize(widths + miniblocks, 0);
    for (index, miniblock) in differences.chunks(MINIBLOCK).enumerate() {
        let excess = |difference: &i64| difference.wrapping_sub(smallest).cast_unsigned();
        let width = width_of(miniblock.iter().map(excess).max().unwrap_or_default());
        out[widths + index] = width.to_le_bytes()[0];
        let end = out.len() + MINIBLOCK / 8 * width as usize;
        put_packed(miniblock.iter().map(excess), width, out);
        out.resize(end, 0);
    }
}

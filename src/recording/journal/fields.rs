//! A tick as the difference to the tick before it: a mask of the fields that changed, then each of
//! them.
//!
//! | field | bytes |
//! |---|---|
//! | text | u8 length of the common beginning, u8 length of the rest, the rest |
//! | number with a fraction | u8 mask of the bytes that differ, then the bits of these bytes XOR the old ones |
//! | integer | the wrapping difference, zigzag, as a varint |

use tickdeck_core::event::{RawTick, Text};
use tickdeck_ffi::for_each_tick_field;

/// Bytes of the mask: one bit for each of the 48 fields.
const MASK_BYTES: usize = 6;

/// Appends a number, seven bits a byte, the lowest first.
pub(super) fn put_varint(out: &mut Vec<u8>, mut value: u64) {
    while value >= 0x80 {
        out.push(value.to_le_bytes()[0] | 0x80);
        value >>= 7;
    }
    out.push(value.to_le_bytes()[0]);
}

/// Small differences of either sign become small numbers.
pub(super) const fn zigzag(value: i64) -> u64 {
    ((value << 1) ^ (value >> 63)).cast_unsigned()
}

const fn unzigzag(value: u64) -> i64 {
    (value >> 1).cast_signed() ^ -(value & 1).cast_signed()
}

/// Bytes that are read from the front. Every read may find too few of them.
#[derive(Debug, Clone, Copy)]
pub(super) struct Cursor<'a>(pub(super) &'a [u8]);

impl<'a> Cursor<'a> {
    pub(super) fn take(&mut self, count: usize) -> Option<&'a [u8]> {
        let (taken, rest) = self.0.split_at_checked(count)?;
        self.0 = rest;
        Some(taken)
    }

    pub(super) fn byte(&mut self) -> Option<u8> {
        self.take(1).map(|byte| byte[0])
    }

    pub(super) fn varint(&mut self) -> Option<u64> {
        let mut value = 0_u64;
        for shift in (0..64).step_by(7) {
            let byte = self.byte()?;
            let bits = u64::from(byte & 0x7f);
            if shift == 63 && bits > 1 {
                return None;
            }
            value |= bits << shift;
            if byte & 0x80 == 0 {
                return Some(value);
            }
        }
        None
    }

    pub(super) fn signed(&mut self) -> Option<i64> {
        self.varint().map(unzigzag)
    }

    /// A length and as many bytes.
    pub(super) fn sized(&mut self) -> Option<&'a [u8]> {
        let length = self.varint()?;
        self.take(usize::try_from(length).ok()?)
    }
}

fn put_text<const N: usize>(out: &mut Vec<u8>, before: &Text<N>, now: &Text<N>) {
    let (before, now) = (before.as_bytes(), now.as_bytes());
    let common = before.iter().zip(now).take_while(|(a, b)| a == b).count();
    let rest = &now[common..];
    // A text has at most 81 bytes by its type.
    out.extend([common, rest.len()].map(|length| length.to_le_bytes()[0]));
    out.extend_from_slice(rest);
}

fn take_text<const N: usize>(from: &mut Cursor<'_>, before: &Text<N>) -> Option<Text<N>> {
    let common = before.as_bytes().get(..usize::from(from.byte()?))?;
    let length = usize::from(from.byte()?);
    let rest = from.take(length)?;
    let mut text = [0; N];
    let end = common.len().checked_add(rest.len())?;
    let target = text.get_mut(..end)?;
    target[..common.len()].copy_from_slice(common);
    target[common.len()..].copy_from_slice(rest);
    // A writer stores nothing behind the first NUL.
    (!target.contains(&0)).then(|| Text::from_array(text))
}

fn put_f64(out: &mut Vec<u8>, before: f64, now: f64) {
    let changed = (before.to_bits() ^ now.to_bits()).to_le_bytes();
    let mask = out.len();
    out.push(0);
    for (position, byte) in changed.into_iter().enumerate() {
        if byte != 0 {
            out[mask] |= 1 << position;
            out.push(byte);
        }
    }
}

fn take_f64(from: &mut Cursor<'_>, before: f64) -> Option<f64> {
    let mask = from.byte()?;
    let mut changed = [0; 8];
    for (position, byte) in changed.iter_mut().enumerate() {
        if mask & (1 << position) != 0 {
            *byte = from.byte()?;
        }
    }
    Some(f64::from_bits(
        before.to_bits() ^ u64::from_le_bytes(changed),
    ))
}

fn put_i32(out: &mut Vec<u8>, before: i32, now: i32) {
    put_varint(out, zigzag(i64::from(now.wrapping_sub(before))));
}

fn take_i32(from: &mut Cursor<'_>, before: i32) -> Option<i32> {
    let difference = i32::try_from(from.signed()?).ok()?;
    Some(before.wrapping_add(difference))
}

macro_rules! put_field {
    (text, $out:expr, $before:expr, $now:expr) => {
        ($before != $now).then(|| put_text($out, &$before, &$now))
    };
    (f64, $out:expr, $before:expr, $now:expr) => {
        ($before.to_bits() != $now.to_bits()).then(|| put_f64($out, $before, $now))
    };
    (i32, $out:expr, $before:expr, $now:expr) => {
        ($before != $now).then(|| put_i32($out, $before, $now))
    };
}

macro_rules! take_field {
    (text, $from:expr, $before:expr) => {
        take_text($from, &$before)?
    };
    (f64, $from:expr, $before:expr) => {
        take_f64($from, $before)?
    };
    (i32, $from:expr, $before:expr) => {
        take_i32($from, $before)?
    };
}

macro_rules! define_delta {
    (() $($(#[$doc:meta])* $kind:ident $name:ident $vendor:ident $size:literal @ $offset:literal;)*) => {
        /// Appends what changed from `before` to `now`.
        pub(super) fn put_tick(out: &mut Vec<u8>, before: &RawTick, now: &RawTick) {
            let start = out.len();
            out.extend_from_slice(&[0; MASK_BYTES]);
            let mut mask = 0_u64;
            let mut bit = 1_u64;
            $(
                if put_field!($kind, out, before.$name, now.$name).is_some() {
                    mask |= bit;
                }
                bit <<= 1;
            )*
            debug_assert_eq!(bit, 1 << (8 * MASK_BYTES));
            out[start..start + MASK_BYTES].copy_from_slice(&mask.to_le_bytes()[..MASK_BYTES]);
        }

        /// Applies a difference to `tick`; `None` where the bytes are none.
        pub(super) fn take_tick(from: &mut Cursor<'_>, tick: &mut RawTick) -> Option<()> {
            let mut mask = [0; 8];
            mask[..MASK_BYTES].copy_from_slice(from.take(MASK_BYTES)?);
            let mut mask = u64::from_le_bytes(mask);
            $(
                if mask & 1 != 0 {
                    tick.$name = take_field!($kind, from, tick.$name);
                }
                mask >>= 1;
            )*
            debug_assert_eq!(mask, 0);
            Some(())
        }
    };
}

for_each_tick_field!(define_delta);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn varints_are_read_back() {
        for value in [0, 1, 127, 128, 300, u64::from(u32::MAX), u64::MAX] {
            let mut out = Vec::new();
            put_varint(&mut out, value);
            let mut cursor = Cursor(&out);
            assert_eq!((cursor.varint(), cursor.0.len()), (Some(value), 0));
        }
        for value in [0, -1, 1, i64::MIN, i64::MAX] {
            assert_eq!(unzigzag(zigzag(value)), value);
        }
    }

    #[test]
    fn numbers_beyond_64_bits_are_refused() {
        assert_eq!(Cursor(&[0xff; 10]).varint(), None);
        assert_eq!(Cursor(&[0x80; 3]).varint(), None);
    }

    #[test]
    fn a_text_that_does_not_fit_is_refused() {
        let before = Text::<4>::new(b"abcd").unwrap();
        assert_eq!(take_text(&mut Cursor(&[4, 1, b'e']), &before), None);
        assert_eq!(take_text(&mut Cursor(&[5, 0]), &before), None);
        assert_eq!(take_text(&mut Cursor(&[1, 1, 0]), &before), None);
        let text = take_text(&mut Cursor(&[1, 1, b'x']), &before);
        assert_eq!(text, Some(Text::new(b"ax").unwrap()));
    }
}

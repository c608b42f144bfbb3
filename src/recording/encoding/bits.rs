//! Integers of as many bits as they need.

/// Appends an integer in groups of seven bits, lowest first.
pub(super) fn put_integer(mut value: u64, out: &mut Vec<u8>) {
    while value >= 0x80 {
        out.push(low_byte(value) | 0x80);
        value >>= 7;
    }
    out.push(low_byte(value));
}

/// The same with the sign in the lowest bit.
pub(super) fn put_signed(value: i64, out: &mut Vec<u8>) {
    put_integer((value << 1 ^ value >> 63).cast_unsigned(), out);
}

/// The bits of `highest`.
pub(super) const fn width_of(highest: u64) -> u32 {
    u64::BITS - highest.leading_zeros()
}

/// Appends values of `width` bits each, lowest bits first, and zero bits up to a whole byte. No value
/// has more bits.
pub(super) fn put_packed(values: impl Iterator<Item = u64>, width: u32, out: &mut Vec<u8>) {
    let (mut word, mut filled) = (0, 0);
    for value in values {
        word |= value << filled;
        filled += width;
        if filled >= u64::BITS {
            out.extend_from_slice(&word.to_le_bytes());
            filled -= u64::BITS;
            // The bits for which there was no room.
            word = value.checked_shr(width - filled).unwrap_or(0);
        }
    }
    out.extend_from_slice(&word.to_le_bytes()[..filled.div_ceil(8) as usize]);
}

const fn low_byte(value: u64) -> u8 {
    value.to_le_bytes()[0]
}

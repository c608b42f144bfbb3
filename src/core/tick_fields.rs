//! The fields of a tick as a set, and their values as words of 8 bytes.

use tickdeck_ffi::for_each_tick_field;

use crate::event::{RawTick, Text};

/// Some of the fields of a tick.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct TickFields(u64);

impl TickFields {
    /// None.
    pub const NONE: Self = Self(0);

    /// The field with this number, in the order of the struct.
    #[inline]
    #[must_use]
    pub const fn of(field: usize) -> Self {
        Self(1 << field)
    }

    /// Whether one of `fields` is among them.
    #[inline]
    #[must_use]
    pub const fn intersect(self, fields: Self) -> bool {
        self.0 & fields.0 != 0
    }

    /// These and `fields`.
    #[inline]
    #[must_use]
    pub const fn with(self, fields: Self) -> Self {
        Self(self.0 | fields.0)
    }

    /// These and `fields`, if `condition` holds.
    #[inline]
    #[must_use]
    pub const fn with_if(self, condition: bool, fields: Self) -> Self {
        Self(self.0 | (fields.0 * condition as u64))
    }
}

/// A value of a field as words of 8 bytes, as many as every value of its type has.
pub trait FieldWords: Copy {
    /// How many.
    const WORDS: usize;

    /// Writes the words to the beginning of `words`.
    fn write(self, words: &mut [u64]);

    /// Reads what was written.
    fn read(words: &[u64]) -> Self;
}

impl FieldWords for f64 {
    const WORDS: usize = 1;

    #[inline]
    fn write(self, words: &mut [u64]) {
        words[0] = self.to_bits();
    }

    #[inline]
    fn read(words: &[u64]) -> Self {
        Self::from_bits(words[0])
    }
}

impl FieldWords for i32 {
    const WORDS: usize = 1;

    #[inline]
    fn write(self, words: &mut [u64]) {
        words[0] = u64::from(self.cast_unsigned());
    }

    #[inline]
    #[expect(clippy::cast_possible_truncation, reason = "32 bits were written")]
    fn read(words: &[u64]) -> Self {
        (words[0] as u32).cast_signed()
    }
}

impl<const N: usize> FieldWords for Text<N> {
    const WORDS: usize = N.div_ceil(size_of::<u64>());

    fn write(self, words: &mut [u64]) {
        let bytes = self.as_array().chunks(size_of::<u64>());
        for (word, part) in words.iter_mut().zip(bytes) {
            let mut bytes = [0; size_of::<u64>()];
            bytes[..part.len()].copy_from_slice(part);
            *word = u64::from_le_bytes(bytes);
        }
    }

    fn read(words: &[u64]) -> Self {
        let mut text = [0; N];
        for (part, word) in text.chunks_mut(size_of::<u64>()).zip(words) {
            part.copy_from_slice(&word.to_le_bytes()[..part.len()]);
        }
        Self::from_array(text)
    }
}

macro_rules! field_type {
    (text $size:literal) => { Text<$size> };
    (f64 $size:literal) => { f64 };
    (i32 $size:literal) => { i32 };
}

macro_rules! define_fields {
    (() $($(#[$doc:meta])* $kind:ident $name:ident $vendor:ident $size:literal @ $offset:literal;)*) => {
        /// The fields of a tick, in the order of the struct.
        #[derive(Debug, Clone, Copy)]
        pub(crate) enum Field {
            $($name,)*
        }

        /// How many words `fields` take.
        #[inline]
        pub(crate) const fn words_of(fields: TickFields) -> usize {
            let mut words = fields.0.count_ones() as usize;
            $(
                if <field_type!($kind $size)>::WORDS > 1
                    && fields.intersect(TickFields::of(Field::$name as usize))
                {
                    words += <field_type!($kind $size)>::WORDS - 1;
                }
            )*
            words
        }

        /// Sets `fields` to the values in `words`.
        #[inline]
        pub(crate) fn set_fields(tick: &mut RawTick, fields: TickFields, words: &[u64]) {
            let mut words = words;
            $(
                if fields.intersect(TickFields::of(Field::$name as usize)) {
                    type Value = field_type!($kind $size);
                    tick.$name = Value::read(words);
                    words = words.get(Value::WORDS..).unwrap_or_default();
                }
            )*
            let _ = words;
        }
    };
}

for_each_tick_field!(define_fields);

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn prop_values_read_back_bit_for_bit(
            bits: u64,
            count: i32,
            text in proptest::collection::vec(any::<u8>(), 0..=31),
        ) {
            let mut words = [0; 4];
            f64::from_bits(bits).write(&mut words);
            prop_assert_eq!(f64::read(&words).to_bits(), bits);
            count.write(&mut words);
            prop_assert_eq!(i32::read(&words), count);
            let text = Text::<31>::new(&text).unwrap();
            text.write(&mut words);
            prop_assert_eq!(Text::<31>::read(&words), text);
        }
    }
}

//! The tick columns of one row group in memory. Values that all rows of an instrument share are
//! kept once; a column is kept only if something in it changes.

use std::ops::Range;
use std::path::Path;

use arrow_array::cast::AsArray as _;
use arrow_array::types::{ArrowPrimitiveType, Float64Type, Int32Type};
use arrow_array::{Array, ArrayRef, PrimitiveArray};
use arrow_buffer::{ArrowNativeType, ScalarBuffer};
use tickdeck_core::event::{RawTick, Text};
use tickdeck_ffi::for_each_tick_field;

use super::error::RecordingError;
use super::schema::tick_column;

type Result<T> = std::result::Result<T, RecordingError>;

pub(super) fn wrong_type(path: &Path, column: &str) -> RecordingError {
    RecordingError::damaged(path, format!("column {column:?} decodes to another type"))
}

pub(super) fn primitive<T: ArrowPrimitiveType>(
    path: &Path,
    name: &str,
    array: &ArrayRef,
) -> Result<PrimitiveArray<T>> {
    array
        .as_primitive_opt::<T>()
        .cloned()
        .ok_or_else(|| wrong_type(path, name))
}

/// A text column: keys into distinct texts.
#[derive(Debug, Default)]
pub(super) struct TextArray<const N: usize> {
    pub(super) keys: Vec<u32>,
    pub(super) values: Vec<Text<N>>,
}

impl<const N: usize> TextArray<N> {
    pub(super) fn new(path: &Path, name: &str, array: &ArrayRef) -> Result<Self> {
        let dictionary = array
            .as_dictionary_opt::<Int32Type>()
            .ok_or_else(|| wrong_type(path, name))?;
        let texts = dictionary
            .values()
            .as_string_opt::<i32>()
            .ok_or_else(|| wrong_type(path, name))?;
        // Null rows have key 0 and are never read; an all-null column has no values at all.
        let mut values = vec![Text::EMPTY; texts.len().max(1)];
        for (value, text) in values.iter_mut().zip(texts) {
            *value = utf8_to_text(text.unwrap_or_default()).ok_or_else(|| {
                RecordingError::damaged(
                    path,
                    format!("column {name:?} holds {text:?}, which no CTP field of {N} bytes can"),
                )
            })?;
        }
        let keys = dictionary.keys().values();
        let keys = keys.iter().map(|&key| key.cast_unsigned()).collect();
        Ok(Self { keys, values })
    }
}

/// The reverse of `text_to_utf8`; `None` for text that it cannot have written.
fn utf8_to_text<const N: usize>(text: &str) -> Option<Text<N>> {
    let bytes: Option<Vec<u8>> = text.chars().map(|c| u8::try_from(c).ok()).collect();
    Text::new(&bytes?).ok()
}

/// Consecutive rows of one instrument.
#[derive(Debug)]
pub(super) struct Run {
    /// Key of the instrument column.
    pub(super) instrument: usize,
    pub(super) rows: Range<usize>,
    /// Whether the instrument has no earlier run. In files of tickdeck this is always so.
    pub(super) first: bool,
}

/// The values that all rows of one instrument share.
#[derive(Debug, Clone, Default)]
pub(super) struct Common {
    /// A tick with every value that does not change.
    pub(super) tick: RawTick,
    /// A bit for each field that changes, by [`Field`].
    pub(super) varying: u64,
}

/// A decoded column, or nothing when no instrument's value ever changes.
trait TickColumn: Default {
    type Value: Copy;

    fn get(&self, row: usize) -> Self::Value;

    /// Whether all `rows` have the value of the first of them, bit for bit.
    fn is_constant(&self, rows: Range<usize>) -> bool;

    fn same(a: Self::Value, b: Self::Value) -> bool;

    /// Puts constant values into `common` and marks the other instruments; the column itself is
    /// only kept when it is still needed.
    fn settle(
        self,
        runs: &[Run],
        common: &mut [Common],
        field: Field,
        value: impl Fn(&mut RawTick) -> &mut Self::Value,
    ) -> Self {
        let bit = field.bit();
        let mut needed = false;
        for run in runs {
            let common = &mut common[run.instrument];
            let first = self.get(run.rows.start);
            if run.first {
                *value(&mut common.tick) = first;
            }
            let same = Self::same(*value(&mut common.tick), first);
            if !same || !self.is_constant(run.rows.clone()) {
                common.varying |= bit;
                needed = true;
            }
        }
        if needed { self } else { Self::default() }
    }
}

/// Numbers that are equal bit for bit.
trait SameBits: Copy {
    fn same_bits(self, other: Self) -> bool;
}

impl SameBits for f64 {
    fn same_bits(self, other: Self) -> bool {
        self.to_bits() == other.to_bits()
    }
}

impl SameBits for i32 {
    fn same_bits(self, other: Self) -> bool {
        self == other
    }
}

impl<T: ArrowNativeType + SameBits> TickColumn for ScalarBuffer<T> {
    type Value = T;

    #[inline]
    fn get(&self, row: usize) -> T {
        self[row]
    }

    fn is_constant(&self, rows: Range<usize>) -> bool {
        let rows = &self[rows];
        rows.iter().all(|value| value.same_bits(rows[0]))
    }

    fn same(a: T, b: T) -> bool {
        a.same_bits(b)
    }
}

impl<const N: usize> TickColumn for TextArray<N> {
    type Value = Text<N>;

    #[inline]
    fn get(&self, row: usize) -> Text<N> {
        self.values[self.keys[row] as usize]
    }

    fn is_constant(&self, rows: Range<usize>) -> bool {
        let keys = &self.keys[rows];
        keys.iter().all(|key| *key == keys[0])
    }

    fn same(a: Text<N>, b: Text<N>) -> bool {
        a == b
    }
}

macro_rules! column_type {
    (text $size:literal) => { TextArray<$size> };
    (f64 $size:literal) => { ScalarBuffer<f64> };
    (i32 $size:literal) => { ScalarBuffer<i32> };
}

macro_rules! read_column {
    (text, $path:expr, $name:expr, $array:expr) => {
        TextArray::new($path, $name, $array)?
    };
    (f64, $path:expr, $name:expr, $array:expr) => {
        primitive::<Float64Type>($path, $name, $array)?
            .values()
            .clone()
    };
    (i32, $path:expr, $name:expr, $array:expr) => {
        primitive::<Int32Type>($path, $name, $array)?
            .values()
            .clone()
    };
}

macro_rules! define_tick_arrays {
    (() $($(#[$doc:meta])* $kind:ident $name:ident $vendor:ident $size:literal @ $offset:literal;)*) => {
        /// The fields of a tick, in file order.
        #[derive(Debug, Clone, Copy)]
        enum Field {
            $($name,)*
        }

        impl Field {
            #[inline]
            const fn bit(self) -> u64 {
                1 << self as u32
            }
        }

        /// The tick columns of one row group, as far as they change within an instrument.
        #[derive(Debug, Default)]
        pub(super) struct TickArrays {
            $($name: column_type!($kind $size),)*
        }

        impl TickArrays {
            /// Decodes column by column, and drops a column that is not needed before the next one.
            pub(super) fn read(
                path: &Path,
                runs: &[Run],
                common: &mut [Common],
                column: &mut dyn FnMut(usize) -> Result<ArrayRef>,
            ) -> Result<Self> {
                // Struct fields are evaluated in the order they are written: the file order.
                let mut indices = 0..;
                let mut next = || column(tick_column(indices.next().unwrap_or_default()));
                Ok(Self {
                    $($name: read_column!($kind, path, stringify!($name), &next()?).settle(
                        runs,
                        common,
                        Field::$name,
                        |tick| &mut tick.$name,
                    ),)*
                })
            }

            /// Sets the fields that change.
            #[inline]
            pub(super) fn set_varying(&self, row: usize, varying: u64, tick: &mut RawTick) {
                $(if varying & Field::$name.bit() != 0 {
                    tick.$name = self.$name.get(row);
                })*
            }
        }
    };
}

for_each_tick_field!(define_tick_arrays);

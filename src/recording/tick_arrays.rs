//! The tick columns of one row group in memory. Values that all rows of an instrument share are
//! kept once; a column is kept only if something in it changes.

use std::ops::Range;

use tickdeck_core::event::{RawTick, Text};
use tickdeck_ffi::for_each_tick_field;

use super::error::RecordingError;
use super::group_columns::{GroupColumns, Item, TextArray};
use super::schema::tick_column;

type Result<T> = std::result::Result<T, RecordingError>;

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
    type Item: Item;

    fn get(&self, row: usize) -> Self::Value;

    /// Whether all `rows` have the value of the first of them, bit for bit.
    fn is_constant(&self, rows: Range<usize>) -> bool;

    fn same(a: Self::Value, b: Self::Value) -> bool;

    /// What a row takes in memory.
    fn into_items(self) -> Vec<Self::Item>;

    /// Puts constant values into `common` and marks the other instruments; the column itself is
    /// only kept when it is still needed.
    fn settle(
        self,
        columns: &mut GroupColumns<'_>,
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
        if needed {
            return self;
        }
        columns.recycle(self.into_items());
        Self::default()
    }
}

/// As the method of iterators, but without a branch for each value.
fn all<T>(values: &[T], is_true: impl Fn(&T) -> bool) -> bool {
    let mut blocks = values.chunks(128);
    blocks.all(|block| block.iter().fold(true, |all, value| all & is_true(value)))
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

impl<T: Item + SameBits> TickColumn for Vec<T> {
    type Value = T;
    type Item = T;

    #[inline]
    fn get(&self, row: usize) -> T {
        self[row]
    }

    fn is_constant(&self, rows: Range<usize>) -> bool {
        let rows = &self[rows];
        all(rows, |value| value.same_bits(rows[0]))
    }

    fn same(a: T, b: T) -> bool {
        a.same_bits(b)
    }

    fn into_items(self) -> Self {
        self
    }
}

impl<const N: usize> TickColumn for TextArray<N> {
    type Value = Text<N>;
    type Item = u32;

    #[inline]
    fn get(&self, row: usize) -> Text<N> {
        self.values[self.keys[row] as usize]
    }

    fn is_constant(&self, rows: Range<usize>) -> bool {
        let keys = &self.keys[rows];
        all(keys, |key| *key == keys[0])
    }

    fn same(a: Text<N>, b: Text<N>) -> bool {
        a == b
    }

    fn into_items(self) -> Vec<u32> {
        self.keys
    }
}

macro_rules! column_type {
    (text $size:literal) => { TextArray<$size> };
    (f64 $size:literal) => { Vec<f64> };
    (i32 $size:literal) => { Vec<i32> };
}

macro_rules! read_column {
    (text, $columns:expr, $index:expr) => {
        $columns.texts($index)?
    };
    ($kind:ident, $columns:expr, $index:expr) => {
        $columns.numbers::<$kind>($index)?
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
                columns: &mut GroupColumns<'_>,
                runs: &[Run],
                common: &mut [Common],
            ) -> Result<Self> {
                // Struct fields are evaluated in the order they are written: the file order.
                Ok(Self {
                    $($name: {
                        let index = tick_column(Field::$name as usize);
                        read_column!($kind, columns, index).settle(
                            columns,
                            runs,
                            common,
                            Field::$name,
                            |tick| &mut tick.$name,
                        )
                    },)*
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

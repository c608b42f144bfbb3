//! Numbers of a column as plain bytes, as bytes split into streams, or as differences.

use parquet::file::statistics::{Statistics, ValueStatistics};

use super::delta::put_delta;

/// Appends values in one encoding.
pub(super) type Put<T> = fn(&[T], &mut Vec<u8>);

/// A number of a column.
pub(crate) trait Number: Copy {
    /// Appends integers as `DELTA_BINARY_PACKED`, which other numbers cannot be.
    const PUT_DELTA: Option<Put<Self>>;

    /// Its bits: numbers with the same bits are the same.
    fn bits(self) -> u64;

    /// Statistics of a column: its smallest and largest value, if they are known, and how many rows
    /// have none.
    fn statistics(range: Option<(Self, Self)>, nulls: u64) -> Statistics;

    /// Appends little endian bytes.
    fn put_plain(values: &[Self], out: &mut Vec<u8>);

    /// Appends the first byte of all values, then all second ones, etc.
    fn put_split(values: &[Self], out: &mut Vec<u8>);
}

macro_rules! number {
    ($type:ty, $bits:expr, $put_delta:expr) => {
        impl Number for $type {
            const PUT_DELTA: Option<Put<Self>> = $put_delta;

            fn bits(self) -> u64 {
                $bits(self)
            }

            fn statistics(range: Option<(Self, Self)>, nulls: u64) -> Statistics {
                let (smallest, largest) = range.unzip();
                // Older readers look for the range in the deprecated fields.
                ValueStatistics::new(smallest, largest, None, Some(nulls), false)
                    .with_backwards_compatible_min_max(true)
                    .into()
            }

            fn put_plain(values: &[Self], out: &mut Vec<u8>) {
                let start = out.len();
                out.resize(start + size_of_val(values), 0);
                let (places, _) = out[start..].as_chunks_mut();
                for (place, value) in places.iter_mut().zip(values) {
                    *place = value.to_le_bytes();
                }
            }

            fn put_split(values: &[Self], out: &mut Vec<u8>) {
                for byte in 0..size_of::<Self>() {
                    out.extend(values.iter().map(|value| value.to_le_bytes()[byte]));
                }
            }
        }
    };
}

number!(f64, f64::to_bits, None);
number!(
    i32,
    |value: i32| value.cast_unsigned().into(),
    Some(put_delta)
);
number!(i64, i64::cast_unsigned, Some(put_delta));

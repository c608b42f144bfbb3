//! The columns of one row group, decoded one at a time for the rows that are wanted.
//!
//! Of the tick columns, values that all rows of an instrument share are kept once, and a column is kept
//! only if something in it changes.

use std::ops::Range;
use std::path::Path;
use std::sync::Arc;

use bytes::Bytes;
use parquet::file::metadata::{ColumnChunkMetaData, RowGroupMetaData};
use parquet::file::serialized_reader::SerializedPageReader;
use tickdeck_core::event::{RawTick, Text};
use tickdeck_core::tick_fields::{FieldWords, TickFields};
use tickdeck_ffi::for_each_tick_field;

use super::chunk::{self, Chunk, ChunkError, Number};
use super::error::RecordingError;
use super::group_bytes::GroupBytes;
use super::latin1::utf8_to_text;
use super::page_locations::PageLocations;
use super::schema::tick_column;

type Result<T> = std::result::Result<T, RecordingError>;

/// A text column: keys into distinct texts.
#[derive(Debug, Default)]
pub(super) struct TextArray<const N: usize> {
    pub(super) keys: Vec<u32>,
    pub(super) values: Vec<Text<N>>,
}

/// A column of characters, such as `detail`.
#[derive(Debug, Default)]
pub(super) struct StringArray {
    keys: Vec<u32>,
    values: Vec<String>,
}

/// The key of a row without a value.
const ABSENT: u32 = u32::MAX;

impl StringArray {
    /// The value of a row, if it has one.
    pub(super) fn get(&self, row: usize) -> Option<&str> {
        let key = *self.keys.get(row)?;
        self.values.get(key as usize).map(String::as_str)
    }

    /// The same for these rows alone.
    pub(super) fn take(self, rows: &[u32]) -> Self {
        Self {
            keys: pick(&self.keys, rows),
            values: self.values,
        }
    }

    /// The distinct values, and the key of each row.
    pub(super) fn into_parts(self) -> (Vec<String>, Vec<u32>) {
        (self.values, self.keys)
    }
}

/// Decodes columns of a row group. It keeps buffers that turned out to be unneeded for the next
/// column.
#[derive(Debug)]
pub(super) struct GroupColumns<'a> {
    path: &'a Path,
    group: usize,
    metadata: &'a RowGroupMetaData,
    bytes: Arc<GroupBytes>,
    /// Where the pages of each column are, if only some of them are among the bytes.
    locations: &'a [Option<PageLocations>],
    rows: usize,
    selected: Selected<'a>,
    buffers: Buffers,
}

/// Where ranges begin more often than once in this many rows, all rows are decoded: each beginning
/// costs about as much as this many values.
const SCATTERED_ROWS: usize = 16;

/// The rows that are wanted.
#[derive(Debug)]
enum Selected<'a> {
    All,
    /// The others are passed over.
    Ranges(Vec<Range<usize>>),
    /// Picked from all.
    Scattered(&'a [u32]),
}

/// Unneeded buffers, one of each type.
#[derive(Debug, Default)]
struct Buffers {
    doubles: Vec<f64>,
    integers: Vec<i32>,
    longs: Vec<i64>,
    keys: Vec<u32>,
}

/// A value that a row has: a number, or the key of a text.
pub(super) trait Item: Copy {
    /// The place of its unneeded buffer.
    fn spare<'b>(columns: &'b mut GroupColumns<'_>) -> &'b mut Vec<Self>;
}

macro_rules! item {
    ($type:ty, $spare:ident) => {
        impl Item for $type {
            fn spare<'b>(columns: &'b mut GroupColumns<'_>) -> &'b mut Vec<Self> {
                &mut columns.buffers.$spare
            }
        }
    };
}

item!(f64, doubles);
item!(i32, integers);
item!(i64, longs);
item!(u32, keys);

/// The library panics about numbers below 0.
fn check_place(column: &ColumnChunkMetaData) -> std::result::Result<(), ChunkError> {
    let first = column.dictionary_page_offset();
    let start = first.unwrap_or_else(|| column.data_page_offset());
    let bytes = column.compressed_size();
    if start < 0 || bytes < 0 || start.checked_add(bytes).is_none() {
        return Err(ChunkError::Place { start, bytes });
    }
    Ok(())
}

impl<'a> GroupColumns<'a> {
    /// The columns of row group `group`, whose bytes are `bytes`.
    pub(super) fn new(
        path: &'a Path,
        group: usize,
        metadata: &'a RowGroupMetaData,
        bytes: Arc<GroupBytes>,
        rows: usize,
    ) -> Self {
        Self {
            path,
            group,
            metadata,
            bytes,
            locations: &[],
            rows,
            selected: Selected::All,
            buffers: Buffers::default(),
        }
    }

    /// The same where the bytes have only the pages with rows of `wanted`, which ascend.
    pub(super) fn of_pages(
        self,
        locations: &'a [Option<PageLocations>],
        wanted: Vec<Range<usize>>,
    ) -> Self {
        Self {
            locations,
            selected: Selected::Ranges(wanted),
            ..self
        }
    }

    /// From here on only these rows, which ascend.
    pub(super) fn select(&mut self, rows: &'a [u32]) {
        let ranges = ranges_of(rows);
        let is_whole = self.locations.is_empty();
        self.selected = if is_whole && ranges.len() * SCATTERED_ROWS > self.rows {
            Selected::Scattered(rows)
        } else {
            Selected::Ranges(ranges)
        };
    }

    /// Takes a buffer that is not needed.
    pub(super) fn recycle<T: Item>(&mut self, buffer: Vec<T>) {
        *T::spare(self) = buffer;
    }

    fn damaged(&self, column: usize, problem: impl std::fmt::Display) -> RecordingError {
        let (group, name) = (
            self.group,
            self.metadata.column(column).column_descr().name(),
        );
        RecordingError::damaged(
            self.path,
            format!("row group {group}, column {name:?}: {problem}"),
        )
    }

    fn decode<T: Item, R>(
        &mut self,
        column: usize,
        read: impl FnOnce(Chunk<'_>, &mut Vec<T>) -> std::result::Result<R, ChunkError>,
    ) -> Result<(R, Vec<T>)> {
        let mut buffer = std::mem::take(T::spare(self));
        let metadata = self.metadata.column(column);
        let bytes = Arc::clone(&self.bytes);
        let decoded = check_place(metadata)
            .and_then(|()| {
                let pages = self.locations.get(column).and_then(Option::as_ref);
                let pages = pages.map(PageLocations::to_vec);
                Ok(SerializedPageReader::new(
                    bytes, metadata, self.rows, pages,
                )?)
            })
            .and_then(|mut pages| {
                let chunk = Chunk {
                    pages: &mut pages,
                    nullable: metadata.column_descr().max_def_level() > 0,
                    rows: self.rows,
                    wanted: match &self.selected {
                        Selected::Ranges(ranges) => Some(ranges),
                        Selected::All | Selected::Scattered(_) => None,
                    },
                };
                read(chunk, &mut buffer)
            });
        let decoded = decoded.map_err(|error| self.damaged(column, error))?;
        let Selected::Scattered(rows) = self.selected else {
            return Ok((decoded, buffer));
        };
        let wanted = pick(&buffer, rows);
        self.recycle(buffer);
        Ok((decoded, wanted))
    }

    /// A column of numbers. A row without a value has the default.
    pub(super) fn numbers<T: Number + Item>(&mut self, column: usize) -> Result<Vec<T>> {
        let ((), numbers) = self.decode(column, chunk::read_numbers)?;
        Ok(numbers)
    }

    /// A column of numbers, in which rows may have no value.
    pub(super) fn optional_numbers<T: Number + Item>(
        &mut self,
        column: usize,
    ) -> Result<Vec<Option<T>>> {
        let read = |chunk: Chunk<'_>, keys: &mut _| chunk::read_presence(chunk, keys);
        let ((), present) = self.decode::<u32, _>(column, read)?;
        let numbers = self.numbers(column)?;
        let rows = present.iter().zip(numbers);
        Ok(rows
            .map(|(present, number)| (*present != 0).then_some(number))
            .collect())
    }

    /// A column of CTP texts. A row without a value has any.
    pub(super) fn texts<const N: usize>(&mut self, column: usize) -> Result<TextArray<N>> {
        let read = |chunk: Chunk<'_>, keys: &mut _| chunk::read_texts(chunk, 0, keys);
        let (texts, keys) = self.decode(column, read)?;
        // A column without any value has key 0 too.
        let mut values = vec![Text::EMPTY; texts.len().max(1)];
        for (value, text) in values.iter_mut().zip(&texts) {
            let characters = self.characters(column, text)?;
            *value = utf8_to_text(characters).ok_or_else(|| {
                let problem =
                    format!("it holds {characters:?}, which no CTP field of {N} bytes can");
                self.damaged(column, problem)
            })?;
        }
        Ok(TextArray { keys, values })
    }

    /// A column of characters.
    pub(super) fn strings(&mut self, column: usize) -> Result<StringArray> {
        let read = |chunk: Chunk<'_>, keys: &mut _| chunk::read_texts(chunk, ABSENT, keys);
        let (texts, keys) = self.decode(column, read)?;
        let values = texts
            .iter()
            .map(|text| self.characters(column, text).map(str::to_owned));
        let values = values.collect::<Result<_>>()?;
        Ok(StringArray { keys, values })
    }

    fn characters<'t>(&self, column: usize, text: &'t Bytes) -> Result<&'t str> {
        std::str::from_utf8(text).map_err(|error| {
            self.damaged(column, format!("it holds text that is not UTF-8: {error}"))
        })
    }
}

/// Ascending rows as ranges.
pub(super) fn ranges_of(rows: &[u32]) -> Vec<Range<usize>> {
    let ranges = rows.chunk_by(|a, b| a + 1 == *b).filter_map(|run| {
        let first = *run.first()? as usize;
        Some(first..first + run.len())
    });
    ranges.collect()
}

/// The values of some rows.
pub(super) fn pick<T: Copy>(values: &[T], rows: &[u32]) -> Vec<T> {
    rows.iter().map(|&row| values[row as usize]).collect()
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

/// The values that all rows of an instrument share, by key of the instrument column.
#[derive(Debug)]
pub(super) struct Common {
    /// Ticks with every value that does not change.
    pub(super) ticks: Vec<RawTick>,
    /// The fields that change.
    pub(super) varying: Vec<TickFields>,
}

impl Common {
    pub(super) fn new(instruments: usize) -> Self {
        Self {
            ticks: vec![RawTick::default(); instruments],
            varying: vec![TickFields::NONE; instruments],
        }
    }
}

/// A decoded column, or nothing when no instrument's value ever changes.
trait TickColumn: Default {
    type Value: Copy;
    type Item: Item;

    fn get(&self, row: usize) -> Self::Value;

    /// Whether it was kept.
    fn has_rows(&self) -> bool;

    /// Whether all `rows` have the value of the first of them, bit for bit.
    fn is_constant(&self, rows: Range<usize>) -> bool;

    fn same(a: Self::Value, b: Self::Value) -> bool;

    /// Adds `field` to the fields of each row that differs from the row before it.
    fn mark(&self, field: TickFields, changed: &mut [TickFields]);

    /// What a row takes in memory.
    fn into_items(self) -> Vec<Self::Item>;

    /// Puts constant values into `common` and marks the other instruments; the column itself is
    /// only kept when it is still needed.
    fn settle(
        self,
        columns: &mut GroupColumns<'_>,
        runs: &[Run],
        common: &mut Common,
        field: Field,
        value: impl Fn(&mut RawTick) -> &mut Self::Value,
    ) -> Self {
        let mut needed = false;
        for run in runs {
            let shared = value(&mut common.ticks[run.instrument]);
            let first = self.get(run.rows.start);
            if run.first {
                *shared = first;
            }
            let same = Self::same(*shared, first);
            if !same || !self.is_constant(run.rows.clone()) {
                let varying = &mut common.varying[run.instrument];
                *varying = varying.with(field.alone());
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

    fn has_rows(&self) -> bool {
        !self.is_empty()
    }

    fn is_constant(&self, rows: Range<usize>) -> bool {
        let rows = &self[rows];
        all(rows, |value| value.same_bits(rows[0]))
    }

    fn same(a: T, b: T) -> bool {
        a.same_bits(b)
    }

    fn mark(&self, field: TickFields, changed: &mut [TickFields]) {
        let pairs = self.iter().zip(self.iter().skip(1));
        for (changed, (before, value)) in changed.iter_mut().skip(1).zip(pairs) {
            *changed = changed.with_if(!value.same_bits(*before), field);
        }
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

    fn has_rows(&self) -> bool {
        !self.keys.is_empty()
    }

    fn is_constant(&self, rows: Range<usize>) -> bool {
        let keys = &self.keys[rows];
        all(keys, |key| *key == keys[0])
    }

    fn same(a: Text<N>, b: Text<N>) -> bool {
        a == b
    }

    fn mark(&self, field: TickFields, changed: &mut [TickFields]) {
        let pairs = self.keys.iter().zip(self.keys.iter().skip(1));
        for (changed, (before, key)) in changed.iter_mut().skip(1).zip(pairs) {
            // Two keys of a file may have the same text.
            let value = |key: u32| &self.values[key as usize];
            let differs = key != before && value(*key) != value(*before);
            *changed = changed.with_if(differs, field);
        }
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

macro_rules! field_type {
    (text $size:literal) => { Text<$size> };
    (f64 $size:literal) => { f64 };
    (i32 $size:literal) => { i32 };
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
            const fn alone(self) -> TickFields {
                TickFields::of(self as usize)
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
                common: &mut Common,
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

            /// The fields in which each row differs from the row before it.
            pub(super) fn changes(&self, rows: usize) -> Vec<TickFields> {
                let mut changed = vec![TickFields::NONE; rows];
                $(self.$name.mark(Field::$name.alone(), &mut changed);)*
                changed
            }

            /// The fields in which two rows of an instrument differ.
            pub(super) fn differences(&self, a: usize, b: usize) -> TickFields {
                let mut fields = TickFields::NONE;
                $(
                    let differs = self.$name.has_rows()
                        && !<column_type!($kind $size)>::same(self.$name.get(a), self.$name.get(b));
                    fields = fields.with_if(differs, Field::$name.alone());
                )*
                fields
            }

            /// Writes the values of some fields of a row.
            #[inline]
            pub(super) fn write(&self, row: usize, fields: TickFields, words: &mut [u64]) {
                let mut words = words;
                $(if fields.intersect(Field::$name.alone()) {
                    type Value = field_type!($kind $size);
                    let (field, rest) = words.split_at_mut(Value::WORDS);
                    self.$name.get(row).write(field);
                    words = rest;
                })*
                let _ = words;
            }
        }
    };
}

for_each_tick_field!(define_tick_arrays);

//! Reads one segment: decodes a row group column by column and hands its events out in `seq` order.
//!
//! Memory: the decoded columns of one row group (about 90 MB when it is full). Filters are applied
//! to the row group's statistics first, then to its key columns; the other columns are decoded only
//! for the rows that are wanted.

use std::fs::File;
use std::ops::Range;
use std::path::{Path, PathBuf};

use arrow::array::{Array, ArrayRef, AsArray, PrimitiveArray};
use arrow::datatypes::{
    ArrowPrimitiveType, Float64Type, Int32Type, Int64Type, TimestampNanosecondType,
};
use parquet::arrow::ProjectionMask;
use parquet::arrow::arrow_reader::{
    ArrowReaderMetadata, ArrowReaderOptions, ParquetRecordBatchReaderBuilder, RowSelection,
};
use parquet::file::metadata::ParquetMetaData;
use parquet::file::statistics::Statistics;
use tickdeck_ffi::for_each_tick_field;

use super::error::RecordingError;
use super::manifest::{FormatVersion, check_version};
use super::reader::EventFilter;
use super::schema::{ROW_GROUP_ROWS, arrow_schema, instrument_column, tick_column};
use crate::event::{Event, EventKind, RawTick, Seq, SessionEvent, TICK_KIND, Text};
use crate::time::UnixNanos;

type Result<T> = std::result::Result<T, RecordingError>;

/// A row group of a foreign writer may not be larger than this.
const MAX_ROW_GROUP_ROWS: usize = 8 * ROW_GROUP_ROWS;

/// An open segment.
#[derive(Debug)]
pub(super) struct SegmentReader {
    path: PathBuf,
    file: File,
    metadata: ArrowReaderMetadata,
}

impl SegmentReader {
    /// Opens a segment and checks version and schema.
    pub(super) fn open(path: &Path) -> Result<Self> {
        let file = File::open(path).map_err(RecordingError::io(path, "opening"))?;
        let parquet = ArrowReaderMetadata::load(&file, ArrowReaderOptions::new())
            .map_err(|error| RecordingError::damaged(path, error.to_string()))?;
        let parquet = parquet.metadata().clone();
        check_footer(path, &parquet)?;
        check_schema(path, &parquet)?;
        let options = ArrowReaderOptions::new().with_schema(arrow_schema());
        let metadata = ArrowReaderMetadata::try_new(parquet, options)
            .map_err(RecordingError::parquet(path, "opening"))?;
        Ok(Self {
            path: path.to_owned(),
            file,
            metadata,
        })
    }

    fn parquet(&self) -> &ParquetMetaData {
        self.metadata.metadata()
    }

    /// Number of row groups.
    pub(super) fn row_groups(&self) -> usize {
        self.parquet().num_row_groups()
    }

    /// Rows of one row group.
    pub(super) fn group_rows(&self, group: usize) -> usize {
        usize::try_from(self.parquet().row_group(group).num_rows()).unwrap_or(0)
    }

    /// The value of a footer key.
    pub(super) fn footer_value(&self, key: &str) -> Option<&str> {
        footer_value(self.parquet(), key)
    }

    /// Whether the statistics leave a chance that `filter` wants something of this row group.
    pub(super) fn may_match(&self, group: usize, filter: &EventFilter) -> bool {
        self.recv_ts_range(group)
            .is_none_or(|range| filter.overlaps(range))
    }

    /// First and last `recv_ts` of a row group, when its statistics say.
    pub(super) fn recv_ts_range(&self, group: usize) -> Option<(UnixNanos, UnixNanos)> {
        match self.parquet().row_group(group).column(1).statistics() {
            Some(Statistics::Int64(range)) => {
                Some((UnixNanos(*range.min_opt()?), UnixNanos(*range.max_opt()?)))
            }
            _ => None,
        }
    }

    /// Decodes what `filter` wants of one row group.
    pub(super) fn read_group(&self, group: usize, filter: &EventFilter) -> Result<DecodedGroup> {
        let rows = self.group_rows(group);
        if rows > MAX_ROW_GROUP_ROWS {
            return Err(RecordingError::damaged(
                &self.path,
                format!("row group {group} has {rows} rows, at most {MAX_ROW_GROUP_ROWS} are read"),
            ));
        }
        let mut column = |index: usize, selection: Option<&RowSelection>| {
            self.read_column(group, index, rows, selection)
        };
        let keys = KeyColumns::read(&self.path, &mut column)?;
        let selected = keys.select(filter);
        let selection = (selected.len() != rows)
            .then(|| RowSelection::from_consecutive_ranges(consecutive_ranges(&selected), rows));
        let keys = match &selection {
            None => keys,
            Some(_) if selected.is_empty() => return Ok(DecodedGroup::default()),
            Some(_) => keys.take(&selected),
        };
        let mut column = |index: usize| column(index, selection.as_ref());
        let ticks = TickArrays::read(&self.path, &mut column)?;
        let template = ticks.template();
        let details = column(3)?;
        let order = keys.order();
        Ok(DecodedGroup {
            path: self.path.clone(),
            keys,
            ticks: Some(ticks),
            template,
            details: Some(details),
            order,
            cursor: 0,
            by_row: Vec::new(),
        })
    }

    fn read_column(
        &self,
        group: usize,
        index: usize,
        rows: usize,
        selection: Option<&RowSelection>,
    ) -> Result<ArrayRef> {
        let file = self
            .file
            .try_clone()
            .map_err(RecordingError::io(&self.path, "opening"))?;
        let schema = self.parquet().file_metadata().schema_descr();
        let mut builder =
            ParquetRecordBatchReaderBuilder::new_with_metadata(file, self.metadata.clone())
                .with_row_groups(vec![group])
                .with_projection(ProjectionMask::leaves(schema, [index]))
                .with_batch_size(rows);
        if let Some(selection) = selection {
            builder = builder.with_row_selection(selection.clone());
        }
        let problem = |error: String| {
            RecordingError::damaged(&self.path, format!("row group {group}: {error}"))
        };
        let mut reader = builder
            .build()
            .map_err(|error| problem(error.to_string()))?;
        let batch = reader
            .next()
            .ok_or_else(|| problem("no rows where the footer promises some".into()))?
            .map_err(|error| problem(error.to_string()))?;
        let expected = selection.map_or(rows, RowSelection::row_count);
        if batch.num_rows() != expected || batch.num_columns() != 1 {
            let found = batch.num_rows();
            return Err(problem(format!(
                "{found} rows, the footer promises {expected}"
            )));
        }
        Ok(batch.column(0).clone())
    }
}

fn footer_value<'a>(metadata: &'a ParquetMetaData, key: &str) -> Option<&'a str> {
    let pairs = metadata.file_metadata().key_value_metadata()?;
    let pair = pairs.iter().find(|pair| pair.key == key)?;
    pair.value.as_deref()
}

fn check_footer(path: &Path, metadata: &ParquetMetaData) -> Result<()> {
    let version = footer_value(metadata, "tickdeck.format_version").ok_or_else(|| {
        RecordingError::NotARecording {
            path: path.to_owned(),
            reason: "a Parquet file, but its footer has no tickdeck.format_version".into(),
        }
    })?;
    let version: FormatVersion = version
        .parse()
        .map_err(|problem: String| RecordingError::damaged(path, problem))?;
    check_version(path, version)
}

/// Every column of the format must be there, in its place and of its type; further columns at the
/// end are ignored (a newer minor version).
fn check_schema(path: &Path, metadata: &ParquetMetaData) -> Result<()> {
    let expected = super::schema::parquet_schema()
        .map_err(RecordingError::parquet(path, "checking the schema of"))?;
    let found = metadata.file_metadata().schema_descr();
    for (index, column) in expected.get_fields().iter().enumerate() {
        let ours = format!(
            "{} {}",
            column.get_basic_info().repetition(),
            column.get_physical_type()
        );
        let theirs = (index < found.num_columns()).then(|| found.column(index));
        let theirs = theirs
            .filter(|theirs| theirs.name() == column.name())
            .map(|theirs| {
                let info = theirs.self_type().get_basic_info();
                format!("{} {}", info.repetition(), theirs.physical_type())
            });
        if theirs.as_deref() != Some(ours.as_str()) {
            return Err(RecordingError::WrongSchema {
                path: path.to_owned(),
                column: column.name().into(),
                expected: ours,
                found: theirs.unwrap_or_else(|| "nothing in its place".into()),
            });
        }
    }
    Ok(())
}

fn consecutive_ranges(rows: &[u32]) -> impl Iterator<Item = Range<usize>> {
    rows.chunk_by(|a, b| a + 1 == *b).filter_map(|run| {
        let first = *run.first()? as usize;
        Some(first..first + run.len())
    })
}

fn wrong_type(path: &Path, column: &str) -> RecordingError {
    RecordingError::damaged(path, format!("column {column:?} decodes to another type"))
}

fn primitive<T: ArrowPrimitiveType>(
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
struct TextArray<const N: usize> {
    keys: Vec<u32>,
    values: Vec<Text<N>>,
}

impl<const N: usize> TextArray<N> {
    fn new(path: &Path, name: &str, array: &ArrayRef) -> Result<Self> {
        let dictionary = array
            .as_dictionary_opt::<Int32Type>()
            .ok_or_else(|| wrong_type(path, name))?;
        let texts = dictionary
            .values()
            .as_string_opt::<i32>()
            .ok_or_else(|| wrong_type(path, name))?;
        // Null rows have key 0 and are never looked at; an all-null column has no values at all.
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

    fn get(&self, row: usize) -> Text<N> {
        self.values[self.keys[row] as usize]
    }
}

/// The reverse of `text_to_utf8`; `None` for what it never writes.
fn utf8_to_text<const N: usize>(text: &str) -> Option<Text<N>> {
    let bytes: Option<Vec<u8>> = text.chars().map(|c| u8::try_from(c).ok()).collect();
    Text::new(&bytes?).ok()
}

/// The columns that decide which rows are wanted.
#[derive(Debug, Default)]
struct KeyColumns {
    seq: Vec<i64>,
    recv_ts: Vec<i64>,
    /// `None` for a tick, else the session event's kind.
    kinds: Vec<Option<String>>,
    kind_keys: Vec<u32>,
    instruments: TextArray<81>,
}

impl KeyColumns {
    fn read(
        path: &Path,
        column: &mut dyn FnMut(usize, Option<&RowSelection>) -> Result<ArrayRef>,
    ) -> Result<Self> {
        let seq = primitive::<Int64Type>(path, "seq", &column(0, None)?)?;
        let recv_ts = primitive::<TimestampNanosecondType>(path, "recv_ts", &column(1, None)?)?;
        let kinds = column(2, None)?;
        let kinds = kinds
            .as_dictionary_opt::<Int32Type>()
            .ok_or_else(|| wrong_type(path, "kind"))?;
        let words = kinds
            .values()
            .as_string_opt::<i32>()
            .ok_or_else(|| wrong_type(path, "kind"))?;
        let instruments = column(instrument_column(), None)?;
        Ok(Self {
            seq: seq.values().to_vec(),
            recv_ts: recv_ts.values().to_vec(),
            kinds: words
                .iter()
                .map(|word| word.filter(|word| *word != TICK_KIND).map(str::to_owned))
                .collect(),
            kind_keys: kinds
                .keys()
                .values()
                .iter()
                .map(|&key| key.cast_unsigned())
                .collect(),
            instruments: TextArray::new(path, "instrument_id", &instruments)?,
        })
    }

    fn session_kind(&self, row: usize) -> Option<&str> {
        self.kinds[self.kind_keys[row] as usize].as_deref()
    }

    /// Rows that `filter` wants, in file order.
    fn select(&self, filter: &EventFilter) -> Vec<u32> {
        let wanted: Vec<bool> = self
            .instruments
            .values
            .iter()
            .map(|id| filter.wants_instrument(id))
            .collect();
        let wants = |row: usize| {
            let instrument = self.instruments.keys[row] as usize;
            filter.wants_time(UnixNanos(self.recv_ts[row]))
                && (self.session_kind(row).is_some() || wanted[instrument])
        };
        (0_u32..)
            .zip(0..self.seq.len())
            .filter_map(|(number, row)| wants(row).then_some(number))
            .collect()
    }

    fn take(self, rows: &[u32]) -> Self {
        fn pick<T: Copy>(values: &[T], rows: &[u32]) -> Vec<T> {
            rows.iter().map(|&row| values[row as usize]).collect()
        }
        Self {
            seq: pick(&self.seq, rows),
            recv_ts: pick(&self.recv_ts, rows),
            kind_keys: pick(&self.kind_keys, rows),
            kinds: self.kinds,
            instruments: TextArray {
                keys: pick(&self.instruments.keys, rows),
                values: self.instruments.values,
            },
        }
    }

    /// Rows in `seq` order.
    fn order(&self) -> Vec<u32> {
        let count = u32::try_from(self.seq.len()).unwrap_or(u32::MAX);
        if let Some(order) = self.order_of_gap_free_seqs(count) {
            return order;
        }
        let mut order: Vec<u32> = (0..count).collect();
        order.sort_by_key(|&row| self.seq[row as usize]);
        order
    }

    /// The usual case without a sort: the `seq`s are a permutation of a range.
    fn order_of_gap_free_seqs(&self, count: u32) -> Option<Vec<u32>> {
        let first = *self.seq.iter().min()?;
        let mut order = vec![u32::MAX; self.seq.len()];
        for (row, &seq) in (0..count).zip(&self.seq) {
            let position = usize::try_from(seq.checked_sub(first)?).ok()?;
            let slot = order.get_mut(position)?;
            if *slot != u32::MAX {
                return None;
            }
            *slot = row;
        }
        Some(order)
    }
}

macro_rules! read_array {
    (text, $path:expr, $name:expr, $array:expr) => {
        TextArray::new($path, $name, $array)?
    };
    (f64, $path:expr, $name:expr, $array:expr) => {
        primitive::<Float64Type>($path, $name, $array)?
    };
    (i32, $path:expr, $name:expr, $array:expr) => {
        primitive::<Int32Type>($path, $name, $array)?
    };
}

/// A decoded column: one value for all rows (limits of a quiet market, reserved fields), which
/// stands in the template of every tick, or a value per row, which must be gathered.
#[derive(Debug)]
enum Column<T, A> {
    Constant(T),
    Varying(A),
}

macro_rules! column_type {
    (text $size:literal) => { Column<Text<$size>, TextArray<$size>> };
    (f64 $size:literal) => { Column<f64, PrimitiveArray<Float64Type>> };
    (i32 $size:literal) => { Column<i32, PrimitiveArray<Int32Type>> };
}

macro_rules! classify {
    (text, $array:expr) => {
        match &$array.values[..] {
            [only] => Column::Constant(*only),
            _ => Column::Varying($array),
        }
    };
    ($kind:ident, $array:expr) => {
        match constant(&$array) {
            Some(value) => Column::Constant(value),
            None => Column::Varying($array),
        }
    };
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

/// The one value of a column, bit for bit; session events (null) have none.
fn constant<T>(array: &PrimitiveArray<T>) -> Option<T::Native>
where
    T: ArrowPrimitiveType,
    T::Native: SameBits,
{
    let is_tick = |row: &usize| array.is_valid(*row);
    let first = array.value((0..array.len()).find(is_tick)?);
    let same = |row: usize| array.is_null(row) || array.value(row).same_bits(first);
    (0..array.len()).all(same).then_some(first)
}

macro_rules! set_field {
    (text, $column:expr, $row:expr, $field:expr) => {
        if let Column::Varying(array) = &$column {
            $field = array.get($row);
        }
    };
    ($kind:ident, $column:expr, $row:expr, $field:expr) => {
        if let Column::Varying(array) = &$column {
            $field = array.values()[$row];
        }
    };
}

macro_rules! define_tick_arrays {
    (() $($(#[$doc:meta])* $kind:ident $name:ident $vendor:ident $size:literal @ $offset:literal;)*) => {
        /// The decoded tick columns of one row group.
        #[derive(Debug)]
        struct TickArrays {
            $($name: column_type!($kind $size),)*
        }

        impl TickArrays {
            fn read(
                path: &Path,
                column: &mut dyn FnMut(usize) -> Result<ArrayRef>,
            ) -> Result<Self> {
                // Struct fields are evaluated in the order they are written: the file order.
                let mut indices = 0..;
                let mut next = || column(tick_column(indices.next().unwrap_or_default()));
                Ok(Self {
                    $($name: {
                        let array = read_array!($kind, path, stringify!($name), &next()?);
                        classify!($kind, array)
                    },)*
                })
            }

            /// A tick with the constant columns in place.
            fn template(&self) -> RawTick {
                let mut tick = RawTick::default();
                $(if let Column::Constant(value) = &self.$name {
                    tick.$name = *value;
                })*
                tick
            }

            /// Sets the columns that vary. Row by row: the loads of one row do not wait for each
            /// other, and the tick is in the cache for all its stores.
            #[inline]
            fn set_row(&self, row: usize, tick: &mut RawTick) {
                $(set_field!($kind, self.$name, row, tick.$name);)*
            }
        }
    };
}

for_each_tick_field!(define_tick_arrays);

/// The wanted events of one row group, handed out in `seq` order.
#[derive(Debug, Default)]
pub(super) struct DecodedGroup {
    path: PathBuf,
    keys: KeyColumns,
    ticks: Option<TickArrays>,
    template: RawTick,
    details: Option<ArrayRef>,
    order: Vec<u32>,
    cursor: usize,
    /// Rows of the batch at hand and their places in it, by row.
    by_row: Vec<(u32, usize)>,
}

impl DecodedGroup {
    /// Appends up to `max` events and returns how many.
    ///
    /// The ticks are filled in the order of the file, not of `seq`: neighbouring rows of one
    /// instrument share their cache lines in every column, rows of different instruments never do.
    pub(super) fn next_events(&mut self, batch: &mut Vec<Event>, max: usize) -> Result<usize> {
        let end = self.order.len().min(self.cursor.saturating_add(max));
        let rows = &self.order[self.cursor..end];
        let start = batch.len();
        for &row in rows {
            batch.push(self.blank_event(row as usize)?);
        }
        if let Some(ticks) = &self.ticks {
            self.by_row.clear();
            self.by_row.extend(rows.iter().copied().zip(start..));
            self.by_row.sort_unstable();
            for &(row, position) in &self.by_row {
                if let EventKind::Tick(tick) = &mut batch[position].kind {
                    ticks.set_row(row as usize, tick);
                }
            }
        }
        let taken = end - self.cursor;
        self.cursor = end;
        Ok(taken)
    }

    /// The event of a row: complete for a session event; for a tick, without the
    /// columns that vary.
    fn blank_event(&self, row: usize) -> Result<Event> {
        let kind = match self.keys.session_kind(row) {
            None => EventKind::Tick(self.template),
            Some(kind) => EventKind::Session(self.session_event(kind, row)?),
        };
        Ok(Event {
            seq: Seq(self.keys.seq[row].cast_unsigned()),
            recv_ts: UnixNanos(self.keys.recv_ts[row]),
            kind,
        })
    }

    fn session_event(&self, kind: &str, row: usize) -> Result<SessionEvent> {
        let details = self.details.as_ref().and_then(|d| d.as_string_opt::<i32>());
        let detail = details
            .filter(|details| details.is_valid(row))
            .map_or("{}", |details| details.value(row));
        SessionEvent::from_columns(kind, detail).map_err(|error| {
            RecordingError::damaged(
                &self.path,
                format!("session event {kind:?} with detail {detail:?}: {error}"),
            )
        })
    }
}

//! Reads one segment: decodes a row group column by column and yields its events in `seq` order.
//!
//! Memory: the bytes of a row group (some 5 MB when full) and its decoded columns (at most 90 MB).
//! Columns that do not change within any instrument are dropped.
//!
//! Filters are applied to the statistics of the row group first, then to its key columns. The other
//! columns are decoded only for the selected rows.

use std::ops::Range;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use arrow_array::cast::AsArray as _;
use arrow_array::types::{Int32Type, Int64Type, TimestampNanosecondType};
use arrow_array::{Array, ArrayRef};
use parquet::arrow::ProjectionMask;
use parquet::arrow::arrow_reader::{
    ArrowReaderMetadata, ArrowReaderOptions, ParquetRecordBatchReaderBuilder, RowSelection,
};
use parquet::file::metadata::ParquetMetaData;
use parquet::file::statistics::Statistics;
use tickdeck_core::event::{Event, EventKind, RawTick, Seq, SessionEvent, TICK_KIND, Text};
use tickdeck_core::time::UnixNanos;

use super::error::RecordingError;
use super::filter::EventFilter;
use super::format_version::FormatVersion;
use super::group_bytes::GroupBytes;
use super::schema::{ROW_GROUP_HASHES, ROW_GROUP_ROWS, arrow_schema, instrument_column};
use super::storage::{ParquetFile, ReadFile, Storage};
use super::tick_arrays::{Common, Run, TextArray, TickArrays, primitive, wrong_type};

type Result<T> = std::result::Result<T, RecordingError>;

/// A row group of a foreign writer may not be larger than this.
const MAX_ROW_GROUP_ROWS: usize = 8 * ROW_GROUP_ROWS;

/// An open segment.
#[derive(Debug)]
pub(super) struct SegmentReader {
    path: PathBuf,
    file: Arc<dyn ReadFile>,
    metadata: ArrowReaderMetadata,
    /// BLAKE3 of each row group, hex; none in a file of another writer.
    group_hashes: Vec<String>,
}

impl SegmentReader {
    /// Opens a segment and checks version and schema.
    pub(super) fn open(storage: &dyn Storage, path: &Path) -> Result<Self> {
        let file = storage.open(path)?;
        let footer = ParquetFile::new(Arc::clone(&file))?;
        let parquet = ArrowReaderMetadata::load(&footer, ArrowReaderOptions::new())
            .map_err(|error| RecordingError::damaged(path, error.to_string()))?;
        let parquet = parquet.metadata().clone();
        check_footer(path, &parquet)?;
        check_schema(path, &parquet)?;
        let options = ArrowReaderOptions::new().with_schema(arrow_schema());
        let metadata = ArrowReaderMetadata::try_new(parquet, options)
            .map_err(RecordingError::parquet(path, "opening"))?;
        let hashes = footer_value(metadata.metadata(), ROW_GROUP_HASHES).unwrap_or_default();
        let group_hashes: Vec<String> = match hashes {
            "" => Vec::new(),
            hashes => hashes.split(',').map(str::to_owned).collect(),
        };
        let groups = metadata.metadata().num_row_groups();
        if !group_hashes.is_empty() && group_hashes.len() != groups {
            return Err(RecordingError::damaged(
                path,
                format!(
                    "{groups} row groups, the footer has the BLAKE3 of {}",
                    group_hashes.len()
                ),
            ));
        }
        Ok(Self {
            path: path.to_owned(),
            file,
            metadata,
            group_hashes,
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

    /// Whether the row group may contain events that `filter` selects, by its statistics.
    pub(super) fn may_match(&self, group: usize, filter: &EventFilter) -> bool {
        self.recv_ts_range(group)
            .is_none_or(|range| filter.overlaps(range))
    }

    /// First and last `recv_ts` of a row group, if its statistics have them.
    pub(super) fn recv_ts_range(&self, group: usize) -> Option<(UnixNanos, UnixNanos)> {
        match self.parquet().row_group(group).column(1).statistics() {
            Some(Statistics::Int64(range)) => {
                Some((UnixNanos(*range.min_opt()?), UnixNanos(*range.max_opt()?)))
            }
            _ => None,
        }
    }

    /// Decodes the events of a row group that `filter` selects.
    pub(super) fn read_group(&self, group: usize, filter: &EventFilter) -> Result<DecodedGroup> {
        let rows = self.group_rows(group);
        if rows > MAX_ROW_GROUP_ROWS {
            return Err(RecordingError::damaged(
                &self.path,
                format!("row group {group} has {rows} rows, at most {MAX_ROW_GROUP_ROWS} are read"),
            ));
        }
        let bytes = self.read_bytes(group)?;
        let mut column = |index: usize, selection: Option<&RowSelection>| {
            self.read_column(&bytes, group, index, rows, selection)
        };
        let keys = KeyColumns::read(&self.path, &mut column)?;
        let details = column(3, None)?;
        let selected = keys.select(filter, &details);
        let selection = (selected.len() != rows)
            .then(|| RowSelection::from_consecutive_ranges(consecutive_ranges(&selected), rows));
        let keys = match &selection {
            None => keys,
            Some(_) if selected.is_empty() => return Ok(DecodedGroup::default()),
            Some(_) => keys.take(&selected),
        };
        let mut column = |index: usize| column(index, selection.as_ref());
        let mut common = vec![Common::default(); keys.instruments.values.len()];
        let ticks = TickArrays::read(&self.path, &keys.runs(), &mut common, &mut column)?;
        let details = column(3)?;
        let order = keys.order();
        Ok(DecodedGroup {
            path: self.path.clone(),
            keys,
            ticks,
            common,
            details: Some(details),
            placed: order.chunks(WINDOW_EVENTS).flat_map(placed).collect(),
            order,
            cursor: 0,
        })
    }

    /// The bytes of a row group, verified against the hash in the footer.
    fn read_bytes(&self, group: usize) -> Result<GroupBytes> {
        let damaged = |problem: String| {
            RecordingError::damaged(&self.path, format!("row group {group}: {problem}"))
        };
        let end = |group: usize| self.group_end(group).map_err(damaged);
        let start = match group.checked_sub(1) {
            None => 0,
            Some(before) => end(before)?,
        };
        let end = end(group)?;
        let file_bytes = self.file.bytes()?;
        let length = end.checked_sub(start).filter(|_| end <= file_bytes);
        let Some(length) = length.and_then(|length| usize::try_from(length).ok()) else {
            return Err(damaged(format!(
                "the footer places it at {start} to {end} of {file_bytes} bytes"
            )));
        };
        let mut bytes = vec![0; length];
        self.file.read_at(&mut bytes, start)?;
        if let Some(expected) = self.group_hashes.get(group) {
            let found = blake3::hash(&bytes).to_hex();
            if found.as_str() != expected {
                return Err(damaged(format!(
                    "BLAKE3 is {found}, the footer says {expected}"
                )));
            }
        }
        Ok(GroupBytes {
            start,
            bytes: bytes.into(),
            file_bytes,
        })
    }

    /// Where the last column chunk of a row group ends.
    fn group_end(&self, group: usize) -> std::result::Result<u64, String> {
        let columns = self.parquet().row_group(group).columns();
        let ends = columns.iter().map(|column| {
            let start = column
                .dictionary_page_offset()
                .unwrap_or(column.data_page_offset());
            let end = start.checked_add(column.compressed_size());
            end.and_then(|end| u64::try_from(end).ok())
        });
        let ends: Option<Vec<u64>> = ends.collect();
        ends.and_then(|ends| ends.into_iter().max())
            .ok_or_else(|| "the footer does not say where its columns are".into())
    }

    fn read_column(
        &self,
        bytes: &GroupBytes,
        group: usize,
        index: usize,
        rows: usize,
        selection: Option<&RowSelection>,
    ) -> Result<ArrayRef> {
        let schema = self.parquet().file_metadata().schema_descr();
        let mut builder = ParquetRecordBatchReaderBuilder::new_with_metadata(
            bytes.clone(),
            self.metadata.clone(),
        )
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
    version.check(path)
}

/// Every column of the format must have its place and type. Further columns at the end are ignored
/// (a newer minor version).
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

/// Whether `filter` selects a session event. An unreadable one is selected, so that reading it
/// reports the error.
fn wants_session(filter: &EventFilter, kind: &str, details: &ArrayRef, row: usize) -> bool {
    if filter.instruments.is_none() {
        return true;
    }
    match SessionEvent::from_columns(kind, detail(details, row)) {
        Ok(SessionEvent::Subscribed { instrument, .. }) => {
            Text::new(instrument.as_bytes()).map_or(true, |id| filter.wants_instrument(&id))
        }
        _ => true,
    }
}

/// The `detail` column of a row.
fn detail(details: &ArrayRef, row: usize) -> &str {
    let details = details.as_string_opt::<i32>();
    details
        .filter(|details| details.is_valid(row))
        .map_or("{}", |details| details.value(row))
}

/// The columns that decide which rows are wanted.
#[derive(Debug, Default)]
struct KeyColumns {
    seq: Vec<i64>,
    recv_ts: Vec<i64>,
    /// `None` for a tick, else the session event's kind.
    kinds: Vec<Option<String>>,
    kind_keys: Vec<u8>,
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
        let kind_keys = kinds.keys().values().iter();
        let kind_keys: Option<Vec<u8>> = kind_keys.map(|&key| u8::try_from(key).ok()).collect();
        let instruments = column(instrument_column(), None)?;
        Ok(Self {
            seq: seq.values().to_vec(),
            recv_ts: recv_ts.values().to_vec(),
            kinds: words
                .iter()
                .map(|word| word.filter(|word| *word != TICK_KIND).map(str::to_owned))
                .collect(),
            kind_keys: kind_keys.ok_or_else(|| {
                RecordingError::damaged(path, format!("{} kinds of events", words.len()))
            })?,
            instruments: TextArray::new(path, "instrument_id", &instruments)?,
        })
    }

    fn session_kind(&self, row: usize) -> Option<&str> {
        self.kinds[self.kind_keys[row] as usize].as_deref()
    }

    /// Rows that `filter` wants, in file order.
    fn select(&self, filter: &EventFilter, details: &ArrayRef) -> Vec<u32> {
        let wanted: Vec<bool> = self
            .instruments
            .values
            .iter()
            .map(|id| filter.wants_instrument(id))
            .collect();
        let wants = |row: usize| {
            let instrument = self.instruments.keys[row] as usize;
            filter.wants_time(UnixNanos(self.recv_ts[row]))
                && match self.session_kind(row) {
                    None => wanted[instrument],
                    Some(kind) => wants_session(filter, kind, details, row),
                }
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

    /// The ticks by instrument, in file order.
    fn runs(&self) -> Vec<Run> {
        let mut runs: Vec<Run> = Vec::new();
        let mut seen = vec![false; self.instruments.values.len()];
        for (row, &key) in self.instruments.keys.iter().enumerate() {
            if self.session_kind(row).is_some() {
                continue;
            }
            let instrument = key as usize;
            match runs.last_mut() {
                Some(run) if run.instrument == instrument && run.rows.end == row => {
                    run.rows.end += 1;
                }
                _ => runs.push(Run {
                    instrument,
                    rows: row..row + 1,
                    first: !std::mem::replace(&mut seen[instrument], true),
                }),
            }
        }
        runs
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

/// Events assembled at a time. Among that number, each of some hundred instruments has several
/// ticks, which are adjacent in the file.
const WINDOW_EVENTS: usize = 2048;

/// A row and the place of its event in the window, packed into one number that sorts by row. There
/// is one for every row in memory.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
struct Placed(u32);

/// Bits of a place.
const PLACE_BITS: u32 = WINDOW_EVENTS.trailing_zeros();

const _: () = assert!(WINDOW_EVENTS.is_power_of_two());
const _: () = assert!(MAX_ROW_GROUP_ROWS as u64 * WINDOW_EVENTS as u64 <= 1 << 32);

impl Placed {
    const fn new(row: u32, place: u32) -> Self {
        Self(row << PLACE_BITS | place)
    }

    const fn row(self) -> usize {
        (self.0 >> PLACE_BITS) as usize
    }

    const fn place(self) -> usize {
        self.0 as usize % WINDOW_EVENTS
    }
}

/// The rows of one window in the order of the file.
fn placed(rows: &[u32]) -> impl Iterator<Item = Placed> {
    let mut placed: Vec<Placed> = rows
        .iter()
        .zip(0..)
        .map(|(&row, place)| Placed::new(row, place))
        .collect();
    placed.sort_unstable();
    placed.into_iter()
}

/// The wanted events of one row group, handed out in `seq` order.
///
/// A tick is assembled when it is yielded: a copy of the values that all rows of its instrument
/// share, and the fields that change.
///
/// This is done in file order, not in `seq` order. Neighbouring rows of one instrument share that
/// copy and their cache lines in every column; rows of different instruments never do.
#[derive(Debug, Default)]
pub(super) struct DecodedGroup {
    path: PathBuf,
    keys: KeyColumns,
    ticks: TickArrays,
    /// By key of the instrument column.
    common: Vec<Common>,
    details: Option<ArrayRef>,
    /// Rows in `seq` order.
    order: Vec<u32>,
    /// The same rows by window, each window in file order.
    placed: Vec<Placed>,
    cursor: usize,
}

impl DecodedGroup {
    /// Appends up to `max` events and returns how many. It is fastest if `max` is a multiple of
    /// [`WINDOW_EVENTS`].
    pub(super) fn next_events(&mut self, batch: &mut Vec<Event>, max: usize) -> Result<usize> {
        let start = self.cursor;
        let window_end = (start / WINDOW_EVENTS + 1) * WINDOW_EVENTS;
        let end = self.order.len().min(window_end);
        let taken = max.min(end - start);
        let rows = &self.order[start..start + taken];
        let first = batch.len();
        let blank = RawTick::default();
        for &row in rows {
            let row = row as usize;
            let kind = match self.keys.session_kind(row) {
                None => EventKind::Tick(blank),
                Some(kind) => EventKind::Session(self.session_event(kind, row)?),
            };
            batch.push(Event {
                seq: Seq(self.keys.seq[row].cast_unsigned()),
                recv_ts: UnixNanos(self.keys.recv_ts[row]),
                kind,
            });
        }
        let events = &mut batch[first..];
        if start.is_multiple_of(WINDOW_EVENTS) && start + taken == end {
            self.fill(events, self.placed[start..end].iter().copied());
        } else {
            self.fill(events, placed(rows));
        }
        self.cursor += taken;
        Ok(taken)
    }

    fn fill(&self, events: &mut [Event], placed: impl Iterator<Item = Placed>) {
        for placed in placed {
            let row = placed.row();
            if let EventKind::Tick(tick) = &mut events[placed.place()].kind {
                let common = &self.common[self.keys.instruments.keys[row] as usize];
                *tick = common.tick;
                self.ticks.set_varying(row, common.varying, tick);
            }
        }
    }

    fn session_event(&self, kind: &str, row: usize) -> Result<SessionEvent> {
        let detail = self
            .details
            .as_ref()
            .map_or("{}", |details| detail(details, row));
        SessionEvent::from_columns(kind, detail).map_err(|error| {
            RecordingError::damaged(
                &self.path,
                format!("session event {kind:?} with detail {detail:?}: {error}"),
            )
        })
    }
}

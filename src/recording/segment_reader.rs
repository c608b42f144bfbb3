//! Reads one segment: decodes a row group column by column, and makes a block of its events in `seq` order.
//!
//! Memory: the bytes of a row group (some 2 MB when full) and its decoded columns (at most 25 MB). The
//! block that is made of them is smaller where fields keep their values. Columns that do not change within
//! any instrument are dropped.
//!
//! Filters are applied to the statistics of the row group first, then to its key columns. The other
//! columns are decoded only for the selected rows.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use parquet::errors::ParquetError;
use parquet::file::metadata::{ParquetMetaData, ParquetMetaDataReader};
use parquet::file::statistics::Statistics;
use parquet::schema::types::{ColumnDescriptor, SchemaDescriptor};
use tickdeck_core::block::{EventBlock, EventBlockBuilder};
use tickdeck_core::event::{InstrumentId, Seq, SessionEvent, TICK_KIND};
use tickdeck_core::source::SourceInfo;
use tickdeck_core::time::UnixNanos;

use super::bounds::MOST_GROUP_BYTES;
use super::codec;
use super::error::RecordingError;
use super::filter::EventFilter;
use super::footer_bounds;
use super::format_version::FormatVersion;
use super::group_bytes::GroupBytes;
use super::group_columns::{
    Common, GroupColumns, Run, StringArray, TextArray, TickArrays, pick, ranges_of,
};
use super::group_pages::{GroupPages, has_pages};
use super::schema::{
    CREATED_BY, DETAIL, KIND, RECV_TS, ROW_GROUP_HASHES, SEQ, column_type, instrument_column,
};
use super::storage::{ParquetFile, ReadFile, Storage, StorageError};

type Result<T> = std::result::Result<T, RecordingError>;

/// A row group of a foreign writer may not be larger than this.
const MAX_ROW_GROUP_ROWS: usize = 2_097_152;

/// The first bytes of a Parquet file.
pub(super) const PARQUET_MAGIC: [u8; 4] = *b"PAR1";

/// An open segment.
#[derive(Debug)]
pub(super) struct SegmentReader {
    path: PathBuf,
    file: Arc<dyn ReadFile>,
    metadata: ParquetMetaData,
    /// BLAKE3 of each row group, hex; none in a file of another writer.
    group_hashes: Vec<String>,
}

impl SegmentReader {
    /// Opens a segment and checks version and schema.
    pub(super) fn open(storage: &dyn Storage, path: &Path) -> Result<Self> {
        let file = storage.open(path)?;
        refuse_other_file(&*file, path)?;
        let footer = ParquetFile::new(Arc::clone(&file))?;
        let metadata = footer_bounds::check_footer(&footer)
            .and_then(|()| ParquetMetaDataReader::new().parse_and_finish(&footer))
            .map_err(|error| RecordingError::damaged(path, error.to_string()))?;
        check_footer(path, &metadata)?;
        check_schema(path, &metadata)?;
        codec::check(path, &metadata)?;
        let group_hashes = group_hashes(&metadata);
        let groups = metadata.num_row_groups();
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

    /// Number of row groups.
    pub(super) fn row_groups(&self) -> usize {
        self.metadata.num_row_groups()
    }

    /// Rows of one row group.
    pub(super) fn group_rows(&self, group: usize) -> usize {
        usize::try_from(self.metadata.row_group(group).num_rows()).unwrap_or(0)
    }

    /// The value of a footer key.
    pub(super) fn footer_value(&self, key: &str) -> Option<&str> {
        footer_value(&self.metadata, key)
    }

    /// The session that it says it is of.
    pub(super) fn session(&self) -> &str {
        self.footer_value("tickdeck.session").unwrap_or_default()
    }

    /// Where it says its events came from.
    pub(super) fn source(&self) -> SourceInfo {
        let value = |key: &str| self.footer_value(key).unwrap_or_default().to_owned();
        SourceInfo {
            kind: value("tickdeck.source"),
            payload_source: value("tickdeck.payload_source"),
            api_version: value("tickdeck.api_version"),
            struct_layout: value("tickdeck.struct_layout"),
            recv_ts: value("tickdeck.recv_ts"),
            ..SourceInfo::default()
        }
    }

    /// First and last `seq`, if the statistics have them and they agree with the number of rows. No hash
    /// protects a footer.
    pub(super) fn seq_range(&self) -> Option<(u64, u64)> {
        let mut range = None;
        let mut rows = 0_u64;
        for group in self.metadata.row_groups() {
            let Some(Statistics::Int64(seq)) = group.column(SEQ).statistics() else {
                return None;
            };
            let first = u64::try_from(*seq.min_opt()?).ok()?;
            let last = u64::try_from(*seq.max_opt()?).ok()?;
            let (start, end) = range.unwrap_or((first, last));
            range = Some((first.min(start), last.max(end)));
            rows = rows.checked_add(u64::try_from(group.num_rows()).ok()?)?;
        }
        range.filter(|(first, last)| last.checked_sub(*first) == rows.checked_sub(1))
    }

    /// Whether the row group may contain events that `filter` selects, by its statistics.
    pub(super) fn may_match(&self, group: usize, filter: &EventFilter) -> bool {
        self.recv_ts_range(group)
            .is_none_or(|range| filter.overlaps(range))
    }

    /// First and last `recv_ts` of a row group, if its statistics have them.
    pub(super) fn recv_ts_range(&self, group: usize) -> Option<(UnixNanos, UnixNanos)> {
        match self.metadata.row_group(group).column(RECV_TS).statistics() {
            Some(Statistics::Int64(range)) => {
                Some((UnixNanos(*range.min_opt()?), UnixNanos(*range.max_opt()?)))
            }
            _ => None,
        }
    }

    /// Decodes the events of a row group that `filter` selects.
    pub(super) fn read_group(&self, group: usize, filter: &EventFilter) -> Result<EventBlock> {
        let rows = self.group_rows(group);
        if rows > MAX_ROW_GROUP_ROWS {
            return Err(RecordingError::damaged(
                &self.path,
                format!("row group {group} has {rows} rows, at most {MAX_ROW_GROUP_ROWS} are read"),
            ));
        }
        let metadata = self.metadata.row_group(group);
        let is_partial = filter.instruments.is_some() && self.file.is_remote();
        if is_partial && has_pages(metadata) {
            return self.read_pages(group, filter);
        }
        let bytes = self.read_bytes(group)?;
        let columns = GroupColumns::new(&self.path, group, metadata, bytes.into(), rows);
        self.decode(columns, None, filter)
    }

    /// The same by those pages alone that hold wanted instruments and session events.
    fn read_pages(&self, group: usize, filter: &EventFilter) -> Result<EventBlock> {
        let metadata = self.metadata.row_group(group);
        let rows = self.group_rows(group);
        let pages = GroupPages {
            file: &*self.file,
            metadata,
            rows,
        };
        let damaged = |error: ParquetError| self.unreadable(group, error);
        let locations = pages.locations().map_err(damaged)?;
        let keys = [KIND, instrument_column()];
        let of_keys = pages.columns(&keys).map_err(damaged)?;
        let bytes = of_keys.clone().into();
        let columns = GroupColumns::new(&self.path, group, metadata, bytes, rows);
        let candidates = candidates(columns, filter)?;
        if candidates.is_empty() {
            return Ok(EventBlock::default());
        }
        let wanted = ranges_of(&candidates);
        let others = pages.pages(&locations, &keys, &wanted).map_err(damaged)?;
        let bytes = others.with(of_keys).into();
        let columns = GroupColumns::new(&self.path, group, metadata, bytes, rows);
        let columns = columns.of_pages(&locations, wanted);
        self.decode(columns, Some(&candidates), filter)
    }

    /// The error for a row group whose pages cannot be read.
    fn unreadable(&self, group: usize, error: ParquetError) -> RecordingError {
        match error {
            ParquetError::External(source) => match source.downcast::<StorageError>() {
                Ok(error) => (*error).into(),
                Err(source) => RecordingError::damaged(&self.path, source.to_string()),
            },
            error => RecordingError::damaged(&self.path, format!("row group {group}: {error}")),
        }
    }

    /// Decodes what `filter` selects, of all rows or of `among`, which ascend.
    fn decode(
        &self,
        columns: GroupColumns<'_>,
        among: Option<&[u32]>,
        filter: &EventFilter,
    ) -> Result<EventBlock> {
        let mut columns = columns;
        let keys = KeyColumns::read(&self.path, &mut columns)?;
        let details = columns.strings(DETAIL)?;
        let selected = keys.select(filter, &details);
        if selected.is_empty() {
            return Ok(EventBlock::default());
        }
        let rows = among.map(|rows| pick(rows, &selected));
        let (keys, details) = if selected.len() == keys.seq.len() {
            (keys, details)
        } else {
            columns.select(rows.as_deref().unwrap_or(&selected));
            (keys.take(&selected), details.take(&selected))
        };
        let mut common = Common::new(keys.instruments.values.len());
        let ticks = TickArrays::read(&mut columns, &keys.runs(), &mut common)?;
        let packing = Packing {
            path: &self.path,
            keys,
            ticks,
            common,
            details,
        };
        packing.block()
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
        let length = length.and_then(|length| usize::try_from(length).ok());
        if let Some(length @ MOST_GROUP_BYTES..) = length {
            return Err(damaged(format!(
                "{length} bytes, less than {MOST_GROUP_BYTES} are read"
            )));
        }
        let Some(length) = length else {
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
        Ok(GroupBytes::whole(start, bytes.into(), file_bytes))
    }

    /// Where the last column chunk of a row group ends.
    fn group_end(&self, group: usize) -> std::result::Result<u64, String> {
        let columns = self.metadata.row_group(group).columns();
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
}

/// The rows of wanted instruments and of session events, ascending.
fn candidates(mut columns: GroupColumns<'_>, filter: &EventFilter) -> Result<Vec<u32>> {
    let (words, kinds) = columns.strings(KIND)?.into_parts();
    let instruments = columns.texts::<81>(instrument_column())?;
    let is_tick: Vec<bool> = words.iter().map(|word| word == TICK_KIND).collect();
    let ids = instruments.values.iter();
    let wanted: Vec<bool> = ids.map(|id| filter.wants_instrument(id)).collect();
    let rows = (0_u32..).zip(kinds.iter().zip(&instruments.keys));
    let is_candidate = |kind: u32, instrument: u32| {
        let is_tick = is_tick.get(kind as usize).copied().unwrap_or(false);
        !is_tick || wanted.get(instrument as usize).copied().unwrap_or(true)
    };
    Ok(rows
        .filter_map(|(row, (kind, instrument))| is_candidate(*kind, *instrument).then_some(row))
        .collect())
}

fn footer_value<'a>(metadata: &'a ParquetMetaData, key: &str) -> Option<&'a str> {
    let pairs = metadata.file_metadata().key_value_metadata()?;
    let pair = pairs.iter().find(|pair| pair.key == key)?;
    pair.value.as_deref()
}

/// The BLAKE3 of each row group; none where another tool wrote the file, even if it kept our keys.
fn group_hashes(metadata: &ParquetMetaData) -> Vec<String> {
    let hashes = footer_value(metadata, ROW_GROUP_HASHES).unwrap_or_default();
    let is_ours = metadata.file_metadata().created_by() == Some(CREATED_BY);
    match hashes {
        "" => Vec::new(),
        _ if !is_ours => Vec::new(),
        hashes => hashes.split(',').map(str::to_owned).collect(),
    }
}

/// A file that neither begins like Parquet nor is named like it is another file, not a damaged one.
fn refuse_other_file(file: &dyn ReadFile, path: &Path) -> Result<()> {
    if path.extension().is_some_and(|it| it == "parquet") {
        return Ok(());
    }
    let mut magic = [0; PARQUET_MAGIC.len()];
    if file.bytes()? >= magic.len() as u64 {
        file.read_at(&mut magic, 0)?;
    }
    if magic == PARQUET_MAGIC {
        return Ok(());
    }
    Err(RecordingError::NotARecording {
        path: path.to_owned(),
        reason: "it is not a Parquet file".into(),
    })
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
    let expected = SchemaDescriptor::new(expected);
    let found = metadata.file_metadata().schema_descr();
    for (index, column) in expected.columns().iter().enumerate() {
        let ours = describe(column);
        let theirs = (index < found.num_columns()).then(|| found.column(index));
        let theirs = theirs
            .filter(|theirs| theirs.path() == column.path())
            .map(|theirs| describe(&theirs));
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

/// Whether rows may be without a value, and the type.
fn describe(column: &ColumnDescriptor) -> String {
    let repetition = column.self_type().get_basic_info().repetition();
    format!("{repetition} {}", column_type(column))
}

/// Whether `filter` selects a session event. An unreadable one is selected, so that reading it
/// reports the error.
fn wants_session(filter: &EventFilter, kind: &str, details: &StringArray, row: usize) -> bool {
    if filter.instruments.is_none() {
        return true;
    }
    SessionEvent::from_columns(kind, detail(details, row))
        .map_or(true, |session| filter.wants_session(&session))
}

/// The `detail` column of a row.
fn detail(details: &StringArray, row: usize) -> &str {
    details.get(row).unwrap_or("{}")
}

/// A key among at most 255 kinds.
#[expect(
    clippy::cast_possible_truncation,
    reason = "keys are below the number of kinds"
)]
const fn kind_key(key: u32) -> u8 {
    key as u8
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
    fn read(path: &Path, columns: &mut GroupColumns<'_>) -> Result<Self> {
        let seq = columns.numbers(SEQ)?;
        let recv_ts = columns.numbers(RECV_TS)?;
        let (words, kind_keys) = columns.strings(KIND)?.into_parts();
        if words.len() > usize::from(u8::MAX) {
            let problem = format!("{} kinds of events", words.len());
            return Err(RecordingError::damaged(path, problem));
        }
        let kinds = words
            .into_iter()
            .map(|word| (word != TICK_KIND).then_some(word));
        Ok(Self {
            seq,
            recv_ts,
            kinds: kinds.collect(),
            kind_keys: kind_keys.iter().map(|&key| kind_key(key)).collect(),
            instruments: columns.texts(instrument_column())?,
        })
    }

    fn session_kind(&self, row: usize) -> Option<&str> {
        self.kinds[self.kind_keys[row] as usize].as_deref()
    }

    /// Rows that `filter` wants, in file order.
    fn select(&self, filter: &EventFilter, details: &StringArray) -> Vec<u32> {
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

/// The rows of a row group as one block. In files of tickdeck the tick of an instrument before is in the
/// row before.
struct Packing<'a> {
    path: &'a Path,
    keys: KeyColumns,
    ticks: TickArrays,
    common: Common,
    details: StringArray,
}

impl Packing<'_> {
    fn block(mut self) -> Result<EventBlock> {
        let order = self.keys.order();
        let mut changed = self.ticks.changes(order.len());
        let numbers = distinct_numbers(&self.keys.instruments.values);
        let mut last = vec![u32::MAX; numbers.len()];
        let mut places = vec![0; order.len()];
        let ticks = std::mem::take(&mut self.common.ticks);
        let mut block = EventBlockBuilder::new(ticks, order.len());
        for row_number in order {
            let row = row_number as usize;
            let seq = Seq(self.keys.seq[row].cast_unsigned());
            let recv_ts = UnixNanos(self.keys.recv_ts[row]);
            if let Some(kind) = self.keys.session_kind(row) {
                block.session(seq, recv_ts, self.session_event(kind, row)?);
                continue;
            }
            let instruments = &self.keys.instruments.keys;
            let instrument = instruments[row];
            let number = numbers[instrument as usize] as usize;
            let before = std::mem::replace(&mut last[number], row_number);
            let before = before as usize;
            let is_change = instruments.get(before) == Some(&instrument);
            if !is_change {
                changed[row] = self.common.varying[instrument as usize];
            } else if before + 1 != row {
                changed[row] = self.ticks.differences(before, row);
            }
            places[row] = block.tick(seq, recv_ts, instrument, changed[row], !is_change);
        }
        // In the order of the file, so that every column is read from one end to the other.
        let words = block.words();
        for (row, (fields, place)) in changed.into_iter().zip(places).enumerate() {
            if self.keys.session_kind(row).is_none() {
                self.ticks.write(row, fields, &mut words[place..]);
            }
        }
        Ok(block.finish())
    }

    fn session_event(&self, kind: &str, row: usize) -> Result<SessionEvent> {
        let detail = detail(&self.details, row);
        SessionEvent::from_columns(kind, detail).map_err(|error| {
            RecordingError::damaged(
                self.path,
                format!("session event {kind:?} with detail {detail:?}: {error}"),
            )
        })
    }
}

/// A number for each value, the same one for equal values. Other writers may repeat a value; those of
/// tickdeck ascend.
fn distinct_numbers(values: &[InstrumentId]) -> Vec<u32> {
    if values.is_sorted_by(|a, b| a < b) {
        return (0..).take(values.len()).collect();
    }
    let mut numbers = BTreeMap::new();
    let values = (0..).zip(values);
    let number = |(number, value)| *numbers.entry(value).or_insert(number);
    values.map(number).collect()
}

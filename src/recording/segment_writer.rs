//! Writes one segment: fills a row group, sorts it by instrument, encodes it column by column.
//!
//! Memory: one row group of columns (about 25 MB when full) and the pages of one column.

use std::io::{BufWriter, Write};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use parquet::data_type::{ByteArray, ByteArrayType, DoubleType, Int32Type, Int64Type};
use parquet::file::metadata::KeyValue;
use parquet::file::writer::{
    SerializedColumnWriter, SerializedFileWriter, SerializedRowGroupWriter,
};
use tickdeck_core::event::{Event, TICK_KIND};
use tickdeck_core::time::UnixNanos;
use tickdeck_ffi::for_each_tick_field;

use super::columns::{RowGroupBuffer, TextColumn};
use super::error::RecordingError;
use super::names::partial_file;
use super::owner::Owner;
use super::schema::{ROW_GROUP_HASHES, ROW_GROUP_ROWS, parquet_schema, writer_properties};
use super::storage::{Storage, StorageError, WriteFile};

type Result<T> = std::result::Result<T, RecordingError>;
type ParquetResult<T> = parquet::errors::Result<T>;

/// Summary of a finished segment.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SegmentInfo {
    /// Events.
    pub rows: u64,
    /// Events that are ticks.
    pub ticks: u64,
    /// `seq` of the first event.
    pub first_seq: u64,
    /// `seq` of the last event.
    pub last_seq: u64,
    /// Smallest `recv_ts`.
    pub start: UnixNanos,
    /// Largest `recv_ts`.
    pub end: UnixNanos,
    /// Size of the file.
    pub bytes: u64,
    /// BLAKE3 of the file, hex.
    pub blake3: String,
}

/// Hashes bytes as they are written, so that the digests need no second pass over the file.
struct HashingFile {
    file: BufWriter<Box<dyn WriteFile>>,
    hasher: blake3::Hasher,
    /// Of the bytes since the last row group.
    group: blake3::Hasher,
    /// Hex, one per finished row group.
    groups: Vec<String>,
    bytes: u64,
}

impl HashingFile {
    /// Ends the hash of the current row group.
    fn end_group(&mut self) {
        self.groups.push(self.group.finalize().to_hex().to_string());
        self.group.reset();
    }
}

impl Write for HashingFile {
    fn write(&mut self, buffer: &[u8]) -> std::io::Result<usize> {
        let written = self.file.write(buffer)?;
        self.hasher.update(&buffer[..written]);
        self.group.update(&buffer[..written]);
        self.bytes += written as u64;
        Ok(written)
    }

    fn flush(&mut self) -> std::io::Result<()> {
        self.file.flush()
    }
}

/// The temporary file of a segment; removed on drop unless it was sealed.
struct Temporary {
    storage: Arc<dyn Storage>,
    owner: Arc<Owner>,
    path: PathBuf,
    sealed: bool,
}

impl Drop for Temporary {
    fn drop(&mut self) {
        // In a folder that was replaced, a file of that name belongs to another writer.
        if !self.sealed && self.owner.is_in_place() {
            // The error that abandoned the segment is already on its way to the user.
            let _ = self.storage.remove(&self.path);
        }
    }
}

/// A segment being written under a temporary name.
pub(super) struct SegmentWriter {
    temporary: Temporary,
    target: PathBuf,
    parquet: SerializedFileWriter<HashingFile>,
    buffer: RowGroupBuffer,
    row_group_rows: usize,
    info: SegmentInfo,
}

impl SegmentWriter {
    /// Starts a segment that will be `target`. Until [`finish`](Self::finish) it has a hidden name.
    pub(super) fn create(
        storage: Arc<dyn Storage>,
        owner: Arc<Owner>,
        target: &Path,
        metadata: Vec<KeyValue>,
        mut buffer: RowGroupBuffer,
        row_group_rows: usize,
    ) -> Result<Self> {
        let name = target.file_name().unwrap_or_default().to_string_lossy();
        let temporary = target.with_file_name(partial_file(&name));
        let file = storage.create(&temporary)?;
        let temporary = Temporary {
            storage,
            owner,
            path: temporary,
            sealed: false,
        };
        let sink = HashingFile {
            file: BufWriter::with_capacity(1 << 20, file),
            hasher: blake3::Hasher::new(),
            group: blake3::Hasher::new(),
            groups: Vec::new(),
            bytes: 0,
        };
        let prepare = || -> ParquetResult<_> {
            let properties = Arc::new(writer_properties(metadata)?);
            SerializedFileWriter::new(sink, parquet_schema()?, properties)
        };
        let parquet = prepare().map_err(RecordingError::parquet(&temporary.path, "starting"))?;
        buffer.clear();
        Ok(Self {
            temporary,
            target: target.to_owned(),
            parquet,
            buffer,
            row_group_rows: row_group_rows.clamp(1, ROW_GROUP_ROWS),
            info: SegmentInfo {
                rows: 0,
                ticks: 0,
                first_seq: 0,
                last_seq: 0,
                start: UnixNanos(i64::MAX),
                end: UnixNanos(i64::MIN),
                bytes: 0,
                blake3: String::new(),
            },
        })
    }

    pub(super) const fn info(&self) -> &SegmentInfo {
        &self.info
    }

    /// Bytes of the row groups that are written.
    pub(super) fn written_bytes(&self) -> u64 {
        self.parquet.inner().bytes
    }

    /// Appends the next event.
    pub(super) fn push(&mut self, event: &Event) -> Result<()> {
        let info = &mut self.info;
        if info.rows == 0 {
            info.first_seq = event.seq.0;
        }
        info.last_seq = event.seq.0;
        info.rows += 1;
        info.ticks += u64::from(event.as_tick().is_some());
        info.start = info.start.min(event.recv_ts);
        info.end = info.end.max(event.recv_ts);
        self.buffer.push(event);
        if self.buffer.len() >= self.row_group_rows {
            self.write_row_group()?;
        }
        Ok(())
    }

    fn write_row_group(&mut self) -> Result<()> {
        if self.buffer.len() == 0 {
            return Ok(());
        }
        let mut write = || -> ParquetResult<()> {
            let mut group = self.parquet.next_row_group()?;
            write_columns(&mut group, &self.buffer)?;
            group.close()?;
            // Flush all bytes of this row group through the hasher.
            self.parquet.flush()?;
            self.parquet.inner_mut().end_group();
            Ok(())
        };
        write().map_err(RecordingError::parquet(&self.temporary.path, "encoding"))?;
        self.buffer.clear();
        Ok(())
    }

    /// Writes the footer, syncs the file and renames it. Returns the row group buffer for the next
    /// segment.
    pub(super) fn finish(mut self) -> Result<(SegmentInfo, RowGroupBuffer)> {
        self.write_row_group()?;
        let groups = self.parquet.inner().groups.join(",");
        self.parquet
            .append_key_value_metadata(KeyValue::new(ROW_GROUP_HASHES.to_owned(), groups));
        let sink = self
            .parquet
            .into_inner()
            .map_err(RecordingError::parquet(&self.temporary.path, "finishing"))?;
        let HashingFile {
            file,
            hasher,
            bytes,
            ..
        } = sink;
        let flushed = file
            .into_inner()
            .map_err(std::io::IntoInnerError::into_error);
        let mut file = flushed.map_err(StorageError::at(&self.target, "sealing"))?;
        file.sync()?;
        let Temporary { storage, path, .. } = &self.temporary;
        if storage.exists(&self.target) {
            let exists = std::io::ErrorKind::AlreadyExists.into();
            return Err(StorageError::at(&self.target, "creating")(exists).into());
        }
        storage.rename(path, &self.target)?;
        self.temporary.sealed = true;
        self.info.bytes = bytes;
        self.info.blake3 = hasher.finalize().to_hex().to_string();
        Ok((self.info, self.buffer))
    }
}

pub(super) fn next_column<'a, W: Write + Send>(
    group: &'a mut SerializedRowGroupWriter<'_, W>,
) -> ParquetResult<SerializedColumnWriter<'a>> {
    group.next_column()?.ok_or_else(|| {
        parquet::errors::ParquetError::General("fewer columns in the schema than in the row".into())
    })
}

/// Text of a CTP field as Parquet text. Each byte becomes the character of the same number
/// (Latin-1), so that any bytes become valid UTF-8 and ASCII stays unchanged.
pub(super) fn text_to_utf8(bytes: &[u8]) -> String {
    bytes.iter().map(|&byte| char::from(byte)).collect()
}

struct TickOrder {
    order: Vec<u32>,
    /// Definition levels of a nullable tick column: 0 for session events, 1 for ticks.
    levels: Vec<i16>,
}

impl TickOrder {
    fn gather<T: Copy>(&self, values: &[T]) -> Vec<T> {
        self.order.iter().map(|&i| values[i as usize]).collect()
    }

    fn gather_text<const N: usize>(&self, column: &TextColumn<N>) -> Vec<ByteArray> {
        let distinct: Vec<ByteArray> = column
            .values
            .iter()
            .map(|text| ByteArray::from(text_to_utf8(text.as_bytes()).into_bytes()))
            .collect();
        self.order
            .iter()
            .map(|&i| distinct[column.keys[i as usize] as usize].clone())
            .collect()
    }
}

macro_rules! write_tick_column {
    (text, $group:expr, $order:expr, $column:expr) => {{
        let values = $order.gather_text(&$column);
        let mut column = next_column($group)?;
        column
            .typed::<ByteArrayType>()
            .write_batch(&values, Some(&$order.levels), None)?;
        column.close()?;
    }};
    (f64, $group:expr, $order:expr, $column:expr) => {
        write_tick_column!(number DoubleType, $group, $order, $column)
    };
    (i32, $group:expr, $order:expr, $column:expr) => {
        write_tick_column!(number Int32Type, $group, $order, $column)
    };
    (number $type:ident, $group:expr, $order:expr, $column:expr) => {{
        let values = $order.gather(&$column);
        let mut column = next_column($group)?;
        column
            .typed::<$type>()
            .write_batch(&values, Some(&$order.levels), None)?;
        column.close()?;
    }};
}

macro_rules! define_write_ticks {
    (() $($(#[$doc:meta])* $kind:ident $name:ident $vendor:ident $size:literal @ $offset:literal;)*) => {
        fn write_ticks<W: Write + Send>(
            group: &mut SerializedRowGroupWriter<'_, W>,
            order: &TickOrder,
            ticks: &super::columns::TickColumns,
        ) -> ParquetResult<()> {
            $(write_tick_column!($kind, group, order, ticks.$name);)*
            Ok(())
        }
    };
}

for_each_tick_field!(define_write_ticks);

fn write_columns<W: Write + Send>(
    group: &mut SerializedRowGroupWriter<'_, W>,
    buffer: &RowGroupBuffer,
) -> ParquetResult<()> {
    let sessions = &buffer.sessions;
    let mut levels = vec![0_i16; sessions.len()];
    levels.resize(buffer.len(), 1);
    let order = TickOrder {
        order: buffer.order_by_instrument(),
        levels,
    };
    write_required(
        group,
        sessions.iter().map(|s| s.seq),
        &order,
        &buffer.tick_seq,
    )?;
    write_required(
        group,
        sessions.iter().map(|s| s.recv_ts),
        &order,
        &buffer.tick_recv_ts,
    )?;
    write_kind_and_detail(group, buffer)?;
    write_ticks(group, &order, &buffer.ticks)
}

fn write_required<W: Write + Send>(
    group: &mut SerializedRowGroupWriter<'_, W>,
    sessions: impl Iterator<Item = i64>,
    order: &TickOrder,
    ticks: &[i64],
) -> ParquetResult<()> {
    let mut values: Vec<i64> = sessions.collect();
    values.extend(order.order.iter().map(|&i| ticks[i as usize]));
    let mut column = next_column(group)?;
    column
        .typed::<Int64Type>()
        .write_batch(&values, None, None)?;
    column.close()
}

fn write_kind_and_detail<W: Write + Send>(
    group: &mut SerializedRowGroupWriter<'_, W>,
    buffer: &RowGroupBuffer,
) -> ParquetResult<()> {
    let tick = ByteArray::from(TICK_KIND);
    let kinds: Vec<ByteArray> = buffer
        .sessions
        .iter()
        .map(|session| ByteArray::from(session.kind))
        .chain(std::iter::repeat_n(tick, buffer.tick_seq.len()))
        .collect();
    let mut column = next_column(group)?;
    column
        .typed::<ByteArrayType>()
        .write_batch(&kinds, None, None)?;
    column.close()?;

    let details: Vec<ByteArray> = buffer
        .sessions
        .iter()
        .map(|session| ByteArray::from(session.detail.as_str()))
        .collect();
    let mut levels = vec![1_i16; details.len()];
    levels.resize(buffer.len(), 0);
    let mut column = next_column(group)?;
    column
        .typed::<ByteArrayType>()
        .write_batch(&details, Some(&levels), None)?;
    column.close()
}

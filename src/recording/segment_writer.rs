//! Writes one segment: fills a row group, encodes it, appends its column chunks to the file.
//!
//! Memory: one row group of columns (about 25 MB when full), its column chunks (1 to 3 MB), and the
//! pages of two columns.

use std::io::{BufWriter, Write};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use parquet::file::metadata::KeyValue;
use parquet::file::writer::SerializedFileWriter;
use tickdeck_core::event::Event;

use super::columns::RowGroupBuffer;
use super::error::RecordingError;
use super::group_encoder::GroupEncoder;
use super::names::partial_file;
use super::owner::Owner;
use super::schema::{
    FIRST_GROUP_ROWS, ROW_GROUP_HASHES, ROW_GROUP_ROWS, parquet_schema, writer_properties,
};
use super::segment_info::SegmentInfo;
use super::storage::{Storage, StorageError, WriteFile};
use super::tally::Tally;

type Result<T> = std::result::Result<T, RecordingError>;
type ParquetResult<T> = parquet::errors::Result<T>;

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
    encoder: GroupEncoder,
    row_group_rows: usize,
    /// A row group ends after this many rows of the segment as well, if it is not 0.
    first_rows: u64,
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
            let encoder = GroupEncoder::new(Arc::clone(&properties))?;
            let parquet = SerializedFileWriter::new(sink, parquet_schema()?, properties)?;
            Ok((parquet, encoder))
        };
        let (parquet, encoder) =
            prepare().map_err(RecordingError::parquet(&temporary.path, "starting"))?;
        buffer.clear();
        Ok(Self {
            temporary,
            target: target.to_owned(),
            parquet,
            buffer,
            encoder,
            row_group_rows: row_group_rows.clamp(1, ROW_GROUP_ROWS),
            first_rows: 0,
            info: SegmentInfo::empty(),
        })
    }

    /// Splits the first full row group, where it has more rows than [`FIRST_GROUP_ROWS`].
    pub(super) fn split_first_group(mut self) -> Self {
        if self.row_group_rows > FIRST_GROUP_ROWS {
            self.first_rows = FIRST_GROUP_ROWS as u64;
        }
        self
    }

    pub(super) const fn info(&self) -> &SegmentInfo {
        &self.info
    }

    /// Bytes of the row groups that are written.
    pub(super) fn written_bytes(&self) -> u64 {
        self.parquet.inner().bytes
    }

    /// Appends the next event. A row group that is full is added to `tally`.
    pub(super) fn push(&mut self, event: &Event, tally: &mut Tally) -> Result<()> {
        self.info.add(event);
        self.buffer.push(event);
        let rows = self.info.rows;
        // After a first row group that is small, the others end where they would without it.
        if rows == self.first_rows || rows.is_multiple_of(self.row_group_rows as u64) {
            self.write_row_group(tally)?;
        }
        Ok(())
    }

    fn write_row_group(&mut self, tally: &mut Tally) -> Result<()> {
        if self.buffer.len() == 0 {
            return Ok(());
        }
        let mut write = || -> ParquetResult<()> {
            let chunks = self.encoder.encode(&self.buffer)?;
            let mut group = self.parquet.next_row_group()?;
            for chunk in chunks {
                chunk.append_to(&mut group)?;
            }
            group.close()?;
            // Flush all bytes of this row group through the hasher.
            self.parquet.flush()?;
            self.parquet.inner_mut().end_group();
            Ok(())
        };
        write().map_err(RecordingError::parquet(&self.temporary.path, "encoding"))?;
        tally.add_group(&self.buffer);
        self.buffer.clear();
        Ok(())
    }

    /// Writes the last row group, which is added to `tally`, and the footer. Syncs the file and renames
    /// it. Returns the row group buffer for the next segment.
    pub(super) fn finish(mut self, tally: &mut Tally) -> Result<(SegmentInfo, RowGroupBuffer)> {
        self.write_row_group(tally)?;
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

//! The compressions that this build reads.

use std::path::Path;

use parquet::basic::Compression;
use parquet::file::metadata::ParquetMetaData;

use super::error::RecordingError;

/// Whether the feature that reads other tools' compressions is on.
const ALL: bool = cfg!(feature = "codecs");

/// The name of a compression in the Parquet specification, and whether this build reads it.
const fn describe(compression: Compression) -> (&'static str, bool) {
    match compression {
        Compression::UNCOMPRESSED => ("UNCOMPRESSED", true),
        Compression::ZSTD(_) => ("ZSTD", true),
        Compression::SNAPPY => ("SNAPPY", ALL),
        Compression::GZIP(_) => ("GZIP", ALL),
        Compression::LZ4 => ("LZ4", ALL),
        Compression::LZ4_RAW => ("LZ4_RAW", ALL),
        Compression::BROTLI(_) => ("BROTLI", false),
        Compression::LZO => ("LZO", false),
    }
}

/// Refuses a file with a column that this build cannot decompress.
pub(super) fn check(path: &Path, metadata: &ParquetMetaData) -> Result<(), RecordingError> {
    for group in metadata.row_groups() {
        for column in group.columns() {
            let (codec, is_read) = describe(column.compression());
            if !is_read {
                return Err(RecordingError::UnknownCompression {
                    path: path.to_owned(),
                    codec,
                });
            }
        }
    }
    Ok(())
}

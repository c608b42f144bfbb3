//! The recording: Parquet segments, manifest, contract table.

//! The columns of a segment: names, Parquet types, encodings. The single place that knows them.
//!
//! Rows are sorted by instrument inside a row group. Clocks and counters are therefore
//! `DELTA_BINARY_PACKED`, live prices `BYTE_STREAM_SPLIT`, amounts that hardly ever repeat plain.
//! Everything that rarely changes per instrument is a dictionary.

use std::sync::Arc;

use parquet::basic::{Compression, ConvertedType, Encoding, LogicalType, ZstdLevel};
use parquet::errors::ParquetError;
use parquet::file::metadata::{KeyValue, SortingColumn};
use parquet::file::properties::{EnabledStatistics, WriterProperties, WriterVersion};
use parquet::schema::parser::parse_message_type;
use parquet::schema::types::{ColumnDescriptor, TypePtr};
use tickdeck_ffi::for_each_tick_field;

/// Rows of a full row group. Four times as many would save 11 % of the bytes and triple the memory of a
/// replay.
pub const ROW_GROUP_ROWS: usize = 65_536;

/// Rows of the first row group of a recording. A replay publishes nothing before it is decoded. These are
/// two of its windows: with several jobs, it makes the second one before it releases the first.
pub(super) const FIRST_GROUP_ROWS: usize = 4_096;

/// Footer key: the BLAKE3 of every row group, hex, joined by commas. A row group's bytes begin where
/// the one before ends (the first at the start of the file) and end with its last column chunk.
pub(super) const ROW_GROUP_HASHES: &str = "tickdeck.row_group_blake3";

/// What the footer says about the writer.
pub(super) const CREATED_BY: &str = "tickdeck";

/// Columns that every row has, before the tick columns.
pub(super) const EVENT_COLUMNS: [&str; 4] = ["seq", "recv_ts", "kind", "detail"];

/// Positions of these columns in the file.
pub(super) const SEQ: usize = 0;
pub(super) const RECV_TS: usize = 1;
pub(super) const KIND: usize = 2;
pub(super) const DETAIL: usize = 3;

/// How a tick column is typed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum ColumnKind {
    Text,
    F64,
    I32,
}

macro_rules! column_kind {
    (text) => {
        ColumnKind::Text
    };
    (f64) => {
        ColumnKind::F64
    };
    (i32) => {
        ColumnKind::I32
    };
}

macro_rules! define_tick_columns {
    (() $($(#[$doc:meta])* $kind:ident $name:ident $vendor:ident $size:literal @ $offset:literal;)*) => {
        /// Tick columns in file order, which is the order of the CTP struct (layout C).
        pub(super) const TICK_COLUMNS: &[(&str, ColumnKind)] =
            &[$((stringify!($name), column_kind!($kind))),*];
    };
}

for_each_tick_field!(define_tick_columns);

/// Position of a tick column in the file.
pub(super) const fn tick_column(index: usize) -> usize {
    EVENT_COLUMNS.len() + index
}

/// Position of the `instrument_id` column in the file.
pub(super) fn instrument_column() -> usize {
    let index = TICK_COLUMNS
        .iter()
        .position(|(name, _)| *name == "instrument_id");
    tick_column(index.unwrap_or_default())
}

/// The Parquet schema of a segment.
pub(super) fn parquet_schema() -> Result<TypePtr, ParquetError> {
    let mut message = String::from(
        "message tickdeck {\n required int64 seq;\n required int64 recv_ts (TIMESTAMP(NANOS,true));\n \
         required binary kind (STRING);\n optional binary detail (STRING);\n",
    );
    for (name, kind) in TICK_COLUMNS {
        let line = match kind {
            ColumnKind::Text => format!(" optional binary {name} (STRING);\n"),
            ColumnKind::F64 => format!(" optional double {name};\n"),
            ColumnKind::I32 => format!(" optional int32 {name};\n"),
        };
        message.push_str(&line);
    }
    message.push('}');
    parse_message_type(&message).map(Arc::new)
}

/// The type of a column, as far as it decides how values are read.
pub(super) fn column_type(column: &ColumnDescriptor) -> String {
    let physical = column.physical_type();
    let zone = |is_utc| if is_utc { "UTC" } else { "no time zone" };
    let meaning = match column.logical_type_ref() {
        // Text is checked when it is decoded, so that it need not be declared.
        Some(LogicalType::String) => return physical.to_string(),
        Some(LogicalType::Integer(integer)) if integer.is_signed && integer.bit_width >= 32 => {
            return physical.to_string();
        }
        Some(LogicalType::Integer(integer)) => {
            let sign = if integer.is_signed { "" } else { "U" };
            format!("{sign}INT_{}", integer.bit_width)
        }
        Some(LogicalType::Timestamp(time)) => {
            let zone = zone(time.is_adjusted_to_u_t_c);
            format!("TIMESTAMP({:?}, {zone})", time.unit)
        }
        Some(other) => format!("{other:?}"),
        None => match column.converted_type() {
            ConvertedType::NONE
            | ConvertedType::UTF8
            | ConvertedType::INT_32
            | ConvertedType::INT_64 => return physical.to_string(),
            other => other.to_string(),
        },
    };
    format!("{physical} {meaning}")
}

/// How the values of a column are encoded. The choices are measured (docs/recording-format.md).
pub(super) fn encoding_of(column: &str) -> Encoding {
    match column {
        // Values that keep moving by small steps.
        "seq" | "recv_ts" | "volume" => Encoding::DELTA_BINARY_PACKED,
        // Live prices: neighbours share their high bytes, but few values repeat.
        "last_price" | "open_interest" | "bid_price1" | "ask_price1" => Encoding::BYTE_STREAM_SPLIT,
        // Either the value of the row before or a new one with eight new bytes. Whole repeats are
        // what zstd finds in the plain values; splitting them into bytes hides those and costs a
        // third more.
        "turnover" | "average_price" => Encoding::PLAIN,
        // What rarely changes per instrument.
        _ => Encoding::RLE_DICTIONARY,
    }
}

/// How strongly zstd compresses.
pub(super) fn compression_level() -> Result<ZstdLevel, ParquetError> {
    ZstdLevel::try_new(3)
}

/// Writer properties of a segment whose footer carries `metadata`. Those about pages only concern
/// the column `detail`.
pub(super) fn writer_properties(metadata: Vec<KeyValue>) -> Result<WriterProperties, ParquetError> {
    let sorted_by = i32::try_from(instrument_column())
        .map_err(|_| ParquetError::General("more columns than an i32 counts".into()))?;
    let sorting = |column_idx| SortingColumn {
        column_idx,
        descending: false,
        nulls_first: true,
    };
    Ok(WriterProperties::builder()
        .set_created_by(CREATED_BY.into())
        .set_writer_version(WriterVersion::PARQUET_1_0)
        .set_compression(Compression::ZSTD(compression_level()?))
        .set_statistics_enabled(EnabledStatistics::Chunk)
        // Only chunks of several pages have one.
        .set_offset_index_disabled(false)
        .set_data_page_row_count_limit(200_000)
        .set_data_page_size_limit(4 << 20)
        .set_dictionary_page_size_limit(2 << 20)
        .set_sorting_columns(Some(vec![sorting(sorted_by), sorting(0)]))
        .set_key_value_metadata(Some(metadata))
        .build())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn columns_have_their_place() {
        let schema = parquet_schema().unwrap();
        let names: Vec<_> = schema.get_fields().iter().map(|f| f.name()).collect();
        assert_eq!(names[..4], EVENT_COLUMNS);
        assert_eq!(
            [names[SEQ], names[RECV_TS], names[KIND], names[DETAIL]],
            EVENT_COLUMNS
        );
        assert_eq!(names[instrument_column()], "instrument_id");
    }
}

//! `contracts.parquet`: the contract table in force, one row per instrument of the recording.

use std::path::Path;
use std::sync::Arc;

use arrow_array::cast::AsArray as _;
use arrow_array::types::{Float64Type, UInt32Type};
use arrow_array::{Array, ArrayRef, Float64Array, RecordBatch, StringArray, UInt32Array};
use arrow_schema::{DataType, Field, Schema};
use parquet::arrow::ArrowWriter;
use parquet::arrow::arrow_reader::ParquetRecordBatchReaderBuilder;
use parquet::file::properties::WriterProperties;
use serde::Serialize;
use serde::de::DeserializeOwned;
use tickdeck_core::contract::Contract;

use super::error::RecordingError;
use super::storage::{ParquetFile, Storage};

const COLUMNS: [(&str, DataType, bool); 8] = [
    ("instrument_id", DataType::Utf8, false),
    ("exchange", DataType::Utf8, false),
    ("product_id", DataType::Utf8, false),
    ("product_class", DataType::Utf8, false),
    ("multiplier", DataType::UInt32, true),
    ("price_tick", DataType::Float64, true),
    ("session", DataType::Utf8, false),
    ("name", DataType::Utf8, true),
];

/// The serde name of a plain enum value.
fn word<T: Serialize>(value: &T) -> String {
    match serde_json::to_value(value) {
        Ok(serde_json::Value::String(word)) => word,
        _ => String::new(),
    }
}

fn parse_word<T: DeserializeOwned>(
    path: &Path,
    column: &str,
    word: &str,
) -> Result<T, RecordingError> {
    serde_json::from_value(serde_json::Value::from(word))
        .map_err(|_| RecordingError::damaged(path, format!("column {column:?} holds {word:?}")))
}

/// The content of the file; `path` is only named in errors.
pub(super) fn encode(path: &Path, contracts: &[Contract]) -> Result<Vec<u8>, RecordingError> {
    let text = |get: &dyn Fn(&Contract) -> String| -> ArrayRef {
        Arc::new(
            contracts
                .iter()
                .map(|c| Some(get(c)))
                .collect::<StringArray>(),
        )
    };
    let arrays: Vec<ArrayRef> = vec![
        text(&|c| c.instrument_id.clone()),
        text(&|c| word(&c.exchange)),
        text(&|c| c.product_id.clone()),
        text(&|c| word(&c.product_class)),
        Arc::new(
            contracts
                .iter()
                .map(|c| c.multiplier)
                .collect::<UInt32Array>(),
        ),
        Arc::new(
            contracts
                .iter()
                .map(|c| c.price_tick)
                .collect::<Float64Array>(),
        ),
        text(&|c| word(&c.session)),
        Arc::new(
            contracts
                .iter()
                .map(|c| c.name.clone())
                .collect::<StringArray>(),
        ),
    ];
    let fields: Vec<Field> = COLUMNS
        .iter()
        .map(|(name, data_type, nullable)| Field::new(*name, data_type.clone(), *nullable))
        .collect();
    let schema = Arc::new(Schema::new(fields));
    let batch = RecordBatch::try_new(schema.clone(), arrays)
        .map_err(|error| RecordingError::parquet(path, "encoding")(error.into()))?;
    let properties = WriterProperties::builder()
        .set_created_by("tickdeck".into())
        .build();
    let write = || -> parquet::errors::Result<Vec<u8>> {
        let mut writer = ArrowWriter::try_new(Vec::new(), schema, Some(properties))?;
        writer.write(&batch)?;
        writer.into_inner()
    };
    write().map_err(RecordingError::parquet(path, "encoding"))
}

/// Reads the file at `path`.
pub(super) fn read(storage: &dyn Storage, path: &Path) -> Result<Vec<Contract>, RecordingError> {
    let file = ParquetFile::new(storage.open(path)?)?;
    let reader = ParquetRecordBatchReaderBuilder::try_new(file)
        .and_then(ParquetRecordBatchReaderBuilder::build)
        .map_err(RecordingError::parquet(path, "opening"))?;
    let mut contracts = Vec::new();
    for batch in reader {
        let batch =
            batch.map_err(|error| RecordingError::parquet(path, "decoding")(error.into()))?;
        read_batch(path, &batch, &mut contracts)?;
    }
    Ok(contracts)
}

fn read_batch(
    path: &Path,
    batch: &RecordBatch,
    contracts: &mut Vec<Contract>,
) -> Result<(), RecordingError> {
    let mut columns = Vec::with_capacity(COLUMNS.len());
    for (name, data_type, _) in &COLUMNS {
        let found = batch.column_by_name(name);
        match found {
            Some(column) if column.data_type() == data_type => columns.push(column),
            _ => {
                return Err(RecordingError::WrongSchema {
                    path: path.to_owned(),
                    column: (*name).into(),
                    expected: data_type.to_string(),
                    found: found.map_or("nothing".into(), |c| c.data_type().to_string()),
                });
            }
        }
    }
    let text = |column: usize, row: usize| columns[column].as_string::<i32>().value(row);
    for row in 0..batch.num_rows() {
        let multipliers = columns[4].as_primitive::<UInt32Type>();
        let price_ticks = columns[5].as_primitive::<Float64Type>();
        contracts.push(Contract {
            instrument_id: text(0, row).into(),
            exchange: parse_word(path, "exchange", text(1, row))?,
            product_id: text(2, row).into(),
            product_class: parse_word(path, "product_class", text(3, row))?,
            multiplier: multipliers.is_valid(row).then(|| multipliers.value(row)),
            price_tick: price_ticks.is_valid(row).then(|| price_ticks.value(row)),
            session: parse_word(path, "session", text(6, row))?,
            name: columns[7].is_valid(row).then(|| text(7, row).into()),
        });
    }
    Ok(())
}

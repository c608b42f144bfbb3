//! `contracts.parquet`: the contract table in force, one row per instrument of the recording.

use std::path::Path;
use std::sync::Arc;

use parquet::data_type::{ByteArray, ByteArrayType, DataType, DoubleType, Int32Type};
use parquet::errors::ParquetError;
use parquet::file::metadata::{KeyValue, ParquetMetaDataReader};
use parquet::file::properties::WriterProperties;
use parquet::file::writer::{SerializedFileWriter, SerializedRowGroupWriter};
use parquet::schema::parser::parse_message_type;
use parquet::schema::types::{ColumnDescPtr, SchemaDescriptor};
use serde::Serialize;
use serde::de::DeserializeOwned;
use tickdeck_core::contract::Contract;

use super::bounds::MOST_CONTRACTS_BYTES;
use super::codec;
use super::error::RecordingError;
use super::footer_bounds::check_footer;
use super::group_bytes::GroupBytes;
use super::group_columns::{GroupColumns, StringArray};
use super::schema::{CREATED_BY, column_type};
use super::storage::{ParquetFile, Storage};

/// The columns, in order.
const SCHEMA: &str = "message arrow_schema {
    required binary instrument_id (STRING);
    required binary exchange (STRING);
    required binary product_id (STRING);
    required binary product_class (STRING);
    optional int32 multiplier (INTEGER(32,false));
    optional double price_tick;
    required binary session (STRING);
    optional binary name (STRING);
}";

/// The same columns as an Arrow schema, for tools that look for one in the footer.
const ARROW_SCHEMA: &str = "//////wBAAAQAAAAAAAKAAwACgAJAAQACgAAABAAAAAAAQQACAAIAAAABAAIAAAABAAAAAgAAACYAQAAWAEAACgBAA\
     D0AAAAuAAAAGwAAABAAAAAFAAAABAAFAAQAA4ADwAEAAAACAAQAAAAFAAAAAwAAAAAAAEFDAAAAAAAAACY/v//BAAA\
     AG5hbWUAAAAA0P7//xQAAAAMAAAAAAAABQwAAAAAAAAAwP7//wcAAABzZXNzaW9uAMj///8YAAAAHAAAAAAAAQMYAA\
     AAAAAGAAgABgAGAAAAAAACAAAAAAAKAAAAcHJpY2VfdGljawAAEAAWABAADgAPAAQAAAAIABAAAAAYAAAAHAAAAAAA\
     AQIYAAAAAAAGAAgABAAGAAAAIAAAAAAAAAAKAAAAbXVsdGlwbGllcgAAeP///xQAAAAMAAAAAAAABQwAAAAAAAAAaP\
     ///w0AAABwcm9kdWN0X2NsYXNzAAAAqP///xQAAAAMAAAAAAAABQwAAAAAAAAAmP///woAAABwcm9kdWN0X2lkAADU\
     ////FAAAAAwAAAAAAAAFDAAAAAAAAADE////CAAAAGV4Y2hhbmdlAAAAABAAFAAQAAAADwAEAAAACAAQAAAAGAAAAA\
     wAAAAAAAAFEAAAAAAAAAAEAAQABAAAAA0AAABpbnN0cnVtZW50X2lkAAAA";

/// More contracts than any market has.
const MAX_ROWS: usize = 1 << 20;

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
    let write = || -> parquet::errors::Result<Vec<u8>> {
        let properties = WriterProperties::builder()
            .set_created_by(CREATED_BY.into())
            .set_key_value_metadata(Some(vec![KeyValue::new(
                "ARROW:schema".to_owned(),
                ARROW_SCHEMA.to_owned(),
            )]))
            .build();
        let schema = Arc::new(parse_message_type(SCHEMA)?);
        let mut writer = SerializedFileWriter::new(Vec::new(), schema, Arc::new(properties))?;
        if !contracts.is_empty() {
            let mut group = writer.next_row_group()?;
            write_columns(&mut group, contracts)?;
            group.close()?;
        }
        writer.into_inner()
    };
    write().map_err(RecordingError::parquet(path, "encoding"))
}

type Group<'a> = SerializedRowGroupWriter<'a, Vec<u8>>;

fn write_columns(group: &mut Group<'_>, contracts: &[Contract]) -> parquet::errors::Result<()> {
    let text = |text: &str| Some(ByteArray::from(text));
    let texts = |get: &dyn Fn(&Contract) -> Option<ByteArray>| contracts.iter().map(get).collect();
    write::<ByteArrayType>(group, texts(&|c| text(&c.instrument_id)), false)?;
    write::<ByteArrayType>(group, texts(&|c| text(&word(&c.exchange))), false)?;
    write::<ByteArrayType>(group, texts(&|c| text(&c.product_id)), false)?;
    write::<ByteArrayType>(group, texts(&|c| text(&word(&c.product_class))), false)?;
    let multipliers = contracts.iter().map(|c| c.multiplier.map(u32::cast_signed));
    write::<Int32Type>(group, multipliers.collect(), true)?;
    let price_ticks = contracts.iter().map(|c| c.price_tick);
    write::<DoubleType>(group, price_ticks.collect(), true)?;
    write::<ByteArrayType>(group, texts(&|c| text(&word(&c.session))), false)?;
    write::<ByteArrayType>(group, texts(&|c| c.name.as_deref().and_then(text)), true)
}

fn write<T: DataType>(
    group: &mut Group<'_>,
    values: Vec<Option<T::T>>,
    nullable: bool,
) -> parquet::errors::Result<()> {
    let levels: Vec<i16> = values.iter().map(|value| value.is_some().into()).collect();
    let values: Vec<T::T> = values.into_iter().flatten().collect();
    let column = group.next_column()?;
    let mut column =
        column.ok_or_else(|| ParquetError::General("more columns than in the schema".into()))?;
    let levels = nullable.then_some(&levels[..]);
    column.typed::<T>().write_batch(&values, levels, None)?;
    column.close()
}

/// Reads the file at `path`.
pub(super) fn read(storage: &dyn Storage, path: &Path) -> Result<Vec<Contract>, RecordingError> {
    let file = storage.open(path)?;
    let file_bytes = file.bytes()?;
    if file_bytes > MOST_CONTRACTS_BYTES {
        let problem = format!("{file_bytes} bytes, at most {MOST_CONTRACTS_BYTES} are read");
        return Err(RecordingError::damaged(path, problem));
    }
    let footer = ParquetFile::new(Arc::clone(&file))?;
    let metadata = check_footer(&footer)
        .and_then(|()| ParquetMetaDataReader::new().parse_and_finish(&footer))
        .map_err(|error| RecordingError::damaged(path, error.to_string()))?;
    codec::check(path, &metadata)?;
    let places = find_columns(path, metadata.file_metadata().schema_descr())?;
    let mut bytes = vec![0; usize::try_from(file_bytes).unwrap_or(usize::MAX)];
    file.read_at(&mut bytes, 0)?;
    let bytes = Arc::new(GroupBytes::whole(0, bytes.into(), file_bytes));
    let mut contracts = Vec::new();
    for (index, group) in metadata.row_groups().iter().enumerate() {
        let rows = usize::try_from(group.num_rows()).ok();
        let rows = rows.filter(|rows| *rows <= MAX_ROWS).ok_or_else(|| {
            let found = group.num_rows();
            RecordingError::damaged(path, format!("{found} rows, at most {MAX_ROWS} are read"))
        })?;
        let mut columns = GroupColumns::new(path, index, group, Arc::clone(&bytes), rows);
        read_group(path, &places, &mut columns, rows, &mut contracts)?;
    }
    Ok(contracts)
}

/// Where each column of [`SCHEMA`] is in the file. They have the same types. Which rows have a value
/// is looked at later.
fn find_columns(path: &Path, found: &SchemaDescriptor) -> Result<Vec<usize>, RecordingError> {
    let expected = parse_message_type(SCHEMA)
        .map_err(RecordingError::parquet(path, "checking the schema of"))?;
    let expected = SchemaDescriptor::new(Arc::new(expected));
    let place = |column: &ColumnDescPtr| {
        let place = found
            .columns()
            .iter()
            .position(|found| found.path() == column.path());
        let expected = column_type(column);
        let theirs = place.map(|place| column_type(&found.column(place)));
        match (place, theirs) {
            (Some(place), Some(theirs)) if theirs == expected => Ok(place),
            (_, theirs) => Err(RecordingError::WrongSchema {
                path: path.to_owned(),
                column: column.name().into(),
                expected,
                found: theirs.unwrap_or_else(|| "nothing".into()),
            }),
        }
    };
    expected.columns().iter().map(place).collect()
}

fn read_group(
    path: &Path,
    places: &[usize],
    columns: &mut GroupColumns<'_>,
    rows: usize,
    contracts: &mut Vec<Contract>,
) -> Result<(), RecordingError> {
    let &[
        id,
        exchange,
        product,
        class,
        multiplier,
        price_tick,
        session,
        name,
    ] = places
    else {
        return Ok(());
    };
    let ids = columns.strings(id)?;
    let exchanges = columns.strings(exchange)?;
    let products = columns.strings(product)?;
    let classes = columns.strings(class)?;
    let multipliers = columns.optional_numbers::<i32>(multiplier)?;
    let price_ticks = columns.optional_numbers::<f64>(price_tick)?;
    let sessions = columns.strings(session)?;
    let names = columns.strings(name)?;
    let text = |column: &StringArray, row| column.get(row).unwrap_or_default().to_owned();
    for row in 0..rows {
        contracts.push(Contract {
            instrument_id: text(&ids, row),
            exchange: parse_word(path, "exchange", &text(&exchanges, row))?,
            product_id: text(&products, row),
            product_class: parse_word(path, "product_class", &text(&classes, row))?,
            multiplier: multipliers[row].map(i32::cast_unsigned),
            price_tick: price_ticks[row],
            session: parse_word(path, "session", &text(&sessions, row))?,
            name: names.get(row).map(str::to_owned),
        });
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::storage::local;

    /// The manifests of recordings hold the digest of this file.
    #[test]
    fn the_file_is_the_same_byte_for_byte() {
        for name in ["quick", "quirks"] {
            let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../recordings");
            let path = folder.join(name).join("contracts.parquet");
            let contracts = read(&*local(), &path).unwrap();
            assert!(!contracts.is_empty());
            assert!(
                contracts
                    .iter()
                    .any(|contract| contract.multiplier.is_some())
            );
            let written = encode(&path, &contracts).unwrap();
            assert!(written == std::fs::read(&path).unwrap(), "{name}");
        }
    }

    #[test]
    fn unknown_values_stay_unknown() {
        let contract = Contract {
            instrument_id: "rb2601".into(),
            exchange: parse_word(Path::new(""), "exchange", "SHFE").unwrap(),
            product_id: "rb".into(),
            product_class: parse_word(Path::new(""), "product_class", "future").unwrap(),
            multiplier: None,
            price_tick: None,
            session: parse_word(Path::new(""), "session", "DAY").unwrap(),
            name: None,
        };
        let known = Contract {
            multiplier: Some(u32::MAX),
            price_tick: Some(0.5),
            name: Some("螺纹钢".into()),
            ..contract.clone()
        };
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("contracts.parquet");
        for contracts in [vec![], vec![contract.clone()], vec![known, contract]] {
            std::fs::write(&path, encode(&path, &contracts).unwrap()).unwrap();
            assert_eq!(read(&*local(), &path).unwrap(), contracts);
        }
    }
}

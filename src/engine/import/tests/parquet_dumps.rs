//! Parquet dumps: the same rows as in CSV, in the types that other tools write.

use std::sync::Arc;

use parquet::basic::{Compression, GzipLevel, ZstdLevel};
use parquet::data_type::{ByteArray, ByteArrayType, DoubleType, FloatType, Int32Type, Int64Type};
use parquet::file::properties::WriterProperties;
use parquet::file::writer::SerializedFileWriter;
use parquet::schema::parser::parse_message_type;

use super::*;
use crate::import::Dialect;

/// A column: its declaration, and its values. `None` is a null.
enum Column {
    I32(&'static str, Vec<Option<i32>>),
    I64(&'static str, Vec<Option<i64>>),
    F32(&'static str, Vec<Option<f32>>),
    F64(&'static str, Vec<Option<f64>>),
    Text(&'static str, Vec<Option<&'static str>>),
}

fn some<T: Copy>(values: &[T]) -> Vec<Option<T>> {
    values.iter().copied().map(Some).collect()
}

/// Levels and values of a column.
fn split<T: Clone>(values: &[Option<T>]) -> (Vec<i16>, Vec<T>) {
    let levels = values.iter().map(|value| i16::from(value.is_some()));
    (levels.collect(), values.iter().flatten().cloned().collect())
}

/// A file of those columns; the rows are written `groups` times.
fn parquet_of(columns: &[Column], compression: Compression, groups: usize) -> Vec<u8> {
    let declared = columns.iter().map(|column| match column {
        Column::I32(name, _) | Column::I64(name, _) | Column::F32(name, _) => *name,
        Column::F64(name, _) | Column::Text(name, _) => *name,
    });
    let declared: Vec<String> = declared.map(|name| format!("optional {name};")).collect();
    let schema = format!("message schema {{ {} }}", declared.join(" "));
    let schema = Arc::new(parse_message_type(&schema).unwrap());
    let properties = WriterProperties::builder()
        .set_compression(compression)
        .build();
    let mut bytes = Vec::new();
    let mut file = SerializedFileWriter::new(&mut bytes, schema, Arc::new(properties)).unwrap();
    for _ in 0..groups {
        let mut group = file.next_row_group().unwrap();
        for column in columns {
            let mut writer = group.next_column().unwrap().unwrap();
            match column {
                Column::I32(_, values) => {
                    let (levels, values) = split(values);
                    let typed = writer.typed::<Int32Type>();
                    typed.write_batch(&values, Some(&levels), None).unwrap();
                }
                Column::I64(_, values) => {
                    let (levels, values) = split(values);
                    let typed = writer.typed::<Int64Type>();
                    typed.write_batch(&values, Some(&levels), None).unwrap();
                }
                Column::F32(_, values) => {
                    let (levels, values) = split(values);
                    let typed = writer.typed::<FloatType>();
                    typed.write_batch(&values, Some(&levels), None).unwrap();
                }
                Column::F64(_, values) => {
                    let (levels, values) = split(values);
                    let typed = writer.typed::<DoubleType>();
                    typed.write_batch(&values, Some(&levels), None).unwrap();
                }
                Column::Text(_, values) => {
                    let (levels, values) = split(values);
                    let values: Vec<ByteArray> = values.into_iter().map(ByteArray::from).collect();
                    let typed = writer.typed::<ByteArrayType>();
                    typed.write_batch(&values, Some(&levels), None).unwrap();
                }
            }
            writer.close().unwrap();
        }
        group.close().unwrap();
    }
    file.close().unwrap();
    bytes
}

/// Three rows of CTP columns, with a null price and a float count, as pandas writes them.
fn ctp_columns() -> Vec<Column> {
    vec![
        Column::I64("INT64 __index_level_0__", some(&[0, 1, 2])),
        Column::I32("INT32 TradingDay (DATE)", some(&[20458, 20458, 20458])),
        Column::Text("BYTE_ARRAY InstrumentID (STRING)", some(&["rb2605"; 3])),
        Column::Text(
            "BYTE_ARRAY UpdateTime (STRING)",
            some(&["21:00:00", "21:00:00", "21:00:01"]),
        ),
        Column::I32("INT32 UpdateMillisec", some(&[0, 500, 0])),
        Column::F64("DOUBLE LastPrice", some(&[3110.0, 3111.5, f64::MAX])),
        Column::F64("DOUBLE Volume", vec![Some(7.0), None, Some(9.0)]),
        Column::F64("DOUBLE BidPrice1", vec![None, Some(-0.0), Some(f64::NAN)]),
        Column::F32("FLOAT AskPrice1", some(&[18000.4, 3112.0, 3113.0])),
    ]
}

#[test]
fn ctp_columns_read_from_parquet_as_from_csv() {
    let csv = "TradingDay,InstrumentID,UpdateTime,UpdateMillisec,LastPrice,Volume,BidPrice1,AskPrice1\n\
               20260105,rb2605,21:00:00,0,3110.0,7.0,,18000.4\n\
               20260105,rb2605,21:00:00,500,3111.5,,-0.0,3112\n\
               20260105,rb2605,21:00:01,0,1.7976931348623157e308,9,nan,3113\n";
    let (_folder, path) = file("x.csv", csv);
    let (expected, _) = import(path);
    for compression in [
        Compression::UNCOMPRESSED,
        Compression::SNAPPY,
        Compression::GZIP(GzipLevel::default()),
        Compression::LZ4_RAW,
        Compression::ZSTD(ZstdLevel::default()),
    ] {
        let (_folder, path) = file("x", parquet_of(&ctp_columns(), compression, 1));
        let (events, report) = import(path);
        assert_eq!(report.dialects(), [Dialect::CtpCsv], "{compression}");
        assert_eq!(report.bytes_read, report.bytes_total);
        assert_eq!(events.len(), expected.len());
        for (event, expected) in events.iter().zip(&expected) {
            assert_eq!(event.recv_ts, expected.recv_ts, "{compression}");
            // Bit for bit: NaN is not equal to itself.
            assert_eq!(
                format!("{event:?}"),
                format!("{expected:?}"),
                "{compression}"
            );
        }
    }
}

#[test]
fn many_row_groups_are_read_in_their_order() {
    let columns = ctp_columns();
    let (_folder, path) = file("x.parquet", parquet_of(&columns, Compression::SNAPPY, 700));
    let (events, report) = import(path);
    assert_eq!((report.rows(), events.len()), (2100, 2100));
    let prices = ticks(&events)
        .iter()
        .map(|tick| tick.last_price)
        .collect::<Vec<_>>();
    for three in prices.chunks(3) {
        assert_eq!(three, [3110.0, 3111.5, f64::MAX]);
    }
    let (_folder, path) = file("x.parquet", parquet_of(&columns, Compression::SNAPPY, 0));
    let (events, _) = import(path);
    assert!(events.is_empty());
}

/// One row of vn.py's columns, with that type of time.
fn vnpy_columns(datetime: &'static str, at: i64) -> Vec<Column> {
    vec![
        Column::Text("BYTE_ARRAY symbol (STRING)", some(&["rb2605"])),
        Column::Text("BYTE_ARRAY exchange (STRING)", some(&["SHFE"])),
        Column::I64(datetime, some(&[at])),
        Column::F64("DOUBLE volume", some(&[12.0])),
        Column::F64("DOUBLE last_price", some(&[3110.0])),
        Column::I64("INT64 localtime (TIMESTAMP(MICROS,true))", vec![None]),
    ]
}

#[test]
fn times_are_read_by_their_type() {
    // 21:00:00.5 in Shanghai: as an instant, and as a wall clock of no zone.
    let (utc, wall) = (1_767_618_000_500, 1_767_646_800_500);
    for (datetime, at) in [
        ("INT64 datetime (TIMESTAMP(MILLIS,true))", utc),
        ("INT64 datetime (TIMESTAMP(MICROS,true))", utc * 1000),
        ("INT64 datetime (TIMESTAMP(NANOS,true))", utc * 1_000_000),
        ("INT64 datetime (TIMESTAMP(NANOS,false))", wall * 1_000_000),
        ("INT64 datetime (TIMESTAMP_MILLIS)", utc),
    ] {
        let columns = vnpy_columns(datetime, at);
        let (_folder, path) = file("x.parquet", parquet_of(&columns, Compression::SNAPPY, 1));
        let (events, report) = import(path);
        assert_eq!(report.dialects(), [Dialect::Vnpy]);
        assert_eq!(recv(&events[0]), "20260105 21:00:00.500", "{datetime}");
        assert_eq!(ticks(&events)[0].volume, 12);
    }
}

#[test]
fn what_parquet_cannot_give_is_explained() {
    let error = |bytes: &[u8], options: ImportOptions| {
        let (folder, path) = file("x.parquet", bytes);
        let error = import_with(&[path], options).unwrap_err().to_string();
        let error = error.replace(&format!("{}/", folder.path().display()), "");
        error.split("; say what").next().unwrap().to_owned()
    };
    let none = ImportOptions::default;
    let plain = parquet_of(&ctp_columns(), Compression::UNCOMPRESSED, 1);
    insta::assert_snapshot!(error(&plain[..plain.len() - 8], none()), @"x.parquet: incomplete Parquet file: Parquet error: Invalid Parquet file. Corrupt footer; download or write it again");
    let mut columns = ctp_columns();
    columns.push(Column::I64("INT64 mood (DECIMAL(10,2))", some(&[1, 2, 3])));
    let mood = parquet_of(&columns, Compression::UNCOMPRESSED, 1);
    insta::assert_snapshot!(error(&mood, none()), @r#"x.parquet: no dialect fits its first line "__index_level_0__,TradingDay,InstrumentID,UpdateTime,UpdateMillisec,LastPrice,Volume,BidPrice1,AskPrice1,mood" (nearest is ctp-csv: unknown column "mood")"#);
    let mapped = ImportOptions {
        map: vec!["mood=Turnover".parse().unwrap()],
        ..none()
    };
    insta::assert_snapshot!(error(&mood, mapped), @"x.parquet: column mood: a decimal, which import does not read; write it as a plain column");
    let bad = vec![
        Column::Text("BYTE_ARRAY InstrumentID (STRING)", some(&["rb2605"])),
        Column::Text("BYTE_ARRAY TradingDay (STRING)", some(&["20260105"])),
        Column::Text("BYTE_ARRAY UpdateTime (STRING)", some(&["09:00:00"])),
        Column::Text("BYTE_ARRAY LastPrice (STRING)", some(&["dear"])),
    ];
    insta::assert_snapshot!(error(&parquet_of(&bad, Compression::SNAPPY, 1), none()), @r#"x.parquet: row 1, column LastPrice: found "dear", expected a number"#);
    let brotli = std::fs::read(fixture("../dumps/brotli.parquet")).unwrap();
    insta::assert_snapshot!(error(&brotli, none()), @"x.parquet is Parquet compressed with brotli, which import does not read; write it with snappy, gzip, lz4 or zstd");
    let segment = vec![
        Column::I64("INT64 seq", some(&[0])),
        Column::I64("INT64 recv_ts", some(&[0])),
        Column::Text("BYTE_ARRAY kind (STRING)", some(&["tick"])),
        Column::Text("BYTE_ARRAY detail (STRING)", vec![None]),
    ];
    insta::assert_snapshot!(error(&parquet_of(&segment, Compression::SNAPPY, 1), none()), @"x.parquet is a segment of a tickdeck recording, which import does not read; replay, slice, merge and export read it as it is");
}

#[test]
fn damaged_parquet_is_an_error_and_no_panic() {
    let whole = parquet_of(&ctp_columns(), Compression::SNAPPY, 2);
    let (_folder, path) = file("x.parquet", &whole);
    for at in (0..whole.len()).step_by(7) {
        for mask in [0x01, 0x80] {
            let mut bytes = whole.clone();
            bytes[at] ^= mask;
            std::fs::write(&path, bytes).unwrap();
            // Either is fine: a flipped bit may be in a value.
            drop(import_with(
                std::slice::from_ref(&path),
                ImportOptions::default(),
            ));
        }
    }
}

#[test]
fn days_and_times_of_pandas_read_as_ctp_prints_them() {
    // `datetime64` at midnight without a zone, and times of day in microseconds.
    let day = 20_458 * 86_400_000_000_000_i64;
    let nine = 9 * 3_600_000_000_i64;
    let nanos = "INT64 TradingDay (TIMESTAMP(NANOS,false))";
    for (millisec, times) in [(true, [nine, nine]), (false, [nine, nine + 500_000])] {
        let mut columns = vec![
            Column::I64(nanos, some(&[day, day])),
            Column::Text("BYTE_ARRAY InstrumentID (STRING)", some(&["rb2605"; 2])),
            Column::I64("INT64 UpdateTime (TIME(MICROS,false))", some(&times)),
            Column::F64("DOUBLE LastPrice", some(&[3110.0, 3111.0])),
        ];
        if millisec {
            columns.push(Column::I32("INT32 UpdateMillisec", some(&[0, 500])));
        }
        let bytes = parquet_of(&columns, Compression::SNAPPY, 1);
        let (_folder, path) = file("x.parquet", bytes);
        let (events, _) = import(path);
        assert_eq!(recv(&events[0]), "20260105 09:00:00.000");
        assert_eq!(recv(&events[1]), "20260105 09:00:00.500");
        let ticks = ticks(&events);
        assert_eq!(ticks[1].trading_day.as_bytes(), b"20260105");
        assert_eq!(ticks[1].update_time.as_bytes(), b"09:00:00");
        assert_eq!(ticks[1].update_millisec, 500);
    }
}

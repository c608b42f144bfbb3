//! Segments that another tool wrote: other compression, pages, row groups and encodings, and footer
//! keys that it copied.

use std::path::Path;
use std::sync::Arc;

use parquet::basic::{Compression, GzipLevel, Type, ZstdLevel};
use parquet::column::page::PageReader;
use parquet::column::reader::ColumnReaderImpl;
use parquet::data_type::{ByteArrayType, DataType, DoubleType, Int32Type, Int64Type};
use parquet::file::metadata::{ParquetMetaDataReader, ParquetMetaDataWriter};
use parquet::file::properties::{WriterProperties, WriterPropertiesBuilder, WriterVersion};
use parquet::file::reader::{FileReader as _, SerializedFileReader};
use parquet::file::writer::{SerializedFileWriter, SerializedRowGroupWriter};
use parquet::schema::types::ColumnDescPtr;
use tickdeck_core::event::{Event, EventKind, Seq, SessionEvent};
use tickdeck_core::time::UnixNanos;

use crate::tests::{options, read_all, some_ticks};
use crate::*;

/// Ticks, and session events with every kind of detail.
fn events() -> Vec<Event> {
    let mut events = some_ticks(300);
    for (seq, kind) in [
        (0, SessionEvent::FrontConnected {}),
        (
            120,
            SessionEvent::Note {
                text: "夜盘".into(),
            },
        ),
        (121, SessionEvent::FrontDisconnected { reason: 4097 }),
    ] {
        events[seq].kind = EventKind::Session(kind);
    }
    events
}

/// A recording of these events in `folder`; its only segment.
fn segment(folder: &Path, events: &[Event]) -> Vec<u8> {
    let path = folder.join("rec");
    let rolling = Rolling {
        row_group_rows: 100,
        ..Rolling::default()
    };
    let mut writer = RecordingWriter::create(&path, options(rolling)).unwrap();
    writer.write(events).unwrap();
    writer.finish().unwrap();
    std::fs::read(path.join("part-00000.parquet")).unwrap()
}

/// Reads every column and writes it with other properties and the same footer keys.
fn rewrite(segment: &[u8], properties: WriterPropertiesBuilder) -> Vec<u8> {
    rewrite_rows(segment, properties, &|_| {})
}

/// Sorts the numbers of rows.
type Sort<'a> = &'a dyn Fn(&mut [usize]);

/// The same, with the rows of each group in the order that `sort` gives their numbers.
fn rewrite_rows(segment: &[u8], properties: WriterPropertiesBuilder, sort: Sort<'_>) -> Vec<u8> {
    let file = SerializedFileReader::new(bytes::Bytes::copy_from_slice(segment)).unwrap();
    let metadata = file.metadata().file_metadata();
    let keys = metadata.key_value_metadata().cloned();
    let properties = Arc::new(properties.set_key_value_metadata(keys).build());
    let schema = metadata.schema_descr().root_schema_ptr();
    let mut writer = SerializedFileWriter::new(Vec::new(), schema, properties).unwrap();
    for group in 0..file.num_row_groups() {
        let group = file.get_row_group(group).unwrap();
        let mut copy = writer.next_row_group().unwrap();
        let rows = usize::try_from(group.metadata().num_rows()).unwrap();
        let mut order: Vec<usize> = (0..rows).collect();
        sort(&mut order);
        for column in 0..group.num_columns() {
            let chunk = group.metadata().column(column);
            let pages = group.get_column_page_reader(column).unwrap();
            let column = chunk.column_descr_ptr();
            match column.physical_type() {
                Type::INT32 => rewrite_column::<Int32Type>(column, pages, &order, &mut copy),
                Type::INT64 => rewrite_column::<Int64Type>(column, pages, &order, &mut copy),
                Type::DOUBLE => rewrite_column::<DoubleType>(column, pages, &order, &mut copy),
                _ => rewrite_column::<ByteArrayType>(column, pages, &order, &mut copy),
            }
        }
        copy.close().unwrap();
    }
    writer.into_inner().unwrap()
}

fn rewrite_column<T: DataType>(
    column: ColumnDescPtr,
    pages: Box<dyn PageReader>,
    order: &[usize],
    copy: &mut SerializedRowGroupWriter<'_, Vec<u8>>,
) {
    let (mut levels, mut values) = (Vec::new(), Vec::new());
    ColumnReaderImpl::<T>::new(column, pages)
        .read_records(usize::MAX, Some(&mut levels), None, &mut values)
        .unwrap();
    if !levels.is_empty() {
        let mut rest = values.into_iter();
        let rows = levels
            .iter()
            .map(|level| (*level > 0).then(|| rest.next().unwrap()));
        let rows: Vec<Option<T::T>> = rows.collect();
        let rows: Vec<Option<T::T>> = order.iter().map(|&row| rows[row].clone()).collect();
        levels = rows.iter().map(|row| i16::from(row.is_some())).collect();
        values = rows.into_iter().flatten().collect();
    } else {
        values = order.iter().map(|&row| values[row].clone()).collect();
    }
    let mut column = copy.next_column().unwrap().unwrap();
    let levels = (!levels.is_empty()).then_some(&levels[..]);
    column
        .typed::<T>()
        .write_batch(&values, levels, None)
        .unwrap();
    column.close().unwrap();
}

fn open(folder: &Path, segment: &[u8]) -> Result<Recording, RecordingError> {
    let path = folder.join("other.parquet");
    std::fs::write(&path, segment).unwrap();
    Recording::open(&path)
}

#[test]
fn rows_in_any_order_and_texts_that_repeat_give_the_same_events() {
    let folder = tempfile::tempdir().unwrap();
    let events = events();
    let segment = segment(folder.path(), &events);
    let sorts: [Sort<'_>; 4] = [
        &|_| {},
        &|rows| rows.reverse(),
        &|rows| rows.rotate_left(7),
        &|rows| rows.sort_by_key(|row| row * 31 % 17),
    ];
    for sort in sorts {
        for has_dictionary in [true, false] {
            let properties = WriterProperties::builder().set_dictionary_enabled(has_dictionary);
            let rewritten = rewrite_rows(&segment, properties, sort);
            let recording = open(folder.path(), &rewritten).unwrap();
            for max in [1, 7, 1000] {
                assert!(read_all(&recording, EventFilter::default(), max) == events);
            }
        }
    }
}

#[test]
fn other_compressions_are_read_or_named() {
    let folder = tempfile::tempdir().unwrap();
    let events = events();
    let segment = segment(folder.path(), &events);
    for (compression, name, is_always_read) in [
        (Compression::UNCOMPRESSED, "", true),
        (Compression::ZSTD(ZstdLevel::default()), "", true),
        (Compression::SNAPPY, "SNAPPY", false),
        (Compression::GZIP(GzipLevel::default()), "GZIP", false),
        (Compression::LZ4_RAW, "LZ4_RAW", false),
        (Compression::LZ4, "LZ4", false),
    ] {
        let properties = WriterProperties::builder().set_compression(compression);
        let opened = open(folder.path(), &rewrite(&segment, properties));
        if is_always_read || cfg!(feature = "codecs") {
            let read = read_all(&opened.unwrap(), EventFilter::default(), 7);
            assert_eq!(read, events, "{compression}");
        } else {
            let error = opened.unwrap_err();
            let expected = format!(
                "other.parquet is compressed with {name}, which this build cannot read: write it \
                 with zstd"
            );
            assert!(error.to_string().ends_with(&expected), "{error}");
            assert!(!error.is_damage());
        }
    }
}

#[test]
fn brotli_is_named_in_every_build() {
    let folder = tempfile::tempdir().unwrap();
    let segment = segment(folder.path(), &events());
    let bytes = bytes::Bytes::from(segment.clone());
    let metadata = ParquetMetaDataReader::new()
        .parse_and_finish(&bytes)
        .unwrap();
    let mut builder = metadata.into_builder();
    for group in builder.take_row_groups() {
        let mut group = group.into_builder();
        let columns = group.take_columns().into_iter().map(|column| {
            let brotli = Compression::BROTLI(parquet::basic::BrotliLevel::default());
            column
                .into_builder()
                .set_compression(brotli)
                .build()
                .unwrap()
        });
        let group = group
            .set_column_metadata(columns.collect())
            .build()
            .unwrap();
        builder = builder.add_row_group(group);
    }
    let mut patched = segment;
    ParquetMetaDataWriter::new(&mut patched, &builder.build())
        .finish()
        .unwrap();
    let error = open(folder.path(), &patched).unwrap_err();
    assert!(
        error.to_string().contains("compressed with BROTLI"),
        "{error}"
    );
}

#[test]
fn other_pages_and_encodings_are_read() {
    let folder = tempfile::tempdir().unwrap();
    let events = events();
    let segment = segment(folder.path(), &events);
    for version in [WriterVersion::PARQUET_1_0, WriterVersion::PARQUET_2_0] {
        for dictionary in [true, false] {
            let properties = WriterProperties::builder()
                .set_writer_version(version)
                .set_dictionary_enabled(dictionary)
                .set_dictionary_page_size_limit(20)
                .set_write_batch_size(16)
                .set_data_page_row_count_limit(30);
            let copy = rewrite(&segment, properties);
            let copy = open(folder.path(), &copy).unwrap();
            assert_eq!(read_all(&copy, EventFilter::default(), 7), events);
            let filter = EventFilter {
                start: Some(UnixNanos(events[50].recv_ts.0)),
                instruments: Some(Arc::new(|id| id.as_bytes() == b"rb2601")),
                ..EventFilter::default()
            };
            let kept = |event: &Event| {
                let id = event.as_tick().map(|tick| tick.instrument_id);
                event.seq >= Seq(50) && id.is_none_or(|id| id.as_bytes() == b"rb2601")
            };
            let expected: Vec<Event> = events.iter().filter(|e| kept(e)).cloned().collect();
            assert_eq!(read_all(&copy, filter, 7), expected);
        }
    }
}

/// Tools copy the footer keys of what they rewrite. The BLAKE3 of the row groups is then stale.
#[test]
fn copied_hashes_of_row_groups_do_not_count() {
    let folder = tempfile::tempdir().unwrap();
    let events = events();
    let segment = segment(folder.path(), &events);
    let hashed = |bytes: &[u8]| {
        let bytes = bytes::Bytes::copy_from_slice(bytes);
        let metadata = ParquetMetaDataReader::new()
            .parse_and_finish(&bytes)
            .unwrap();
        let keys = metadata.file_metadata().key_value_metadata().cloned();
        let mut keys = keys.unwrap().into_iter();
        keys.any(|key| key.key == "tickdeck.row_group_blake3")
    };
    let copy = rewrite(&segment, WriterProperties::builder());
    assert!(hashed(&copy));
    let copy = open(folder.path(), &copy).unwrap();
    assert_eq!(read_all(&copy, EventFilter::default(), 7), events);
    let ours = WriterProperties::builder().set_created_by("tickdeck".into());
    let ours = rewrite(&segment, ours);
    let mut read = Vec::new();
    let error = open(folder.path(), &ours)
        .unwrap()
        .reader(EventFilter::default())
        .next_events(&mut read, 7)
        .unwrap_err();
    assert!(error.to_string().contains("BLAKE3 is "), "{error}");
}

/// pyarrow 26 rewrote `recordings/quick` with its defaults.
#[test]
fn what_pyarrow_wrote_is_read() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("../..");
    let opened = Recording::open(&root.join("fixtures/recording/pyarrow_snappy.parquet"));
    if !cfg!(feature = "codecs") {
        let error = opened.unwrap_err().to_string();
        assert!(error.contains("compressed with SNAPPY"), "{error}");
        return;
    }
    let report = verify(&opened.unwrap(), &mut |_| {});
    assert_eq!(report.findings, []);
    let original = Manifest::read(&root.join("recordings/quick")).unwrap();
    assert_eq!(report.digest, original.digest);
}

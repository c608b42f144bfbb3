//! What is encoded is read back by tickdeck's decoders and by those of the Parquet library.

use std::sync::Arc;

use bytes::Bytes;
use parquet::basic::{Compression, Encoding, ZstdLevel};
use parquet::column::reader::get_typed_column_reader;
use parquet::data_type::{ByteArray, ByteArrayType, DataType, DoubleType, Int32Type, Int64Type};
use parquet::file::metadata::ColumnChunkMetaData;
use parquet::file::properties::WriterProperties;
use parquet::file::reader::{FileReader as _, SerializedFileReader};
use parquet::file::serialized_reader::SerializedPageReader;
use parquet::file::statistics::Statistics;
use parquet::file::writer::SerializedFileWriter;
use parquet::schema::parser::parse_message_type;
use parquet::schema::types::SchemaDescriptor;
use proptest::prelude::*;

use super::delta::put_delta;
use super::hybrid::HybridWriter;
use super::numbers::Number;
use super::{Column, EncodedChunk, Encoder};
use crate::chunk::{self, Chunk, ChunkError, read_numbers, read_texts};
use crate::latin1::text_to_utf8;
use crate::packed::{Delta, Hybrid, Values};

const DICTIONARY: Encoding = Encoding::RLE_DICTIONARY;
const FLOATS: [Encoding; 3] = [DICTIONARY, Encoding::PLAIN, Encoding::BYTE_STREAM_SPLIT];
const INTEGERS: [Encoding; 4] = [
    DICTIONARY,
    Encoding::PLAIN,
    Encoding::BYTE_STREAM_SPLIT,
    Encoding::DELTA_BINARY_PACKED,
];

/// A file of one column, with some nulls first if that is a number.
struct Written {
    file: Bytes,
    metadata: ColumnChunkMetaData,
}

fn write(
    type_name: &str,
    encoding: Encoding,
    values: usize,
    nulls: Option<u32>,
    encode: impl FnOnce(&mut Encoder, &Column<'_>) -> parquet::errors::Result<EncodedChunk>,
) -> Written {
    let repetition = nulls.map_or("required", |_| "optional");
    let schema = format!("message m {{ {repetition} {type_name} c; }}");
    let schema = Arc::new(parse_message_type(&schema).unwrap());
    let column = Column {
        descr: &SchemaDescriptor::new(Arc::clone(&schema)).column(0),
        encoding,
        rows: u32::try_from(values).unwrap() + nulls.unwrap_or(0),
        nulls: nulls.unwrap_or(0),
    };
    let mut encoder = Encoder::new(ZstdLevel::default()).unwrap();
    let chunk = encode(&mut encoder, &column).unwrap();
    let properties = Arc::new(WriterProperties::default());
    let mut writer = SerializedFileWriter::new(Vec::new(), schema, properties).unwrap();
    let mut group = writer.next_row_group().unwrap();
    chunk.append_to(&mut group).unwrap();
    group.close().unwrap();
    let file = Bytes::from(writer.into_inner().unwrap());
    let reader = SerializedFileReader::new(file.clone()).unwrap();
    let metadata = reader.metadata().row_group(0).column(0).clone();
    assert_eq!(metadata.num_values(), i64::from(column.rows));
    Written { file, metadata }
}

impl Written {
    fn decode<R>(&self, read: impl FnOnce(Chunk<'_>) -> Result<R, ChunkError>) -> R {
        let rows = usize::try_from(self.metadata.num_values()).unwrap();
        let file = Arc::new(self.file.clone());
        let mut pages = SerializedPageReader::new(file, &self.metadata, rows, None).unwrap();
        let chunk = Chunk {
            pages: &mut pages,
            nullable: self.metadata.column_descr().max_def_level() > 0,
            rows,
            wanted: None,
        };
        read(chunk).unwrap()
    }

    /// The values and the number of nulls that the library's decoder finds.
    fn decode_with_library<T: DataType>(&self) -> (Vec<T::T>, usize) {
        let reader = SerializedFileReader::new(self.file.clone()).unwrap();
        let group = reader.get_row_group(0).unwrap();
        let mut column = get_typed_column_reader::<T>(group.get_column_reader(0).unwrap());
        let (mut values, mut levels) = (Vec::new(), Vec::new());
        let levels_or_none =
            (self.metadata.column_descr().max_def_level() > 0).then_some(&mut levels);
        let rows = usize::try_from(self.metadata.num_values()).unwrap();
        column
            .read_records(rows, levels_or_none, None, &mut values)
            .unwrap();
        (values, levels.iter().filter(|level| **level == 0).count())
    }
}

/// Encodes numbers and compares what both decoders find, bit by bit.
fn check_numbers<T>(type_name: &str, encoding: Encoding, values: &[T::T], nulls: Option<u32>)
where
    T: DataType,
    T::T: Number + chunk::Number,
{
    let written = write(
        type_name,
        encoding,
        values.len(),
        nulls,
        |encoder, column| encoder.numbers(column, values.iter().copied(), None),
    );
    let bits =
        |values: &[T::T]| -> Vec<u64> { values.iter().map(|value| Number::bits(*value)).collect() };
    let nulls = nulls.unwrap_or(0) as usize;
    let decoded = written.decode(|chunk| {
        let mut numbers = Vec::new();
        read_numbers(chunk, &mut numbers).map(|()| numbers)
    });
    let mut expected = vec![T::T::default(); nulls];
    expected.extend_from_slice(values);
    assert_eq!(bits(&decoded), bits(&expected), "{encoding}");
    let (decoded, found) = written.decode_with_library::<T>();
    assert_eq!((bits(&decoded), found), (bits(values), nulls), "{encoding}");
    let null_count = written.metadata.statistics().unwrap().null_count_opt();
    assert_eq!(null_count, Some(nulls as u64));
}

fn check_texts(texts: &[&str], keys: &[u32], nulls: Option<u32>) -> Written {
    let written = write(
        "binary",
        DICTIONARY,
        keys.len(),
        nulls,
        |encoder, column| encoder.texts(column, keys.iter().copied(), texts),
    );
    let nulls = nulls.unwrap_or(0) as usize;
    let expected: Vec<&[u8]> = keys
        .iter()
        .map(|key| texts[*key as usize].as_bytes())
        .collect();
    let (decoded, found) = written.decode_with_library::<ByteArrayType>();
    let decoded: Vec<&[u8]> = decoded.iter().map(ByteArray::data).collect();
    assert_eq!((decoded, found), (expected.clone(), nulls));
    let mut row_keys = Vec::new();
    let found = written.decode(|chunk| read_texts(chunk, u32::MAX, &mut row_keys));
    assert!(row_keys[..nulls].iter().all(|key| *key == u32::MAX));
    let decoded: Vec<&[u8]> = row_keys[nulls..]
        .iter()
        .map(|key| &found[*key as usize][..])
        .collect();
    assert_eq!(decoded, expected);
    written
}

/// Runs of values, some of which appear in several runs.
fn rows<V: Strategy>(value: V) -> impl Strategy<Value = Vec<V::Value>>
where
    V::Value: Clone,
{
    let distinct = proptest::collection::vec(value, 1..20);
    let runs = proptest::collection::vec((any::<prop::sample::Index>(), 1_usize..40), 0..60);
    (distinct, runs).prop_map(|(distinct, runs)| {
        let runs = runs.iter();
        runs.flat_map(|(index, times)| std::iter::repeat_n(index.get(&distinct).clone(), *times))
            .collect()
    })
}

fn nulls() -> impl Strategy<Value = Option<u32>> {
    proptest::option::of(prop_oneof![Just(0_u32), 1_u32..20, 500_u32..600])
}

proptest! {
    #[test]
    fn prop_numbers_are_read_back(
        floats in rows(any::<u64>().prop_map(f64::from_bits)),
        integers in rows(prop_oneof![any::<i32>(), -9_i32..9]),
        longs in rows(prop_oneof![any::<i64>(), -9_i64..9]),
        nulls in nulls(),
    ) {
        for encoding in FLOATS {
            check_numbers::<DoubleType>("double", encoding, &floats, nulls);
        }
        for encoding in INTEGERS {
            check_numbers::<Int32Type>("int32", encoding, &integers, nulls);
            check_numbers::<Int64Type>("int64", encoding, &longs, nulls);
        }
    }

    #[test]
    fn prop_texts_are_read_back(
        texts in proptest::collection::btree_set(proptest::collection::vec(any::<u8>(), 0..4), 1..20),
        keys in rows(any::<prop::sample::Index>()),
        nulls in nulls(),
    ) {
        let texts: Vec<String> = texts.iter().map(|text| text_to_utf8(text)).collect();
        let texts: Vec<&str> = texts.iter().map(String::as_str).collect();
        let keys = keys.iter().map(|key| u32::try_from(key.index(texts.len())).unwrap());
        let keys: Vec<u32> = keys.collect();
        check_texts(&texts, &keys, nulls);
    }

    #[test]
    fn prop_runs_of_any_width_are_read_back(
        width in 0_u32..=32,
        runs in proptest::collection::vec((any::<u32>(), 1_usize..600), 0..80),
        short in any::<bool>(),
    ) {
        let mask = u32::try_from((1_u64 << width) - 1).unwrap();
        let (mut bytes, mut expected) = (Vec::new(), Vec::new());
        let mut hybrid = HybridWriter::new(width, &mut bytes);
        for (value, count) in runs {
            let count = if short { count % 10 } else { count };
            hybrid.put(value & mask, count);
            expected.extend(std::iter::repeat_n(value & mask, count));
        }
        hybrid.finish();
        let mut decoder = Hybrid::new(&bytes, u8::try_from(width).unwrap()).unwrap();
        let mut decoded = Vec::new();
        while decoded.len() < expected.len() {
            match decoder.next(expected.len() - decoded.len()).unwrap() {
                Values::Repeated(value, count) => decoded.extend(std::iter::repeat_n(value, count)),
                Values::Each(values) => decoded.extend_from_slice(values),
            }
        }
        prop_assert_eq!(decoded, expected);
    }

    #[test]
    fn prop_differences_of_any_size_are_read_back(
        values in proptest::collection::vec((any::<i64>(), 0_u32..64), 0..600),
    ) {
        let values: Vec<i64> = values.iter().map(|(value, shift)| value >> shift).collect();
        let mut bytes = Vec::new();
        put_delta(&values, &mut bytes);
        let mut decoder = Delta::new(&bytes).unwrap();
        let mut decoded = Vec::new();
        while decoded.len() < values.len() {
            decoded.extend_from_slice(decoder.next(values.len()).unwrap());
        }
        prop_assert_eq!(decoded, values);
        prop_assert_eq!((decoder.left(), decoder.rest()), (0, &[][..]));
    }
}

#[test]
fn as_many_values_as_a_row_group_has_are_read_back() {
    let doubles: Vec<f64> = (0_u32..65_536).map(f64::from).collect();
    let integers: Vec<i32> = (0_i32..65_536)
        .map(|n| n.wrapping_mul(-1_640_531_527))
        .collect();
    for encoding in FLOATS {
        check_numbers::<DoubleType>("double", encoding, &doubles, Some(0));
        check_numbers::<Int32Type>("int32", encoding, &integers, Some(0));
        check_numbers::<DoubleType>("double", encoding, &[1.5; 65_536], Some(0));
        check_numbers::<DoubleType>("double", encoding, &[], Some(65_536));
    }
}

#[test]
fn integers_at_their_limits_are_read_back() {
    let integers = [i32::MIN, i32::MAX, 0, i32::MAX, i32::MIN, -1, i32::MIN];
    let longs = [i64::MIN, i64::MAX, 0, i64::MAX, i64::MIN, -1, i64::MIN];
    for count in 0..=integers.len() {
        for encoding in INTEGERS {
            check_numbers::<Int32Type>("int32", encoding, &integers[..count], Some(3));
            check_numbers::<Int64Type>("int64", encoding, &longs[..count], None);
        }
    }
}

#[test]
fn floats_cannot_be_differences() {
    let error = |encoder: &mut Encoder, column: &Column<'_>| {
        let error = encoder
            .numbers(column, [1.0].into_iter(), None)
            .unwrap_err();
        assert!(
            error
                .to_string()
                .contains("column c cannot be DELTA_BINARY_PACKED"),
            "{error}"
        );
        let plain = Column {
            encoding: Encoding::PLAIN,
            ..*column
        };
        encoder.numbers(&plain, [1.0].into_iter(), None)
    };
    write("double", Encoding::DELTA_BINARY_PACKED, 1, None, error);
}

#[test]
fn the_footer_describes_a_dictionary_column() {
    let texts = ["rb2610", "ag2612", "zn2609", "unused"];
    let written = check_texts(&texts, &[1, 1, 0, 2, 1], Some(2));
    let metadata = &written.metadata;
    let encodings: Vec<Encoding> = metadata.encodings().collect();
    assert_eq!(encodings, [Encoding::PLAIN, Encoding::RLE, DICTIONARY]);
    assert_eq!(
        metadata.compression(),
        Compression::ZSTD(ZstdLevel::default())
    );
    // All data pages are keys.
    assert!(
        metadata
            .page_encoding_stats_mask()
            .unwrap()
            .is_only(DICTIONARY)
    );
    assert_eq!(metadata.dictionary_page_offset(), Some(4));
    assert!(metadata.data_page_offset() > 4);
    let Some(Statistics::ByteArray(statistics)) = metadata.statistics() else {
        panic!("{:?}", metadata.statistics());
    };
    // Only texts that rows have.
    assert_eq!(statistics.min_opt().unwrap().data(), b"ag2612");
    assert_eq!(statistics.max_opt().unwrap().data(), b"zn2609");
    assert!(statistics.min_is_exact() && statistics.max_is_exact());
    assert_eq!(statistics.null_count_opt(), Some(2));
}

#[test]
fn the_footer_has_the_range_of_a_clock() {
    let encode = |encoder: &mut Encoder, column: &Column<'_>| {
        encoder.numbers(column, [5_i64, 3, 9].into_iter(), Some((3, 9)))
    };
    let written = write("int64", Encoding::DELTA_BINARY_PACKED, 3, None, encode);
    let metadata = &written.metadata;
    let encodings: Vec<Encoding> = metadata.encodings().collect();
    assert_eq!(encodings, [Encoding::RLE, Encoding::DELTA_BINARY_PACKED]);
    assert_eq!(metadata.dictionary_page_offset(), None);
    let Some(Statistics::Int64(statistics)) = metadata.statistics() else {
        panic!("{:?}", metadata.statistics());
    };
    assert_eq!(
        (statistics.min_opt(), statistics.max_opt()),
        (Some(&3), Some(&9))
    );
    assert_eq!(statistics.null_count_opt(), Some(0));
}

//! Column chunks as the Parquet library writes them in any encoding, intact and damaged.

use std::ops::Range;
use std::sync::Arc;

use bytes::Bytes;
use parquet::basic::{Compression, Encoding};
use parquet::data_type::{ByteArray, ByteArrayType, DataType, DoubleType, Int32Type, Int64Type};
use parquet::file::properties::{WriterProperties, WriterVersion};
use parquet::file::reader::{FileReader as _, SerializedFileReader};
use parquet::file::serialized_reader::SerializedPageReader;
use parquet::file::writer::SerializedFileWriter;
use parquet::schema::parser::parse_message_type;
use proptest::prelude::*;

use crate::chunk::{Chunk, ChunkError, read_numbers, read_presence, read_texts};

/// How a column is written.
#[derive(Debug, Clone)]
struct Writing {
    nullable: bool,
    /// Uses dictionary keys until the dictionary has this many bytes.
    dictionary: Option<usize>,
    encoding: Encoding,
    version: WriterVersion,
    page_rows: usize,
    compression: Compression,
}

fn writing(encodings: &'static [Encoding]) -> impl Strategy<Value = Writing> {
    let versions = [WriterVersion::PARQUET_1_0, WriterVersion::PARQUET_2_0];
    let compressions = [
        Compression::UNCOMPRESSED,
        Compression::ZSTD(parquet::basic::ZstdLevel::default()),
    ];
    (
        any::<bool>(),
        prop_oneof![Just(None), Just(Some(40)), Just(Some(1 << 20))],
        proptest::sample::select(encodings),
        proptest::sample::select(versions.to_vec()),
        1_usize..400,
        proptest::sample::select(compressions.to_vec()),
    )
        .prop_map(
            |(nullable, dictionary, encoding, version, page_rows, compression)| Writing {
                nullable,
                dictionary,
                encoding,
                version,
                page_rows,
                compression,
            },
        )
}

/// A file with one column.
fn file<T: DataType>(type_name: &str, values: &[Option<T::T>], writing: &Writing) -> Bytes {
    let repetition = match writing.nullable {
        true => "optional",
        false => "required",
    };
    let schema = format!("message m {{ {repetition} {type_name} c; }}");
    let mut properties = WriterProperties::builder()
        .set_writer_version(writing.version)
        .set_compression(writing.compression)
        .set_data_page_row_count_limit(writing.page_rows)
        .set_write_batch_size(writing.page_rows.min(16))
        .set_encoding(writing.encoding)
        .set_dictionary_enabled(writing.dictionary.is_some());
    if let Some(limit) = writing.dictionary {
        properties = properties.set_dictionary_page_size_limit(limit);
    }
    let schema = Arc::new(parse_message_type(&schema).unwrap());
    let properties = Arc::new(properties.build());
    let mut writer = SerializedFileWriter::new(Vec::new(), schema, properties).unwrap();
    let mut group = writer.next_row_group().unwrap();
    let mut column = group.next_column().unwrap().unwrap();
    let levels: Vec<i16> = values.iter().map(|v| v.is_some().into()).collect();
    let values: Vec<T::T> = values.iter().flatten().cloned().collect();
    let levels = writing.nullable.then_some(&levels[..]);
    column
        .typed::<T>()
        .write_batch(&values, levels, None)
        .unwrap();
    column.close().unwrap();
    group.close().unwrap();
    writer.into_inner().unwrap().into()
}

/// Reads the only column of `bytes`, with the footer of the intact file `footer`.
fn read<R>(
    footer: &Bytes,
    bytes: Bytes,
    wanted: Option<&[Range<usize>]>,
    read: impl FnOnce(Chunk<'_>) -> Result<R, ChunkError>,
) -> Result<R, ChunkError> {
    let footer = SerializedFileReader::new(footer.clone()).unwrap();
    let group = footer.metadata().row_group(0);
    let rows = usize::try_from(group.num_rows()).unwrap();
    let mut pages = SerializedPageReader::new(Arc::new(bytes), group.column(0), rows, None)?;
    read(Chunk {
        pages: &mut pages,
        nullable: group.column(0).column_descr().max_def_level() > 0,
        rows,
        wanted,
    })
}

/// Alternating lengths of rows that are not wanted and that are, as ranges of at most `rows`.
fn ranges(lengths: &[(usize, usize)], rows: usize) -> Vec<Range<usize>> {
    let mut first = 0;
    let ranges = lengths.iter().map(|(unwanted, wanted)| {
        let start = (first + unwanted).min(rows);
        first = (start + wanted).min(rows);
        start..first
    });
    ranges.filter(|range| !range.is_empty()).collect()
}

/// Rows of these ranges.
fn of_ranges<T: Clone>(values: &[T], ranges: &[Range<usize>]) -> Vec<T> {
    let parts: Vec<&[T]> = ranges.iter().map(|range| &values[range.clone()]).collect();
    parts.concat()
}

/// The values of rows, where a column may have none.
fn rows<V: Strategy>(value: V) -> impl Strategy<Value = Vec<Option<V::Value>>>
where
    V::Value: Clone,
{
    let run = (proptest::option::weighted(0.8, value), 1_usize..30);
    proptest::collection::vec(run, 1..60).prop_map(|runs| {
        let runs = runs.into_iter();
        runs.flat_map(|(value, times)| std::iter::repeat_n(value, times))
            .collect()
    })
}

/// Fills a column that always has a value.
fn without_gaps<T: Clone + Default>(values: Vec<Option<T>>, nullable: bool) -> Vec<Option<T>> {
    let fill = |value: Option<T>| match nullable {
        true => value,
        false => Some(value.unwrap_or_default()),
    };
    values.into_iter().map(fill).collect()
}

const INTEGERS: &[Encoding] = &[
    Encoding::PLAIN,
    Encoding::DELTA_BINARY_PACKED,
    Encoding::BYTE_STREAM_SPLIT,
];
const DOUBLES: &[Encoding] = &[Encoding::PLAIN, Encoding::BYTE_STREAM_SPLIT];
const TEXTS: &[Encoding] = &[
    Encoding::PLAIN,
    Encoding::DELTA_LENGTH_BYTE_ARRAY,
    Encoding::DELTA_BYTE_ARRAY,
];

fn text() -> impl Strategy<Value = Vec<u8>> {
    prop_oneof![
        9 => "[a-c]{0,3}".prop_map(String::into_bytes),
        1 => proptest::collection::vec(any::<u8>(), 0..40),
    ]
}

/// As text columns are used: keys replaced by texts.
fn texts(chunk: Chunk<'_>) -> Result<Vec<Option<Vec<u8>>>, ChunkError> {
    let mut keys = Vec::new();
    let texts = read_texts(chunk, u32::MAX, &mut keys)?;
    let text = |key: &u32| (*key != u32::MAX).then(|| texts[*key as usize].to_vec());
    Ok(keys.iter().map(text).collect())
}

fn numbers<T: crate::chunk::Number>(chunk: Chunk<'_>) -> Result<Vec<T>, ChunkError> {
    let mut numbers = Vec::new();
    read_numbers(chunk, &mut numbers)?;
    Ok(numbers)
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(128))]

    #[test]
    fn prop_doubles_of_any_encoding_are_read(
        values in rows(any::<u64>().prop_map(f64::from_bits)),
        writing in writing(DOUBLES),
    ) {
        let values = without_gaps(values, writing.nullable);
        let file = file::<DoubleType>("double", &values, &writing);
        let read_back = read(&file, file.clone(), None, numbers::<f64>).unwrap();
        let bits: Vec<u64> = read_back.into_iter().map(f64::to_bits).collect();
        let expected: Vec<u64> =
            values.iter().map(|value| value.unwrap_or_default().to_bits()).collect();
        prop_assert_eq!(bits, expected);
        let mut present = Vec::new();
        read(&file, file.clone(), None, |chunk| read_presence(chunk, &mut present)).unwrap();
        let expected: Vec<u32> = values.iter().map(|value| value.is_some().into()).collect();
        prop_assert_eq!(present, expected);
    }

    #[test]
    fn prop_integers_of_any_encoding_are_read(
        values in rows(any::<i64>()),
        writing in writing(INTEGERS),
    ) {
        let values = without_gaps(values, writing.nullable);
        let file64 = file::<Int64Type>("int64", &values, &writing);
        let expected: Vec<i64> = values.iter().map(|value| value.unwrap_or_default()).collect();
        prop_assert_eq!(read(&file64, file64.clone(), None, numbers::<i64>).unwrap(), expected);
        let values: Vec<Option<i32>> =
            values.iter().map(|value| value.map(|value| (value >> 40) as i32)).collect();
        let file32 = file::<Int32Type>("int32", &values, &writing);
        let expected: Vec<i32> = values.iter().map(|value| value.unwrap_or_default()).collect();
        prop_assert_eq!(read(&file32, file32.clone(), None, numbers::<i32>).unwrap(), expected);
    }

    #[test]
    fn prop_texts_of_any_encoding_are_read(
        values in rows(text()),
        writing in writing(TEXTS),
    ) {
        let values = without_gaps(values, writing.nullable);
        let arrays: Vec<Option<ByteArray>> =
            values.iter().map(|value| value.clone().map(ByteArray::from)).collect();
        let file = file::<ByteArrayType>("binary", &arrays, &writing);
        prop_assert_eq!(read(&file, file.clone(), None, texts).unwrap(), values);
    }

    #[test]
    fn prop_ranges_of_rows_are_read(
        integers_column in rows(any::<i64>()),
        doubles_column in rows(any::<i32>().prop_map(f64::from)),
        texts_column in rows(text()),
        integers in writing(INTEGERS),
        doubles in writing(DOUBLES),
        text in writing(TEXTS),
        lengths in proptest::collection::vec((1_usize..300, 1_usize..200), 0..12),
        from_first in any::<bool>(),
    ) {
        let mut lengths = lengths;
        if let (true, Some((unwanted, _))) = (from_first, lengths.first_mut()) {
            *unwanted = 0;
        }
        let column = without_gaps(integers_column, integers.nullable);
        let wanted = ranges(&lengths, column.len());
        let file64 = file::<Int64Type>("int64", &column, &integers);
        let expected: Vec<i64> = column.iter().map(|value| value.unwrap_or_default()).collect();
        let expected = of_ranges(&expected, &wanted);
        let found = read(&file64, file64.clone(), Some(&wanted), numbers::<i64>).unwrap();
        prop_assert_eq!(found, expected);

        let column = without_gaps(doubles_column, doubles.nullable);
        let wanted = ranges(&lengths, column.len());
        let file_doubles = file::<DoubleType>("double", &column, &doubles);
        let expected: Vec<f64> = column.iter().map(|value| value.unwrap_or_default()).collect();
        let expected = of_ranges(&expected, &wanted);
        let found = read(&file_doubles, file_doubles.clone(), Some(&wanted), numbers::<f64>);
        prop_assert_eq!(found.unwrap(), expected);

        let column = without_gaps(texts_column, text.nullable);
        let wanted = ranges(&lengths, column.len());
        let arrays: Vec<Option<ByteArray>> =
            column.iter().map(|value| value.clone().map(ByteArray::from)).collect();
        let file_texts = file::<ByteArrayType>("binary", &arrays, &text);
        let found = read(&file_texts, file_texts.clone(), Some(&wanted), texts).unwrap();
        prop_assert_eq!(found, of_ranges(&column, &wanted));
    }

    /// A footer has no checksum, and files of other tools have none at all.
    #[test]
    fn prop_damage_is_an_error_or_other_values(
        numbers_column in rows(any::<i64>()),
        texts_column in rows(text()),
        integers in writing(INTEGERS),
        text in writing(TEXTS),
        flips in proptest::collection::vec((any::<prop::sample::Index>(), 1_u8..), 1..5),
    ) {
        let damage = |file: &Bytes, footer: usize| {
            let mut bytes = file.to_vec();
            for (place, bits) in &flips {
                let place = place.index(bytes.len() - footer);
                bytes[place] ^= bits;
            }
            Bytes::from(bytes)
        };
        let footer = |file: &Bytes| {
            let length = file[file.len() - 8..].first_chunk().unwrap();
            u32::from_le_bytes(*length) as usize + 8
        };
        let column = without_gaps(numbers_column, integers.nullable);
        let intact = file::<Int64Type>("int64", &column, &integers);
        let damaged = damage(&intact, footer(&intact));
        if let Ok(read) = read(&intact, damaged, None, numbers::<i64>) {
            prop_assert_eq!(read.len(), column.len());
        }
        let column = without_gaps(texts_column, text.nullable);
        let arrays: Vec<Option<ByteArray>> =
            column.iter().map(|value| value.clone().map(ByteArray::from)).collect();
        let intact = file::<ByteArrayType>("binary", &arrays, &text);
        let damaged = damage(&intact, footer(&intact));
        if let Ok(read) = read(&intact, damaged, None, texts) {
            prop_assert_eq!(read.len(), column.len());
        }
    }
}

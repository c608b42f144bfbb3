//! Decodes one column chunk: from pages to a number per row, or to keys into distinct texts.
//!
//! The Parquet library reads and decompresses the pages. Their values are decoded here, straight into
//! the result. Runs of one value are never looked at value by value. The library's own decoders panic
//! on some damage, and without its Arrow feature they expand every key to its text.

use std::ops::Range;

use bytes::Bytes;
use parquet::basic::Encoding;
use parquet::column::page::{Page, PageReader};
use parquet::errors::ParquetError;
use rustc_hash::FxHashMap;

use super::packed::{Delta, DeltaError, Hybrid, HybridError, Values};

/// A column chunk could not be decoded: it is damaged.
#[derive(Debug, thiserror::Error)]
pub(super) enum ChunkError {
    /// The Parquet library found a problem.
    #[error(transparent)]
    Parquet(#[from] ParquetError),
    /// Where it begins, or how long it is, is a number below 0.
    #[error("the footer places it at {start}, {bytes} bytes long")]
    Place {
        /// Where it begins.
        start: i64,
        /// Its length.
        bytes: i64,
    },
    /// Keys or levels.
    #[error("keys or levels: {0}")]
    Hybrid(#[from] HybridError),
    /// Integers, or lengths of texts.
    #[error("integers: {0}")]
    Delta(#[from] DeltaError),
    /// Fewer or more rows than the footer says.
    #[error("{found} rows, the footer promises {expected}")]
    Rows {
        /// Rows of the pages so far.
        found: usize,
        /// Rows of the row group.
        expected: usize,
    },
    /// A page ends before its last value.
    #[error("a page of {0} values ends early")]
    Short(usize),
    /// Encodings that are unusual, deprecated or too new.
    #[error("{what} in encoding {encoding}, which this version cannot read")]
    Encoding {
        /// The part of the chunk.
        what: &'static str,
        /// Its encoding.
        encoding: Encoding,
    },
    /// A text that continues more of the one before than there is.
    #[error("a text begins with {0} bytes of the one before, which is shorter")]
    Prefix(i64),
    /// Texts that take too much memory.
    #[error("distinct texts of more than {MOST_TEXT_BYTES} bytes")]
    Texts,
    /// A chunk has one dictionary, before its data.
    #[error("a second dictionary, or one after the data")]
    SecondDictionary,
    /// A key that is not in the dictionary.
    #[error("key {key} of a dictionary of {size} values")]
    Key {
        /// The key.
        key: u32,
        /// Values of the dictionary.
        size: usize,
    },
}

/// Distinct texts of a chunk may not take more than this.
const MOST_TEXT_BYTES: usize = 1 << 28;

type Result<T> = std::result::Result<T, ChunkError>;

/// A number of a column.
pub(super) trait Number: Copy + Default {
    /// Its size.
    const BYTES: usize;
    /// Converts an integer of an integer column.
    const OF_INTEGER: Option<fn(i64) -> Self>;

    /// Appends the numbers of little endian bytes.
    fn push_plain(bytes: &[u8], numbers: &mut Vec<Self>);

    /// Appends the numbers `rows`, of which `bytes` has all first bytes, then all second ones, etc.
    fn push_split(bytes: &[u8], rows: Range<usize>, numbers: &mut Vec<Self>);
}

macro_rules! number {
    ($type:ty, $of_integer:expr) => {
        impl Number for $type {
            const BYTES: usize = size_of::<Self>();
            const OF_INTEGER: Option<fn(i64) -> Self> = $of_integer;

            fn push_plain(bytes: &[u8], numbers: &mut Vec<Self>) {
                let (whole, _) = bytes.as_chunks();
                numbers.extend(whole.iter().map(|bytes| Self::from_le_bytes(*bytes)));
            }

            fn push_split(bytes: &[u8], rows: Range<usize>, numbers: &mut Vec<Self>) {
                let stride = bytes.len() / Self::BYTES;
                let streams: [&[u8]; Self::BYTES] =
                    std::array::from_fn(|byte| &bytes[byte * stride..][rows.clone()]);
                numbers.extend((0..rows.len()).map(|row| {
                    Self::from_le_bytes(std::array::from_fn(|byte| streams[byte][row]))
                }));
            }
        }
    };
}

number!(f64, None);
number!(i32, Some(low));
number!(i64, Some(|integer| integer));

/// The lower half: differences of 32-bit integers wrap around.
#[expect(clippy::cast_possible_truncation, reason = "it is meant")]
const fn low(integer: i64) -> i32 {
    integer as i32
}

/// The pages of a column chunk, and what the footer says about it.
pub(super) struct Chunk<'a> {
    pub(super) pages: &'a mut dyn PageReader,
    /// Whether rows may have no value.
    pub(super) nullable: bool,
    pub(super) rows: usize,
    /// The rows that are wanted, ascending; all if there are none.
    pub(super) wanted: Option<&'a [Range<usize>]>,
}

/// Rows of a page that are treated alike.
#[derive(Debug, Clone, Copy)]
enum Step {
    /// Their values are wanted.
    Take(usize),
    /// They have values, which are not wanted.
    Skip(usize),
    /// They are wanted and have no value.
    Absent(usize),
}

/// A data page without its levels.
struct DataPage {
    steps: Vec<Step>,
    /// How many rows have a value.
    count: usize,
    encoding: Encoding,
    values: Bytes,
}

/// Decodes a chunk of numbers into `numbers`, one a row. A row without a value gets the default.
pub(super) fn read_numbers<T: Number>(chunk: Chunk<'_>, numbers: &mut Vec<T>) -> Result<()> {
    numbers.clear();
    numbers.reserve(chunk.expected());
    let mut dictionary = None;
    chunk.for_each_page(|page| {
        let page = match page {
            DictionaryOr::Dictionary(values, count) => {
                let mut distinct = Vec::new();
                T::push_plain(split_numbers::<T>(&mut &values[..], count)?, &mut distinct);
                return match dictionary.replace(distinct) {
                    None => Ok(()),
                    Some(_) => Err(ChunkError::SecondDictionary),
                };
            }
            DictionaryOr::Data(page) => page,
        };
        match page.encoding {
            encoding if is_dictionary(encoding) => {
                let distinct = dictionary.as_deref().unwrap_or_default();
                let mut keys = keys(&page.values)?;
                page.spread(T::default(), numbers, |count, numbers| match numbers {
                    Some(numbers) => push_by_key(&mut keys, distinct, count, numbers),
                    None => Ok(keys.skip(count)?),
                })
            }
            Encoding::PLAIN => {
                let mut values = &page.values[..];
                page.spread(T::default(), numbers, |count, numbers| {
                    let bytes = split_numbers::<T>(&mut values, count)?;
                    if let Some(numbers) = numbers {
                        T::push_plain(bytes, numbers);
                    }
                    Ok(())
                })
            }
            Encoding::BYTE_STREAM_SPLIT => {
                let (count, values) = (page.count, &page.values);
                if values.len() / T::BYTES < count {
                    return Err(ChunkError::Short(count));
                }
                let mut first = 0;
                page.spread(T::default(), numbers, |count, numbers| {
                    if let Some(numbers) = numbers {
                        T::push_split(values, first..first + count, numbers);
                    }
                    first += count;
                    Ok(())
                })
            }
            encoding => {
                let of_integer = T::OF_INTEGER
                    .filter(|_| encoding == Encoding::DELTA_BINARY_PACKED)
                    .ok_or_else(|| unread("numbers", encoding))?;
                let mut values = Delta::new(&page.values)?;
                page.spread(T::default(), numbers, |mut count, mut numbers| {
                    while count > 0 {
                        let batch = values.next(count)?;
                        count -= batch.len();
                        if let Some(numbers) = &mut numbers {
                            numbers.extend(batch.iter().map(|integer| of_integer(*integer)));
                        }
                    }
                    Ok(())
                })
            }
        }
    })
}

/// Which rows of a chunk have a value: 1, and the others 0.
pub(super) fn read_presence(chunk: Chunk<'_>, present: &mut Vec<u32>) -> Result<()> {
    present.clear();
    chunk.for_each_page(|page| {
        let DictionaryOr::Data(page) = page else {
            return Ok(());
        };
        page.spread(0, present, |count, present| {
            if let Some(present) = present {
                present.resize(present.len() + count, 1);
            }
            Ok(())
        })
    })
}

/// Distinct texts of a chunk, as bytes.
#[derive(Debug, Default)]
struct Distinct {
    texts: Vec<Bytes>,
    /// By text, from the first page on that has texts instead of keys.
    index: Option<FxHashMap<Bytes, u32>>,
    /// Of the texts that were copied.
    bytes: usize,
}

impl Distinct {
    fn key(&mut self, text: &[u8]) -> Result<u32> {
        let texts = &mut self.texts;
        let index = self.index.get_or_insert_with(|| {
            let mut index = FxHashMap::default();
            for (key, text) in (0..).zip(&*texts) {
                index.entry(text.clone()).or_insert(key);
            }
            index
        });
        if let Some(key) = index.get(text) {
            return Ok(*key);
        }
        let key = u32::try_from(texts.len()).map_err(|_| ChunkError::Short(texts.len()))?;
        self.bytes += text.len();
        if self.bytes > MOST_TEXT_BYTES {
            return Err(ChunkError::Texts);
        }
        // A separate copy, so that the page is not kept.
        let text = Bytes::copy_from_slice(text);
        index.insert(text.clone(), key);
        texts.push(text);
        Ok(key)
    }
}

/// Decodes a chunk of texts: a key a row into `keys`, and the distinct texts. A row without a value
/// gets `absent`.
pub(super) fn read_texts(
    chunk: Chunk<'_>,
    absent: u32,
    row_keys: &mut Vec<u32>,
) -> Result<Vec<Bytes>> {
    row_keys.clear();
    row_keys.reserve(chunk.expected());
    let mut distinct = Distinct::default();
    chunk.for_each_page(|page| {
        let page = match page {
            DictionaryOr::Dictionary(mut values, count) => {
                // Keys of rows may already refer to texts.
                if !distinct.texts.is_empty() {
                    return Err(ChunkError::SecondDictionary);
                }
                for _ in 0..count {
                    distinct.texts.push(split_text(&mut values)?);
                }
                return Ok(());
            }
            DictionaryOr::Data(page) => page,
        };
        match page.encoding {
            encoding if is_dictionary(encoding) => {
                let mut keys = keys(&page.values)?;
                let size = distinct.texts.len();
                page.spread(absent, row_keys, |count, row_keys| match row_keys {
                    Some(row_keys) => push_keys(&mut keys, size, count, row_keys),
                    None => Ok(keys.skip(count)?),
                })
            }
            Encoding::PLAIN => {
                let mut values = page.values.clone();
                page.spread(absent, row_keys, |count, mut row_keys| {
                    for _ in 0..count {
                        let text = split_text(&mut values)?;
                        if let Some(row_keys) = &mut row_keys {
                            row_keys.push(distinct.key(&text)?);
                        }
                    }
                    Ok(())
                })
            }
            Encoding::DELTA_LENGTH_BYTE_ARRAY => {
                let (all, mut texts) = lengths(&page.values, page.count)?;
                let mut lengths = all.into_iter();
                page.spread(absent, row_keys, |count, mut row_keys| {
                    for length in lengths.by_ref().take(count) {
                        let text = split_bytes(&mut texts, length)?;
                        if let Some(row_keys) = &mut row_keys {
                            row_keys.push(distinct.key(text)?);
                        }
                    }
                    Ok(())
                })
            }
            Encoding::DELTA_BYTE_ARRAY => read_suffixes(&page, absent, &mut distinct, row_keys),
            encoding => Err(unread("texts", encoding)),
        }
    })?;
    Ok(distinct.texts)
}

/// Decodes a page of texts that leave out what they have in common with the one before.
fn read_suffixes(
    page: &DataPage,
    absent: u32,
    distinct: &mut Distinct,
    row_keys: &mut Vec<u32>,
) -> Result<()> {
    let (prefixes, suffixes) = lengths(&page.values, page.count)?;
    let (suffixes, mut texts) = lengths(suffixes, page.count)?;
    let mut lengths = prefixes.into_iter().zip(suffixes);
    let mut text = Vec::new();
    page.spread(absent, row_keys, |count, mut row_keys| {
        for (prefix, length) in lengths.by_ref().take(count) {
            let kept = usize::try_from(prefix).ok();
            let kept = kept.filter(|kept| *kept <= text.len());
            text.truncate(kept.ok_or(ChunkError::Prefix(prefix))?);
            text.extend_from_slice(split_bytes(&mut texts, length)?);
            if let Some(row_keys) = &mut row_keys {
                row_keys.push(distinct.key(&text)?);
            }
        }
        Ok(())
    })
}

enum DictionaryOr {
    /// Its plain values, and how many there are.
    Dictionary(Bytes, usize),
    Data(DataPage),
}

impl Chunk<'_> {
    /// How many rows are wanted.
    fn expected(&self) -> usize {
        self.wanted.map_or(self.rows, |wanted| {
            wanted.iter().map(ExactSizeIterator::len).sum()
        })
    }

    fn for_each_page(mut self, mut read: impl FnMut(DictionaryOr) -> Result<()>) -> Result<()> {
        let mut found = 0;
        loop {
            if let Some(rows) = self.unwanted_page(found)? {
                self.pages.skip_next_page()?;
                found = self.checked(found, rows)?;
                continue;
            }
            let Some(page) = self.pages.get_next_page()? else {
                break;
            };
            let count = page.num_values() as usize;
            read(match page {
                Page::DictionaryPage { buf, encoding, .. } => match encoding {
                    Encoding::PLAIN | Encoding::PLAIN_DICTIONARY => {
                        DictionaryOr::Dictionary(buf, count)
                    }
                    encoding => return Err(unread("a dictionary", encoding)),
                },
                data => {
                    let first = found;
                    found = self.checked(found, count)?;
                    DictionaryOr::Data(self.split_levels(data, first, count)?)
                }
            })?;
        }
        if found == self.rows {
            return Ok(());
        }
        let expected = self.rows;
        Err(ChunkError::Rows { found, expected })
    }

    /// The rows so far. Checked page by page, because it bounds the memory.
    fn checked(&self, found: usize, count: usize) -> Result<usize> {
        let (found, expected) = (found.saturating_add(count), self.rows);
        if found > expected {
            return Err(ChunkError::Rows { found, expected });
        }
        Ok(found)
    }

    /// The rows of the next page, if it begins at row `first` and none of them is wanted. It need not
    /// be decompressed.
    fn unwanted_page(&mut self, first: usize) -> Result<Option<usize>> {
        let Some(wanted) = self.wanted else {
            return Ok(None);
        };
        let page = self.pages.peek_next_page()?.filter(|page| !page.is_dict);
        let rows = page.and_then(|page| page.num_levels.or(page.num_rows));
        Ok(rows.filter(|rows| {
            let next = wanted.partition_point(|range| range.end <= first);
            wanted
                .get(next)
                .is_none_or(|range| range.start >= first.saturating_add(*rows))
        }))
    }

    /// Separates the definition levels from the values.
    fn split_levels(&self, page: Page, first: usize, count: usize) -> Result<DataPage> {
        let short = || ChunkError::Short(count);
        let encoding = page.encoding();
        let (levels, values) = match page {
            Page::DataPage {
                mut buf,
                def_level_encoding,
                ..
            } if self.nullable => {
                if def_level_encoding != Encoding::RLE {
                    return Err(unread("levels", def_level_encoding));
                }
                let length = buf.first_chunk().ok_or_else(short)?;
                let length = u32::from_le_bytes(*length) as usize;
                let end = length.checked_add(4).filter(|end| *end <= buf.len());
                let values = buf.split_off(end.ok_or_else(short)?);
                (Some(buf.split_off(4)), values)
            }
            Page::DataPageV2 {
                mut buf,
                def_levels_byte_len,
                rep_levels_byte_len,
                ..
            } => {
                let repetition = rep_levels_byte_len as usize;
                let levels = repetition.checked_add(def_levels_byte_len as usize);
                let levels = levels.filter(|levels| *levels <= buf.len());
                let values = buf.split_off(levels.ok_or_else(short)?);
                (self.nullable.then(|| buf.split_off(repetition)), values)
            }
            Page::DataPage { buf, .. } | Page::DictionaryPage { buf, .. } => (None, buf),
        };
        let present = match levels {
            None => vec![(true, count)],
            Some(levels) => presence(&levels, count)?,
        };
        Ok(DataPage {
            steps: self.steps(&present, first),
            count: present
                .iter()
                .map(|(present, rows)| if *present { *rows } else { 0 })
                .sum(),
            encoding,
            values,
        })
    }

    /// What to do with the rows from `first` on.
    fn steps(&self, present: &[(bool, usize)], mut first: usize) -> Vec<Step> {
        let all = 0..usize::MAX;
        let wanted = self.wanted.unwrap_or(std::slice::from_ref(&all));
        let mut next = wanted.partition_point(|range| range.end <= first);
        let mut steps = Vec::new();
        for &(present, rows) in present {
            let end = first + rows;
            while first < end {
                let range = wanted.get(next).cloned().unwrap_or(end..end);
                let (step_end, is_wanted) = if first < range.start {
                    (range.start.min(end), false)
                } else {
                    (range.end.min(end), true)
                };
                let rows = step_end - first;
                steps.extend(match (is_wanted, present) {
                    (true, true) => Some(Step::Take(rows)),
                    (true, false) => Some(Step::Absent(rows)),
                    (false, true) => Some(Step::Skip(rows)),
                    (false, false) => None,
                });
                first = step_end;
                next += usize::from(first >= range.end);
            }
        }
        // Nothing follows the last wanted row.
        while let Some(Step::Skip(_)) = steps.last() {
            steps.pop();
        }
        steps
    }
}

/// Which rows have a value, from their definition levels.
fn presence(levels: &[u8], rows: usize) -> Result<Vec<(bool, usize)>> {
    fn push(runs: &mut Vec<(bool, usize)>, level: u32, count: usize) {
        let present = level != 0;
        match runs.last_mut() {
            Some((last, rows)) if *last == present => *rows += count,
            _ => runs.push((present, count)),
        }
    }
    let mut runs = Vec::new();
    let mut levels = Hybrid::new(levels, 1)?;
    let mut left = rows;
    while left > 0 {
        match levels.next(left)? {
            Values::Repeated(level, count) => {
                push(&mut runs, level, count);
                left -= count;
            }
            Values::Each(levels) => {
                left -= levels.len();
                for level in levels {
                    push(&mut runs, *level, 1);
                }
            }
        }
    }
    Ok(runs)
}

impl DataPage {
    /// Appends a value for each wanted row: `absent`, or what `next` appends for that many rows.
    /// Without a vector, `next` skips as many values.
    fn spread<T: Clone>(
        &self,
        absent: T,
        values: &mut Vec<T>,
        mut next: impl FnMut(usize, Option<&mut Vec<T>>) -> Result<()>,
    ) -> Result<()> {
        for step in &self.steps {
            match *step {
                Step::Take(count) => next(count, Some(values))?,
                Step::Skip(count) => next(count, None)?,
                Step::Absent(count) => values.resize(values.len() + count, absent.clone()),
            }
        }
        Ok(())
    }
}

const fn unread(what: &'static str, encoding: Encoding) -> ChunkError {
    ChunkError::Encoding { what, encoding }
}

const fn is_dictionary(encoding: Encoding) -> bool {
    matches!(
        encoding,
        Encoding::RLE_DICTIONARY | Encoding::PLAIN_DICTIONARY
    )
}

/// The keys of a page: their width in bits, then a hybrid.
fn keys(values: &[u8]) -> Result<Hybrid<'_>> {
    // A page of rows without values may be empty.
    let (width, keys) = values.split_first().unwrap_or((&0, &[]));
    Ok(Hybrid::new(keys, *width)?)
}

fn push_by_key<T: Number>(
    keys: &mut Hybrid<'_>,
    distinct: &[T],
    count: usize,
    numbers: &mut Vec<T>,
) -> Result<()> {
    let unknown = |key| ChunkError::Key {
        key,
        size: distinct.len(),
    };
    let end = numbers.len() + count;
    while numbers.len() < end {
        match keys.next(end - numbers.len())? {
            Values::Repeated(key, times) => {
                let number = distinct.get(key as usize).ok_or_else(|| unknown(key))?;
                numbers.resize(numbers.len() + times, *number);
            }
            Values::Each(keys) => {
                let highest = keys.iter().copied().max().unwrap_or_default();
                if highest as usize >= distinct.len() {
                    return Err(unknown(highest));
                }
                numbers.extend(keys.iter().map(|key| distinct[*key as usize]));
            }
        }
    }
    Ok(())
}

fn push_keys(
    keys: &mut Hybrid<'_>,
    size: usize,
    count: usize,
    row_keys: &mut Vec<u32>,
) -> Result<()> {
    let end = row_keys.len() + count;
    while row_keys.len() < end {
        let highest = match keys.next(end - row_keys.len())? {
            Values::Repeated(key, times) => {
                row_keys.resize(row_keys.len() + times, key);
                key
            }
            Values::Each(keys) => {
                row_keys.extend_from_slice(keys);
                keys.iter().copied().max().unwrap_or_default()
            }
        };
        if highest as usize >= size {
            return Err(ChunkError::Key { key: highest, size });
        }
    }
    Ok(())
}

/// The bytes of the next plain numbers.
fn split_numbers<'a, T: Number>(values: &mut &'a [u8], count: usize) -> Result<&'a [u8]> {
    let bytes = count.checked_mul(T::BYTES);
    let split = bytes.and_then(|bytes| values.split_at_checked(bytes));
    let (taken, rest) = split.ok_or(ChunkError::Short(count))?;
    *values = rest;
    Ok(taken)
}

/// The next plain text: its length in four bytes, then its bytes.
fn split_text(values: &mut Bytes) -> Result<Bytes> {
    let short = || ChunkError::Short(1);
    let length = values.first_chunk().ok_or_else(short)?;
    let length = u32::from_le_bytes(*length) as usize;
    let end = length.checked_add(4).filter(|end| *end <= values.len());
    let mut text = values.split_to(end.ok_or_else(short)?);
    Ok(text.split_off(4))
}

/// The lengths of `count` texts, and what follows them.
fn lengths(values: &[u8], count: usize) -> Result<(Vec<i64>, &[u8])> {
    let mut integers = Delta::new(values)?;
    if integers.left() != count {
        return Err(ChunkError::Short(count));
    }
    let mut lengths = Vec::with_capacity(count);
    while lengths.len() < count {
        lengths.extend_from_slice(integers.next(count - lengths.len())?);
    }
    Ok((lengths, integers.rest()))
}

/// The first `length` bytes.
fn split_bytes<'a>(bytes: &mut &'a [u8], length: i64) -> Result<&'a [u8]> {
    let length = usize::try_from(length).ok();
    let split = length.and_then(|length| bytes.split_at_checked(length));
    let (taken, rest) = split.ok_or(ChunkError::Short(1))?;
    *bytes = rest;
    Ok(taken)
}

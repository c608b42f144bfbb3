//! Keys of a dictionary: consecutive rows with the same value are one run.

use rustc_hash::FxHashMap;

use super::bits::width_of;
use super::hybrid::HybridWriter;
use super::numbers::Number;

/// The distinct values of a column, numbered as they first appear, and the key of each row.
///
/// It is used for one column after the other and keeps its memory.
#[derive(Debug, Default)]
pub(super) struct Keys {
    /// Key and number of rows.
    runs: Vec<(u32, u32)>,
    /// Distinct values.
    count: u32,
    /// By the bits of a number.
    of_bits: FxHashMap<u64, u32>,
    /// By the key that a text has in its column.
    of_text: Vec<u32>,
}

/// A text that has no key yet.
const NEW: u32 = u32::MAX;

impl Keys {
    /// Takes numbers. Returns the distinct ones in the order of their keys.
    pub(super) fn take_numbers<T: Number>(&mut self, rows: impl Iterator<Item = T>) -> Vec<T> {
        self.of_bits.clear();
        self.restart();
        let mut distinct = Vec::new();
        for_each_run(rows, T::bits, |value, count| {
            let key = *self.of_bits.entry(value.bits()).or_insert(self.count);
            if key == self.count {
                distinct.push(value);
                self.count += 1;
            }
            self.runs.push((key, count));
        });
        distinct
    }

    /// Takes texts, each as its key in a column of `texts` distinct ones. Returns those keys in the
    /// order of the new ones.
    pub(super) fn take_texts(&mut self, rows: impl Iterator<Item = u32>, texts: usize) -> Vec<u32> {
        self.of_text.clear();
        self.of_text.resize(texts, NEW);
        self.restart();
        let mut distinct = Vec::new();
        for_each_run(
            rows,
            |key| key,
            |text, count| {
                let key = &mut self.of_text[text as usize];
                if *key == NEW {
                    *key = self.count;
                    self.count += 1;
                    distinct.push(text);
                }
                self.runs.push((*key, count));
            },
        );
        distinct
    }

    /// The keys of the rows, to be put page by page.
    pub(super) fn pages(&self) -> KeyPages<'_> {
        KeyPages {
            width: width_of(self.count.saturating_sub(1).into()),
            runs: &self.runs,
            taken: 0,
        }
    }

    fn restart(&mut self) {
        self.runs.clear();
        self.count = 0;
    }
}

/// The keys that are in no page yet.
pub(super) struct KeyPages<'a> {
    width: u32,
    runs: &'a [(u32, u32)],
    /// Rows of the first run that are in a page.
    taken: u32,
}

impl KeyPages<'_> {
    /// Appends the keys of the next rows: their width in bits, then a hybrid.
    pub(super) fn put(&mut self, mut rows: u32, out: &mut Vec<u8>) {
        out.push(self.width.to_le_bytes()[0]);
        let mut hybrid = HybridWriter::new(self.width, out);
        while let [(key, count), rest @ ..] = self.runs
            && rows > 0
        {
            let put = (count - self.taken).min(rows);
            hybrid.put(*key, put as usize);
            rows -= put;
            self.taken += put;
            if self.taken == *count {
                (self.runs, self.taken) = (rest, 0);
            }
        }
        hybrid.finish();
    }
}

/// Calls `run` with each value and how often it is repeated.
fn for_each_run<T: Copy, B: PartialEq>(
    mut rows: impl Iterator<Item = T>,
    bits: impl Fn(T) -> B,
    mut run: impl FnMut(T, u32),
) {
    let Some(mut last) = rows.next() else {
        return;
    };
    let mut count = 1;
    for row in rows {
        if bits(row) == bits(last) {
            count += 1;
        } else {
            run(last, count);
            (last, count) = (row, 1);
        }
    }
    run(last, count);
}

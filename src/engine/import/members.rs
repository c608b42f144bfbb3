//! Members of an archive that hold no data: a README or a manifest beside the files with ticks.
//!
//! The content decides, except where the name promises data. Such a member is skipped if another one
//! of the same archive is read. What looks like data and cannot be read is still an error.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

use crate::import::csv_rows::{csv_reader, separator_of};
use crate::import::dialect::Dialect;
use crate::import::dsb;
use crate::import::error::ImportError;
use crate::import::names;
use crate::import::open::Opened;
use crate::import::parquet_rows;
use crate::import::tables::table_of;
use crate::import::text::decode;

/// Bytes that the decision reads.
const HEAD_BYTES: usize = 64 * 1024;
/// Names of files with ticks.
const DATA_EXTENSIONS: [&str; 7] = ["csv", "tsv", "parquet", "pq", "jsonl", "ndjson", "dsb"];
/// Known names that make a line a header.
const HEADER_NAMES_MIN: usize = 2;
/// Keys with CTP's names that make an object a tick: instrument, price and time.
const TICK_KEYS_MIN: usize = 3;

/// The members that were skipped so far, and the archives that have data.
#[derive(Debug, Default)]
pub(crate) struct SkippedMembers {
    names: Vec<String>,
    /// Of each archive the first error.
    errors: BTreeMap<usize, ImportError>,
    with_data: BTreeSet<usize>,
}

impl SkippedMembers {
    /// Notes that an input has a dialect.
    pub(crate) fn has_data(&mut self, input: &Opened) {
        self.with_data.insert(input.path);
    }

    /// Skips a member that no dialect fits, which `error` says.
    pub(crate) fn skip(&mut self, member: &Opened, error: ImportError) {
        self.names.push(member.name.clone());
        self.errors.entry(member.path).or_insert(error);
    }

    /// The names of the skipped members.
    ///
    /// # Errors
    /// When an archive has nothing else.
    pub(crate) fn finish(self) -> Result<Vec<String>, ImportError> {
        let Self {
            names,
            errors,
            with_data,
        } = self;
        let mut without_data = errors
            .into_iter()
            .filter(|(path, _)| !with_data.contains(path));
        match without_data.next() {
            Some((_, error)) => Err(error),
            None => Ok(names),
        }
    }
}

/// Whether `error` says that no dialect fits a member of an archive that does not look like data.
///
/// # Errors
/// When the member cannot be read.
pub(crate) fn is_beside_data(input: &Opened, error: &ImportError) -> Result<bool, ImportError> {
    let is_unknown = matches!(
        error,
        ImportError::NoDialect { .. } | ImportError::WrongDialect { .. }
    );
    if !input.is_member || !is_unknown || has_data_name(&input.file_name) {
        return Ok(false);
    }
    let head = input.slice.head(HEAD_BYTES);
    let head = head.map_err(|error| ImportError::io(&input.name, error))?;
    Ok(!looks_like_data(&head))
}

fn has_data_name(file_name: &str) -> bool {
    let extension = Path::new(file_name).extension().unwrap_or_default();
    DATA_EXTENSIONS
        .iter()
        .any(|known| extension.eq_ignore_ascii_case(known))
}

/// Whether the beginning of a file is that of a table or of objects with CTP's names.
fn looks_like_data(head: &[u8]) -> bool {
    if head.starts_with(&parquet_rows::MAGIC) || head.starts_with(&dsb::MAGIC) {
        return true;
    }
    let head = head.strip_prefix(b"\xef\xbb\xbf").unwrap_or(head);
    match head.trim_ascii_start().first() {
        Some(b'{' | b'[') => has_tick_keys(head),
        _ => is_table(head),
    }
}

/// Whether the text has CTP's names as keys of JSON.
fn has_tick_keys(head: &[u8]) -> bool {
    let text = decode(head);
    let mut quoted = text.split('"').skip(1);
    let mut fields = BTreeSet::new();
    while let (Some(string), Some(after)) = (quoted.next(), quoted.next()) {
        if after.trim_start().starts_with(':') {
            fields.extend(names::ctp_field(string));
        }
    }
    fields.len() >= TICK_KEYS_MIN
}

/// Whether the text begins with a header, or with a row of numbers.
fn is_table(head: &[u8]) -> bool {
    let mut lines = head.split(|byte| *byte == b'\n').map(<[u8]>::trim_ascii);
    let Some(first_line) = lines.find(|line| !line.is_empty()) else {
        return false;
    };
    let reader = csv_reader(head, separator_of(first_line), HEAD_BYTES);
    let mut records = reader.into_byte_records().map_while(Result::ok);
    let Some(first) = records.next().filter(|record| record.len() >= 2) else {
        return false;
    };
    let known = first.iter().filter(|name| is_known_name(&decode(name)));
    if known.count() >= HEADER_NAMES_MIN || has_mostly_numbers(&first) {
        return true;
    }
    let second = records.next();
    second.is_some_and(|second| second.len() == first.len() && second.iter().any(is_numeric))
}

/// Whether a dialect has a column of that name.
fn is_known_name(name: &str) -> bool {
    let name = name.trim();
    let mut tables = Dialect::ALL.into_iter().filter_map(table_of);
    !name.is_empty() && tables.any(|table| names::target(table, name).is_some())
}

fn has_mostly_numbers(record: &csv::ByteRecord) -> bool {
    record.iter().filter(|cell| is_numeric(cell)).count() * 2 > record.len()
}

fn is_numeric(cell: &[u8]) -> bool {
    let cell = cell.trim_ascii();
    let cell = cell.strip_prefix(b"-").unwrap_or(cell);
    cell.first().is_some_and(u8::is_ascii_digit)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn notes_and_manifests_are_not_data() {
        for text in [
            "",
            "Ticks of SHFE, 2026.\nOne file a day, named by instrument, price, volume\n",
            "# Ticks\n\n| column | meaning |\n|---|---|\n| px | the price |\n",
            "%PDF-1.4\n%\u{e2}\u{e3}\n1 0 obj\n",
            "{\n  \"files\": [\"a.csv\", \"b.csv\"],\n  \"rows\": 7\n}\n",
            "{\"name\": \"LastPrice\", \"volume\": 3}\n",
            "6f1ed002ab5595859014ebf0951522d9  rb2605.csv\n",
        ] {
            assert!(!looks_like_data(text.as_bytes()), "{text}");
        }
        assert!(!looks_like_data(b"\x89PNG\r\n\x1a\n\0\0"));
    }

    #[test]
    fn tables_and_ticks_are_data() {
        for text in [
            "InstrumentID,LastPrice,mood",
            "\u{feff}px;qty\n3110;7\n",
            "09:00:00.0,1,1,2,1,1,1,10\n",
            "{\"InstrumentID\":\"rb2605\",\"LastPrice\":1,\"UpdateTime\":\"09:00:00\"}\n",
            "[\n{\"instrument_id\": 1, \"last_price\": 2, \"update_time\": 3}]\n",
            "PAR1",
        ] {
            assert!(looks_like_data(text.as_bytes()), "{text}");
        }
        assert!(has_data_name("x.CSV") && has_data_name("IF.dsb"));
        assert!(!has_data_name("README.txt") && !has_data_name("csv"));
    }
}

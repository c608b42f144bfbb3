//! Rows of the JSON dialect: one flat object a line, keys are CTP field names.
//!
//! This is not `serde_json`: numbers must be read exactly as written. `serde_json` rounds some by a
//! bit unless a feature is on, which any crate in the build could change. Python also writes `NaN`
//! and `Infinity` bare.

use std::borrow::Cow;
use std::io::{BufRead, BufReader, Read};

use tickdeck_core::event::{SessionEvent, TICK_KIND};
use tickdeck_core::source::ReceiveTimes;
use tickdeck_core::time::UnixNanos;

use crate::import::cell::Column;
use crate::import::columns::Target;
use crate::import::csv_rows::{ROW_MAX, too_long};
use crate::import::fields::{Field, Setter, field};
use crate::import::names;
use crate::import::number::{bytes_of_latin1, printable};
use crate::import::options::ImportOptions;
use crate::import::row::{ReadRows, Row};
use crate::import::row_error::{RowError, RowProblem};
use crate::import::spool::{Slice, SliceReader};

/// The receive time, by what it is worth.
const MEASURED: &str = ReceiveTimes::Measured.column();
const DERIVED: &str = ReceiveTimes::Derived.column();

/// A value as written in the line.
#[derive(Debug, Clone, PartialEq)]
enum Value<'a> {
    /// A string, unescaped.
    Text(Cow<'a, str>),
    /// A number, `true`, `NaN`…: bare characters.
    Bare(&'a str),
    /// An object or a list, as it is written.
    Nested(&'a str),
}

/// Walks over `{"key": value, …}`.
struct Scanner<'a> {
    rest: &'a str,
}

impl<'a> Scanner<'a> {
    fn blanks(&mut self) {
        self.rest = self.rest.trim_start_matches([' ', '\t', '\r', '\n']);
    }

    fn take(&mut self, char: char) -> bool {
        self.blanks();
        match self.rest.strip_prefix(char) {
            Some(rest) => {
                self.rest = rest;
                true
            }
            None => false,
        }
    }

    fn expect(&mut self, char: char) -> Result<(), RowProblem> {
        if self.take(char) {
            return Ok(());
        }
        let found = printable(self.rest.as_bytes());
        Err(RowProblem::Syntax(format!(
            "not a JSON object: expected '{char}' before \"{found}\""
        )))
    }

    fn cut(&mut self, length: usize) -> &'a str {
        let (cut, rest) = self.rest.split_at(length);
        self.rest = rest;
        cut
    }

    /// A string that begins here.
    fn string(&mut self) -> Result<Cow<'a, str>, RowProblem> {
        self.blanks();
        let length = string_length(self.rest).ok_or_else(|| {
            let found = printable(self.rest.as_bytes());
            RowProblem::Syntax(format!("not a JSON object: no string at \"{found}\""))
        })?;
        let quoted = self.cut(length);
        let inner = quoted.get(1..length - 1).unwrap_or_default();
        if !inner.contains('\\') {
            return Ok(Cow::Borrowed(inner));
        }
        serde_json::from_str(quoted)
            .map(Cow::Owned)
            .map_err(|error| {
                let found = printable(quoted.as_bytes());
                RowProblem::Syntax(format!("\"{found}\" is not a JSON string: {error}"))
            })
    }

    fn value(&mut self) -> Result<Value<'a>, RowProblem> {
        self.blanks();
        if self.rest.starts_with('"') {
            return self.string().map(Value::Text);
        }
        if self.rest.starts_with(['{', '[']) {
            let length = nested_length(self.rest).ok_or_else(|| {
                RowProblem::Syntax("not a JSON object: a nested value does not end".to_owned())
            })?;
            return Ok(Value::Nested(self.cut(length)));
        }
        let end = |char: char| matches!(char, ',' | '}' | ' ' | '\t');
        let length = self.rest.find(end).unwrap_or(self.rest.len());
        if length == 0 {
            let problem = "not a JSON object: a key has no value";
            return Err(RowProblem::Syntax(problem.to_owned()));
        }
        Ok(Value::Bare(self.cut(length)))
    }
}

/// Bytes of the string literal that `text` begins with.
fn string_length(text: &str) -> Option<usize> {
    let mut escaped = false;
    let body = text.strip_prefix('"')?;
    for (index, byte) in body.bytes().enumerate() {
        match byte {
            _ if escaped => escaped = false,
            b'\\' => escaped = true,
            b'"' => return Some(index + 2),
            _ => {}
        }
    }
    None
}

/// Bytes of the object or list that `text` begins with.
fn nested_length(text: &str) -> Option<usize> {
    let mut depth = 0_usize;
    let mut at = 0;
    while let Some(rest) = text.get(at..) {
        match rest.as_bytes().first()? {
            b'"' => {
                at += string_length(rest)?;
                continue;
            }
            b'{' | b'[' => depth += 1,
            b'}' | b']' => depth -= 1,
            _ => {}
        }
        at += rest.chars().next().map_or(1, char::len_utf8);
        if depth == 0 {
            return Some(at);
        }
    }
    None
}

/// What the options say about keys.
#[derive(Debug, Clone, Default)]
pub(crate) struct JsonKeys {
    options: ImportOptions,
    /// Names of the options that no line has had so far.
    unseen: Vec<String>,
}

impl JsonKeys {
    pub(crate) fn new(options: &ImportOptions) -> Self {
        Self {
            options: options.clone(),
            unseen: options.column_names().map(str::to_owned).collect(),
        }
    }

    /// Reads one line.
    pub(crate) fn read_line(&mut self, line: &[u8], row: &mut Row) -> Result<(), RowProblem> {
        let line = std::str::from_utf8(line)
            .map_err(|_| RowProblem::Syntax("not a JSON object: not UTF-8".to_owned()))?;
        let mut scanner = Scanner { rest: line };
        let mut kind = None;
        let mut detail = None;
        let mut tick_keys = 0_usize;
        scanner.expect('{')?;
        let mut open = !scanner.take('}');
        while open {
            let key = scanner.string()?;
            scanner.expect(':')?;
            let value = scanner.value()?;
            match (key.as_ref(), value) {
                (key, value) if self.options.target(key).is_some() => {
                    self.unseen.retain(|name| name != key);
                    self.set_other(key, &value, row)?;
                }
                ("seq", value) => {
                    number::<u64>("seq", &value, "a sequence number")?;
                }
                (key, value) if key == MEASURED || key == DERIVED => {
                    let nanos = number(key, &value, "nanoseconds since 1970")?;
                    row.recv_ts = Some(UnixNanos(nanos));
                    row.is_recv_ts_derived = key == DERIVED;
                }
                ("kind", Value::Text(text)) => kind = Some(text),
                ("detail", Value::Nested(text)) => detail = Some(text),
                (key, value) => {
                    tick_keys += 1;
                    match field(key) {
                        Some(field) => set_field(field, &value, row)?,
                        None => self.set_other(key, &value, row)?,
                    }
                }
            }
            open = !scanner.take('}');
            if open {
                scanner.expect(',')?;
            }
        }
        scanner.blanks();
        if !scanner.rest.is_empty() {
            let found = printable(scanner.rest.as_bytes());
            return Err(RowProblem::Syntax(format!(
                "\"{found}\" after the JSON object"
            )));
        }
        match kind.as_deref() {
            None | Some(TICK_KIND) => Ok(()),
            Some(kind) => read_session(kind, detail.unwrap_or("{}"), tick_keys, row),
        }
    }

    /// A key that is not a CTP field: of the options, another name of a field, or a receive clock.
    fn set_other(&self, key: &str, value: &Value<'_>, row: &mut Row) -> Result<(), RowProblem> {
        let text = written(value);
        let ctp = || names::ctp_field(key).map(Target::Ctp);
        let target = self.options.target(key).or_else(ctp);
        let Some(target) = target.or_else(|| names::in_every_dialect(key)) else {
            return Err(RowProblem::UnknownKey {
                key: key.to_owned(),
                value: printable(text.as_bytes()),
            });
        };
        if let Target::Ctp(name) = target
            && let Some(field) = field(name)
        {
            return set_field(field, value, row);
        }
        Column::new(key.to_owned(), target).read(text.as_bytes(), false, row)
    }
}

fn read_session(
    kind: &str,
    detail: &str,
    tick_keys: usize,
    row: &mut Row,
) -> Result<(), RowProblem> {
    if tick_keys > 0 {
        let expected = "tick: the row has CTP fields";
        return Err(RowProblem::value("kind", kind.as_bytes(), expected));
    }
    let event = SessionEvent::from_columns(kind, detail).map_err(|error| {
        let expected = format!("tick, or a session event with its detail ({error})");
        RowProblem::value("kind", kind.as_bytes(), expected)
    })?;
    row.session = Some(event);
    Ok(())
}

fn number<T: std::str::FromStr>(
    key: &str,
    value: &Value<'_>,
    expected: &str,
) -> Result<T, RowProblem> {
    let text = written(value);
    let parsed = matches!(value, Value::Bare(_)).then(|| text.parse().ok());
    parsed
        .flatten()
        .ok_or_else(|| RowProblem::value(key, text.as_bytes(), expected))
}

fn written<'v>(value: &'v Value<'_>) -> &'v str {
    match value {
        Value::Text(text) => text,
        Value::Bare(text) | Value::Nested(text) => text,
    }
}

fn set_field(field: &Field, value: &Value<'_>, row: &mut Row) -> Result<(), RowProblem> {
    let text = written(value);
    if *value == Value::Bare("null") {
        field.set_blank(row);
        return Ok(());
    }
    match (value, field.setter) {
        (Value::Text(text), Setter::Text(_)) => set_text(field, text, row),
        // Non-finite numbers are strings, for JSON has no literal for them.
        (Value::Bare(_), Setter::F64(_) | Setter::I32(_)) | (Value::Text(_), Setter::F64(_)) => {
            field.set(row, field.name, text.as_bytes())
        }
        (_, setter) => {
            let expected = match setter {
                Setter::Text(_) => "a JSON string",
                Setter::F64(_) => "a number",
                Setter::I32(_) => "a whole 32-bit number",
            };
            Err(RowProblem::value(field.name, text.as_bytes(), expected))
        }
    }
}

fn set_text(field: &Field, text: &str, row: &mut Row) -> Result<(), RowProblem> {
    if text.is_ascii() {
        return field.set(row, field.name, text.as_bytes());
    }
    let bytes = bytes_of_latin1(text).ok_or_else(|| {
        let expected = "text of the characters U+0000 to U+00FF, one for each byte";
        RowProblem::value(field.name, text.as_bytes(), expected)
    })?;
    field.set(row, field.name, &bytes)
}

/// Reads the rows of a JSONL file.
pub(crate) struct JsonlRows {
    reader: BufReader<SliceReader>,
    keys: JsonKeys,
    line: Vec<u8>,
    number: u64,
    bytes: u64,
}

impl JsonlRows {
    pub(crate) fn new(slice: &Slice, keys: JsonKeys, buffer: usize) -> Self {
        Self {
            keys,
            reader: BufReader::with_capacity(buffer, slice.reader()),
            line: Vec::new(),
            number: 0,
            bytes: 0,
        }
    }
}

impl ReadRows for JsonlRows {
    fn next_row(&mut self, row: &mut Row) -> Result<bool, RowError> {
        loop {
            self.line.clear();
            let most = u64::try_from(ROW_MAX).unwrap_or(u64::MAX);
            let mut bounded = self.reader.by_ref().take(most);
            let read = bounded.read_until(b'\n', &mut self.line)?;
            if read == 0 {
                return Ok(false);
            }
            if read == ROW_MAX {
                return Err(too_long().into());
            }
            self.number += 1;
            self.bytes += u64::try_from(read).unwrap_or(u64::MAX);
            if !self.line.trim_ascii().is_empty() {
                break;
            }
        }
        row.reset(self.number);
        self.keys
            .read_line(self.line.trim_ascii(), row)
            .map_err(|problem| RowError::Bad(self.number, problem))?;
        Ok(true)
    }

    fn bytes_read(&self) -> u64 {
        self.bytes
    }

    fn has_had(&self, name: &str) -> bool {
        !self.keys.unseen.iter().any(|unseen| unseen == name)
    }
}

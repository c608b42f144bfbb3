//! Reading and writing goldens: one small JSON file for version control.
//!
//! Indented to the second level, with one line for each part below it. A diff of two goldens reads
//! well, and the file stays small: about 110 bytes per subject.

use std::fs::File;
use std::io::{self, BufRead as _, BufReader, Read as _, Write};
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize as _};
use serde_json::ser::{CompactFormatter, Formatter, PrettyFormatter};

use super::bare_stream::golden_of_stream;
use super::error::{CannotTell, CheckError};
use super::golden::{FORMAT_NAME, Golden, GoldenVersion, VERSION, Volatile};
use super::stream::refuse_pointer;
use crate::sink::NewFile;

/// End of the name of a golden.
pub(super) const GOLDEN_SUFFIX: &str = ".golden.json";
/// End of the name of the payload stream beside a golden.
pub(super) const STREAM_SUFFIX: &str = ".golden.jsonl.zst";
/// Largest golden in bytes: that of half a million subjects.
const MOST_BYTES: u64 = 64 << 20;
/// Read first: a newer major version may have other fields.
#[derive(Deserialize)]
struct Header {
    format: String,
    format_version: GoldenVersion,
}

impl Golden {
    /// Reads a golden; `None` when there is nothing at `path`. A payload stream is accepted too: it
    /// is read for its digests here, and once more when it is compared.
    ///
    /// # Errors
    /// When it cannot be read, is not a golden, or is of a newer major version.
    pub fn read(path: &Path) -> Result<Option<Self>, CheckError> {
        match std::fs::metadata(path) {
            Ok(metadata) if metadata.is_file() => {}
            Ok(_) => {
                return Err(CheckError::GoldenCannotTell {
                    golden: path.to_owned(),
                    reason: CannotTell::NotAFile,
                });
            }
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
            Err(error) => return Err(CheckError::opening(path)(error)),
        }
        let file = File::open(path).map_err(CheckError::opening(path))?;
        let mut file = BufReader::new(file);
        let head = file.fill_buf().map_err(CheckError::io(path, "reading"))?;
        refuse_pointer(path, head)?;
        if !head.is_empty() && !head.trim_ascii_start().starts_with(b"{") {
            return golden_of_stream(path).map(Some);
        }
        let no_golden = |reason: String| CheckError::NotAGolden {
            path: path.to_owned(),
            reason,
        };
        let mut bytes = Vec::new();
        let read = file.take(MOST_BYTES + 1).read_to_end(&mut bytes);
        if read.map_err(CheckError::io(path, "reading"))? as u64 > MOST_BYTES {
            return Err(no_golden(format!("more than {MOST_BYTES} bytes")));
        }
        let header: Header =
            serde_json::from_slice(&bytes).map_err(|error| no_golden(error.to_string()))?;
        if header.format != FORMAT_NAME {
            let found = header.format;
            return Err(no_golden(format!(
                "format is {found:?}, expected {FORMAT_NAME:?}"
            )));
        }
        if header.format_version.major > VERSION.major {
            return Err(CheckError::NewerGolden {
                path: path.to_owned(),
                found: header.format_version,
            });
        }
        let golden: Self =
            serde_json::from_slice(&bytes).map_err(|error| no_golden(error.to_string()))?;
        let stream = golden.stream.as_deref();
        if let Some(name) = stream.filter(|name| Path::new(name).file_name() != Some(name.as_ref()))
        {
            let reason = format!("its stream {name:?} is not a file name");
            return Err(no_golden(reason));
        }
        let mut declared = golden.volatile.iter();
        if let Some(Volatile { field, .. }) = declared.find(|v| v.reason.trim().is_empty()) {
            return Err(CheckError::GoldenCannotTell {
                golden: path.to_owned(),
                reason: CannotTell::NoReason {
                    field: field.clone(),
                },
            });
        }
        Ok(Some(golden))
    }

    /// The text of the file.
    fn text(&self) -> serde_json::Result<Vec<u8>> {
        let mut text = Vec::new();
        let mut writer = serde_json::Serializer::with_formatter(&mut text, Lines::default());
        self.serialize(&mut writer)?;
        text.push(b'\n');
        Ok(text)
    }

    /// Writes the golden atomically.
    ///
    /// # Errors
    /// When it cannot be written.
    pub fn write(&self, path: &Path) -> Result<(), CheckError> {
        let text = self.text().map_err(io::Error::from);
        let text = text.map_err(CheckError::io(path, "encoding"))?;
        NewFile::write_whole(path, &text).map_err(CheckError::io(path, "writing"))
    }
}

/// Path of the payload stream of the golden at `path`. Its suffix is unlike that of any capture,
/// and `x.json` does not share a stream with `x.golden.json`.
#[must_use]
pub(super) fn stream_path(path: &Path) -> PathBuf {
    let name = path.file_name().unwrap_or_default().to_string_lossy();
    let stem = name.strip_suffix(GOLDEN_SUFFIX).unwrap_or(&name);
    path.with_file_name(format!("{stem}{STREAM_SUFFIX}"))
}

/// Indents to the second level and writes everything deeper on one line.
#[derive(Default)]
struct Lines {
    pretty: PrettyFormatter<'static>,
    compact: CompactFormatter,
    depth: usize,
}

/// Levels that are indented.
const INDENTED: usize = 2;

macro_rules! by_depth {
    ($self:ident, $writer:ident, $method:ident $(, $argument:expr)*) => {
        if $self.depth <= INDENTED {
            $self.pretty.$method($writer $(, $argument)*)
        } else {
            $self.compact.$method($writer $(, $argument)*)
        }
    };
}

impl Formatter for Lines {
    fn begin_array<W: ?Sized + Write>(&mut self, writer: &mut W) -> io::Result<()> {
        self.depth += 1;
        by_depth!(self, writer, begin_array)
    }

    fn end_array<W: ?Sized + Write>(&mut self, writer: &mut W) -> io::Result<()> {
        let ended = by_depth!(self, writer, end_array);
        self.depth -= 1;
        ended
    }

    fn begin_array_value<W: ?Sized + Write>(
        &mut self,
        writer: &mut W,
        first: bool,
    ) -> io::Result<()> {
        by_depth!(self, writer, begin_array_value, first)
    }

    fn end_array_value<W: ?Sized + Write>(&mut self, writer: &mut W) -> io::Result<()> {
        by_depth!(self, writer, end_array_value)
    }

    fn begin_object<W: ?Sized + Write>(&mut self, writer: &mut W) -> io::Result<()> {
        self.depth += 1;
        by_depth!(self, writer, begin_object)
    }

    fn end_object<W: ?Sized + Write>(&mut self, writer: &mut W) -> io::Result<()> {
        let ended = by_depth!(self, writer, end_object);
        self.depth -= 1;
        ended
    }

    fn begin_object_key<W: ?Sized + Write>(
        &mut self,
        writer: &mut W,
        first: bool,
    ) -> io::Result<()> {
        by_depth!(self, writer, begin_object_key, first)
    }

    fn begin_object_value<W: ?Sized + Write>(&mut self, writer: &mut W) -> io::Result<()> {
        by_depth!(self, writer, begin_object_value)
    }

    fn end_object_value<W: ?Sized + Write>(&mut self, writer: &mut W) -> io::Result<()> {
        by_depth!(self, writer, end_object_value)
    }
}

//! The golden: what a recording published when somebody last looked, as one small JSON file for
//! version control. `docs/regression.md` is the description for users.
//!
//! Pretty to the second level and one line for each part below it, so that a diff of two goldens
//! reads well and the file stays small: about 110 bytes a subject.

use std::collections::BTreeMap;
use std::fs::File;
use std::io::{self, BufRead as _, BufReader, Read as _, Write};
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};
use serde_json::ser::{CompactFormatter, Formatter, PrettyFormatter};
use tickdeck_recording::FormatVersion;

use super::error::CheckError;
use super::messages::Messages as _;
use super::meter::{Cuts, Meter};
use super::stream::{StreamFile, refuse_pointer};
use crate::encode::PayloadKind;
use crate::encode::subject::validate_prefix;
use crate::normalize::{self, Flag, Flags};
use crate::pipeline::{InstrumentLedger, PublisherOptions};
use crate::sink::NewFile;

/// Version of the golden format: a reader refuses a newer major, ignores a newer minor.
pub type GoldenVersion = FormatVersion;

/// The value of [`Golden::format`].
const FORMAT_NAME: &str = "tickdeck-golden";
/// The version that is written.
const VERSION: GoldenVersion = GoldenVersion { major: 1, minor: 0 };
/// End of the name of a golden.
pub const GOLDEN_SUFFIX: &str = ".golden.json";
/// End of the name of the payload stream beside a golden.
pub const STREAM_SUFFIX: &str = ".golden.jsonl.zst";
/// Messages up to which the payload stream is kept beside a golden, unless something else is said.
pub const DEFAULT_STREAM_LIMIT: u64 = 100_000;

/// What the golden is of.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "snake_case")]
pub enum GoldenSource {
    /// A recording, played through the normalizer.
    Recording {
        /// Session id.
        session: String,
        /// BLAKE3 of the logical events.
        digest: String,
        /// Events of all kinds.
        events: u64,
    },
    /// A payload stream that somebody else published.
    Stream,
}

/// How ticks became payloads.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct GoldenPayload {
    /// `vnpy` or `decimal`.
    pub kind: String,
    /// First tokens of the subjects.
    pub subject_prefix: String,
    /// Flags whose ticks are left out.
    pub drop: Vec<String>,
    /// [`normalize::VERSION`].
    pub normalizer: u32,
    /// BLAKE3 of the contract table in force.
    pub contracts: String,
    /// BLAKE3 of the calendar in force.
    pub calendar: String,
}

impl GoldenPayload {
    /// What these options make.
    #[must_use]
    pub fn of(options: &PublisherOptions) -> Self {
        Self {
            kind: options.payload.as_str().into(),
            subject_prefix: options.subject_prefix.clone(),
            drop: options
                .drop
                .iter()
                .map(|flag| flag.as_str().into())
                .collect(),
            normalizer: normalize::VERSION,
            contracts: options.contracts.digest(),
            calendar: options.calendar.digest(),
        }
    }

    /// Lets `options` publish as the golden was made: payload, subject prefix and dropped flags.
    fn apply(&self, options: &mut PublisherOptions) -> Result<(), String> {
        options.payload = PayloadKind::parse(&self.kind)
            .ok_or_else(|| format!("its payload {:?} is not known", self.kind))?;
        validate_prefix(&self.subject_prefix).map_err(|error| error.to_string())?;
        options.subject_prefix.clone_from(&self.subject_prefix);
        let flags = self.drop.iter().map(|word| word.parse::<Flag>());
        let flags = flags.collect::<Result<Flags, _>>();
        options.drop = flags.map_err(|error| error.to_string())?;
        Ok(())
    }
}

/// A field that is expected to change, and why. It is left out of streams and digests.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Volatile {
    /// Top-level key of the payload.
    pub field: String,
    /// Why it cannot be compared.
    pub reason: String,
}

/// What became of the ticks that were received.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct GoldenLedger {
    /// Ticks of the recording.
    pub received: u64,
    /// Ticks that could not be published, by reason.
    pub rejected: BTreeMap<String, u64>,
    /// Ticks that `drop` left out.
    pub filtered: u64,
}

impl From<&InstrumentLedger> for GoldenLedger {
    fn from(ledger: &InstrumentLedger) -> Self {
        let rejected = ledger.rejected.iter();
        Self {
            received: ledger.received,
            rejected: rejected
                .map(|(reason, count)| ((*reason).to_owned(), *count))
                .collect(),
            filtered: ledger.filtered,
        }
    }
}

/// Messages of one window.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct WindowPart {
    /// First `seq` of the window; in a golden of a stream, position of its first message.
    pub from: u64,
    /// How many.
    pub messages: u64,
    /// Chain of their hashes.
    pub digest: String,
}

/// Messages of one segment, as the recording was cut when the golden was made.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct SegmentPart {
    /// First `seq`.
    pub first_seq: u64,
    /// Last `seq`.
    pub last_seq: u64,
    /// How many.
    pub messages: u64,
    /// Chain of their hashes.
    pub digest: String,
}

/// Messages of one subject.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct SubjectPart {
    /// How many.
    pub messages: u64,
    /// Position of the first in the stream, from 0.
    pub first: u64,
    /// Position of the last.
    pub last: u64,
    /// Chain of their hashes.
    pub digest: String,
}

/// The golden. The key order is the order of the fields.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Golden {
    /// Always `tickdeck-golden`.
    pub format: String,
    /// Version of the format.
    pub format_version: GoldenVersion,
    /// Version of the tickdeck that wrote it; only told.
    pub tickdeck: String,
    /// What it is of.
    pub source: GoldenSource,
    /// How payloads were made; absent for a stream of somebody else.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub payload: Option<GoldenPayload>,
    /// What became of the ticks; absent for a stream of somebody else.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub ledger: Option<GoldenLedger>,
    /// Fields that are not compared, declared by people.
    #[serde(default)]
    pub volatile: Vec<Volatile>,
    /// Fields that stream and digests of this file were made without.
    #[serde(default)]
    pub left_out: Vec<String>,
    /// Messages of the stream.
    pub messages: u64,
    /// BLAKE3 of the stream.
    pub digest: String,
    /// File name of the payload stream beside the golden; null when it is above the limit.
    pub stream: Option<String>,
    /// Messages up to which the stream is kept.
    pub stream_limit: u64,
    /// Windows with messages, in order.
    pub windows: Vec<WindowPart>,
    /// Segments in order.
    #[serde(default)]
    pub segments: Vec<SegmentPart>,
    /// Subjects by name.
    pub subjects: BTreeMap<String, SubjectPart>,
    /// Whether there is no golden file but a payload stream in its place, which says nothing of
    /// where it comes from.
    #[serde(skip)]
    pub is_bare_stream: bool,
}

/// Read before everything else: a newer major version may have other fields.
#[derive(Deserialize)]
struct Header {
    format: String,
    format_version: GoldenVersion,
}

impl Golden {
    /// The fixed head of a golden that this tickdeck writes.
    pub(super) fn head() -> (String, GoldenVersion, String) {
        let version = env!("CARGO_PKG_VERSION");
        (FORMAT_NAME.into(), VERSION, version.into())
    }

    /// Reads a golden; `None` when there is nothing at `path`. A payload stream will do too: it is
    /// read for its digests here, and once more when it is compared.
    ///
    /// # Errors
    /// When it cannot be read, is no golden, or is of a newer major version.
    pub fn read(path: &Path) -> Result<Option<Self>, CheckError> {
        match std::fs::metadata(path) {
            Ok(metadata) if metadata.is_file() => {}
            Ok(_) => {
                return Err(CheckError::GoldenCannotTell {
                    golden: path.to_owned(),
                    reason:
                        "it is no ordinary file, and a golden is read more than once: write it \
                             to a file first"
                            .into(),
                });
            }
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
            Err(error) => return Err(CheckError::io(path, "opening")(error)),
        }
        let file = File::open(path).map_err(CheckError::io(path, "opening"))?;
        let mut file = BufReader::new(file);
        let head = file.fill_buf().map_err(CheckError::io(path, "reading"))?;
        refuse_pointer(path, head)?;
        if !head.is_empty() && !head.trim_ascii_start().starts_with(b"{") {
            return Self::of_stream(path).map(Some);
        }
        let mut bytes = Vec::new();
        file.read_to_end(&mut bytes)
            .map_err(CheckError::io(path, "reading"))?;
        let no_golden = |reason: String| CheckError::NotAGolden {
            path: path.to_owned(),
            reason,
        };
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
            let reason = format!("its stream {name:?} is no file name");
            return Err(no_golden(reason));
        }
        let mut declared = golden.volatile.iter();
        if let Some(Volatile { field, .. }) = declared.find(|v| v.reason.trim().is_empty()) {
            return Err(CheckError::GoldenCannotTell {
                golden: path.to_owned(),
                reason: format!(
                    "its volatile field {field:?} has no reason: write there why it cannot be \
                     compared"
                ),
            });
        }
        Ok(Some(golden))
    }

    fn of_stream(path: &Path) -> Result<Self, CheckError> {
        let mut stream = StreamFile::open(path)?;
        let mut meter = Meter::new(Cuts::default(), false);
        let damaged = |error| match error {
            CheckError::DamagedStream { path, reason } => CheckError::NotAGolden {
                path,
                reason: format!("it is a payload stream that is damaged or cut off: {reason}"),
            },
            other => other,
        };
        while let Some(chunk) = stream.next_chunk().map_err(damaged)? {
            meter.update(&chunk);
        }
        let parts = meter.parts();
        let (format, format_version, tickdeck) = Self::head();
        let name = path.file_name().map(|name| name.to_string_lossy());
        Ok(Self {
            format,
            format_version,
            tickdeck,
            source: GoldenSource::Stream,
            payload: None,
            ledger: None,
            volatile: Vec::new(),
            left_out: Vec::new(),
            messages: parts.messages,
            digest: stream.ended().digest.unwrap_or_default(),
            stream: name.map(String::from),
            stream_limit: parts.messages,
            windows: parts.windows,
            segments: parts.segments,
            subjects: parts.subjects,
            is_bare_stream: true,
        })
    }

    /// Lets `options` publish as the golden at `path` was made: payload, subject prefix and dropped
    /// flags.
    ///
    /// # Errors
    /// When this tickdeck does not know one of them.
    pub fn apply(&self, path: &Path, options: &mut PublisherOptions) -> Result<(), CheckError> {
        let applied = self.payload.as_ref().map(|payload| payload.apply(options));
        applied
            .unwrap_or(Ok(()))
            .map_err(|reason| CheckError::NotAGolden {
                path: path.to_owned(),
                reason,
            })
    }

    /// The names of the fields that are declared volatile, in order, each once.
    #[must_use]
    pub fn volatile_fields(&self) -> Vec<String> {
        let mut fields: Vec<String> = self.volatile.iter().map(|v| v.field.clone()).collect();
        fields.sort();
        fields.dedup();
        fields
    }

    /// Whether both say the same, whichever tickdeck wrote them and however the recording was cut.
    #[must_use]
    pub fn says_the_same(&self, other: &Self) -> bool {
        let told = |golden: &Self| Self {
            tickdeck: String::new(),
            segments: Vec::new(),
            ..golden.clone()
        };
        told(self) == told(other)
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
    /// When the file system refuses.
    pub fn write(&self, path: &Path) -> Result<(), CheckError> {
        let text = self.text().map_err(io::Error::from);
        let text = text.map_err(CheckError::io(path, "encoding"))?;
        NewFile::write_whole(path, &text).map_err(CheckError::io(path, "writing"))
    }
}

/// Where the payload stream of the golden at `path` lies. Whatever the golden is called, the name
/// ends as those of goldens do and no capture's does, and `x.json` does not share it with
/// `x.golden.json`.
#[must_use]
pub fn stream_path(path: &Path) -> PathBuf {
    let name = path.file_name().unwrap_or_default().to_string_lossy();
    let stem = name.strip_suffix(GOLDEN_SUFFIX).unwrap_or(&name);
    path.with_file_name(format!("{stem}{STREAM_SUFFIX}"))
}

/// Indented to the second level, one line for everything deeper.
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

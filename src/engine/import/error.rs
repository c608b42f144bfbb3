//! Errors that end an import. Each names the place (file, member, row, column), the value found
//! and the expected form.

use std::path::{Path, PathBuf};
use std::str::FromStr;

use tickdeck_core::source::{SourceError, SourceErrorKind};

use crate::import::dialect::Dialect;
use crate::import::options::ColumnMap;
use crate::import::row_error::BadRow;

/// An import cannot continue.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ImportError {
    /// A file could not be opened or read.
    #[error("reading {input}")]
    Io {
        /// The file, with its archive member when it has one.
        input: String,
        /// The error of the system or the decompressor.
        #[source]
        source: std::io::Error,
    },
    /// The spool for decompressed data could not be written.
    #[error("writing decompressed data to a temporary file (TMPDIR chooses the folder)")]
    Spool(#[source] std::io::Error),
    /// No input was named.
    #[error("nothing to import: name at least one file")]
    NoInput,
    /// A folder was named instead of a file.
    #[error("{} is a folder: name the files in it", path.display())]
    Folder {
        /// The folder.
        path: PathBuf,
    },
    /// The file is in a format that is not read.
    #[error("{input} is {format}, which import does not read; {fix}")]
    Unreadable {
        /// The file, with its archive member when it has one.
        input: String,
        /// What it is.
        format: &'static str,
        /// What to do with it.
        fix: &'static str,
    },
    /// The archives have no members.
    #[error("{inputs} holds no data: its archives have no files")]
    NoMembers {
        /// The files.
        inputs: String,
    },
    /// A column map that cannot be used.
    #[error(
        "\"{found}\" maps no column: expected THEIRS=CTP, where CTP is a field of CTP such as \
         LastPrice, or one of {}",
        ColumnMap::WORDS.join(", ")
    )]
    BadColumnMap {
        /// The map.
        found: String,
    },
    /// No input has a column of the options.
    #[error("no input has a column \"{name}\", which the options name")]
    NoColumn {
        /// The name of the column.
        name: String,
    },
    /// Decompressed, it is much larger than any dump of that size.
    #[error(
        "{input}: unpacks to more than {most} bytes; if it is sound, unpack it and import its files"
    )]
    Bomb {
        /// The file or member.
        input: String,
        /// How much is unpacked of inputs of this size.
        most: u64,
    },
    /// Archives of more files than are read at once.
    #[error("more than {most} files; import them in several runs")]
    TooManyFiles {
        /// The limit.
        most: usize,
    },
    /// There was input, but not one byte of it.
    #[error("{inputs} holds no data: every file is empty")]
    Empty {
        /// The files.
        inputs: String,
    },
    /// A dialect name that does not exist.
    #[error("unknown dialect \"{found}\", expected one of {}", Dialect::list())]
    UnknownDialect {
        /// The name.
        found: String,
    },
    /// No dialect fits what the file starts with.
    #[error("{input}: no dialect fits its first line \"{first_line}\" ({problem})")]
    NoDialect {
        /// The file.
        input: String,
        /// How it starts, shortened.
        first_line: String,
        /// The dialect that comes nearest, and what does not fit.
        problem: String,
        /// Whether there is such a dialect.
        is_near: bool,
        /// What would make it fit; empty where nothing is likely.
        guesses: Vec<ColumnGuess>,
    },
    /// Several dialects fit.
    #[error("{input}: the dialects {dialects} all fit; choose one")]
    AmbiguousDialect {
        /// The file.
        input: String,
        /// Their names.
        dialects: String,
    },
    /// Two columns of the file are the same field in the requested dialect.
    #[error(
        "{input}: not in the dialect {dialect}: its columns \"{first}\" and \"{second}\" are the same \
         field"
    )]
    SameField {
        /// The file.
        input: String,
        /// The dialect.
        dialect: Dialect,
        /// One column.
        first: String,
        /// The other column.
        second: String,
    },
    /// The requested dialect does not fit the file otherwise.
    #[error("{input}: not in the dialect {dialect}: {problem}")]
    WrongDialect {
        /// The file.
        input: String,
        /// The dialect.
        dialect: Dialect,
        /// The mismatch.
        problem: String,
    },
    /// The dialect has no trading day, and neither the name of the file nor the options give one.
    #[error(
        "{input}: the dialect {dialect} does not record the trading day and the file name does not \
         give it (expected {pattern})"
    )]
    NoTradingDay {
        /// The file.
        input: String,
        /// The dialect.
        dialect: Dialect,
        /// What a name with a date looks like.
        pattern: &'static str,
    },
    /// The dialect has no instrument, and neither the name of the file nor the options give one.
    #[error(
        "{input}: the dialect {dialect} does not record the instrument and the file name does not \
         give it (expected {pattern})"
    )]
    NoSymbol {
        /// The file.
        input: String,
        /// The dialect.
        dialect: Dialect,
        /// What a name with an instrument looks like.
        pattern: &'static str,
    },
    /// The symbol of the options does not fit the CTP field.
    #[error("the symbol \"{symbol}\" is not an instrument id: expected 1 to 80 bytes")]
    BadSymbol {
        /// The symbol.
        symbol: String,
    },
    /// A row cannot be read.
    #[error("{0}")]
    Row(BadRow),
    /// Read on after an error.
    #[error("the import stopped at an earlier error")]
    Stopped,
    /// There is no such file.
    #[error("{input} does not exist")]
    Missing {
        /// The file.
        input: String,
    },
    /// A column has a type that is not read.
    #[error(
        "{input}: column {name}: {kind}, which import does not read; write it as a plain column"
    )]
    UnreadableColumn {
        /// The file.
        input: String,
        /// The column.
        name: String,
        /// Its type.
        kind: &'static str,
    },
    /// A binary file is damaged before its rows begin.
    #[error("{input}: {problem}")]
    Damaged {
        /// The file.
        input: String,
        /// What was found and what was expected.
        problem: String,
    },
}

/// What a column of an unknown name probably is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ColumnGuess {
    /// The name in the header.
    pub theirs: String,
    /// The field as a [`ColumnMap`] names it; `None` for a column that can be left out.
    pub field: Option<&'static str>,
}

impl ImportError {
    /// Whether the user has to name another file, or to say more about it. The other errors are in the
    /// content of a file, or of the system.
    #[must_use]
    pub const fn is_bad_input(&self) -> bool {
        match self {
            Self::NoInput
            | Self::Folder { .. }
            | Self::Unreadable { .. }
            | Self::NoMembers { .. }
            | Self::BadColumnMap { .. }
            | Self::NoColumn { .. }
            | Self::TooManyFiles { .. }
            | Self::Empty { .. }
            | Self::UnknownDialect { .. }
            | Self::NoDialect { .. }
            | Self::AmbiguousDialect { .. }
            | Self::SameField { .. }
            | Self::WrongDialect { .. }
            | Self::NoTradingDay { .. }
            | Self::NoSymbol { .. }
            | Self::BadSymbol { .. }
            | Self::Missing { .. }
            | Self::UnreadableColumn { .. } => true,
            Self::Io { .. }
            | Self::Spool(_)
            | Self::Bomb { .. }
            | Self::Row(_)
            | Self::Stopped
            | Self::Damaged { .. } => false,
        }
    }

    pub(crate) fn io(input: &str, source: std::io::Error) -> Self {
        if source.kind() == std::io::ErrorKind::NotFound {
            return Self::Missing {
                input: input.to_owned(),
            };
        }
        Self::Io {
            input: input.to_owned(),
            source,
        }
    }

    pub(crate) fn path(path: &Path, source: std::io::Error) -> Self {
        Self::io(&path.display().to_string(), source)
    }
}

impl From<ImportError> for SourceError {
    fn from(error: ImportError) -> Self {
        Self::new(SourceErrorKind::Failed, error)
    }
}

impl FromStr for Dialect {
    type Err = ImportError;

    fn from_str(name: &str) -> Result<Self, ImportError> {
        // The first recorder whose dumps of CTP fields were read; the name stays in scripts.
        if name == "java-trader" {
            return Ok(Self::CtpCsv);
        }
        Self::ALL
            .into_iter()
            .find(|dialect| dialect.as_str() == name)
            .ok_or_else(|| ImportError::UnknownDialect {
                found: name.to_owned(),
            })
    }
}

impl FromStr for ColumnMap {
    type Err = ImportError;

    fn from_str(text: &str) -> Result<Self, ImportError> {
        Self::parse(text).ok_or_else(|| ImportError::BadColumnMap {
            found: text.to_owned(),
        })
    }
}

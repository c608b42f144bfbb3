//! Why a source cannot continue, without naming what kind of source it is.

use std::error::Error;
use std::fmt;

/// The kind of a [`SourceError`], for callers that decide what to do next.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum SourceErrorKind {
    /// The bytes are not what was written.
    Damaged,
    /// The input is not what it should be: another format, a bad row, a file that was not fetched.
    BadInput,
    /// The machine or the network failed.
    Failed,
}

/// A source cannot continue. Its message and its causes are those of the error it was made from.
#[derive(Debug)]
pub struct SourceError {
    kind: SourceErrorKind,
    cause: Box<dyn Error + Send + Sync>,
}

impl SourceError {
    /// Wraps the error of one implementation.
    #[must_use]
    pub fn new(kind: SourceErrorKind, cause: impl Into<Box<dyn Error + Send + Sync>>) -> Self {
        Self {
            kind,
            cause: cause.into(),
        }
    }

    /// What it says about the input.
    #[must_use]
    pub const fn kind(&self) -> SourceErrorKind {
        self.kind
    }

    /// The error of the implementation, for a caller that knows it.
    #[must_use]
    pub fn cause(&self) -> &(dyn Error + Send + Sync + 'static) {
        self.cause.as_ref()
    }

    /// The same, owned.
    #[must_use]
    pub fn into_cause(self) -> Box<dyn Error + Send + Sync> {
        self.cause
    }
}

impl fmt::Display for SourceError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.cause.fmt(f)
    }
}

impl Error for SourceError {
    fn source(&self) -> Option<&(dyn Error + 'static)> {
        self.cause.source()
    }
}

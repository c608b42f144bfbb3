//! The loaded market data library.

use std::path::Path;

use tickdeck_core::source::{CLOCK_RULE, SourceInfo};
use tickdeck_ffi::LoadError;
use tickdeck_ffi::md::MdLibrary;

/// A market data library that is loaded and understood. It stays loaded until the process ends.
#[derive(Debug, Clone)]
pub struct CtpLibrary(MdLibrary);

impl CtpLibrary {
    /// Loads the library at `path`: the file, or the folder that holds `thostmduserapi_se.so`.
    ///
    /// # Errors
    /// When there is no library, it is not for this machine, or it cannot be used safely.
    pub fn open(path: &Path) -> Result<Self, LoadError> {
        MdLibrary::open(path).map(Self)
    }

    /// `GetApiVersion`.
    #[must_use]
    pub fn version(&self) -> String {
        self.0.version().text.trim().to_owned()
    }

    /// Letter of the tick layout (field guide 4.1).
    #[must_use]
    pub fn layout(&self) -> String {
        self.0.layout().letter().to_string()
    }

    /// The file that was loaded.
    #[must_use]
    pub fn path(&self) -> &Path {
        self.0.path()
    }

    /// What a recording says about its source when the ticks come from this library.
    #[must_use]
    pub fn source_info(&self) -> SourceInfo {
        SourceInfo {
            kind: "ctp".into(),
            payload_source: "ctp".into(),
            api_version: self.version(),
            struct_layout: self.layout(),
            recv_ts: CLOCK_RULE.into(),
            ..SourceInfo::default()
        }
    }

    /// The library itself, for a diagnosis.
    #[must_use]
    pub const fn library(&self) -> &MdLibrary {
        &self.0
    }
}

//! Why a library is not used. Every sentence names the file and what to do.

use std::io;
use std::path::PathBuf;

use super::elf::NotLoadable;
use crate::abi::{ApiVersion, UnknownTraderTable, UnreadableVersion};

/// Why a CTP library cannot be used.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum LoadError {
    /// Nothing is there.
    #[error("there is no CTP library at {path}; name the vendor's file or its folder")]
    NotFound {
        /// As it was given.
        path: PathBuf,
    },
    /// A folder without the file.
    #[error(
        "the folder {path} holds no {file}; name the folder with the vendor's unpacked libraries"
    )]
    NotInFolder {
        /// As it was given.
        path: PathBuf,
        /// The vendor's name of the file.
        file: &'static str,
    },
    /// No permission, or a disk that fails.
    #[error("the CTP library {path} cannot be read")]
    Unreadable {
        /// File that was looked at.
        path: PathBuf,
        /// What the system says.
        #[source]
        source: io::Error,
    },
    /// Not a library of this machine.
    #[error("{path} cannot be used as a CTP library: {problem}")]
    NotLoadable {
        /// File that was looked at.
        path: PathBuf,
        /// What is wrong with it.
        problem: NotLoadable,
    },
    /// The dynamic linker refused.
    #[error("the system cannot load {path}: {reason}")]
    Linker {
        /// File that was loaded.
        path: PathBuf,
        /// The linker's words.
        reason: String,
    },
    /// Some other library.
    #[error(
        "{path} is not a CTP {kind} library: it does not export {missing}; the vendor's file is called {file}"
    )]
    MissingSymbol {
        /// File that was loaded.
        path: PathBuf,
        /// "market data" or "trader".
        kind: &'static str,
        /// What was looked for.
        missing: String,
        /// The vendor's name of the right file.
        file: &'static str,
    },
    /// `GetApiVersion` says something unknown.
    #[error("the CTP library {path} does not report its version")]
    UnreadableVersion {
        /// File that was loaded.
        path: PathBuf,
        /// What it said.
        #[source]
        source: UnreadableVersion,
    },
    /// Before every listed version.
    #[error(
        "the CTP library {path} is version {version}; tickdeck supports 6.3.15 and later, ask the broker for a newer one"
    )]
    TooOld {
        /// File that was loaded.
        path: PathBuf,
        /// What it is.
        version: ApiVersion,
    },
    /// Version and exported functions contradict each other.
    #[error(
        "the CTP library {path} contradicts itself: version {version} has a table of {by_version} \
         callbacks, its exports one of {by_symbol}. Ticks would reach the wrong function; use an \
         unmodified library from the vendor"
    )]
    TablesDisagree {
        /// File that was loaded.
        path: PathBuf,
        /// What it says it is.
        version: ApiVersion,
        /// Functions in the table of that version.
        by_version: usize,
        /// Functions in the table that the exports indicate.
        by_symbol: usize,
    },
    /// Version and factory contradict each other.
    #[error(
        "the CTP library {path} contradicts itself: version {version} creates sessions with {expected}, \
         but the library exports {found}, with other arguments; use an unmodified library from the \
         vendor"
    )]
    FactoriesDisagree {
        /// File that was loaded.
        path: PathBuf,
        /// What it says it is.
        version: ApiVersion,
        /// Factory of that version, mangled.
        expected: &'static str,
        /// Factory that it exports, mangled.
        found: &'static str,
    },
    /// The trader tables of this version are not known.
    #[error("the CTP trader library {path} cannot be used")]
    UnknownTraderTable {
        /// File that was loaded.
        path: PathBuf,
        /// Which version, and what to do.
        #[source]
        source: UnknownTraderTable,
    },
}

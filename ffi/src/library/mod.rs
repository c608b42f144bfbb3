//! Finding, judging and loading a vendor library.
//!
//! A library that was loaded stays loaded: unloading gives nothing and is not safe while any of its
//! threads may still run.

mod elf;
mod error;

use std::error::Error;
use std::ffi::{CStr, c_void};
use std::io::ErrorKind;
use std::mem::ManuallyDrop;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use libloading::os::unix::{Library as Handle, RTLD_LOCAL, RTLD_NOW};

pub use elf::NotLoadable;
pub use error::LoadError;

use crate::abi::signature::GetApiVersion;
use crate::abi::{ApiVersion, Knowledge, symbol};

/// Which of the two libraries is meant.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Kind {
    /// For messages.
    pub(crate) name: &'static str,
    /// The vendor's file name.
    pub(crate) file: &'static str,
    /// `GetApiVersion`, mangled.
    pub(crate) version_symbol: &'static str,
}

/// A library in memory, with the version it gives itself.
#[derive(Debug, Clone)]
pub(crate) struct Library {
    /// Never dropped, see above.
    handle: Arc<ManuallyDrop<Handle>>,
    kind: Kind,
    path: PathBuf,
    version: ApiVersion,
}

impl Library {
    /// Loads the file, or the vendor's file in the folder.
    ///
    /// # Errors
    /// [`LoadError`], before anything is loaded wherever possible.
    pub(crate) fn open(given: &Path, kind: Kind) -> Result<Self, LoadError> {
        let path = locate(given, kind)?;
        refuse_special(&path)?;
        let judged = elf::inspect(&path).map_err(|source| LoadError::Unreadable {
            path: path.clone(),
            source,
        })?;
        judged.map_err(|problem| LoadError::NotLoadable {
            path: path.clone(),
            problem,
        })?;
        // Local: a vendor library exports thousands of names, which must not replace other symbols.
        // SAFETY: loading runs the file's constructors. The file was found to be a shared library
        // of this machine. Whether its constructors are sound cannot be checked: the user chose the
        // file, as with every plug-in. RTLD_NOW makes a missing symbol an error here and not a
        // crash later.
        let handle = unsafe { Handle::open(Some(path.as_os_str()), RTLD_NOW | RTLD_LOCAL) };
        let handle = handle.map_err(|error| LoadError::Linker {
            path: path.clone(),
            reason: linkers_words(&error),
        })?;
        // Loading the same file again counts up and costs nothing.
        let handle = Arc::new(ManuallyDrop::new(handle));
        let version = ask_version(&handle, &path, kind)?;
        if version.knowledge() == Knowledge::Older {
            return Err(LoadError::TooOld { path, version });
        }
        Ok(Self {
            handle,
            kind,
            path,
            version,
        })
    }

    /// Absolute path of the file.
    pub(crate) fn path(&self) -> &Path {
        &self.path
    }

    pub(crate) fn version(&self) -> &ApiVersion {
        &self.version
    }

    /// Whether the library exports this name.
    pub(crate) fn exports(&self, name: &str) -> bool {
        self.address(name).is_some()
    }

    /// Whether this is tickdeck's simulated front.
    pub(crate) fn is_simulated(&self) -> bool {
        self.exports(symbol::SIMULATED_FRONT)
    }

    /// Where the name is in memory.
    pub(crate) fn address(&self, name: &str) -> Option<*const c_void> {
        address(&self.handle, name)
    }

    /// Of two factories the one that belongs to the version: the argument for the keys came with
    /// 6.7.11 (field guide 1.1). The simulated front has both.
    ///
    /// # Errors
    /// When there is only the other one, or none.
    pub(crate) fn factory<T>(
        &self,
        (with_mode_symbol, with_mode): (&'static str, Option<T>),
        (plain_symbol, plain): (&'static str, Option<T>),
    ) -> Result<T, LoadError> {
        let (due, own, other_symbol, other) = if self.version.at_least(6, 7, 11) {
            (with_mode_symbol, with_mode, plain_symbol, plain)
        } else {
            (plain_symbol, plain, with_mode_symbol, with_mode)
        };
        match (own, other) {
            (Some(own), _) => Ok(own),
            (None, Some(_)) => Err(LoadError::FactoriesDisagree {
                path: self.path.clone(),
                version: self.version.clone(),
                expected: due,
                found: other_symbol,
            }),
            (None, None) => Err(self.missing(&[with_mode_symbol, plain_symbol])),
        }
    }

    pub(crate) fn missing(&self, names: &[&str]) -> LoadError {
        missing(&self.path, self.kind, names)
    }
}

/// The error itself says no more than "dlopen failed"; which library or which version of glibc is
/// missing is in its cause.
fn linkers_words(error: &libloading::Error) -> String {
    let words: &dyn Error = error.source().unwrap_or(error);
    words.to_string()
}

fn address(handle: &Handle, name: &str) -> Option<*const c_void> {
    // SAFETY: the symbol is taken as a plain address and not used as anything here.
    let symbol = unsafe { handle.get::<*const c_void>(name.as_bytes()) };
    symbol.ok().map(|symbol| *symbol)
}

fn missing(path: &Path, kind: Kind, names: &[&str]) -> LoadError {
    LoadError::MissingSymbol {
        path: path.to_owned(),
        kind: kind.name,
        missing: names.join(" or "),
        file: kind.file,
    }
}

fn locate(given: &Path, kind: Kind) -> Result<PathBuf, LoadError> {
    let unreadable = |source: std::io::Error| {
        if source.kind() == ErrorKind::NotFound {
            LoadError::NotFound {
                path: given.to_owned(),
            }
        } else {
            LoadError::Unreadable {
                path: given.to_owned(),
                source,
            }
        }
    };
    // Absolute, because the linker looks for a bare name in the system's folders.
    let path = given.canonicalize().map_err(unreadable)?;
    if !path.is_dir() {
        return Ok(path);
    }
    let inside = path.join(kind.file);
    if !inside.exists() {
        return Err(LoadError::NotInFolder {
            path: given.to_owned(),
            file: kind.file,
        });
    }
    inside.canonicalize().map_err(unreadable)
}

/// Refuses pipes and devices, because reading one may never end.
fn refuse_special(path: &Path) -> Result<(), LoadError> {
    let unreadable = |source: std::io::Error| LoadError::Unreadable {
        path: path.to_owned(),
        source,
    };
    let metadata = path.metadata().map_err(unreadable)?;
    if metadata.is_file() {
        return Ok(());
    }
    Err(unreadable(std::io::Error::new(
        ErrorKind::InvalidInput,
        "it is not a regular file",
    )))
}

fn ask_version(handle: &Handle, path: &Path, kind: Kind) -> Result<ApiVersion, LoadError> {
    let Some(function) = address(handle, kind.version_symbol) else {
        return Err(missing(path, kind, &[kind.version_symbol]));
    };
    // SAFETY: under this mangled name every version exports a static member without arguments
    // that returns a C string, which the platform calls like a C function.
    let function = unsafe { std::mem::transmute::<*const c_void, GetApiVersion>(function) };
    // SAFETY: works from the moment the library is loaded, before anything is created (field guide
    // 1.1).
    let text = unsafe { function() };
    let text = if text.is_null() {
        String::new()
    } else {
        // SAFETY: not null, and the answer is a constant of the library that ends with a NUL.
        let text = unsafe { CStr::from_ptr(text) };
        text.to_string_lossy().into_owned()
    };
    text.parse().map_err(|source| LoadError::UnreadableVersion {
        path: path.to_owned(),
        source,
    })
}

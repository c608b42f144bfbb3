//! The flow folder, where a library stores its stream positions.
//!
//! The library takes a path prefix. It crashes when the folder does not exist (field guide 1.5),
//! and two instances overwrite each other's files. So the folder is created, checked and locked
//! here.

use std::ffi::CString;
use std::fs::{File, OpenOptions, TryLockError};
use std::io;
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};

const LOCK_FILE: &str = "tickdeck.lock";

/// A folder that exists, is writable and belongs to one API instance while this value lives.
///
/// The kernel holds the lock and drops it with the process, however the process ends.
#[derive(Debug)]
pub struct FlowFolder {
    path: PathBuf,
    prefix: CString,
    _lock: File,
}

/// The folder cannot be used.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum FlowError {
    /// It cannot be created or written.
    #[error("the flow folder {path} cannot be written; name another, or make it writable")]
    NotWritable {
        /// Folder or file.
        path: PathBuf,
        /// The system's error.
        #[source]
        source: io::Error,
    },
    /// Another session uses it.
    #[error(
        "the flow folder {path} is in use by another session; give each session its own folder"
    )]
    InUse {
        /// The folder.
        path: PathBuf,
    },
    /// Its name cannot be passed to the library.
    #[error("the flow folder {path} has a NUL in its name")]
    BadName {
        /// The folder.
        path: PathBuf,
    },
}

impl FlowFolder {
    /// Creates the folder if necessary, and locks it.
    ///
    /// # Errors
    /// [`FlowError`]: not writable, in use, or with an impossible name.
    pub fn open(path: &Path) -> Result<Self, FlowError> {
        let not_writable = |path: &Path| {
            let path = path.to_owned();
            move |source| FlowError::NotWritable { path, source }
        };
        std::fs::create_dir_all(path).map_err(not_writable(path))?;
        // Absolute: the library opens its files later, when the working directory may have changed.
        let path = path.canonicalize().map_err(not_writable(path))?;
        let mut prefix = path.as_os_str().as_bytes().to_vec();
        prefix.push(b'/');
        let prefix = CString::new(prefix).map_err(|_| FlowError::BadName { path: path.clone() })?;
        let lock = open_for_writing(&path.join(LOCK_FILE), true).map_err(not_writable(&path))?;
        match lock.try_lock() {
            Ok(()) => {}
            Err(TryLockError::WouldBlock) => return Err(FlowError::InUse { path }),
            Err(TryLockError::Error(source)) => {
                return Err(FlowError::NotWritable { path, source });
            }
        }
        // A file that the library cannot open for writing ends the process with SIGSEGV.
        for entry in std::fs::read_dir(&path).map_err(not_writable(&path))? {
            let file = entry.map_err(not_writable(&path))?.path();
            if file.extension().is_some_and(|end| end == "con") {
                open_for_writing(&file, false).map_err(not_writable(&file))?;
            }
        }
        Ok(Self {
            path,
            prefix,
            _lock: lock,
        })
    }

    /// Absolute path.
    #[must_use]
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// The prefix for the library: the path with a slash at its end.
    pub(crate) fn prefix(&self) -> &std::ffi::CStr {
        &self.prefix
    }
}

fn open_for_writing(path: &Path, create: bool) -> io::Result<File> {
    OpenOptions::new()
        .read(true)
        .write(true)
        .create(create)
        .truncate(false)
        .open(path)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_missing_folder_is_created() {
        let folder = tempfile::tempdir().unwrap();
        let flow = FlowFolder::open(&folder.path().join("a/b")).unwrap();
        assert!(flow.path().is_dir());
        assert!(flow.prefix().to_bytes().ends_with(b"/a/b/"));
    }

    #[test]
    fn a_folder_in_use_is_refused_until_released() {
        let folder = tempfile::tempdir().unwrap();
        let first = FlowFolder::open(folder.path()).unwrap();
        let refused = FlowFolder::open(folder.path()).unwrap_err();
        assert!(matches!(refused, FlowError::InUse { .. }));
        assert!(
            refused
                .to_string()
                .contains(&*folder.path().to_string_lossy())
        );
        drop(first);
        FlowFolder::open(folder.path()).unwrap();
    }

    #[test]
    fn an_unwritable_folder_is_refused() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("file");
        std::fs::write(&file, "").unwrap();
        assert!(matches!(
            FlowFolder::open(&file.join("below")),
            Err(FlowError::NotWritable { .. })
        ));
        // A folder instead of a library file: even root cannot open it for writing.
        std::fs::create_dir(folder.path().join("TradingDay.con")).unwrap();
        assert!(matches!(
            FlowFolder::open(folder.path()),
            Err(FlowError::NotWritable { .. })
        ));
    }
}

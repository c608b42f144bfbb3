//! Where the files of recordings live.
//!
//! Everything else in this crate reads and writes through [`Storage`], never through `std::fs`.
//! Another backend (an object store, a simulation of crashes) therefore replaces one type.
//!
//! The interface asks only for what such backends can keep:
//!
//! - Files are read by position. A reader knows the range it needs.
//! - A new file is created exclusively, or put in place whole by [`Storage::put`].
//! - A path is a key of `/`-separated names. A folder is a common prefix and may exist implicitly.
//! - A file that must be the only one of its name is put with a condition: [`Storage::put_new`].
//! - Nothing is durable before [`WriteFile::sync`] for contents and [`Storage::sync_dir`] for names.

#[cfg(test)]
mod crash;
mod error;
mod local;
mod location;
#[cfg(test)]
mod memory;
#[cfg(feature = "object-store")]
mod object;
mod parquet_file;
mod scheme;
#[cfg(test)]
mod tests;

use std::fmt;
use std::io::Write;
use std::ops::Range;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use bytes::Bytes;

#[cfg(test)]
pub(crate) use crash::{CrashStorage, Draw, Omitted};
pub use error::StorageError;
pub use local::LocalStorage;
pub use location::{Location, LocationError, check_url, is_url};
#[cfg(test)]
pub(crate) use memory::MemoryStorage;
#[cfg(all(test, feature = "object-store"))]
pub(crate) use object::{Counted, Counts, ObjectStorage};
pub(crate) use parquet_file::ParquetFile;

type Result<T> = std::result::Result<T, StorageError>;

/// The kind of thing at a path.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Entry {
    /// A file.
    File,
    /// A folder.
    Folder,
    /// Neither, such as a pipe or a device.
    Other,
}

/// A set of files: a local file system, or a substitute.
pub trait Storage: fmt::Debug + Send + Sync {
    /// Looks at `path`.
    ///
    /// # Errors
    /// When nothing is there, or it cannot be looked at.
    fn entry(&self, path: &Path) -> Result<Entry>;

    /// Whether there is something at `path`. A path that cannot be looked at counts as absent.
    fn exists(&self, path: &Path) -> bool {
        self.entry(path).is_ok()
    }

    /// Whether there is a file at `path`.
    fn is_file(&self, path: &Path) -> bool {
        matches!(self.entry(path), Ok(Entry::File))
    }

    /// Whether there is a folder at `path`.
    fn is_folder(&self, path: &Path) -> bool {
        matches!(self.entry(path), Ok(Entry::Folder))
    }

    /// Whether the file at `path` is in `folder` when links are followed. A file that is missing
    /// counts as inside. Storages without links have no others.
    fn is_within(&self, folder: &Path, path: &Path) -> bool {
        path.starts_with(folder)
    }

    /// Where the link at `path` leads; `None` if it is not a link.
    fn link_target(&self, _path: &Path) -> Option<PathBuf> {
        None
    }

    /// What is the same for two paths that lead to the same thing, links followed, and differs for all
    /// others. `None` where that is unknown.
    fn identity(&self, _path: &Path) -> Option<(u64, u64)> {
        None
    }

    /// Whether files are on a server. Reading then costs requests, so that files are read in few and
    /// large parts. There are neither locks nor folders apart from the files in them, and a file is
    /// only written whole.
    fn is_remote(&self) -> bool {
        false
    }

    /// The names in a folder, sorted.
    ///
    /// # Errors
    /// When it cannot be listed.
    fn list(&self, folder: &Path) -> Result<Vec<String>>;

    /// Opens a file to read.
    ///
    /// # Errors
    /// When there is none, or it cannot be opened.
    fn open(&self, path: &Path) -> Result<Arc<dyn ReadFile>>;

    /// The size of the file at `path`, in bytes.
    ///
    /// # Errors
    /// When there is none, or it cannot be looked at.
    fn file_bytes(&self, path: &Path) -> Result<u64> {
        self.open(path)?.bytes()
    }

    /// Creates a file that must not exist yet.
    ///
    /// # Errors
    /// When something is at `path` already, or it cannot be created.
    fn create(&self, path: &Path) -> Result<Box<dyn WriteFile>>;

    /// Opens a file to append to it. It is created if it does not exist.
    ///
    /// # Errors
    /// When it cannot be opened.
    fn append(&self, path: &Path) -> Result<Box<dyn WriteFile>>;

    /// Writes a whole file, synced. A file at `path` is replaced atomically: readers see the old
    /// content or the new one. A process that is killed meanwhile may leave a temporary file beside it,
    /// `.NAME.XXXXXX.tmp`.
    ///
    /// # Errors
    /// When it cannot be written; what was there stays.
    fn put(&self, path: &Path, content: &[u8]) -> Result<()>;

    /// Writes a whole small file that must not exist yet, synced. Of several writers at once one
    /// succeeds, and the others change nothing. Where the file has this very content already, that is
    /// success too: the answer to an earlier try may have been lost.
    ///
    /// # Errors
    /// With [`AlreadyExists`](std::io::ErrorKind::AlreadyExists) when it has another content; else when
    /// it cannot be written.
    fn put_new(&self, path: &Path, content: &[u8]) -> Result<()>;

    /// Whether [`put_new`](Self::put_new) really refuses to replace the file at `path`, which has this
    /// content. Some servers ignore the condition.
    ///
    /// # Errors
    /// When that cannot be determined.
    fn refuses_to_replace(&self, _path: &Path, _content: &[u8]) -> Result<bool> {
        Ok(true)
    }

    /// Renames a file. One that has the new name already is replaced atomically.
    ///
    /// # Errors
    /// When it cannot be renamed.
    fn rename(&self, from: &Path, to: &Path) -> Result<()>;

    /// Removes a file.
    ///
    /// # Errors
    /// When there is none, or it cannot be removed.
    fn remove(&self, path: &Path) -> Result<()>;

    /// Creates a folder and those above it, where they do not exist.
    ///
    /// # Errors
    /// When it cannot be created.
    fn create_folder(&self, folder: &Path) -> Result<()>;

    /// Creates a new, empty folder with a hidden name next to `target`, for a recording that will
    /// replace it. Renaming from there to `target` crosses no file system.
    ///
    /// # Errors
    /// When it cannot be created.
    fn create_folder_beside(&self, target: &Path) -> Result<PathBuf>;

    /// Removes an empty folder.
    ///
    /// # Errors
    /// When it is not empty, or cannot be removed.
    fn remove_folder(&self, folder: &Path) -> Result<()>;

    /// Makes the names in a folder durable: what was created, renamed or removed stays so.
    ///
    /// # Errors
    /// When the folder cannot be synced.
    fn sync_dir(&self, folder: &Path) -> Result<()>;

    /// Bytes that can still be written in `folder`, or in the folder above it that exists. `None` where
    /// the storage states no bound.
    ///
    /// # Errors
    /// When that cannot be determined.
    fn free_space(&self, _folder: &Path) -> Result<Option<u64>> {
        Ok(None)
    }

    /// Takes the exclusive lock at `path`, whose file is created if it does not exist. The file says
    /// who holds the lock.
    ///
    /// The lock is released when the guard is dropped, which removes the file, and when the process
    /// ends in any way, which leaves the file.
    ///
    /// # Errors
    /// With [`WouldBlock`](std::io::ErrorKind::WouldBlock) when another owner holds the lock; else
    /// when it cannot be taken.
    fn lock(&self, path: &Path) -> Result<Box<dyn LockGuard>>;

    /// Whether another owner or this process holds the lock at `path`.
    ///
    /// # Errors
    /// When that cannot be determined.
    fn is_locked(&self, path: &Path) -> Result<bool>;
}

/// An open file, read by position. Several readers may share it.
pub trait ReadFile: fmt::Debug + Send + Sync {
    /// Its size now; a file that is still being written grows.
    ///
    /// # Errors
    /// When the size cannot be determined.
    fn bytes(&self) -> Result<u64>;

    /// Fills `buffer` with the bytes from `offset` on.
    ///
    /// # Errors
    /// When the file ends before the buffer is full, or cannot be read.
    fn read_at(&self, buffer: &mut [u8], offset: u64) -> Result<()>;

    /// Whether each read takes a request to a server.
    fn is_remote(&self) -> bool {
        false
    }

    /// The bytes of each range, in that order. A remote file requests several at once.
    ///
    /// # Errors
    /// When a range ends behind the file, or cannot be read.
    fn read_ranges(&self, ranges: &[Range<u64>]) -> Result<Vec<Bytes>> {
        let read = |range: &Range<u64>| {
            let length = range.end.saturating_sub(range.start);
            let mut bytes = vec![0; usize::try_from(length).unwrap_or(usize::MAX)];
            self.read_at(&mut bytes, range.start)?;
            Ok(bytes.into())
        };
        ranges.iter().map(read).collect()
    }
}

/// An open file, written from its end on. Writes are not buffered.
pub trait WriteFile: Write + fmt::Debug + Send {
    /// Makes everything written so far durable.
    ///
    /// # Errors
    /// When the file cannot be synced.
    fn sync(&mut self) -> Result<()>;
}

/// Holds a lock until it is dropped.
pub trait LockGuard: fmt::Debug + Send + Sync {
    /// Whether the locked file is still the one at its path. If not, its folder was removed or
    /// replaced, and what is there now has another owner.
    fn is_in_place(&self) -> bool;

    /// What became of the folder, if the locked file is not in place.
    fn folder(&self) -> FolderNow {
        FolderNow::Unknown
    }
}

/// What became of a folder that was locked.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum FolderNow {
    /// It is here, with all that is in it.
    At(PathBuf),
    /// It was removed.
    Removed,
    /// No path leads to it: its disk may have been unmounted.
    Unknown,
}

/// The local file system.
#[must_use]
pub fn local() -> Arc<dyn Storage> {
    Arc::new(LocalStorage)
}

/// What the name of the temporary file of [`Storage::put`] ends with: `.NAME.XXXXXX.tmp`.
const TEMPORARY: &str = ".tmp";
/// The letters or digits before it, which differ from file to file.
const TEMPORARY_LETTERS: usize = 6;

/// The name of the file whose temporary file has this name; `None` for another name.
pub(crate) fn target_of_temporary(name: &str) -> Option<&str> {
    let name = name.strip_prefix('.')?.strip_suffix(TEMPORARY)?;
    let (target, letters) = name.rsplit_once('.')?;
    is_random(letters).then_some(target)
}

/// Whether a text is as those that distinguish temporary names.
pub(crate) fn is_random(text: &str) -> bool {
    text.len() == TEMPORARY_LETTERS && text.bytes().all(|byte| byte.is_ascii_alphanumeric())
}

/// The whole content of a small file, of at most `most` bytes.
pub(crate) fn read_whole(storage: &dyn Storage, path: &Path, most: u64) -> Result<Vec<u8>> {
    let file = storage.open(path)?;
    let found = file.bytes()?;
    let bytes = usize::try_from(found).ok().filter(|_| found <= most);
    let too_large = || {
        let problem = format!("it has {found} bytes, at most {most} are read");
        std::io::Error::new(std::io::ErrorKind::FileTooLarge, problem)
    };
    let bytes = bytes.ok_or_else(too_large);
    let mut content = vec![0; bytes.map_err(StorageError::at(path, "reading"))?];
    file.read_at(&mut content, 0)?;
    Ok(content)
}

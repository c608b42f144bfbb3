//! The local file system. The only file of this crate that uses `std::fs`.

use std::fs::{self, File, OpenOptions, Permissions, TryLockError};
use std::io::{self, Write};
use std::os::fd::AsRawFd as _;
use std::os::unix::fs::{FileExt as _, MetadataExt as _, OpenOptionsExt as _, PermissionsExt as _};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use nix::libc::{O_NOFOLLOW, O_NONBLOCK};
use nix::sys::statvfs::statvfs;
use tempfile::NamedTempFile;
use tickdeck_core::wait;

use super::{
    Entry, FolderNow, LockGuard, ReadFile, Result, Storage, StorageError, TEMPORARY,
    TEMPORARY_LETTERS, WriteFile,
};

/// Mode of a file that was created under a temporary name, which is private by default.
const FILE_MODE: u32 = 0o644;
/// The same for a folder.
const FOLDER_MODE: u32 = 0o755;

/// The local file system; paths mean what they mean to the process.
#[derive(Debug, Clone, Copy, Default)]
pub struct LocalStorage;

impl Storage for LocalStorage {
    fn entry(&self, path: &Path) -> Result<Entry> {
        let metadata = fs::metadata(path).map_err(StorageError::at(path, "opening"))?;
        Ok(if metadata.is_file() {
            Entry::File
        } else if metadata.is_dir() {
            Entry::Folder
        } else {
            Entry::Other
        })
    }

    fn is_within(&self, folder: &Path, path: &Path) -> bool {
        match (folder.canonicalize(), path.canonicalize()) {
            (Ok(folder), Ok(path)) => path.starts_with(folder),
            // What cannot be found cannot be opened either, which is reported then.
            _ => true,
        }
    }

    fn link_target(&self, path: &Path) -> Option<PathBuf> {
        fs::read_link(path).ok()
    }

    fn identity(&self, path: &Path) -> Option<(u64, u64)> {
        let metadata = fs::metadata(path).ok()?;
        Some((metadata.dev(), metadata.ino()))
    }

    fn list(&self, folder: &Path) -> Result<Vec<String>> {
        let names = || -> io::Result<Vec<String>> {
            let entries = fs::read_dir(folder)?;
            let name = |entry: io::Result<fs::DirEntry>| {
                Ok(entry?.file_name().to_string_lossy().into_owned())
            };
            let mut names = entries.map(name).collect::<io::Result<Vec<_>>>()?;
            names.sort();
            Ok(names)
        };
        names().map_err(StorageError::at(folder, "listing"))
    }

    fn open(&self, path: &Path) -> Result<Arc<dyn ReadFile>> {
        let mut options = OpenOptions::new();
        let file = open_file(path, options.read(true), O_NONBLOCK);
        let file = file.map_err(StorageError::at(path, "opening"))?;
        Ok(Arc::new(LocalFile::new(path, file)))
    }

    fn file_bytes(&self, path: &Path) -> Result<u64> {
        let metadata = fs::metadata(path).and_then(|it| match it.is_file() {
            true => Ok(it.len()),
            false => Err(io::ErrorKind::InvalidInput.into()),
        });
        metadata.map_err(StorageError::at(path, "opening"))
    }

    fn create(&self, path: &Path) -> Result<Box<dyn WriteFile>> {
        let file = File::create_new(path).map_err(StorageError::at(path, "creating"))?;
        Ok(Box::new(LocalFile::new(path, file)))
    }

    fn append(&self, path: &Path) -> Result<Box<dyn WriteFile>> {
        let file = OpenOptions::new().append(true).create(true).open(path);
        let file = file.map_err(StorageError::at(path, "opening"))?;
        Ok(Box::new(LocalFile::new(path, file)))
    }

    fn put(&self, path: &Path, content: &[u8]) -> Result<()> {
        let write = || -> io::Result<()> {
            whole_file(path, content)?.persist(path)?;
            Ok(())
        };
        write().map_err(StorageError::at(path, "writing"))
    }

    fn put_new(&self, path: &Path, content: &[u8]) -> Result<()> {
        let write = || -> io::Result<()> {
            let file = whole_file(path, content)?;
            match file.persist_noclobber(path) {
                Ok(_) => Ok(()),
                Err(refused) if refused.error.kind() == io::ErrorKind::AlreadyExists => {
                    let is_same = fs::read(path)? == content;
                    is_same.then_some(()).ok_or(refused.error)
                }
                Err(failed) => Err(failed.error),
            }
        };
        write().map_err(StorageError::at(path, "writing"))
    }

    fn rename(&self, from: &Path, to: &Path) -> Result<()> {
        fs::rename(from, to).map_err(StorageError::at(to, "moving a finished file to"))
    }

    fn remove(&self, path: &Path) -> Result<()> {
        fs::remove_file(path).map_err(StorageError::at(path, "removing"))
    }

    fn create_folder(&self, folder: &Path) -> Result<()> {
        fs::create_dir_all(folder).map_err(StorageError::at(folder, "creating"))
    }

    fn create_folder_beside(&self, target: &Path) -> Result<PathBuf> {
        // The absolute path has a parent and a name even when the target is `.`.
        let target = std::path::absolute(target).map_err(StorageError::at(target, "finding"))?;
        let create = || -> io::Result<PathBuf> {
            let folder = tempfile::Builder::new()
                .prefix(&hidden_prefix(&target))
                .rand_bytes(TEMPORARY_LETTERS)
                .tempdir_in(parent(&target))?;
            fs::set_permissions(folder.path(), Permissions::from_mode(FOLDER_MODE))?;
            Ok(folder.keep())
        };
        create().map_err(StorageError::at(parent(&target), "creating a folder in"))
    }

    fn remove_folder(&self, folder: &Path) -> Result<()> {
        fs::remove_dir(folder).map_err(StorageError::at(folder, "removing"))
    }

    fn sync_dir(&self, folder: &Path) -> Result<()> {
        let sync = || File::open(folder)?.sync_all();
        sync().map_err(StorageError::at(folder, "syncing"))
    }

    fn free_space(&self, folder: &Path) -> Result<Option<u64>> {
        let existing = folder.ancestors().find(|path| path.exists());
        let existing = match existing {
            Some(path) if path != Path::new("") => path,
            _ => Path::new("."),
        };
        let stat = statvfs(existing).map_err(io::Error::from);
        let stat = stat.map_err(StorageError::at(existing, "asking for the free space of"))?;
        // Some network and user space file systems state no size at all.
        let is_known = stat.blocks() > 0;
        Ok(is_known.then(|| stat.blocks_available().saturating_mul(stat.fragment_size())))
    }

    fn lock(&self, path: &Path) -> Result<Box<dyn LockGuard>> {
        let lock = take_lock(path).map_err(StorageError::at(path, "locking"))?;
        Ok(Box::new(lock))
    }

    fn is_locked(&self, path: &Path) -> Result<bool> {
        let is_locked = || -> io::Result<bool> {
            let mut options = OpenOptions::new();
            let file = match open_file(path, options.read(true), LOCK_FLAGS) {
                Ok(file) => file,
                Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(false),
                Err(error) => return Err(error),
            };
            match file.try_lock_shared() {
                Ok(()) => Ok(false),
                Err(TryLockError::WouldBlock) => Ok(true),
                Err(TryLockError::Error(error)) => Err(error),
            }
        };
        is_locked().map_err(StorageError::at(path, "examining"))
    }
}

/// A synced temporary file beside `path`.
fn whole_file(path: &Path, content: &[u8]) -> io::Result<NamedTempFile> {
    let mut file = tempfile::Builder::new()
        .prefix(&hidden_prefix(path))
        .rand_bytes(TEMPORARY_LETTERS)
        .suffix(TEMPORARY)
        .tempfile_in(parent(path))?;
    file.write_all(content)?;
    let permissions = Permissions::from_mode(FILE_MODE);
    file.as_file().set_permissions(permissions)?;
    file.as_file().sync_all()?;
    Ok(file)
}

/// A lock is never behind a link: its file is written and removed.
const LOCK_FLAGS: i32 = O_NONBLOCK | O_NOFOLLOW;

/// Opens a regular file. Anything else is refused at once: opening a pipe waits for its other end.
fn open_file(path: &Path, options: &mut OpenOptions, flags: i32) -> io::Result<File> {
    let file = options.custom_flags(flags).open(path)?;
    let metadata = file.metadata()?;
    if metadata.is_dir() {
        return Err(io::ErrorKind::IsADirectory.into());
    }
    if !metadata.is_file() {
        let problem = "it is not a regular file";
        return Err(io::Error::new(io::ErrorKind::InvalidInput, problem));
    }
    Ok(file)
}

/// Looking at a lock holds it for an instant. An owner-to-be therefore tries this often.
const LOCK_TRIES: u32 = 20;
/// Pause between two tries.
const LOCK_PAUSE: Duration = Duration::from_millis(5);

fn take_lock(path: &Path) -> io::Result<LocalLock> {
    let mut tries = 0;
    loop {
        let mut options = OpenOptions::new();
        let options = options.read(true).write(true).create(true).truncate(false);
        let file = open_file(path, options, LOCK_FLAGS)?;
        match file.try_lock() {
            Ok(()) => {}
            Err(TryLockError::WouldBlock) if tries < LOCK_TRIES => {
                tries += 1;
                wait::nap(LOCK_PAUSE);
                continue;
            }
            Err(TryLockError::WouldBlock) => return Err(io::ErrorKind::WouldBlock.into()),
            Err(TryLockError::Error(error)) => return Err(error),
        }
        let lock = LocalLock {
            path: path.to_owned(),
            file,
            folder: File::open(parent(path))?,
        };
        // If not, the owner before removed the file after this one opened it.
        if lock.is_in_place() {
            if lock.file.metadata()?.nlink() > 1 {
                // Its content is elsewhere, too, as in a copy by hard links. That stays: the name goes
                // here, and the next try creates another file.
                continue;
            }
            lock.file.set_len(0)?;
            let host = fs::read_to_string("/proc/sys/kernel/hostname").unwrap_or_default();
            let (pid, host) = (std::process::id(), host.trim());
            writeln!(&lock.file, "process {pid} on host {host}")?;
            return Ok(lock);
        }
    }
}

/// Beginning of the name of a file or folder that will become `target`.
fn hidden_prefix(target: &Path) -> String {
    let name = target.file_name().unwrap_or_default().to_string_lossy();
    format!(".{name}.")
}

/// The folder of `path`, also when that is the working folder.
fn parent(path: &Path) -> &Path {
    match path.parent() {
        Some(parent) if parent != Path::new("") => parent,
        _ => Path::new("."),
    }
}

#[derive(Debug)]
struct LocalFile {
    path: PathBuf,
    file: File,
}

impl LocalFile {
    fn new(path: &Path, file: File) -> Self {
        Self {
            path: path.to_owned(),
            file,
        }
    }
}

impl ReadFile for LocalFile {
    fn bytes(&self) -> Result<u64> {
        let metadata = self.file.metadata();
        let metadata = metadata.map_err(StorageError::at(&self.path, "reading"))?;
        Ok(metadata.len())
    }

    fn read_at(&self, buffer: &mut [u8], offset: u64) -> Result<()> {
        let read = self.file.read_exact_at(buffer, offset);
        read.map_err(StorageError::at(&self.path, "reading"))
    }
}

impl Write for LocalFile {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.file.write(bytes)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.file.flush()
    }
}

impl WriteFile for LocalFile {
    fn sync(&mut self) -> Result<()> {
        // What reading needs, the size included, and no time stamps.
        let synced = self.file.sync_data();
        synced.map_err(StorageError::at(&self.path, "syncing"))
    }
}

/// The system releases the lock with the last handle of the file.
#[derive(Debug)]
struct LocalLock {
    path: PathBuf,
    file: File,
    /// The folder of the file, wherever it is.
    folder: File,
}

/// What tells files apart.
fn number(metadata: io::Result<fs::Metadata>) -> Option<(u64, u64)> {
    let metadata = metadata.ok()?;
    Some((metadata.dev(), metadata.ino()))
}

impl LockGuard for LocalLock {
    fn is_in_place(&self) -> bool {
        let ours = number(self.file.metadata());
        ours.is_some() && ours == number(fs::symlink_metadata(&self.path))
    }

    fn folder(&self) -> FolderNow {
        let folder = self.folder.metadata();
        if folder.as_ref().is_ok_and(|folder| folder.nlink() == 0) {
            return FolderNow::Removed;
        }
        let ours = number(folder);
        let is_ours = |path: &Path| ours.is_some() && ours == number(fs::metadata(path));
        let named = parent(&self.path);
        if is_ours(named) {
            return FolderNow::At(named.to_owned());
        }
        let now = fs::read_link(format!("/proc/self/fd/{}", self.folder.as_raw_fd()));
        let now = now.ok().filter(|now| is_ours(now));
        now.map_or(FolderNow::Unknown, FolderNow::At)
    }
}

impl Drop for LocalLock {
    fn drop(&mut self) {
        // Still locked: the next owner waits for this, then sees that its file was removed.
        if self.is_in_place() {
            let _ = fs::remove_file(&self.path);
        }
    }
}

//! A storage in memory, for tests: what reads and writes through it cannot use the file system.

use std::collections::{BTreeMap, BTreeSet};
use std::io::{self, Write};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use super::{Entry, LockGuard, ReadFile, Result, Storage, StorageError, WriteFile};

type Content = Arc<Mutex<Vec<u8>>>;

#[derive(Debug, Default)]
struct State {
    files: BTreeMap<PathBuf, Content>,
    folders: BTreeSet<PathBuf>,
    locks: BTreeSet<PathBuf>,
    free: Option<u64>,
    /// Bytes that fit.
    capacity: Option<usize>,
    refuses_folder_syncs: bool,
    faults: Arc<Mutex<Faults>>,
}

/// Which calls fail.
#[derive(Debug, Default)]
struct Faults {
    doing: &'static str,
    /// Of files with this ending.
    ending: &'static str,
    /// So many succeed before.
    after: u32,
    count: u32,
}

impl Faults {
    fn meet(&mut self, path: &Path, doing: &'static str) -> Result<()> {
        let is_meant = self.doing == doing && path.to_string_lossy().ends_with(self.ending);
        if !is_meant || self.count == 0 {
            return Ok(());
        }
        if self.after > 0 {
            self.after -= 1;
            return Ok(());
        }
        self.count -= 1;
        let error = match doing {
            "writing" => io::ErrorKind::StorageFull.into(),
            _ => io::Error::other("a fault"),
        };
        Err(StorageError::at(path, doing)(error))
    }
}

impl State {
    fn file(&self, path: &Path) -> io::Result<Content> {
        let file = self.files.get(path).cloned();
        file.ok_or_else(|| io::ErrorKind::NotFound.into())
    }

    fn used(&self) -> usize {
        self.files.values().map(|content| lock(content).len()).sum()
    }

    /// Refuses so many bytes more where they do not fit.
    fn refuse_full(&self, bytes: usize) -> io::Result<()> {
        match self.capacity {
            Some(capacity) if self.used() + bytes > capacity => {
                Err(io::ErrorKind::StorageFull.into())
            }
            _ => Ok(()),
        }
    }

    fn has_folder_of(&self, path: &Path) -> io::Result<()> {
        let folder = path.parent().unwrap_or(Path::new(""));
        let is_there = folder == Path::new("") || self.folders.contains(folder);
        is_there.then_some(()).ok_or(io::ErrorKind::NotFound.into())
    }

    fn names(&self, folder: &Path) -> BTreeSet<String> {
        let paths = self.files.keys().chain(&self.folders);
        let children = paths.filter(|path| path.parent() == Some(folder));
        let names = children.filter_map(|path| path.file_name());
        names
            .map(|name| name.to_string_lossy().into_owned())
            .collect()
    }
}

/// Files in memory. Clones share them.
#[derive(Debug, Clone, Default)]
pub(crate) struct MemoryStorage(Arc<Mutex<State>>);

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

impl MemoryStorage {
    fn state(&self) -> MutexGuard<'_, State> {
        lock(&self.0)
    }

    /// Lets `count` calls of a kind fail, for files with this ending, after `after` others.
    pub(crate) fn fail(&self, doing: &'static str, ending: &'static str, after: u32, count: u32) {
        *lock(&self.state().faults) = Faults {
            doing,
            ending,
            after,
            count,
        };
    }

    /// Lets so many bytes more fit in than are there now.
    pub(crate) fn set_room(&self, bytes: usize) {
        let mut state = self.state();
        state.capacity = Some(state.used() + bytes);
    }

    /// Lets the storage state this as its free space.
    pub(crate) fn set_free_space(&self, bytes: u64) {
        self.state().free = Some(bytes);
    }

    /// Lets every sync of a folder fail, as where no more files can be opened.
    pub(crate) fn refuse_folder_syncs(&self) {
        self.state().refuses_folder_syncs = true;
    }
}

impl Storage for MemoryStorage {
    fn entry(&self, path: &Path) -> Result<Entry> {
        let state = self.state();
        if state.files.contains_key(path) {
            Ok(Entry::File)
        } else if state.folders.contains(path) {
            Ok(Entry::Folder)
        } else {
            Err(StorageError::at(path, "opening")(
                io::ErrorKind::NotFound.into(),
            ))
        }
    }

    fn list(&self, folder: &Path) -> Result<Vec<String>> {
        match self.entry(folder)? {
            Entry::Folder => Ok(self.state().names(folder).into_iter().collect()),
            _ => Err(StorageError::at(folder, "listing")(
                io::ErrorKind::NotADirectory.into(),
            )),
        }
    }

    fn open(&self, path: &Path) -> Result<Arc<dyn ReadFile>> {
        let state = self.state();
        lock(&state.faults).meet(path, "opening")?;
        let content = state.file(path);
        let content = content.map_err(StorageError::at(path, "opening"))?;
        Ok(Arc::new(MemoryFile::new(path, content, self)))
    }

    fn create(&self, path: &Path) -> Result<Box<dyn WriteFile>> {
        if self.exists(path) {
            return Err(StorageError::at(path, "creating")(
                io::ErrorKind::AlreadyExists.into(),
            ));
        }
        self.append(path)
    }

    fn append(&self, path: &Path) -> Result<Box<dyn WriteFile>> {
        let mut state = self.state();
        let folder = state.has_folder_of(path);
        folder.map_err(StorageError::at(path, "opening"))?;
        let content = state.files.entry(path.to_owned()).or_default();
        Ok(Box::new(MemoryFile::new(path, Arc::clone(content), self)))
    }

    fn put(&self, path: &Path, content: &[u8]) -> Result<()> {
        let mut state = self.state();
        let folder = state.has_folder_of(path);
        let fits = folder.and_then(|()| state.refuse_full(content.len()));
        fits.map_err(StorageError::at(path, "writing"))?;
        let content = Arc::new(Mutex::new(content.to_vec()));
        state.files.insert(path.to_owned(), content);
        Ok(())
    }

    fn put_new(&self, path: &Path, content: &[u8]) -> Result<()> {
        let found = self.state().files.get(path).cloned();
        match found {
            Some(found) if *lock(&found) == content => Ok(()),
            Some(_) => Err(StorageError::at(path, "writing")(
                io::ErrorKind::AlreadyExists.into(),
            )),
            None => self.put(path, content),
        }
    }

    fn rename(&self, from: &Path, to: &Path) -> Result<()> {
        let mut state = self.state();
        let content = state.file(from).map_err(StorageError::at(to, "renaming"))?;
        state.files.remove(from);
        state.files.insert(to.to_owned(), content);
        Ok(())
    }

    fn remove(&self, path: &Path) -> Result<()> {
        let removed = self.state().files.remove(path);
        let missing = || StorageError::at(path, "removing")(io::ErrorKind::NotFound.into());
        removed.map(|_| ()).ok_or_else(missing)
    }

    fn create_folder(&self, folder: &Path) -> Result<()> {
        let folders = folder.ancestors().map(Path::to_owned);
        self.state().folders.extend(folders);
        Ok(())
    }

    fn create_folder_beside(&self, target: &Path) -> Result<PathBuf> {
        let name = target.file_name().unwrap_or_default().to_string_lossy();
        let folder = target.with_file_name(format!(".{name}.new"));
        self.create_folder(&folder)?;
        Ok(folder)
    }

    fn remove_folder(&self, folder: &Path) -> Result<()> {
        let mut state = self.state();
        if !state.names(folder).is_empty() {
            return Err(StorageError::at(folder, "removing")(
                io::ErrorKind::DirectoryNotEmpty.into(),
            ));
        }
        state.folders.remove(folder);
        Ok(())
    }

    fn sync_dir(&self, folder: &Path) -> Result<()> {
        match self.state().refuses_folder_syncs {
            true => Err(StorageError::at(folder, "syncing")(io::Error::other(
                "too many open files",
            ))),
            false => Ok(()),
        }
    }

    fn free_space(&self, _: &Path) -> Result<Option<u64>> {
        Ok(self.state().free)
    }

    fn lock(&self, path: &Path) -> Result<Box<dyn LockGuard>> {
        if !self.state().locks.insert(path.to_owned()) {
            return Err(StorageError::at(path, "locking")(
                io::ErrorKind::WouldBlock.into(),
            ));
        }
        let lock = MemoryLock {
            storage: self.clone(),
            path: path.to_owned(),
        };
        self.put(path, b"a test\n")?;
        Ok(Box::new(lock))
    }

    fn is_locked(&self, path: &Path) -> Result<bool> {
        Ok(self.state().locks.contains(path))
    }
}

#[derive(Debug)]
struct MemoryFile {
    path: PathBuf,
    content: Content,
    storage: MemoryStorage,
}

impl MemoryFile {
    fn new(path: &Path, content: Content, storage: &MemoryStorage) -> Self {
        Self {
            path: path.to_owned(),
            content,
            storage: storage.clone(),
        }
    }

    fn meet(&self, doing: &'static str) -> Result<()> {
        let faults = Arc::clone(&self.storage.state().faults);
        lock(&faults).meet(&self.path, doing)
    }
}

impl ReadFile for MemoryFile {
    fn bytes(&self) -> Result<u64> {
        Ok(lock(&self.content).len() as u64)
    }

    fn read_at(&self, buffer: &mut [u8], offset: u64) -> Result<()> {
        self.meet("reading")?;
        let content = lock(&self.content);
        let start = usize::try_from(offset).unwrap_or(usize::MAX);
        let end = start.saturating_add(buffer.len());
        let Some(found) = content.get(start..end) else {
            return Err(StorageError::at(&self.path, "reading")(
                io::ErrorKind::UnexpectedEof.into(),
            ));
        };
        buffer.copy_from_slice(found);
        Ok(())
    }
}

impl Write for MemoryFile {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.meet("writing").map_err(|error| error.source)?;
        self.storage.state().refuse_full(bytes.len())?;
        lock(&self.content).extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl WriteFile for MemoryFile {
    fn sync(&mut self) -> Result<()> {
        self.meet("syncing")
    }
}

#[derive(Debug)]
struct MemoryLock {
    storage: MemoryStorage,
    path: PathBuf,
}

impl LockGuard for MemoryLock {
    fn is_in_place(&self) -> bool {
        self.storage.exists(&self.path)
    }
}

impl Drop for MemoryLock {
    fn drop(&mut self) {
        let mut state = self.storage.state();
        state.files.remove(&self.path);
        state.locks.remove(&self.path);
    }
}

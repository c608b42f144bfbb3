//! A storage whose machine can crash, for tests. What was not synced may be gone afterwards: any part of
//! the bytes at the end of a file, and any of the changes of names in a folder.

use std::collections::{BTreeMap, BTreeSet};
use std::io::{self, Write};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use super::{
    Entry, LockGuard, ReadFile, Result, Storage, StorageError, TEMPORARY, TEMPORARY_LETTERS,
    WriteFile,
};

/// A sync that is left out, to see that a test notices.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Omitted {
    /// Of a file with this ending.
    Content(&'static str),
    /// Of a folder, right after a file with this in its path was created, put or renamed in it.
    Names(&'static str),
    /// The first, moved: the file is durable only after so many more operations.
    LateContent(&'static str, u64),
    /// The second, moved.
    LateNames(&'static str, u64),
}

/// Draws numbers; the same seed draws the same ones.
#[derive(Debug, Clone)]
pub(crate) struct Draw(pub(crate) u64);

impl Draw {
    /// A number below `limit`, which is not 0.
    pub(crate) fn below(&mut self, limit: u64) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut mixed = self.0;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        (mixed ^ (mixed >> 31)) % limit
    }

    fn is_heads(&mut self) -> bool {
        self.below(2) == 0
    }
}

#[derive(Debug, Clone, Default)]
struct File {
    content: Vec<u8>,
    /// Bytes that survive.
    synced: usize,
}

/// A change of names.
#[derive(Debug, Clone)]
enum Change {
    Link(PathBuf, usize),
    Unlink(PathBuf),
    Rename(PathBuf, PathBuf, usize),
    Folder(PathBuf),
    NoFolder(PathBuf),
    /// A folder with all that is in it.
    FolderRename(PathBuf, PathBuf),
}

/// The names on a machine.
#[derive(Debug, Clone, Default)]
struct Names {
    files: BTreeMap<PathBuf, usize>,
    folders: BTreeSet<PathBuf>,
}

impl Names {
    /// Forgets what is in folders that are not there.
    fn without_orphans(mut self) -> Self {
        let folders = self.folders.clone();
        let is_reached = |path: &Path| {
            let mut above = path.ancestors().skip(1);
            above.all(|folder| folder.parent().is_none() || folders.contains(folder))
        };
        self.files.retain(|path, _| is_reached(path));
        self.folders.retain(|path| is_reached(path));
        self
    }
}

/// Where a path under `from` is after the folder became `to`.
fn moved(path: &Path, from: &Path, to: &Path) -> PathBuf {
    match path.strip_prefix(from) {
        Ok(rest) if rest == Path::new("") => to.to_owned(),
        Ok(rest) => to.join(rest),
        Err(_) => path.to_owned(),
    }
}

impl Change {
    fn apply(&self, names: &mut Names) {
        match self {
            Self::Link(path, file) => {
                names.files.insert(path.clone(), *file);
            }
            Self::Unlink(path) => {
                names.files.remove(path);
            }
            Self::Rename(from, to, file) => {
                names.files.insert(to.clone(), *file);
                if names.files.get(from) == Some(file) {
                    names.files.remove(from);
                }
            }
            Self::Folder(path) => {
                names.folders.insert(path.clone());
            }
            Self::NoFolder(path) => {
                names.folders.remove(path);
            }
            Self::FolderRename(from, to) => {
                let files = std::mem::take(&mut names.files).into_iter();
                let files = files.map(|(path, file)| (moved(&path, from, to), file));
                names.files = files.collect();
                let folders = std::mem::take(&mut names.folders).into_iter();
                names.folders = folders.map(|path| moved(&path, from, to)).collect();
            }
        }
    }

    fn target(&self) -> &Path {
        match self {
            Self::Link(path, _)
            | Self::Unlink(path)
            | Self::Rename(_, path, _)
            | Self::Folder(path)
            | Self::NoFolder(path)
            | Self::FolderRename(_, path) => path,
        }
    }

    /// The change on a machine that lost these renames of folders.
    fn under_old_names(&self, lost: &[(PathBuf, PathBuf)]) -> Self {
        let mut change = self.clone();
        for (from, to) in lost.iter().rev() {
            change.follow(to, from);
        }
        change
    }

    /// Makes it a change in the folder that was `from`, and is `to` now.
    fn follow(&mut self, from: &Path, to: &Path) {
        match self {
            Self::Link(path, _)
            | Self::Unlink(path)
            | Self::Folder(path)
            | Self::NoFolder(path) => *path = moved(path, from, to),
            Self::Rename(old, new, _) | Self::FolderRename(old, new) => {
                (*old, *new) = (moved(old, from, to), moved(new, from, to));
            }
        }
    }
}

/// When a sync takes effect.
#[derive(Debug, Clone, Copy)]
enum Sync {
    Now,
    /// After so many more operations.
    Late(u64),
    Never,
}

/// What a sync makes durable.
#[derive(Debug)]
enum Synced {
    /// The first bytes of a file.
    Content(usize, usize),
    /// The names in a folder.
    Names(PathBuf),
}

#[derive(Debug, Default)]
struct Machine {
    files: Vec<File>,
    names: Names,
    durable: Names,
    unsynced: Vec<Change>,
    locks: BTreeSet<PathBuf>,
    operations: u64,
    crash_at: Option<u64>,
    omitted: Option<Omitted>,
    /// Syncs that were moved, each with the operation after which it takes effect.
    late: Vec<(u64, Synced)>,
    free: Option<u64>,
}

impl Machine {
    /// Counts an operation that changes something; an error from the crash on.
    fn operate(&mut self) -> io::Result<()> {
        self.operations += 1;
        if self.crash_at.is_some_and(|at| self.operations > at) {
            return Err(io::Error::other("the machine has crashed"));
        }
        for (after, what) in std::mem::take(&mut self.late) {
            match after < self.operations {
                true => self.make_durable(what),
                false => self.late.push((after, what)),
            }
        }
        Ok(())
    }

    /// Whether the last operation is the one that the crash interrupted.
    fn crashes_now(&self) -> bool {
        self.crash_at.is_some_and(|at| self.operations == at + 1)
    }

    /// A new name for the temporary file of `path`.
    fn temporary_beside(&self, path: &Path) -> PathBuf {
        let name = path.file_name().unwrap_or_default().to_string_lossy();
        let number = self.files.len();
        path.with_file_name(format!(".{name}.{number:0TEMPORARY_LETTERS$}{TEMPORARY}"))
    }

    fn change(&mut self, change: Change) {
        change.apply(&mut self.names);
        self.unsynced.push(change);
    }

    fn file(&self, path: &Path) -> io::Result<usize> {
        let file = self.names.files.get(path).copied();
        file.ok_or_else(|| io::ErrorKind::NotFound.into())
    }

    fn add(&mut self, path: &Path, file: File) -> usize {
        self.files.push(file);
        let number = self.files.len() - 1;
        self.change(Change::Link(path.to_owned(), number));
        number
    }

    /// What changes in the folder, before or later, changes under any of its names. So the new name,
    /// which alone may be lost, is the first of the changes.
    fn rename_folder(&mut self, from: &Path, to: &Path) {
        let rename = Change::FolderRename(from.to_owned(), to.to_owned());
        rename.apply(&mut self.names);
        for change in &mut self.unsynced {
            change.follow(from, to);
        }
        self.unsynced.insert(0, rename);
        self.locks = self
            .locks
            .iter()
            .map(|path| moved(path, from, to))
            .collect();
    }

    /// What becomes of the sync of a file.
    fn sync_of_file(&self, path: &Path) -> Sync {
        let ends = |ending: &str| path.to_string_lossy().ends_with(ending);
        match self.omitted {
            Some(Omitted::Content(ending)) if ends(ending) => Sync::Never,
            Some(Omitted::LateContent(ending, by)) if ends(ending) => Sync::Late(by),
            _ => Sync::Now,
        }
    }

    /// What becomes of the sync of a folder.
    fn sync_of_names(&self) -> Sync {
        let last = self.unsynced.last().map(Change::target);
        let last = last.map(|path| path.to_string_lossy().into_owned());
        let has = |part: &str| last.as_ref().is_some_and(|last| last.contains(part));
        match self.omitted {
            Some(Omitted::Names(part)) if has(part) => Sync::Never,
            Some(Omitted::LateNames(part, by)) if has(part) => Sync::Late(by),
            _ => Sync::Now,
        }
    }

    fn sync(&mut self, sync: Sync, what: Synced) {
        match sync {
            Sync::Now => self.make_durable(what),
            Sync::Late(by) => self.late.push((self.operations + by, what)),
            Sync::Never => {}
        }
    }

    fn make_durable(&mut self, what: Synced) {
        match what {
            Synced::Content(file, bytes) => {
                let file = &mut self.files[file];
                file.synced = file.synced.max(bytes);
            }
            Synced::Names(folder) => {
                let mut lost = Vec::new();
                for change in std::mem::take(&mut self.unsynced) {
                    if change.target().parent() != Some(&*folder) {
                        if let Change::FolderRename(from, to) = &change {
                            lost.push((from.clone(), to.clone()));
                        }
                        self.unsynced.push(change);
                        continue;
                    }
                    change.under_old_names(&lost).apply(&mut self.durable);
                }
            }
        }
    }
}

/// The files of a machine. Clones share them.
#[derive(Debug, Clone, Default)]
pub(crate) struct CrashStorage(Arc<Mutex<Machine>>);

impl CrashStorage {
    /// An empty machine that crashes in the operation after `crash_at` others.
    pub(crate) fn new(crash_at: Option<u64>, omitted: Option<Omitted>) -> Self {
        let storage = Self::default();
        storage.machine().crash_at = crash_at;
        storage.machine().omitted = omitted;
        storage
    }

    fn machine(&self) -> MutexGuard<'_, Machine> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Lets the machine state this as its free space.
    pub(crate) fn set_free_space(&self, bytes: u64) {
        self.machine().free = Some(bytes);
    }

    /// Leaves this sync out from here on.
    pub(crate) fn omit(&self, omitted: Option<Omitted>) {
        self.machine().omitted = omitted;
    }

    /// Operations so far that changed something.
    pub(crate) fn operations(&self) -> u64 {
        self.machine().operations
    }

    /// The machine after a restart: everything that was synced, and some of the rest.
    pub(crate) fn restarted(&self, draw: &mut Draw, crash_at: Option<u64>) -> Self {
        let before = self.machine();
        let mut names = before.durable.clone();
        let mut lost = Vec::new();
        for change in &before.unsynced {
            if draw.is_heads() {
                change.under_old_names(&lost).apply(&mut names);
            } else if let Change::FolderRename(from, to) = change {
                lost.push((from.clone(), to.clone()));
            }
        }
        let names = names.without_orphans();
        let mut files = before.files.clone();
        for file in &mut files {
            let unsynced = (file.content.len() - file.synced) as u64;
            let kept = file.synced + usize::try_from(draw.below(unsynced + 1)).unwrap();
            if draw.is_heads() {
                file.content.truncate(kept);
            } else {
                // The size was written and the bytes were not.
                file.content[kept..].fill(0);
            }
            file.synced = file.content.len();
        }
        Self(Arc::new(Mutex::new(Machine {
            files,
            durable: names.clone(),
            names,
            crash_at,
            omitted: before.omitted,
            ..Machine::default()
        })))
    }

    fn at<T>(
        &self,
        path: &Path,
        doing: &'static str,
        run: impl FnOnce(&mut Machine) -> io::Result<T>,
    ) -> Result<T> {
        run(&mut self.machine()).map_err(StorageError::at(path, doing))
    }

    fn opened(&self, path: &Path, file: usize) -> CrashFile {
        CrashFile {
            storage: self.clone(),
            path: path.to_owned(),
            file,
        }
    }
}

impl Storage for CrashStorage {
    fn entry(&self, path: &Path) -> Result<Entry> {
        self.at(path, "opening", |machine| {
            if path == Path::new("/") || machine.names.folders.contains(path) {
                return Ok(Entry::Folder);
            }
            machine.file(path).map(|_| Entry::File)
        })
    }

    fn list(&self, folder: &Path) -> Result<Vec<String>> {
        self.at(folder, "listing", |machine| {
            let paths = machine.names.files.keys().chain(&machine.names.folders);
            let inside = paths.filter(|path| path.parent() == Some(folder));
            let names = inside.filter_map(|path| path.file_name());
            let mut names: Vec<String> = names
                .map(|name| name.to_string_lossy().into_owned())
                .collect();
            names.sort();
            Ok(names)
        })
    }

    fn open(&self, path: &Path) -> Result<Arc<dyn ReadFile>> {
        let file = self.at(path, "opening", |machine| machine.file(path))?;
        Ok(Arc::new(self.opened(path, file)))
    }

    fn create(&self, path: &Path) -> Result<Box<dyn WriteFile>> {
        let file = self.at(path, "creating", |machine| {
            machine.operate()?;
            if machine.names.files.contains_key(path) {
                return Err(io::ErrorKind::AlreadyExists.into());
            }
            Ok(machine.add(path, File::default()))
        })?;
        Ok(Box::new(self.opened(path, file)))
    }

    fn append(&self, path: &Path) -> Result<Box<dyn WriteFile>> {
        let file = self.at(path, "opening", |machine| machine.file(path))?;
        Ok(Box::new(self.opened(path, file)))
    }

    fn put(&self, path: &Path, content: &[u8]) -> Result<()> {
        self.at(path, "writing", |machine| {
            let operated = machine.operate();
            if operated.is_err() && !machine.crashes_now() {
                return operated;
            }
            // A crash may come in the middle of it.
            let temporary = machine.temporary_beside(path);
            let (content, bytes) = (content.to_vec(), content.len());
            let file = machine.add(&temporary, File { content, synced: 0 });
            operated?;
            machine.sync(machine.sync_of_file(path), Synced::Content(file, bytes));
            machine.change(Change::Rename(temporary, path.to_owned(), file));
            Ok(())
        })
    }

    fn put_new(&self, path: &Path, content: &[u8]) -> Result<()> {
        match self.exists(path) {
            true => Err(StorageError::at(path, "writing")(
                io::ErrorKind::AlreadyExists.into(),
            )),
            false => self.put(path, content),
        }
    }

    fn rename(&self, from: &Path, to: &Path) -> Result<()> {
        self.at(to, "renaming", |machine| {
            machine.operate()?;
            if machine.names.folders.contains(from) {
                machine.rename_folder(from, to);
                return Ok(());
            }
            let file = machine.file(from)?;
            machine.change(Change::Rename(from.to_owned(), to.to_owned(), file));
            Ok(())
        })
    }

    fn remove(&self, path: &Path) -> Result<()> {
        self.at(path, "removing", |machine| {
            machine.operate()?;
            machine.file(path)?;
            machine.change(Change::Unlink(path.to_owned()));
            Ok(())
        })
    }

    fn create_folder(&self, folder: &Path) -> Result<()> {
        self.at(folder, "creating", |machine| {
            machine.operate()?;
            let mut above: Vec<&Path> = folder.ancestors().collect();
            above.reverse();
            for folder in above {
                if folder.parent().is_some() && !machine.names.folders.contains(folder) {
                    machine.change(Change::Folder(folder.to_owned()));
                }
            }
            Ok(())
        })
    }

    fn create_folder_beside(&self, target: &Path) -> Result<PathBuf> {
        let name = target.file_name().unwrap_or_default().to_string_lossy();
        let folder = target.with_file_name(format!(".{name}.new"));
        self.create_folder(&folder)?;
        Ok(folder)
    }

    fn remove_folder(&self, folder: &Path) -> Result<()> {
        let names = self.list(folder)?;
        self.at(folder, "removing", |machine| {
            machine.operate()?;
            if !names.is_empty() {
                return Err(io::ErrorKind::DirectoryNotEmpty.into());
            }
            machine.change(Change::NoFolder(folder.to_owned()));
            Ok(())
        })
    }

    fn sync_dir(&self, folder: &Path) -> Result<()> {
        self.at(folder, "syncing", |machine| {
            machine.operate()?;
            machine.sync(machine.sync_of_names(), Synced::Names(folder.to_owned()));
            Ok(())
        })
    }

    fn free_space(&self, _: &Path) -> Result<Option<u64>> {
        Ok(self.machine().free)
    }

    fn lock(&self, path: &Path) -> Result<Box<dyn LockGuard>> {
        self.at(path, "locking", |machine| {
            machine.operate()?;
            if !machine.locks.insert(path.to_owned()) {
                return Err(io::ErrorKind::WouldBlock.into());
            }
            machine.add(path, File::default());
            Ok(())
        })?;
        Ok(Box::new(CrashLock(self.clone(), path.to_owned())))
    }

    fn is_locked(&self, path: &Path) -> Result<bool> {
        Ok(self.machine().locks.contains(path))
    }
}

#[derive(Debug)]
struct CrashFile {
    storage: CrashStorage,
    path: PathBuf,
    file: usize,
}

impl ReadFile for CrashFile {
    fn bytes(&self) -> Result<u64> {
        Ok(self.storage.machine().files[self.file].content.len() as u64)
    }

    fn read_at(&self, buffer: &mut [u8], offset: u64) -> Result<()> {
        self.storage.at(&self.path, "reading", |machine| {
            let start = usize::try_from(offset).unwrap_or(usize::MAX);
            let end = start.saturating_add(buffer.len());
            let found = machine.files[self.file].content.get(start..end);
            buffer.copy_from_slice(found.ok_or(io::ErrorKind::UnexpectedEof)?);
            Ok(())
        })
    }
}

impl Write for CrashFile {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let mut machine = self.storage.machine();
        let operated = machine.operate();
        // A crash may come in the middle of it.
        let written = match operated {
            Ok(()) => bytes,
            Err(_) => &bytes[..bytes.len() / 2],
        };
        if operated.is_ok() || machine.crashes_now() {
            machine.files[self.file].content.extend_from_slice(written);
        }
        operated.map(|()| bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl WriteFile for CrashFile {
    fn sync(&mut self) -> Result<()> {
        self.storage.at(&self.path, "syncing", |machine| {
            machine.operate()?;
            let bytes = machine.files[self.file].content.len();
            let sync = machine.sync_of_file(&self.path);
            machine.sync(sync, Synced::Content(self.file, bytes));
            Ok(())
        })
    }
}

#[derive(Debug)]
struct CrashLock(CrashStorage, PathBuf);

impl LockGuard for CrashLock {
    fn is_in_place(&self) -> bool {
        self.0.exists(&self.1)
    }
}

impl Drop for CrashLock {
    fn drop(&mut self) {
        let Self(storage, path) = self;
        let _ = storage.remove(path);
        storage.machine().locks.remove(path);
    }
}

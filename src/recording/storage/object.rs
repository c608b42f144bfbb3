//! Object stores: S3 and what speaks its protocol, Google Cloud Storage, Azure Blob Storage.
//!
//! A path of this storage is a URL, `s3://bucket/name`. A store can neither append nor rename nor lock:
//! a recording is written elsewhere and copied here, each file whole, and committed by its manifest
//! (`push.rs`).

mod connect;
#[cfg(test)]
mod counted;
mod errors;
mod listing;
mod part;
mod read;
mod runtime;
#[cfg(test)]
mod tests;
mod write;

use std::io::{self, ErrorKind};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use object_store::path::Path as Key;
use object_store::{ObjectStore, ObjectStoreExt as _, PutMode};

use super::scheme::Scheme;
use super::{Entry, LockGuard, ReadFile, Result, Storage, StorageError, WriteFile};
use listing::{Listing, split};
use read::ObjectFile;
use runtime::wait;
use write::ObjectWriter;

#[cfg(test)]
pub(crate) use counted::{Counted, Counts};

/// Ends of names that only files have. For others it is asked first whether there is a folder.
const FILE_ENDS: [&str; 3] = [".parquet", ".json", ".tdj"];

/// The files of a bucket. What it has listed it does not list again, unless it writes.
#[derive(Debug)]
pub(crate) struct ObjectStorage {
    /// The beginning of every path: `s3://bucket`.
    base: PathBuf,
    store: Arc<dyn ObjectStore>,
    listing: Arc<Listing>,
}

impl ObjectStorage {
    /// The storage of a bucket, with settings from the environment. `base` is the beginning of its URLs.
    ///
    /// # Errors
    /// When the settings are not usable.
    pub(super) fn connect(scheme: Scheme, bucket: &str, base: &str) -> io::Result<Self> {
        Ok(Self::new(base, connect::client(scheme, bucket, base)?))
    }

    pub(crate) fn new(base: &str, store: Arc<dyn ObjectStore>) -> Self {
        Self {
            base: base.into(),
            store,
            listing: Arc::default(),
        }
    }

    /// The key of a path as text.
    fn text(&self, path: &Path, doing: &'static str) -> Result<String> {
        let invalid = |problem: &str| {
            let error = io::Error::new(ErrorKind::InvalidInput, problem);
            StorageError::at(path, doing)(error)
        };
        let inside = path.strip_prefix(&self.base);
        let inside = inside.map_err(|_| invalid("it is in another bucket"))?;
        let names = inside.iter().map(|name| name.to_str());
        let names: Option<Vec<&str>> = names.collect();
        let names = names.ok_or_else(|| invalid("a name that is not UTF-8"))?;
        Ok(names.join("/"))
    }

    fn key(&self, path: &Path, doing: &'static str) -> Result<Key> {
        let text = self.text(path, doing)?;
        Key::parse(&text).map_err(|error| {
            let error = io::Error::new(ErrorKind::InvalidInput, error.to_string());
            StorageError::at(path, doing)(error)
        })
    }

    /// The size of a file; `None` if there is none.
    fn file_bytes(&self, path: &Path) -> Result<Option<u64>> {
        let text = self.text(path, "opening")?;
        let (folder, name) = split(&text);
        if let Some(listed) = self.listing.of_known(folder) {
            return Ok(listed.files.get(name).copied());
        }
        let (store, key) = (Arc::clone(&self.store), self.key(path, "opening")?);
        match wait(async move { store.head(&key).await }) {
            Ok(found) => Ok(Some(found.size)),
            Err(error) if error.kind() == ErrorKind::NotFound => Ok(None),
            Err(error) => Err(StorageError::at(path, "opening")(error)),
        }
    }

    fn has_folder(&self, path: &Path) -> Result<bool> {
        let key = self.text(path, "listing")?;
        let found = self.listing.folder(&self.store, &key);
        let found = found.map_err(StorageError::at(path, "listing"))?;
        Ok(found.is_some())
    }

    fn put_as(&self, path: &Path, content: &[u8], mode: PutMode) -> Result<()> {
        let key = self.key(path, "writing")?;
        let written = write::put(&self.store, &key, content.to_vec().into(), mode);
        self.listing.clear();
        written.map_err(StorageError::at(path, "writing"))
    }
}

fn unsupported<T>(path: &Path, doing: &'static str) -> Result<T> {
    let problem = "an object store cannot do that";
    let error = io::Error::new(ErrorKind::Unsupported, problem);
    Err(StorageError::at(path, doing)(error))
}

fn not_found(path: &Path, doing: &'static str) -> StorageError {
    StorageError::at(path, doing)(ErrorKind::NotFound.into())
}

impl Storage for ObjectStorage {
    fn entry(&self, path: &Path) -> Result<Entry> {
        let text = self.text(path, "opening")?;
        let (folder, name) = split(&text);
        if text.is_empty() {
            return Ok(Entry::Folder);
        }
        if let Some(listed) = self.listing.of_known(folder) {
            return if listed.files.contains_key(name) {
                Ok(Entry::File)
            } else if listed.folders.contains(name) {
                Ok(Entry::Folder)
            } else {
                Err(not_found(path, "opening"))
            };
        }
        let file = || Ok(self.file_bytes(path)?.map(|_| Entry::File));
        let folder = || Ok(self.has_folder(path)?.then_some(Entry::Folder));
        let found = match FILE_ENDS.iter().any(|end| name.ends_with(end)) {
            true => file().transpose().or_else(|| folder().transpose()),
            false => folder().transpose().or_else(|| file().transpose()),
        };
        found.unwrap_or_else(|| Err(not_found(path, "opening")))
    }

    fn is_remote(&self) -> bool {
        true
    }

    fn list(&self, folder: &Path) -> Result<Vec<String>> {
        let key = self.text(folder, "listing")?;
        let found = self.listing.folder(&self.store, &key);
        let found = found.map_err(StorageError::at(folder, "listing"))?;
        let found = found.ok_or_else(|| not_found(folder, "listing"))?;
        let mut names: Vec<String> = found.files.into_keys().chain(found.folders).collect();
        names.sort();
        names.dedup();
        Ok(names)
    }

    fn open(&self, path: &Path) -> Result<Arc<dyn ReadFile>> {
        let bytes = self.file_bytes(path)?;
        let bytes = bytes.ok_or_else(|| not_found(path, "opening"))?;
        let key = self.key(path, "opening")?;
        let file = ObjectFile::new(path, key, &self.store, &self.listing, bytes);
        Ok(Arc::new(file))
    }

    fn create(&self, path: &Path) -> Result<Box<dyn WriteFile>> {
        let key = self.key(path, "creating")?;
        if self.file_bytes(path)?.is_some() {
            return Err(StorageError::at(path, "creating")(
                ErrorKind::AlreadyExists.into(),
            ));
        }
        let writer = ObjectWriter::new(path, key, &self.store, &self.listing);
        Ok(Box::new(writer))
    }

    fn append(&self, path: &Path) -> Result<Box<dyn WriteFile>> {
        unsupported(path, "appending to")
    }

    fn put(&self, path: &Path, content: &[u8]) -> Result<()> {
        self.put_as(path, content, PutMode::Overwrite)
    }

    fn put_new(&self, path: &Path, content: &[u8]) -> Result<()> {
        let key = self.key(path, "writing")?;
        let created = write::create(&self.store, &key, content.to_vec());
        self.listing.clear();
        created.map_err(StorageError::at(path, "writing"))
    }

    fn refuses_to_replace(&self, path: &Path, content: &[u8]) -> Result<bool> {
        match self.put_as(path, content, PutMode::Create) {
            Ok(()) => Ok(false),
            Err(error) if error.source.kind() == ErrorKind::AlreadyExists => Ok(true),
            Err(error) => Err(error),
        }
    }

    fn rename(&self, _: &Path, to: &Path) -> Result<()> {
        unsupported(to, "moving a finished file to")
    }

    fn remove(&self, path: &Path) -> Result<()> {
        if self.file_bytes(path)?.is_none() {
            return Err(not_found(path, "removing"));
        }
        let (store, key) = (Arc::clone(&self.store), self.key(path, "removing")?);
        let removed = wait(async move { store.delete(&key).await });
        self.listing.clear();
        removed.map_err(StorageError::at(path, "removing"))
    }

    fn create_folder(&self, _: &Path) -> Result<()> {
        Ok(())
    }

    fn create_folder_beside(&self, target: &Path) -> Result<PathBuf> {
        unsupported(target, "creating a folder beside")
    }

    fn remove_folder(&self, _: &Path) -> Result<()> {
        Ok(())
    }

    fn sync_dir(&self, _: &Path) -> Result<()> {
        Ok(())
    }

    fn lock(&self, path: &Path) -> Result<Box<dyn LockGuard>> {
        unsupported(path, "locking")
    }

    fn is_locked(&self, _: &Path) -> Result<bool> {
        Ok(false)
    }
}

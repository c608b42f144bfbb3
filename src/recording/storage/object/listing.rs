//! What is in the folders of a store, listed once.
//!
//! A store has no folders: one is what the keys of its files have in common. A recording, or a catalogue
//! of some thousand files, is listed as a whole by few requests, and every further question about it
//! needs none.

use std::collections::{BTreeMap, BTreeSet};
use std::io;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use futures_util::{StreamExt as _, TryStreamExt as _};
use object_store::path::Path as Key;
use object_store::{ListResult, ObjectMeta, ObjectStore};

use super::part::Part;
use super::runtime::wait;

/// Files that are listed at once with all folders below. Where there are more, folders are listed one by
/// one.
const MOST_AT_ONCE: usize = 20_000;

/// The content of a folder.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct Folder {
    /// Sizes by name.
    pub(super) files: BTreeMap<String, u64>,
    pub(super) folders: BTreeSet<String>,
}

impl Folder {
    fn is_empty(&self) -> bool {
        self.files.is_empty() && self.folders.is_empty()
    }
}

/// Ends of files that are kept: a segment is opened for its times, its rows and its events.
const MOST_TAILS: usize = 64;

/// Folders by key, and the ends of files.
#[derive(Debug, Default)]
pub(super) struct Listing {
    known: Mutex<Known>,
    tails: Mutex<BTreeMap<String, Part>>,
}

#[derive(Debug, Default)]
struct Known {
    folders: BTreeMap<String, Folder>,
    /// Keys of folders that were listed with all below them.
    whole: BTreeSet<String>,
}

impl Known {
    /// Whether everything below the key was listed.
    fn has_all_of(&self, key: &str) -> bool {
        let ends = key.match_indices('/').map(|(end, _)| end);
        let mut above = ends.chain([key.len()]).filter_map(|end| key.get(..end));
        self.whole.contains("") || above.any(|above| self.whole.contains(above))
    }

    /// Adds a file, and the folders down to it from `root`.
    fn add(&mut self, root: &str, file: &str, bytes: u64) {
        let (mut folder, mut name) = split(file);
        self.folder(folder).files.insert(name.to_owned(), bytes);
        while folder.len() > root.len() {
            (folder, name) = split(folder);
            self.folder(folder).folders.insert(name.to_owned());
        }
    }

    fn folder(&mut self, key: &str) -> &mut Folder {
        self.folders.entry(key.to_owned()).or_default()
    }
}

/// The folder of a key, and the name in it.
pub(super) fn split(key: &str) -> (&str, &str) {
    key.rsplit_once('/').unwrap_or(("", key))
}

impl Listing {
    fn known(&self) -> MutexGuard<'_, Known> {
        self.known.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Forgets everything: something was written or removed.
    pub(super) fn clear(&self) {
        *self.known() = Known::default();
        self.tails().clear();
    }

    fn tails(&self) -> MutexGuard<'_, BTreeMap<String, Part>> {
        self.tails.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The end of a file, if it was read.
    pub(super) fn tail(&self, key: &str) -> Option<Part> {
        self.tails().get(key).cloned()
    }

    /// Keeps the end of a file.
    pub(super) fn keep_tail(&self, key: &str, tail: Part) {
        let mut tails = self.tails();
        if tails.len() >= MOST_TAILS {
            tails.clear();
        }
        tails.insert(key.to_owned(), tail);
    }

    /// What is known of a folder without a request; `None` where it was not listed.
    pub(super) fn of_known(&self, key: &str) -> Option<Folder> {
        let known = self.known();
        let found = known.folders.get(key).cloned();
        found.or_else(|| known.has_all_of(key).then(Folder::default))
    }

    /// The content of a folder; `None` if there is no file in or below it.
    pub(super) fn folder(
        &self,
        store: &Arc<dyn ObjectStore>,
        key: &str,
    ) -> io::Result<Option<Folder>> {
        let known = self.of_known(key);
        let folder = match known {
            Some(folder) => folder,
            None => self.request(store, key)?,
        };
        Ok((!folder.is_empty()).then_some(folder))
    }

    fn request(&self, store: &Arc<dyn ObjectStore>, key: &str) -> io::Result<Folder> {
        let (asked, prefix) = (Arc::clone(store), Key::from(key));
        let files: Vec<ObjectMeta> = wait(async move {
            let files = asked.list(Some(&prefix)).take(MOST_AT_ONCE + 1);
            files.try_collect().await
        })?;
        let mut listed = Known::default();
        if files.len() <= MOST_AT_ONCE {
            listed.whole.insert(key.to_owned());
            for file in files {
                listed.add(key, file.location.as_ref(), file.size);
            }
        } else {
            let (asked, prefix) = (Arc::clone(store), Key::from(key));
            let found = wait(async move { asked.list_with_delimiter(Some(&prefix)).await })?;
            listed.folders.insert(key.to_owned(), one_level(&found));
        }
        let folder = listed.folders.get(key).cloned().unwrap_or_default();
        let mut known = self.known();
        known.folders.append(&mut listed.folders);
        known.whole.append(&mut listed.whole);
        Ok(folder)
    }
}

fn one_level(found: &ListResult) -> Folder {
    let name = |key: &Key| key.filename().unwrap_or_default().to_owned();
    let files = found.objects.iter();
    Folder {
        files: files.map(|it| (name(&it.location), it.size)).collect(),
        folders: found.common_prefixes.iter().map(name).collect(),
    }
}

//! A catalogue: many recordings under one root, one folder per trading day and session.
//!
//! ```text
//! ROOT/trading_day=2026-01-05/session=live-20260104-205500/part-00000.parquet
//! ```
//!
//! The names of the folders are Hive partitions, so tools that read Parquet take the root as one table.
//! Files that are not data begin with `_` or `.` there, and such tools skip them.

use std::fmt;
use std::io::ErrorKind;
use std::path::{Path, PathBuf};
use std::str::FromStr;

use chrono::NaiveDate;

use super::error::RecordingError;
use super::names::{SESSION_KEY, is_hidden, is_manifest};
use super::replace::is_interrupted;
use super::storage::{Location, Storage, local};
use super::unstarted::is_unstarted;

type Result<T> = std::result::Result<T, RecordingError>;

/// What the name of a day's folder begins with.
const DAY_KEY: &str = "trading_day=";

/// The id of a session as the name of a folder: letters, digits, `.`, `_` and `-`, beginning with a
/// letter or digit.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct SessionId(String);

/// A text is not a [`SessionId`].
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error(
    "expected letters, digits, `.`, `_` and `-`, at most 128, beginning with a letter or digit"
)]
pub struct SessionIdError;

impl SessionId {
    /// Longest id, in bytes.
    const LONGEST: usize = 128;

    /// Any text as an id: `_` in place of what an id may not have.
    #[must_use]
    pub fn of_text(text: &str) -> Self {
        let mut id: String = text
            .chars()
            .map(|c| if is_plain(c) { c } else { '_' })
            .collect();
        id.truncate(Self::LONGEST);
        if !id.starts_with(|c: char| c.is_ascii_alphanumeric()) {
            id.insert(0, 's');
            id.truncate(Self::LONGEST);
        }
        Self(id)
    }

    /// The id.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// The id of the `part`-th recording of a session, from 0 on. The first one has the session's own.
    #[must_use]
    pub(super) fn of_part(&self, part: u64) -> String {
        match part {
            0 => self.0.clone(),
            part => format!("{}-{}", self.0, part + 1),
        }
    }
}

const fn is_plain(c: char) -> bool {
    c.is_ascii_alphanumeric() || matches!(c, '.' | '_' | '-')
}

impl FromStr for SessionId {
    type Err = SessionIdError;

    fn from_str(text: &str) -> std::result::Result<Self, SessionIdError> {
        let begins = text.starts_with(|c: char| c.is_ascii_alphanumeric());
        match begins && text.len() <= Self::LONGEST && text.chars().all(is_plain) {
            true => Ok(Self(text.to_owned())),
            false => Err(SessionIdError),
        }
    }
}

impl fmt::Display for SessionId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// A recording in a catalogue.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct CatalogEntry {
    /// The trading day of the folder.
    pub trading_day: NaiveDate,
    /// The session id of the folder.
    pub session: String,
    /// The folder.
    pub folder: PathBuf,
}

/// The recordings under a root, by trading day and session id.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Catalog {
    /// The root.
    pub root: PathBuf,
    /// The recordings.
    pub entries: Vec<CatalogEntry>,
    /// Folders of days and sessions whose names are not UTF-8. They cannot be read; the paths only show
    /// them.
    pub unreadable: Vec<PathBuf>,
}

impl Catalog {
    /// Whether `path` is the root of a catalogue, or the folder of one of its trading days.
    #[must_use]
    pub fn is_root(path: &Path) -> bool {
        Location::of(path).is_ok_and(|it| Self::is_root_in(&*it.storage, &it.path))
    }

    /// The same on any storage.
    fn is_root_in(storage: &dyn Storage, path: &Path) -> bool {
        let Ok(names) = storage.list(path) else {
            return false;
        };
        let is_day = |name: &String| day_of(name).is_some();
        let is_session = |name: &String| session_id_of(name).is_some();
        !names.iter().any(|name| is_manifest(name))
            && match day_of(&name_of(path)) {
                Some(_) => names.iter().any(is_session),
                None => names.iter().any(is_day),
            }
    }

    /// The recordings under `root`, a path or the URL of an object store. An empty folder is a catalogue
    /// without recordings.
    ///
    /// # Errors
    /// When `root` is not a catalogue, or cannot be listed, or a URL cannot be used.
    pub fn open(root: &Path) -> Result<Self> {
        let Location {
            storage,
            path: root,
        } = Location::of(root)?;
        Self::open_in(&*storage, &root)
    }

    /// The same on any storage.
    ///
    /// # Errors
    /// As [`open`](Self::open).
    pub fn open_in(storage: &dyn Storage, root: &Path) -> Result<Self> {
        if !storage.is_folder(root) {
            return Err(not_a_catalogue(root, "there is no such folder"));
        }
        let mut names = storage.list(root)?;
        names.retain(|name| !name.starts_with('.'));
        if !names.is_empty() && !Self::is_root_in(storage, root) {
            let reason = match names.iter().any(|name| is_manifest(name)) {
                true => "it is a recording",
                false => "it has no folder trading_day=YYYY-MM-DD",
            };
            return Err(not_a_catalogue(root, reason));
        }
        let mut entries = Vec::new();
        let mut unreadable = Vec::new();
        let is_day = |name: &str| name.starts_with(DAY_KEY);
        if !Self::is_day(root) {
            unreadable.extend(not_utf8(storage, root, &names, is_day));
        }
        for (day, folder) in Self::days_in(storage, root)? {
            entries.extend(sessions(storage, &folder, day)?);
            if storage.is_folder(&folder) {
                let names = storage.list(&folder)?;
                unreadable.extend(not_utf8(storage, &folder, &names, Self::is_session));
            }
        }
        entries.sort();
        let root = root.to_owned();
        Ok(Self {
            root,
            entries,
            unreadable,
        })
    }

    /// The folders of trading days in `root`, or `root` itself if it is one.
    pub(super) fn days(root: &Path) -> Result<Vec<(NaiveDate, PathBuf)>> {
        Self::days_in(&*local(), root)
    }

    /// The same on any storage.
    pub(super) fn days_in(storage: &dyn Storage, root: &Path) -> Result<Vec<(NaiveDate, PathBuf)>> {
        if let Some(day) = day_of(&name_of(root)) {
            return Ok(vec![(day, root.to_owned())]);
        }
        let names = storage.list(root)?.into_iter();
        let days = names.filter_map(|name| Some((day_of(&name)?, root.join(name))));
        Ok(days.collect())
    }

    /// Whether a name is that of a session's folder.
    pub(super) fn is_session(name: &str) -> bool {
        session_id_of(name).is_some()
    }

    /// Whether a folder is named as that of a trading day.
    pub(super) fn is_day(folder: &Path) -> bool {
        day_of(&name_of(folder)).is_some()
    }

    /// The trading days of the root that has `day` as the folder of one. None for any other folder.
    #[must_use]
    pub fn days_beside(day: &Path) -> Vec<PathBuf> {
        let root = std::path::absolute(day)
            .ok()
            .filter(|day| Self::is_day(day));
        let root = root.as_deref().and_then(Path::parent);
        let days = root.and_then(|root| Self::days(root).ok());
        let days = days.unwrap_or_default().into_iter();
        days.map(|(_, folder)| folder).collect()
    }

    /// The name of the day's folder, if a path is named as that of a session in a catalogue.
    #[must_use]
    pub fn day_of_session(path: &Path) -> Option<String> {
        let path = std::path::absolute(path).ok()?;
        session_id_of(&path.file_name()?.to_string_lossy())?;
        let day = name_of(path.parent()?);
        day_of(&day).map(|_| day)
    }

    /// Whether Parquet readers that are given the root of a catalogue would read a file at `path`.
    #[must_use]
    pub fn shows(path: &Path) -> bool {
        let Ok(path) = std::path::absolute(path) else {
            return false;
        };
        for folder in path.ancestors() {
            let (Some(name), Some(parent)) = (folder.file_name(), folder.parent()) else {
                break;
            };
            if is_hidden(&name.to_string_lossy()) {
                return false;
            }
            if Self::is_root(parent) {
                return true;
            }
        }
        false
    }

    /// The folder of a session.
    #[must_use]
    pub fn folder(root: &Path, trading_day: NaiveDate, session: &str) -> PathBuf {
        root.join(format!("{DAY_KEY}{trading_day}"))
            .join(format!("{SESSION_KEY}{session}"))
    }
}

/// The recordings in the folder of a day. Folders without anything to read are skipped: a writer that
/// was killed at its very start leaves one. One whose recording is still beside it has something.
fn sessions(storage: &dyn Storage, folder: &Path, day: NaiveDate) -> Result<Vec<CatalogEntry>> {
    let mut found = Vec::new();
    if !storage.is_folder(folder) {
        return Ok(found);
    }
    for name in storage.list(folder)? {
        let path = folder.join(&name);
        let Some(session) = session_id_of(&name).filter(|_| storage.is_folder(&path)) else {
            continue;
        };
        let is_unstarted = match is_unstarted(storage, &path) {
            Ok(is_unstarted) => is_unstarted,
            // A prune removed it meanwhile.
            Err(error) if error.source.kind() == ErrorKind::NotFound => continue,
            Err(error) => return Err(error.into()),
        };
        if !is_unstarted || is_interrupted(storage, &path)? {
            found.push(CatalogEntry {
                trading_day: day,
                session: session.to_owned(),
                folder: path,
            });
        }
    }
    Ok(found)
}

/// The paths of those names that are not UTF-8: a storage lists them with a replacement, under which
/// nothing is found.
fn not_utf8(
    storage: &dyn Storage,
    folder: &Path,
    names: &[String],
    is_wanted: impl Fn(&str) -> bool,
) -> Vec<PathBuf> {
    let replaced = names
        .iter()
        .filter(|name| is_wanted(name) && name.contains(char::REPLACEMENT_CHARACTER));
    let paths = replaced.map(|name| folder.join(name));
    paths.filter(|path| !storage.exists(path)).collect()
}

fn day_of(name: &str) -> Option<NaiveDate> {
    let day = name.strip_prefix(DAY_KEY)?;
    NaiveDate::parse_from_str(day, "%Y-%m-%d")
        .ok()
        .filter(|date| date.to_string() == day)
}

fn session_id_of(name: &str) -> Option<&str> {
    name.strip_prefix(SESSION_KEY).filter(|id| !id.is_empty())
}

/// The last name of a path, also of `.`.
fn name_of(path: &Path) -> String {
    let absolute = std::path::absolute(path);
    let path = absolute.as_deref().unwrap_or(path);
    let name = path.file_name().unwrap_or_default();
    name.to_string_lossy().into_owned()
}

fn not_a_catalogue(root: &Path, reason: &str) -> RecordingError {
    RecordingError::NotACatalogue {
        path: root.to_owned(),
        reason: reason.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn folder_with(names: &[&str]) -> tempfile::TempDir {
        let folder = tempfile::tempdir().unwrap();
        for name in names {
            let path = folder.path().join(name);
            std::fs::create_dir_all(path.parent().unwrap()).unwrap();
            std::fs::write(path, "").unwrap();
        }
        folder
    }

    #[test]
    fn a_root_lists_its_sessions_by_day() {
        let folder = folder_with(&[
            "trading_day=2026-01-06/session=b/_manifest.json",
            "trading_day=2026-01-05/session=b/_manifest.json",
            "trading_day=2026-01-05/session=a/part-00000.parquet",
            "trading_day=2026-01-05/session=killed/.lock",
            "trading_day=2026-01-05/session=killed/._manifest.json.Ab12cd.tmp",
            "trading_day=2026-01-05/session=killed/_journal-00000.tdj",
            "trading_day=2026-01-05/session=empty/.lock",
            "trading_day=2026-01-05/.removed-x/_manifest.json",
            "trading_day=2026-1-5/session=c/_manifest.json",
            "trading_day=2026-01-05/session=/_manifest.json",
            "notes.txt",
        ]);
        let catalog = Catalog::open(folder.path()).unwrap();
        let found: Vec<(String, &str)> = catalog
            .entries
            .iter()
            .map(|entry| (entry.trading_day.to_string(), entry.session.as_str()))
            .collect();
        let day = |day: &str| day.to_owned();
        assert_eq!(
            found,
            [
                (day("2026-01-05"), "a"),
                (day("2026-01-05"), "b"),
                (day("2026-01-06"), "b")
            ]
        );
        let one = Catalog::open(&folder.path().join("trading_day=2026-01-06")).unwrap();
        assert_eq!(one.entries, catalog.entries[2..]);
    }

    #[test]
    fn readers_of_a_root_see_what_is_not_hidden() {
        let folder = folder_with(&[
            "root/trading_day=2026-01-06/session=b/_manifest.json",
            "other/_manifest.json",
        ]);
        let day = "root/trading_day=2026-01-06";
        for (path, expected) in [
            ("root/x.json", true),
            ("root/new/deep/x.json", true),
            ("root/_goldens/x.json", false),
            ("root/.x.json", false),
            (&format!("{day}/x.json"), true),
            (&format!("{day}/_session=b.golden.json"), false),
            (&format!("{day}/session=b/x.json"), true),
            ("x.json", false),
            ("other/x.json", false),
        ] {
            assert_eq!(
                Catalog::shows(&folder.path().join(path)),
                expected,
                "{path}"
            );
        }
        let session = folder.path().join(day).join("session=b");
        let named = Catalog::day_of_session(&session);
        assert_eq!(named.as_deref(), Some("trading_day=2026-01-06"));
        assert_eq!(
            Catalog::day_of_session(&folder.path().join("session=b")),
            None
        );
        let days = Catalog::days_beside(&folder.path().join(day));
        assert_eq!(days, [folder.path().join(day)]);
        assert_eq!(Catalog::days_beside(folder.path()), [] as [PathBuf; 0]);
    }

    #[test]
    fn names_that_are_not_utf8_are_shown() {
        use std::os::unix::ffi::OsStrExt as _;
        let root = folder_with(&["trading_day=2026-01-06/session=b/_manifest.json"]);
        let day = root.path().join("trading_day=2026-01-06");
        for (folder, name) in [
            (root.path(), b"trading_day=2026-01-0\xff".as_slice()),
            (&day, b"session=q\xff"),
            (&day, b"other\xff"),
        ] {
            let path = folder.join(std::ffi::OsStr::from_bytes(name));
            std::fs::create_dir_all(path).unwrap();
        }
        let catalog = Catalog::open(root.path()).unwrap();
        assert_eq!(catalog.entries.len(), 1);
        let found = catalog.unreadable.iter().map(|path| name_of(path));
        let expected = ["trading_day=2026-01-0\u{fffd}", "session=q\u{fffd}"];
        assert_eq!(found.collect::<Vec<_>>(), expected);
    }

    #[test]
    fn other_folders_are_no_catalogue() {
        let recording = folder_with(&["manifest.json", "trading_day=2026-01-05/x"]);
        let other = folder_with(&["notes.txt"]);
        for (folder, reason) in [
            (recording.path(), "it is a recording"),
            (other.path(), "it has no folder trading_day=YYYY-MM-DD"),
            (Path::new("/no/such/folder"), "there is no such folder"),
        ] {
            assert!(!Catalog::is_root(folder));
            let error = Catalog::open(folder).unwrap_err();
            assert!(error.to_string().contains(reason), "{error}");
        }
        let empty = folder_with(&[]);
        assert_eq!(Catalog::open(empty.path()).unwrap().entries, []);
    }

    #[test]
    fn a_session_id_is_a_plain_file_name() {
        for id in ["live-20260105", "a.b_c", "7"] {
            assert_eq!(id.parse::<SessionId>().unwrap().as_str(), id);
            assert_eq!(SessionId::of_text(id).as_str(), id);
        }
        for text in ["", ".a", "-a", "a/b", "a=b", "a b", "早"] {
            assert_eq!(text.parse::<SessionId>(), Err(SessionIdError));
            let id = SessionId::of_text(text);
            assert_eq!(id.as_str().parse(), Ok(id.clone()), "{text}");
        }
    }
}

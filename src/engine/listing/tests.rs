//! What a list of sessions opens, and which sessions it has.

use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex};

use tickdeck_core::calendar::TradingCalendar;
use tickdeck_core::source::Source as _;
use tickdeck_market::source::{SyntheticOptions, SyntheticSource};
use tickdeck_recording::storage::{
    Entry, LocalStorage, LockGuard, ReadFile, StorageError, WriteFile,
};
use tickdeck_recording::{Catalog, RecordingOptions, RecordingWriter, Rolling};

use super::*;

type Result<T> = std::result::Result<T, StorageError>;

/// The local file system, which remembers what was opened.
#[derive(Debug, Default)]
struct Counting {
    opened: Mutex<Vec<PathBuf>>,
    /// Whether it counts as a server. An open takes a while then.
    is_remote: bool,
    /// How many opens run, and how many ran at most.
    running: AtomicUsize,
    most_running: AtomicUsize,
}

impl Storage for Counting {
    fn is_remote(&self) -> bool {
        self.is_remote
    }

    fn entry(&self, path: &Path) -> Result<Entry> {
        LocalStorage.entry(path)
    }

    fn list(&self, folder: &Path) -> Result<Vec<String>> {
        LocalStorage.list(folder)
    }

    fn open(&self, path: &Path) -> Result<Arc<dyn ReadFile>> {
        let running = self.running.fetch_add(1, Ordering::SeqCst) + 1;
        self.most_running.fetch_max(running, Ordering::SeqCst);
        self.opened.lock().unwrap().push(path.to_owned());
        if self.is_remote {
            tickdeck_core::wait::nap(std::time::Duration::from_millis(1));
        }
        self.running.fetch_sub(1, Ordering::SeqCst);
        LocalStorage.open(path)
    }

    fn file_bytes(&self, path: &Path) -> Result<u64> {
        LocalStorage.file_bytes(path)
    }

    fn create(&self, path: &Path) -> Result<Box<dyn WriteFile>> {
        LocalStorage.create(path)
    }

    fn append(&self, path: &Path) -> Result<Box<dyn WriteFile>> {
        LocalStorage.append(path)
    }

    fn put(&self, path: &Path, content: &[u8]) -> Result<()> {
        LocalStorage.put(path, content)
    }

    fn put_new(&self, path: &Path, content: &[u8]) -> Result<()> {
        LocalStorage.put_new(path, content)
    }

    fn rename(&self, from: &Path, to: &Path) -> Result<()> {
        LocalStorage.rename(from, to)
    }

    fn remove(&self, path: &Path) -> Result<()> {
        LocalStorage.remove(path)
    }

    fn create_folder(&self, folder: &Path) -> Result<()> {
        LocalStorage.create_folder(folder)
    }

    fn create_folder_beside(&self, target: &Path) -> Result<PathBuf> {
        LocalStorage.create_folder_beside(target)
    }

    fn remove_folder(&self, folder: &Path) -> Result<()> {
        LocalStorage.remove_folder(folder)
    }

    fn sync_dir(&self, folder: &Path) -> Result<()> {
        LocalStorage.sync_dir(folder)
    }

    fn lock(&self, path: &Path) -> Result<Box<dyn LockGuard>> {
        LocalStorage.lock(path)
    }

    fn is_locked(&self, path: &Path) -> Result<bool> {
        LocalStorage.is_locked(path)
    }
}

impl Counting {
    /// The names of the files that were opened since the last call.
    fn take(&self) -> Vec<String> {
        let opened = std::mem::take(&mut *self.opened.lock().unwrap());
        let names = opened.iter().filter_map(|path| path.file_name());
        names
            .map(|name| name.to_string_lossy().into_owned())
            .collect()
    }
}

/// Records a short market of these instruments as a session of a catalogue.
fn record(root: &Path, session: &str, symbols: &[&str]) -> PathBuf {
    let calendar = TradingCalendar::builtin();
    let options = SyntheticOptions {
        duration: Some(std::time::Duration::from_secs(5)),
        symbols: symbols.iter().map(|&it| it.to_owned()).collect(),
        ..SyntheticOptions::default()
    };
    let mut market = SyntheticSource::open(options, &calendar).unwrap();
    let day = "2025-09-12".parse().unwrap();
    let folder = Catalog::folder(root, day, session);
    let options = RecordingOptions {
        session: session.into(),
        source: market.info(),
        contracts: Arc::new(ContractTable::builtin()),
        calendar: Arc::new(calendar),
        rolling: Rolling {
            max_rows: 20,
            ..Rolling::default()
        },
        overwrite: false,
        keep_partial: false,
    };
    let mut writer = RecordingWriter::create(&folder, options).unwrap();
    let mut batch = Vec::new();
    loop {
        batch.clear();
        market.next_batch(&mut batch, 100).unwrap();
        if batch.is_empty() {
            break;
        }
        writer.write(&batch).unwrap();
    }
    writer.finish().unwrap();
    folder
}

/// A catalogue of three sessions with other instruments each.
fn catalogue() -> tempfile::TempDir {
    let root = tempfile::tempdir().unwrap();
    record(root.path(), "a", &["rb2510", "IF2509"]);
    record(root.path(), "b", &["m2601"]);
    record(root.path(), "c", &["rb2510"]);
    root
}

fn lines(storage: &Arc<Counting>, root: &Path, wanted: &ListOptions) -> Vec<SessionLine> {
    let storage = Arc::clone(storage) as Arc<dyn Storage>;
    let catalog = Catalog::open_in(&*storage, root).unwrap();
    let lister = Lister::new_in(storage, wanted).unwrap();
    let entries = catalog.entries.iter();
    entries
        .filter_map(|entry| lister.line(entry).unwrap())
        .collect()
}

fn sessions(root: &Path, wanted: &ListOptions) -> Vec<String> {
    let lines = lines(&Arc::default(), root, wanted).into_iter();
    lines.map(|line| line.stored.session).collect()
}

/// Changes the text of a manifest.
fn edit(folder: &Path, change: impl FnOnce(&mut serde_json::Map<String, serde_json::Value>)) {
    let path = folder.join("_manifest.json");
    let text = std::fs::read(&path).unwrap();
    let mut manifest: serde_json::Value = serde_json::from_slice(&text).unwrap();
    change(manifest.as_object_mut().unwrap());
    std::fs::write(&path, serde_json::to_vec(&manifest).unwrap()).unwrap();
}

#[test]
fn a_list_opens_nothing_but_manifests() {
    let root = catalogue();
    let storage = Arc::<Counting>::default();
    let found = lines(&storage, root.path(), &ListOptions::default());
    assert_eq!(found.len(), 3);
    let opened = storage.take();
    assert!(
        opened.iter().all(|name| name == "_manifest.json"),
        "{opened:?}"
    );
    // One look whether it is a Git LFS pointer, and one to read it.
    assert_eq!(opened.len(), 6);
    assert_eq!(found[0].exchanges, [Exchange::Shfe, Exchange::Cffex]);
    assert_eq!((found[0].symbols, found[0].gaps), (2, Some(0)));
    assert_eq!(found[0].state(), SessionState::Complete);
}

#[test]
fn an_older_manifest_shows_what_it_knows() {
    let root = catalogue();
    let folder = Catalog::folder(root.path(), "2025-09-12".parse().unwrap(), "a");
    let whole = lines(&Arc::default(), root.path(), &ListOptions::default());
    edit(&folder, |manifest| {
        assert!(manifest.remove("gaps").is_some());
        assert!(manifest.remove("exchanges").is_some());
    });
    let storage = Arc::<Counting>::default();
    let found = lines(&storage, root.path(), &ListOptions::default());
    assert!(storage.take().iter().all(|name| name == "_manifest.json"));
    assert_eq!(found[0].gaps, None);
    assert_eq!(found[0].exchanges, whole[0].exchanges);
    assert_eq!(found[1..], whole[1..]);
}

#[test]
fn sessions_are_selected_by_instrument_and_state() {
    let root = catalogue();
    let by = |exchanges: &[Exchange], symbols: &[&str], states: &[SessionState]| {
        let wanted = ListOptions {
            exchanges: exchanges.to_vec(),
            symbols: symbols.iter().map(|&it| it.to_owned()).collect(),
            states: states.to_vec(),
        };
        sessions(root.path(), &wanted).concat()
    };
    assert_eq!(by(&[Exchange::Shfe], &[], &[]), "ac");
    assert_eq!(by(&[Exchange::Dce, Exchange::Cffex], &[], &[]), "ab");
    assert_eq!(by(&[], &["rb*"], &[]), "ac");
    assert_eq!(by(&[], &["*.CFFEX", "m2601"], &[]), "ab");
    assert_eq!(by(&[Exchange::Dce], &["rb*"], &[]), "");
    assert_eq!(by(&[], &[], &[SessionState::Complete]), "abc");
    assert_eq!(by(&[], &[], &[SessionState::Damaged]), "");
    // What cannot be read may have any instrument.
    let day = "2025-09-12".parse().unwrap();
    let folder = |session| Catalog::folder(root.path(), day, session);
    std::fs::write(folder("a").join("_manifest.json"), "{").unwrap();
    edit(&folder("c"), |manifest| {
        manifest.insert("status".into(), "recording".into());
    });
    assert_eq!(by(&[Exchange::Dce], &[], &[]), "ab");
    assert_eq!(by(&[], &[], &[SessionState::Damaged]), "a");
    assert_eq!(by(&[], &[], &[SessionState::Killed]), "c");
    assert_eq!(by(&[], &[], &[SessionState::BeingWritten]), "");
}

#[test]
fn a_segment_of_another_size_is_damage() {
    let root = catalogue();
    let day = "2025-09-12".parse().unwrap();
    let segment = |session| {
        let folder = Catalog::folder(root.path(), day, session);
        folder.join("part-00000.parquet")
    };
    std::fs::remove_file(segment("a")).unwrap();
    std::fs::write(segment("b"), "short").unwrap();
    let found = lines(&Arc::default(), root.path(), &ListOptions::default());
    for (line, problem) in found.iter().zip(["it is missing", "it has 5 bytes"]) {
        assert_eq!(line.state(), SessionState::Damaged);
        assert!(line.problem.as_ref().unwrap().contains(problem), "{line:?}");
    }
    assert_eq!(found[2].state(), SessionState::Complete);
}

#[test]
fn a_thousand_sessions_on_a_server_are_looked_at_several_at_once() {
    const SESSIONS: usize = 1000;
    let root = tempfile::tempdir().unwrap();
    let first = record(root.path(), "s0000", &["rb2510"]);
    let day = first.parent().unwrap();
    for number in 1..SESSIONS {
        let folder = day.join(format!("session=s{number:04}"));
        std::fs::create_dir(&folder).unwrap();
        for name in std::fs::read_dir(&first).unwrap().flatten() {
            std::fs::hard_link(name.path(), folder.join(name.file_name())).unwrap();
        }
    }
    let local = Arc::new(Counting::default());
    let server = Arc::new(Counting {
        is_remote: true,
        ..Counting::default()
    });
    let listed = |storage: &Arc<Counting>| {
        let catalog = Catalog::open_in(&**storage, root.path()).unwrap();
        let entries: Vec<&CatalogEntry> = catalog.entries.iter().collect();
        let storage = Arc::clone(storage) as Arc<dyn Storage>;
        let lister = Lister::new_in(storage, &ListOptions::default()).unwrap();
        let lines = lister.lines(&entries).into_iter();
        lines.map(|line| line.unwrap().unwrap()).collect::<Vec<_>>()
    };
    let found = listed(&server);
    assert_eq!(found.len(), SESSIONS);
    assert!(found == listed(&local));
    // One for each session, and never more at once than stated.
    assert_eq!(server.take().len(), SESSIONS);
    let at_once = server.most_running.load(Ordering::SeqCst);
    assert!((2..=MOST_AT_ONCE).contains(&at_once), "{at_once}");
    assert_eq!(local.most_running.load(Ordering::SeqCst), 1);
}

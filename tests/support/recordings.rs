//! Recordings for tests: committed and generated ones, and their content through the library.

use std::ffi::OsStr;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use tempfile::TempDir;
use tickdeck::calendar::TradingCalendar;
use tickdeck::contract::ContractTable;
use tickdeck::encode::PayloadKind;
use tickdeck::event::Event;
use tickdeck::normalize::Flags;
use tickdeck::pipeline::PublisherOptions;
use tickdeck::recording::{EventFilter, Recording};
use tickdeck::sink::{MessageRef, StreamDigest};

use super::cli::{Ended, run};

/// A file or folder of the working copy.
pub(crate) fn repository(path: &str) -> PathBuf {
    Path::new(concat!(env!("CARGO_MANIFEST_DIR"), "/../..")).join(path)
}

/// The committed recording of a few instruments over a minute.
pub(crate) fn quick() -> PathBuf {
    repository("recordings/quick")
}

/// The committed recording of every oddity.
pub(crate) fn quirks() -> PathBuf {
    repository("recordings/quirks")
}

/// A folder that is removed with the test, and paths in it.
pub(crate) struct Folder(TempDir);

impl Folder {
    pub(crate) fn new() -> Self {
        Self(tempfile::tempdir().unwrap())
    }

    pub(crate) fn path(&self) -> &Path {
        self.0.path()
    }

    pub(crate) fn join(&self, name: &str) -> PathBuf {
        self.0.path().join(name)
    }

    /// Names of its entries, including hidden files.
    pub(crate) fn names(&self) -> Vec<String> {
        names(self.path())
    }

    /// `generate` with `words` into `name`.
    pub(crate) fn generate(&self, name: &str, words: &str) -> PathBuf {
        let path = self.join(name);
        let mut args: Vec<&OsStr> = vec!["generate".as_ref()];
        args.extend(words.split_whitespace().map(OsStr::new));
        args.extend(["-o".as_ref(), path.as_os_str()]);
        run(args).done();
        path
    }

    /// A copy of a recording that a test may damage.
    pub(crate) fn copy_of(&self, recording: &Path, name: &str) -> PathBuf {
        let copy = self.join(name);
        std::fs::create_dir(&copy).unwrap();
        for file in names(recording) {
            std::fs::copy(recording.join(&file), copy.join(&file)).unwrap();
        }
        copy
    }
}

/// Sorted names in a folder.
pub(crate) fn names(folder: &Path) -> Vec<String> {
    let entries = std::fs::read_dir(folder).unwrap();
    let mut names: Vec<String> = entries
        .map(|entry| entry.unwrap().file_name().into_string().unwrap())
        .collect();
    names.sort();
    names
}

/// All events of a recording.
pub(crate) fn events(path: &Path) -> Vec<Event> {
    let mut reader = Recording::open(path)
        .unwrap()
        .reader(EventFilter::default());
    let mut events = Vec::new();
    loop {
        let before = events.len();
        reader.next_events(&mut events, 4096).unwrap();
        if events.len() == before {
            return events;
        }
    }
}

/// How many events are in files by now; 0 before there is a recording.
pub(crate) fn on_disk(folder: &Path) -> u64 {
    let manifest = |recording: Recording| recording.manifest().map(|it| it.events);
    Recording::open(folder).ok().and_then(manifest).unwrap_or(0)
}

/// Runs a verb on one recording.
pub(crate) fn verb(name: &str, recording: &Path) -> Ended {
    run([name.as_ref(), recording.as_os_str()])
}

/// How a replay of `path` publishes, with `drop` filtered out.
pub(crate) fn publisher_options(path: &Path, drop: Flags) -> PublisherOptions {
    let recording = Recording::open(path).unwrap();
    let mut contracts = ContractTable::builtin();
    recording.contracts(&mut contracts).unwrap();
    let calendar = recording.calendar().unwrap();
    PublisherOptions {
        payload: PayloadKind::Vnpy,
        source: recording.source().payload_source(),
        subject_prefix: "market.tick".to_owned(),
        drop,
        partition: None,
        contracts: Arc::new(contracts),
        calendar: Arc::new(calendar.unwrap_or_else(TradingCalendar::builtin)),
        receive_times: recording.source().receive_times(),
    }
}

/// `replay RECORDING --json` with more arguments, at full speed by default.
pub(crate) fn replay(recording: &Path, words: &str) -> Ended {
    let mut args: Vec<&OsStr> = vec!["replay".as_ref(), recording.as_os_str()];
    args.extend(["--json", "-q"].map(OsStr::new));
    if !words.contains("--rate") {
        args.extend(["--rate", "max"].map(OsStr::new));
    }
    args.extend(words.split_whitespace().map(OsStr::new));
    run(args)
}

/// Digest of a replay at full speed.
pub(crate) fn replay_digest(recording: &Path) -> String {
    replay(recording, "--sink digest --allow-empty")
        .done()
        .digest()
}

/// Digest of the recorded events, as `info` prints it.
pub(crate) fn info_digest(recording: &Path) -> String {
    info(recording)["digest"].as_str().unwrap().to_owned()
}

/// The result of `info --json`.
pub(crate) fn info(recording: &Path) -> serde_json::Value {
    let args = ["info".as_ref(), recording.as_os_str(), "--json".as_ref()];
    run(args).done().json()
}

/// The payload stream of a replay, as `--sink jsonl:-` prints it.
pub(crate) fn stream(recording: &Path, words: &str) -> String {
    let mut args: Vec<&OsStr> = vec!["replay".as_ref(), recording.as_os_str()];
    args.extend("--rate max -q --sink jsonl:-".split(' ').map(OsStr::new));
    args.extend(words.split_whitespace().map(OsStr::new));
    run(args).done().stdout
}

/// Subject and payload of one line of a payload stream.
pub(crate) fn split(line: &str) -> (&str, &str) {
    line.split_once(' ').unwrap()
}

/// The payload of one line of a payload stream.
pub(crate) fn payload(line: &str) -> serde_json::Value {
    serde_json::from_str(split(line).1).unwrap()
}

/// The digest of a payload stream in text form.
pub(crate) fn stream_digest(text: &str) -> String {
    let mut digest = StreamDigest::new();
    for line in text.lines() {
        let (subject, payload) = split(line);
        digest.update_message(MessageRef {
            subject: subject.as_bytes(),
            payload: payload.as_bytes(),
        });
    }
    digest.hex()
}

//! What is seen of a client while it runs: what its processes report, and which libraries they have
//! mapped.

use std::collections::{BTreeMap, BTreeSet};
use std::ffi::OsStr;
use std::os::unix::ffi::OsStrExt as _;
use std::path::{Path, PathBuf};

use nix::sys::signal::{Signal, kill};
use serde_json::{Map, Value};
use tickdeck_core::clock::MonoNanos;
use tickdeck_core::time::NANOS_PER_MILLI;
use tickdeck_ffi::object_file::ObjectFile;
use tickdeck_front::faults::Front;
use tickdeck_front::report::Reader;
use tickdeck_front::vendor;

use super::ended::{Ended, pid};
use super::summary::Summary;
use super::unbound::{Mapped, Program, Seen, not_preloaded, past_the_preloaded};

/// Pause between two looks at the processes.
const PAUSE_NS: i64 = 50 * NANOS_PER_MILLI;

/// The client's processes as far as they were seen.
pub(super) struct Observer {
    report: Reader,
    program: Option<PathBuf>,
    summary: Summary,
    /// In how many processes the libraries were preloaded.
    preloaded: usize,
    /// Why the client cannot work.
    fatal: Option<String>,
    next_look: MonoNanos,
    /// By process, those that have a vendor's library.
    mapped: BTreeMap<u32, Mapped>,
    /// What a library file is, looked up once.
    kinds: BTreeMap<PathBuf, Kind>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Kind {
    Vendor,
    Simulated,
    Other,
}

impl Observer {
    /// An observer of the client whose processes report to this folder.
    pub(super) fn new(report: &Path, program: &OsStr) -> Self {
        Self {
            report: Reader::new(report),
            program: found_in_path(program),
            summary: Summary::default(),
            preloaded: 0,
            fatal: None,
            next_look: MonoNanos(i64::MIN),
            mapped: BTreeMap::new(),
            kinds: BTreeMap::new(),
        }
    }

    /// What was reported.
    pub(super) fn into_summary(self) -> Summary {
        self.summary
    }

    /// Whether a process created an API object of the simulated front.
    pub(super) const fn is_bound(&self) -> bool {
        self.summary.is_bound()
    }

    /// Why the client cannot work here, if so: it is then not waited for.
    pub(super) fn fatal(&self) -> Option<&str> {
        self.fatal.as_deref()
    }

    /// Looks at the processes, if it is time.
    pub(super) fn look(&mut self, client: u32, now: MonoNanos) {
        if now < self.next_look {
            return;
        }
        self.next_look = now.plus(PAUSE_NS);
        self.last_look();
        // Who is bound needs no explanation.
        if !self.is_bound() {
            for process in with_children(client) {
                self.look_at(process);
            }
        }
    }

    /// Reads what was reported. The folder is this process's own: without it nothing is known, and the
    /// client counts as one that did not report.
    pub(super) fn last_look(&mut self) {
        loop {
            let lines = self.report.new_lines().unwrap_or_default();
            if lines.is_empty() {
                break;
            }
            for line in &lines {
                self.hear(line);
            }
        }
        self.summary.set_ticks(self.report.ticks().unwrap_or(0));
    }

    fn hear(&mut self, line: &Map<String, Value>) {
        let text = |key: &str| line.get(key).and_then(Value::as_str).unwrap_or_default();
        let fatal = match text("event") {
            "sim_loaded" => {
                self.preloaded += 1;
                None
            }
            "sim_version_unknown" | "sim_settings_error" => Some(text("text").to_owned()),
            "sim_dial_refused" => {
                let reason = past_the_preloaded(Path::new(text("file")));
                Some(format!(
                    "the client never used the simulated front: {reason}"
                ))
            }
            _ => None,
        };
        self.fatal = self.fatal.take().or(fatal);
        self.summary.add(line);
    }

    fn look_at(&mut self, process: u32) {
        // It may have ended meanwhile.
        let maps = std::fs::read_to_string(format!("/proc/{process}/maps")).unwrap_or_default();
        let mut paths: BTreeSet<PathBuf> = BTreeSet::new();
        let code = vendor::mappings(&maps)
            .into_iter()
            .filter(|mapping| mapping.is_code);
        paths.extend(code.map(|mapping| mapping.path));
        let vendor_files: Vec<PathBuf> = paths
            .iter()
            .filter(|path| self.kind(path) == Kind::Vendor)
            .cloned()
            .collect();
        let Some(file) = vendor_files.first() else {
            return;
        };
        if self.mapped.contains_key(&process) {
            return;
        }
        let is_preloaded = paths.iter().any(|path| self.kind(path) == Kind::Simulated);
        let name = file
            .file_name()
            .unwrap_or_default()
            .to_string_lossy()
            .into_owned();
        let program = std::fs::read_link(format!("/proc/{process}/exe")).unwrap_or_default();
        let mapped = Mapped {
            needed_by: paths.iter().find(|path| needs(path, &name)).cloned(),
            file: file.clone(),
            program,
            is_preloaded,
        };
        if !is_preloaded {
            // Nothing keeps it from a real front.
            let _ = kill(pid(process), Signal::SIGKILL);
            let reason = not_preloaded(&mapped);
            let reason = format!("the client never used the simulated front: {reason}");
            self.fatal.get_or_insert(reason);
        }
        self.mapped.entry(process).or_insert(mapped);
    }

    fn kind(&mut self, path: &Path) -> Kind {
        let fronts = [Front::MarketData, Front::Trader];
        if !fronts
            .into_iter()
            .any(|front| vendor::has_vendor_name(path, front))
        {
            return Kind::Other;
        }
        *self.kinds.entry(path.to_owned()).or_insert_with(|| {
            let bytes = std::fs::read(path).unwrap_or_default();
            let is_simulated =
                ObjectFile::parse(&bytes).is_some_and(|file| file.symbol(vendor::MARK).is_some());
            let is_vendors = |front| vendor::told_by(&bytes, front).is_some();
            match is_simulated {
                true => Kind::Simulated,
                false if fronts.into_iter().any(is_vendors) => Kind::Vendor,
                false => Kind::Other,
            }
        })
    }

    /// All that is known of a client that never used the simulated front.
    pub(super) fn seen(&self, ended: &Ended) -> Seen {
        Seen {
            preloaded: self.preloaded,
            mapped: self.mapped.values().cloned().collect(),
            program: self.program.as_deref().and_then(Program::read),
            code: ended.code(),
        }
    }
}

/// Whether a file names a library as one that it needs.
fn needs(path: &Path, name: &str) -> bool {
    let bytes = std::fs::read(path).unwrap_or_default();
    ObjectFile::parse(&bytes).is_some_and(|file| file.needed().iter().any(|needed| needed == name))
}

/// A process and all below it.
fn with_children(process: u32) -> Vec<u32> {
    let mut found = vec![process];
    let mut next = 0;
    while let Some(&process) = found.get(next) {
        next += 1;
        let tasks = std::fs::read_dir(format!("/proc/{process}/task"));
        for task in tasks.into_iter().flatten().flatten() {
            let children = std::fs::read_to_string(task.path().join("children"));
            let children = children.unwrap_or_default();
            found.extend(
                children
                    .split_whitespace()
                    .filter_map(|id| id.parse::<u32>().ok()),
            );
        }
    }
    found
}

/// The file of a program, found as a shell finds it.
fn found_in_path(program: &OsStr) -> Option<PathBuf> {
    if program.as_bytes().contains(&b'/') {
        return Some(program.into());
    }
    let path = std::env::var_os("PATH")?;
    std::env::split_paths(&path)
        .map(|folder| folder.join(program))
        .find(|path| path.is_file())
}

//! What a process reports to the `tickdeck sim run` that started it.
//!
//! The folder of `TICKDECK_SIM_REPORT` gets the lines of the log, and a file per API object with the
//! number of ticks that it delivered. A file holds what was written to it however the client ends:
//! clients leave by `_exit`, a signal or a crash.

use std::ffi::OsStr;
use std::fs::{File, OpenOptions};
use std::io::{self, Write as _};
use std::os::unix::fs::FileExt as _;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Mutex, OnceLock, PoisonError};

use serde_json::{Map, Value};

/// Names the folder.
pub const VARIABLE: &str = "TICKDECK_SIM_REPORT";

/// Where the lines are.
const LINES: &str = "events.jsonl";

/// Bytes of lines that are read at a time.
const MOST_BYTES: usize = 1 << 20;

/// How the names of the files with numbers of ticks begin.
const TICKS: &str = "ticks-";

static REPORT: OnceLock<Option<Report>> = OnceLock::new();

/// The folder, and its file of lines.
#[derive(Debug)]
struct Report {
    folder: PathBuf,
    lines: Mutex<File>,
}

impl Report {
    /// `None` for a folder that is gone: its reader has ended.
    fn open(folder: PathBuf) -> Option<Self> {
        let mut options = OpenOptions::new();
        let lines = options.create(true).append(true).open(folder.join(LINES));
        Some(Self {
            lines: Mutex::new(lines.ok()?),
            folder,
        })
    }

    fn append(&self, mut line: Map<String, Value>) {
        line.insert("pid".into(), std::process::id().into());
        // One write, so that the lines of several processes do not mix.
        let text = format!("{}\n", Value::Object(line));
        let mut lines = self.lines.lock().unwrap_or_else(PoisonError::into_inner);
        // Without the report the client still has its market.
        let _ = lines.write_all(text.as_bytes());
    }
}

/// Reports to this folder, if any; the first call decides.
pub(crate) fn open(folder: Option<&OsStr>) {
    REPORT.get_or_init(|| Report::open(folder?.into()));
}

fn report() -> Option<&'static Report> {
    REPORT.get()?.as_ref()
}

/// Whether this process has a reader.
pub(crate) fn is_read() -> bool {
    report().is_some()
}

/// Appends a line, with the number of the process.
pub(crate) fn append(line: &Map<String, Value>) {
    if let Some(report) = report() {
        report.append(line.clone());
    }
}

/// Counts the ticks that an API object delivers.
#[derive(Debug)]
pub struct DeliveredTicks {
    file: Option<File>,
    count: u64,
}

impl DeliveredTicks {
    /// None yet.
    #[must_use]
    pub fn new() -> Self {
        Self::to(report())
    }

    fn to(report: Option<&Report>) -> Self {
        static OBJECTS: AtomicU64 = AtomicU64::new(0);
        let file = report.and_then(|report| {
            let number = OBJECTS.fetch_add(1, Ordering::Relaxed);
            let name = format!("{TICKS}{}-{number}", std::process::id());
            File::create(report.folder.join(name)).ok()
        });
        Self { file, count: 0 }
    }

    /// Counts a tick that is about to be delivered: the client may end the process inside of its
    /// callback.
    pub fn add(&mut self) {
        self.count += 1;
        if let Some(file) = &self.file {
            // As with lines: the client does not need it.
            let _ = file.write_all_at(&self.count.to_le_bytes(), 0);
        }
    }
}

impl Default for DeliveredTicks {
    fn default() -> Self {
        Self::new()
    }
}

/// Reads what processes report.
#[derive(Debug)]
pub struct Reader {
    folder: PathBuf,
    /// Bytes of the lines that were read.
    position: u64,
}

impl Reader {
    /// A reader from the beginning.
    #[must_use]
    pub fn new(folder: &Path) -> Self {
        Self {
            folder: folder.to_owned(),
            position: 0,
        }
    }

    /// The lines since the last call, in the order of their writing. One that is being written comes
    /// with the next call.
    ///
    /// # Errors
    /// When they cannot be read.
    pub fn new_lines(&mut self) -> io::Result<Vec<Map<String, Value>>> {
        let file = match File::open(self.folder.join(LINES)) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
            opened => opened?,
        };
        let len = file.metadata()?.len().saturating_sub(self.position);
        let mut bytes = vec![0; usize::try_from(len).unwrap_or(0).min(MOST_BYTES)];
        file.read_exact_at(&mut bytes, self.position)?;
        let Some(end) = bytes.iter().rposition(|&byte| byte == b'\n') else {
            return Ok(Vec::new());
        };
        let whole = &bytes[..=end];
        self.position += whole.len() as u64;
        let lines = whole.split(|&byte| byte == b'\n');
        Ok(lines
            .filter_map(|line| serde_json::from_slice(line).ok())
            .collect())
    }

    /// Ticks delivered so far.
    ///
    /// # Errors
    /// When the folder cannot be read.
    pub fn ticks(&self) -> io::Result<u64> {
        let mut ticks = 0;
        for entry in std::fs::read_dir(&self.folder)? {
            let entry = entry?;
            if entry.file_name().to_string_lossy().starts_with(TICKS) {
                let bytes = std::fs::read(entry.path())?;
                let count = bytes.first_chunk().copied().map(u64::from_le_bytes);
                ticks += count.unwrap_or(0);
            }
        }
        Ok(ticks)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn line(event: &str) -> Map<String, Value> {
        let mut line = Map::new();
        line.insert("event".into(), event.into());
        line
    }

    #[test]
    fn lines_are_read_once_and_whole() {
        let folder = tempfile::tempdir().unwrap();
        let mut reader = Reader::new(folder.path());
        assert!(reader.new_lines().unwrap().is_empty());
        let report = Report::open(folder.path().into()).unwrap();
        report.append(line("sim_created"));
        let lines = reader.new_lines().unwrap();
        assert_eq!(lines.len(), 1);
        assert_eq!(lines[0]["event"], "sim_created");
        assert_eq!(lines[0]["pid"], std::process::id());
        let mut other = OpenOptions::new();
        let mut other = other.append(true).open(folder.path().join(LINES)).unwrap();
        other.write_all(b"{\"event\":\"sim_mis").unwrap();
        assert!(reader.new_lines().unwrap().is_empty());
        other.write_all(b"use\"}\n").unwrap();
        assert_eq!(reader.new_lines().unwrap()[0]["event"], "sim_misuse");
        assert!(reader.new_lines().unwrap().is_empty());
    }

    #[test]
    fn ticks_of_all_objects_are_added_up() {
        let folder = tempfile::tempdir().unwrap();
        let report = Report::open(folder.path().into()).unwrap();
        let mut first = DeliveredTicks::to(Some(&report));
        let mut second = DeliveredTicks::to(Some(&report));
        for _ in 0..300 {
            first.add();
        }
        second.add();
        DeliveredTicks::to(None).add();
        assert_eq!(Reader::new(folder.path()).ticks().unwrap(), 301);
    }
}

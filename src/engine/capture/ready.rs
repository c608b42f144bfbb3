//! The file that tells a script that the capture is subscribed. Only one of an earlier run is ever
//! removed.

use std::fs::{self, File};
use std::io::{ErrorKind, Read as _};
use std::path::{Path, PathBuf};

use super::error::CaptureFileError;
use crate::sink::paths::is_same_place;

type Result<T> = std::result::Result<T, CaptureFileError>;

/// What a ready file begins with.
const WORD: &[u8] = b"ready";

/// The place of the ready file, accepted; `None` if there is to be none.
#[derive(Debug)]
pub(super) struct ReadyFile(Option<PathBuf>);

impl ReadyFile {
    /// Checks the path and changes nothing.
    pub(super) fn accept(
        path: Option<PathBuf>,
        stream: Option<&Path>,
        times: Option<&Path>,
    ) -> Result<Self> {
        let Some(path) = path else {
            return Ok(Self(None));
        };
        for (other, what) in [(stream, "the output"), (times, "the arrival times")] {
            if other.is_some_and(|other| is_same_place(&path, other)) {
                return Err(CaptureFileError::ReadyIsOutput { path, what });
            }
        }
        if let Some(found) = foreign(&path)? {
            return Err(CaptureFileError::ReadyIsForeign { path, found });
        }
        Ok(Self(Some(path)))
    }

    /// Removes the file of an earlier run, which a waiting script must not find.
    pub(super) fn remove_stale(&self) -> Result<()> {
        let Some(path) = &self.0 else { return Ok(()) };
        match fs::remove_file(path) {
            Err(error) if error.kind() != ErrorKind::NotFound => {
                Err(CaptureFileError::io("removing the ready file", path)(error))
            }
            _ => Ok(()),
        }
    }

    /// Writes the file: the server has the subscription.
    pub(super) fn make(&self) -> Result<()> {
        let Some(path) = &self.0 else { return Ok(()) };
        fs::write(path, "ready\n").map_err(CaptureFileError::io("writing the ready file", path))
    }
}

/// What is at `path`, unless it is nothing or the ready file of an earlier run.
fn foreign(path: &Path) -> Result<Option<&'static str>> {
    let reading = || CaptureFileError::io("reading the ready file", path);
    match path.symlink_metadata() {
        Ok(found) if !found.is_file() => return Ok(Some("something that is not a regular file")),
        Ok(_) => {}
        Err(error) if error.kind() == ErrorKind::NotFound => return Ok(None),
        Err(error) => return Err(reading()(error)),
    }
    let mut head = Vec::new();
    File::open(path)
        .and_then(|file| file.take(WORD.len() as u64).read_to_end(&mut head))
        .map_err(reading())?;
    let is_ours = head.is_empty() || head == WORD;
    Ok((!is_ours).then_some("a file that is not of an earlier capture"))
}

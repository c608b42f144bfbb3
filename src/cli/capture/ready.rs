//! The file that tells a script that the capture is subscribed. Only one of an earlier run is ever
//! removed.

use std::fs::{self, File};
use std::io::{ErrorKind, Read as _};
use std::path::Path;

use anyhow::Context as _;

use crate::args::{CaptureArgs, OutputTarget};
use crate::outcome::UsageError;
use crate::outputs::is_same;

/// What a ready file begins with.
const WORD: &[u8] = b"ready";

/// Where `--ready-file` points, accepted.
pub(super) struct ReadyFile<'a>(Option<&'a Path>);

impl<'a> ReadyFile<'a> {
    /// Checks the path and changes nothing.
    pub(super) fn accept(args: &'a CaptureArgs, times: Option<&Path>) -> anyhow::Result<Self> {
        let Some(path) = args.ready_file.as_deref() else {
            return Ok(Self(None));
        };
        let output = match &args.output {
            OutputTarget::Stdout => None,
            OutputTarget::Path(path) => Some(path.as_path()),
        };
        for (other, what) in [(output, "the output"), (times, "the arrival times")] {
            if other.is_some_and(|other| is_same(path, other)) {
                let message = format!(
                    "--ready-file {} is also the file for {what}: give it a separate path",
                    path.display()
                );
                return Err(UsageError::new(message).into());
            }
        }
        if let Some(found) = foreign(path)? {
            let message = format!(
                "--ready-file {}: there is {found}, and it would be removed: choose another path",
                path.display()
            );
            return Err(UsageError::new(message).into());
        }
        Ok(Self(Some(path)))
    }

    /// Removes the file of an earlier run, which a waiting script must not find.
    pub(super) fn remove_stale(&self) -> anyhow::Result<()> {
        let Some(path) = self.0 else { return Ok(()) };
        match fs::remove_file(path) {
            Err(error) if error.kind() != ErrorKind::NotFound => {
                Err(error).with_context(|| format!("removing the ready file {}", path.display()))
            }
            _ => Ok(()),
        }
    }

    /// Writes the file: the server has the subscription.
    pub(super) fn make(&self) -> anyhow::Result<()> {
        let Some(path) = self.0 else { return Ok(()) };
        fs::write(path, "ready\n")
            .with_context(|| format!("writing the ready file {}", path.display()))
    }
}

/// What is at `path`, unless it is nothing or the ready file of an earlier run.
fn foreign(path: &Path) -> anyhow::Result<Option<&'static str>> {
    let reading = || format!("reading the ready file {}", path.display());
    match path.symlink_metadata() {
        Ok(found) if !found.is_file() => return Ok(Some("not a regular file")),
        Ok(_) => {}
        Err(error) if error.kind() == ErrorKind::NotFound => return Ok(None),
        Err(error) => return Err(error).with_context(reading),
    }
    let mut head = Vec::new();
    File::open(path)
        .and_then(|file| file.take(WORD.len() as u64).read_to_end(&mut head))
        .with_context(reading)?;
    let is_ours = head.is_empty() || head == WORD;
    Ok((!is_ours).then_some("a file that is not of an earlier capture"))
}

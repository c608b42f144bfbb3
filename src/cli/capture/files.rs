//! The files of a capture, by the flags.

use tickdeck::capture::{CaptureFileError, CaptureTo, StreamTo, TimesTo};

use crate::args::{CaptureArgs, OutputTarget};
use crate::outcome::{UsageError, data_stdout};
use crate::outputs::exists;

/// Where the flags send the capture.
pub(super) fn capture_to(args: &CaptureArgs) -> CaptureTo {
    CaptureTo {
        stream: match &args.output {
            OutputTarget::Stdout => StreamTo::Stdout(Box::new(data_stdout())),
            OutputTarget::Path(path) => StreamTo::Path(path.clone()),
        },
        times: match &args.times {
            _ if args.no_times => TimesTo::None,
            Some(path) => TimesTo::Path(path.clone()),
            None => TimesTo::Beside,
        },
        ready: args.ready_file.clone(),
        overwrite: args.force,
        keep_empty: args.allow_empty,
    }
}

/// Names the flag that gave a path.
pub(super) fn file_error(error: CaptureFileError) -> anyhow::Error {
    let usage = match error {
        CaptureFileError::SameFile { .. } => {
            "--times and --output name the same file: give them two".to_owned()
        }
        CaptureFileError::ReadyIsOutput { path, what } => format!(
            "--ready-file {} is also the file for {what}: give it a separate path",
            path.display()
        ),
        CaptureFileError::ReadyIsForeign { path, found } => format!(
            "--ready-file {}: there is {found}, and it would be removed: choose another path",
            path.display()
        ),
        CaptureFileError::TimesNotAFile { path } => format!(
            "--times {} is not a regular file: choose another path",
            path.display()
        ),
        CaptureFileError::InsideRecording { .. } => error.to_string(),
        CaptureFileError::Exists { path } => return exists(&path),
        CaptureFileError::Sink(error) => return error.into(),
        error => return error.into(),
    };
    UsageError::new(usage).into()
}

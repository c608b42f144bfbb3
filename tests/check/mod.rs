//! `check` and `diff` through the built binary, and the test API that users call.

mod diffs;
mod goldens;
mod pipes;
mod reports;
mod terminal;
mod test_api;

use std::ffi::OsStr;
use std::path::Path;

use crate::support::cli::{Ended, finish, tickdeck};
use crate::support::recordings::{Folder, quick, stream};

/// A folder with a copy of the quick recording in `rec`.
pub(super) fn folder() -> Folder {
    let folder = Folder::new();
    folder.copy_of(&quick(), "rec");
    folder
}

/// `words` in `folder`, with nothing in the log but warnings.
pub(super) fn run_in(folder: &Folder, words: &str) -> Ended {
    let mut command = tickdeck(words.split_whitespace().map(OsStr::new));
    command.arg("--quiet").current_dir(folder.path());
    finish(command)
}

/// Runs and compares the exit code.
#[track_caller]
pub(super) fn ends(folder: &Folder, code: i32, words: &str) -> Ended {
    let ended = run_in(folder, words);
    assert_eq!(ended.code, Some(code), "{words}: {ended:?}");
    ended
}

/// What the quick recording publishes, one line per message.
pub(super) fn published() -> Vec<String> {
    stream(&quick(), "").lines().map(str::to_owned).collect()
}

/// Writes lines, compressed if the name ends in `.zst`.
pub(super) fn write_lines(path: &Path, lines: &[String]) {
    let text: String = lines.iter().map(|line| format!("{line}\n")).collect();
    let is_packed = path.extension().is_some_and(|extension| extension == "zst");
    let bytes = match is_packed {
        true => zstd::encode_all(text.as_bytes(), 1).unwrap(),
        false => text.into_bytes(),
    };
    std::fs::write(path, bytes).unwrap();
}

/// Adds one lot to the open interest of every third message of one exchange; how many.
pub(super) fn falsify(lines: &mut [String], exchange: &str) -> usize {
    let of_exchange = lines
        .iter_mut()
        .filter(|line| line.contains(&format!("tick.{exchange}.")));
    let mut changed = 0;
    for line in of_exchange.step_by(3) {
        *line = line.replacen("\"open_interest\":", "\"open_interest\":1", 1);
        changed += 1;
    }
    changed
}

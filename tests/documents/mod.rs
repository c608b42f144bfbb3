//! What the pages print is run as printed: commands, programs, files and the answers to them.
//!
//! A test takes a block from its page by heading and language, so that the page is the only copy.
//! The working copy stays untouched: every block runs in a temporary folder that holds what a clone
//! would.

mod anchors;
mod blocks;
mod ci;
mod commands;
mod readers;
mod reference_data;
mod vnpy;
mod yaml;

use std::ffi::OsString;
use std::os::unix::fs::symlink;
use std::path::{Path, PathBuf};
use std::process::Command;

use crate::support::cli::{binary, command_of};
use crate::support::recordings::{Folder, repository};
use crate::support::skipped;

/// A folder like a fresh clone, as far as the pages use one, and `tickdeck` on its `PATH`.
struct Clone {
    folder: Folder,
}

impl Clone {
    fn new() -> Self {
        let folder = Folder::new();
        for name in ["recordings", "fixtures", "docs"] {
            copy(&repository(name), &folder.join(name));
        }
        let products = "src/core/contract/products.csv";
        std::fs::create_dir_all(folder.join("src/core/contract")).unwrap();
        std::fs::copy(repository(products), folder.join(products)).unwrap();
        std::fs::create_dir(folder.join("bin")).unwrap();
        symlink(binary(), folder.join("bin/tickdeck")).unwrap();
        Self { folder }
    }

    fn join(&self, name: &str) -> PathBuf {
        self.folder.join(name)
    }

    /// `program` in the clone, with `tickdeck` on its `PATH`.
    fn command(&self, program: impl AsRef<Path>) -> Command {
        let path = std::env::var_os("PATH").unwrap_or_default();
        let own = std::iter::once(self.join("bin"));
        let path = std::env::join_paths(own.chain(std::env::split_paths(&path)));
        let mut command = command_of(program.as_ref());
        command
            .current_dir(self.folder.path())
            .env("PATH", path.unwrap_or_else(|_| OsString::new()))
            .env("XDG_STATE_HOME", self.join("state"));
        command
    }

    /// A shell that runs `script` and stops at the first failure.
    fn shell(&self, script: &str) -> Command {
        let mut command = self.command("bash");
        command.args(["-euc", script]);
        command
    }
}

fn copy(from: &Path, to: &Path) {
    std::fs::create_dir(to).unwrap();
    for entry in std::fs::read_dir(from).unwrap() {
        let entry = entry.unwrap();
        let target = to.join(entry.file_name());
        if entry.path().is_dir() {
            copy(&entry.path(), &target);
        } else {
            std::fs::copy(entry.path(), target).unwrap();
        }
    }
}

/// A Python with the packages that the pages import, which `cargo xtask readers` provides; `None`
/// after a visible skip.
fn python(test: &str) -> Option<PathBuf> {
    let named = std::env::var_os("TICKDECK_READERS").map(PathBuf::from);
    let fetched = repository("target/tools/readers/bin/python");
    let found = named.or_else(|| Some(fetched).filter(|path| path.is_file()));
    if found.is_none() {
        skipped(
            test,
            "no Python packages; run `cargo xtask readers` or set TICKDECK_READERS",
        );
    }
    found
}

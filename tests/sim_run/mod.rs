//! `tickdeck sim run`: clients that are bound to their vendor's library in every way, and those that
//! cannot be moved to the simulated front.
//!
//! The vendor's library is `ffi/tests/stub.cpp`, which has its own front: its answers differ from
//! those of the simulated one. `python` runs packages of PyPI.

mod linked;
mod process;
mod python;
mod shared;
mod unbound;

use std::path::{Path, PathBuf};
use std::process::Command;

use crate::support::cli::{binary, command_of};
use crate::support::ctp::{simulated_library, stub_library};
use crate::support::recordings::repository;
use crate::support::skipped;

/// Version of the vendor's stand-in, whose text no other library has.
const VERSION: &str = "v6.7.11_20250617 16:22:00.77777";

/// Instruments of the recording that is played, and its ticks of them.
const IDS: [&str; 2] = ["rb2510", "IF2509"];

/// A client with its vendor's library.
struct Client {
    folder: tempfile::TempDir,
    program: PathBuf,
}

impl Client {
    /// A client whose library is linked with these flags of the linker; with none it is opened by
    /// `dlopen`. `None` after a visible skip.
    fn made(test: &str, linked: Option<&[&str]>, switches: &[&str]) -> Option<Self> {
        let folder = tempfile::tempdir().unwrap();
        let vendor = folder.path().join("vendor");
        std::fs::create_dir(&vendor).unwrap();
        let library = stub_library(test, &vendor, VERSION, switches)?;
        let program = folder.path().join("client");
        let mut compiler = Command::new("g++");
        compiler
            .args(["-std=c++17", "-pthread"])
            .arg(repository("sim/clients/programs/plain.cpp"))
            .arg("-o")
            .arg(&program);
        match linked {
            Some(flags) => compiler
                .args(flags)
                .arg("-L")
                .arg(&vendor)
                .args(["-Wl,--no-as-needed", "-l:thostmduserapi_se.so"]),
            None => compiler.args(["-DOPENED", "-ldl"]),
        };
        let output = compiler.output().unwrap();
        let errors = String::from_utf8_lossy(&output.stderr);
        assert!(output.status.success(), "{errors}");
        let _ = library;
        Some(Self { folder, program })
    }

    fn vendor(&self) -> PathBuf {
        self.folder.path().join("vendor")
    }

    /// Its command line: it wants `count` ticks.
    fn words(&self, count: usize) -> Vec<String> {
        let flow = format!("{}/", self.folder.path().display());
        let words = [self.program.display().to_string(), flow, count.to_string()];
        words.into_iter().chain(IDS.map(str::to_owned)).collect()
    }

    /// The client by itself.
    fn alone(&self) -> Command {
        let mut command = command_of(&self.program);
        command.args(&self.words(IDS.len())[1..]);
        command
    }

    /// `tickdeck sim run` with these flags and the client.
    fn under_sim(&self, simulated: &Path, flags: &[&str], count: usize) -> Command {
        let mut command = sim_run(simulated, flags);
        command.arg("--").args(self.words(count));
        command
    }
}

/// `tickdeck sim run` on the committed recording, as fast as it goes.
fn sim_run(simulated: &Path, flags: &[&str]) -> Command {
    let mut command = command_of(binary());
    command
        .args(["sim", "run", "--rate", "max", "--source"])
        .arg(repository("recordings/quick"))
        .arg("--library")
        .arg(simulated)
        .args(flags)
        // The locale is made once for all tests, and not in the user's folder.
        .env("XDG_CACHE_HOME", env!("CARGO_TARGET_TMPDIR"))
        // A test runner names its build there, whose simulated libraries would hide the client's own.
        .env_remove("LD_LIBRARY_PATH")
        .env("TICKDECK_SIM_SETTLE", "200ms");
    command
}

/// The ticks of [`IDS`] in the recording.
fn expected() -> usize {
    let words = format!("cat recordings/quick --symbols {} --json", IDS.join(","));
    let mut command = command_of(binary());
    command.args(words.split(' ')).current_dir(repository(""));
    let printed = crate::support::cli::finish(command).done();
    let ticks = printed.stdout.lines().filter(|line| line.contains("tick"));
    ticks.count()
}

/// The folder of the simulated libraries and a client; `None` after a visible skip.
fn prepared(test: &str, linked: Option<&[&str]>, switches: &[&str]) -> Option<(PathBuf, Client)> {
    let simulated = simulated_library(test)?;
    if Command::new("g++").arg("--version").output().is_err() {
        skipped(test, "no g++");
        return None;
    }
    Some((simulated, Client::made(test, linked, switches)?))
}

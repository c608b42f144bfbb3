//! What the tests share: where the libraries are, how a child process is started, what a recording
//! must look like to a client.

#[path = "../../../../tests/support/skip.rs"]
mod skip;

use std::ffi::OsStr;
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};
use std::time::Duration;

use serde_json::Value;
use tickdeck_core::event::{Event, RawTick, Text};
use tickdeck_ffi::abi::TickLayout;
use tickdeck_recording::{EventFilter, Recording};

/// Names the job of a child process, as JSON.
pub(crate) const JOB: &str = "TICKDECK_CHILD_JOB";

/// Longest life of a child process. Somewhat shorter than what the test runner allows a test, so
/// that the child's words are seen.
const CHILD_LIMIT: Duration = Duration::from_secs(280);

/// How long a test waits for an expected event. Long enough to tell a missing event from a machine
/// that stalls.
pub(crate) const PATIENCE: Duration = Duration::from_secs(60);

/// How long what must not come is waited for, after everything else has come.
pub(crate) const QUIET: Duration = Duration::from_millis(200);

/// Root of the repository.
pub(crate) fn root() -> PathBuf {
    let package = Path::new(env!("CARGO_MANIFEST_DIR"));
    package.ancestors().nth(2).unwrap().to_owned()
}

/// The committed recording that is played.
pub(crate) fn quick() -> PathBuf {
    root().join("recordings/quick")
}

/// A folder with both libraries under the vendor's names. Cargo leaves them beside the test program
/// under separate names.
pub(crate) fn libraries(folder: &Path) -> PathBuf {
    let built = std::env::current_exe().unwrap();
    let built = built.parent().unwrap();
    for name in ["thostmduserapi_se", "thosttraderapi_se"] {
        let from = built.join(format!("lib{name}.so"));
        assert!(from.exists(), "{} was not built", from.display());
        let to = folder.join(format!("{name}.so"));
        if !to.exists() {
            std::os::unix::fs::symlink(from, to).unwrap();
        }
    }
    folder.to_owned()
}

/// Runs a job in a child process with these variables and gives its answer.
pub(crate) fn in_child(job: &Value, variables: &[(&str, &str)]) -> Value {
    in_child_under(&[], job, variables)
}

/// The same, with the process started by `starter`, a program with its arguments.
pub(crate) fn in_child_under(
    starter: &[&str],
    job: &Value,
    variables: &[(&str, impl AsRef<OsStr>)],
) -> Value {
    let folder = tempfile::tempdir().unwrap();
    let answer = folder.path().join("answer.json");
    let mut job = job.clone();
    job["answer"] = answer.to_str().unwrap().into();
    job["folder"] = folder.path().to_str().unwrap().into();
    job["libraries"] = libraries(folder.path()).to_str().unwrap().into();
    let program = std::env::current_exe().unwrap();
    let mut command = match starter {
        [] => Command::new(program),
        [starter, arguments @ ..] => {
            let mut command = Command::new(starter);
            command.args(arguments).arg(program);
            command
        }
    };
    command
        .args([
            "--exact",
            "child::process_of_the_other_tests",
            "--nocapture",
        ])
        .env(JOB, job.to_string());
    let output = run(command, variables);
    let text = std::fs::read_to_string(&answer).unwrap_or_else(|_| {
        panic!(
            "the child process left no answer ({}):\n{}\n{}",
            output.status,
            String::from_utf8_lossy(&output.stdout),
            String::from_utf8_lossy(&output.stderr)
        )
    });
    assert!(output.status.success(), "{output:?}");
    let mut answer: Value = serde_json::from_str(&text).unwrap();
    answer["stderr"] = String::from_utf8_lossy(&output.stderr).into();
    answer
}

/// Runs a command with the simulated front's variables, and no others of it, within the limit.
pub(crate) fn run(mut command: Command, variables: &[(&str, impl AsRef<OsStr>)]) -> Output {
    for (name, _) in std::env::vars_os() {
        if name.to_string_lossy().starts_with("TICKDECK_SIM_") {
            command.env_remove(name);
        }
    }
    command.envs(variables.iter().map(|(name, value)| (name, value)));
    let folder = tempfile::tempdir().unwrap();
    let (out, err) = (folder.path().join("out"), folder.path().join("err"));
    command
        .stdin(Stdio::null())
        .stdout(std::fs::File::create(&out).unwrap())
        .stderr(std::fs::File::create(&err).unwrap());
    let mut child = command.spawn().unwrap();
    let mut status = None;
    for _ in 0..CHILD_LIMIT.as_millis() / 50 {
        status = child.try_wait().unwrap();
        if status.is_some() {
            break;
        }
        std::thread::sleep(Duration::from_millis(50));
    }
    let status = status.unwrap_or_else(|| {
        child.kill().unwrap();
        child.wait().unwrap()
    });
    Output {
        status,
        stdout: std::fs::read(out).unwrap(),
        stderr: std::fs::read(err).unwrap(),
    }
}

macro_rules! define_fingerprint {
    (() $($(#[$doc:meta])* $kind:ident $name:ident $vendor:ident $size:literal @ $offset:literal;)*) => {
        /// Every field of a tick as text, numbers by their bits.
        pub(crate) fn fingerprint(tick: &RawTick) -> String {
            let mut text = String::new();
            $(
                text.push_str(&bits!($kind, tick.$name));
                text.push('|');
            )*
            text
        }
    };
}

macro_rules! bits {
    (text, $value:expr) => {
        $value.as_bytes().escape_ascii().to_string()
    };
    (f64, $value:expr) => {
        format!("{:016x}", $value.to_bits())
    };
    (i32, $value:expr) => {
        $value.to_string()
    };
}

tickdeck_ffi::for_each_tick_field!(define_fingerprint);

/// The ticks of a recording.
pub(crate) fn recorded(path: &Path) -> Vec<RawTick> {
    let recording = Recording::open(path).unwrap();
    let mut events: Vec<Event> = Vec::new();
    let mut reader = recording.reader(EventFilter::default());
    reader.next_events(&mut events, usize::MAX).unwrap();
    events
        .iter()
        .filter_map(|event| event.as_tick().copied())
        .collect()
}

/// A tick as a client of a layout sees it.
pub(crate) fn seen_in(layout: TickLayout, tick: &RawTick) -> RawTick {
    let mut seen = *tick;
    if layout != TickLayout::C {
        seen.banding_upper_price = f64::MAX;
        seen.banding_lower_price = f64::MAX;
    }
    if layout == TickLayout::A {
        seen.reserve1 = Text::EMPTY;
        seen.reserve2 = Text::EMPTY;
    }
    seen
}

/// Fingerprints of a recording's ticks of these instruments, as a client of a layout sees them.
pub(crate) fn expected(path: &Path, layout: TickLayout, ids: &[&str]) -> Vec<String> {
    recorded(path)
        .iter()
        .filter(|tick| ids.contains(&tick.instrument_id.to_string().as_str()))
        .map(|tick| fingerprint(&seen_in(layout, tick)))
        .collect()
}

/// The instruments of a recording, in the order of their names.
pub(crate) fn instruments(path: &Path) -> Vec<String> {
    let ticks = recorded(path);
    let ids: std::collections::BTreeSet<String> = ticks
        .iter()
        .map(|tick| tick.instrument_id.to_string())
        .collect();
    ids.into_iter().collect()
}

/// The instrument of a recording's last tick, and another one: when that tick has come, the front
/// has passed all of the other's.
pub(crate) fn last_and_another(path: &Path) -> (String, String) {
    let last = recorded(path).last().unwrap().instrument_id.to_string();
    let other = instruments(path).into_iter().find(|id| *id != last);
    (last, other.unwrap())
}

/// Reports that a test did not run because a vendor file is missing.
///
/// # Panics
/// When `TICKDECK_REQUIRE_CTP` is 1: then the vendor's files were fetched and must be found.
pub(crate) fn without(what: &str) {
    let test = std::thread::current();
    let name = test.name().unwrap_or("a test");
    skip::skipped_unless_required("TICKDECK_REQUIRE_CTP", name, what);
}

/// Says aloud that the running test did not run, and why.
pub(crate) fn skipped(why: &str) {
    let test = std::thread::current();
    skip::skipped(test.name().unwrap_or("a test"), why);
}

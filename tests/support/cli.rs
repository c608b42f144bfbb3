//! The built binary as a user runs it: its exit code, its two streams, its signals.
//!
//! Every process has a deadline and dies with the test that started it.

use std::ffi::OsStr;
use std::io::{Read, Write as _};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::{Arc, Mutex};
use std::thread::JoinHandle;

use serde_json::Value;

use super::{PROCESS_DEADLINE, wait_until};

/// Variables of the caller's environment that would change what the binary does.
const UNWANTED: [&str; 33] = [
    "CI",
    "MD_RUN_INGEST",
    "MD_DURATION_SECONDS",
    "CTP_GATEWAY_CONNECT",
    "CTP_MD_ADDRESS",
    "CTP_TD_ADDRESS",
    "CTP_BROKER_ID",
    "CTP_USER_ID",
    "CTP_PASSWORD",
    "CTP_APP_ID",
    "CTP_AUTH_CODE",
    "CTP_SYMBOL",
    "NATS_URL",
    "NATS_USER",
    "NATS_PASSWORD",
    "NATS_TOKEN",
    "NATS_CREDS",
    "NATS_NKEY",
    "NATS_CA",
    "NATS_CERT",
    "NATS_KEY",
    "NATS_TLS_FIRST",
    "NATS_INBOX_PREFIX",
    "AWS_ENDPOINT",
    "AWS_REGION",
    "AWS_ACCESS_KEY_ID",
    "AWS_SECRET_ACCESS_KEY",
    "AWS_SESSION_TOKEN",
    "AWS_PROFILE",
    "RUST_LOG",
    "TZ",
    "LANG",
    "LC_ALL",
];

/// The binary under test.
pub(crate) fn binary() -> &'static Path {
    Path::new(env!("CARGO_BIN_EXE_tickdeck"))
}

/// A release build of the same source, if `cargo xtask test` (or a developer) names one.
pub(crate) fn release_binary() -> Option<PathBuf> {
    std::env::var_os("TICKDECK_RELEASE_BIN").map(PathBuf::from)
}

/// A command of `program` without the caller's settings.
pub(crate) fn command_of(program: impl AsRef<OsStr>) -> Command {
    let mut command = Command::new(program);
    command.stdin(Stdio::null());
    for name in UNWANTED {
        command.env_remove(name);
    }
    command
}

/// The binary under test with arguments, not started yet.
pub(crate) fn tickdeck<A: AsRef<OsStr>>(args: impl IntoIterator<Item = A>) -> Command {
    let mut command = command_of(binary());
    command.args(args);
    command
}

/// The same command with the fastest build there is: a debug build is slower than a whole market.
pub(crate) fn fastest(command: &Command) -> Command {
    let mut fastest = command_of(release_binary().unwrap_or_else(|| binary().to_owned()));
    fastest.args(command.get_args());
    for (name, value) in command.get_envs() {
        match value {
            Some(value) => fastest.env(name, value),
            None => fastest.env_remove(name),
        };
    }
    if let Some(folder) = command.get_current_dir() {
        fastest.current_dir(folder);
    }
    fastest
}

/// Names a NATS server to a verb. The verb keeps trying as long as a test waits, because the time
/// to connect depends on the machine.
pub(crate) fn with_nats<'c>(command: &'c mut Command, url: &str) -> &'c mut Command {
    command
        .args(["--connect-timeout", "60s"])
        .env("NATS_URL", url)
}

/// Exit code and output of a process.
#[derive(Debug)]
pub(crate) struct Ended {
    pub(crate) code: Option<i32>,
    pub(crate) stdout: String,
    pub(crate) stderr: String,
}

impl Ended {
    /// Checks for exit code 0.
    #[track_caller]
    pub(crate) fn done(self) -> Self {
        assert_eq!(self.code, Some(0), "{}\n{}", self.stdout, self.stderr);
        self
    }

    /// The one JSON value on stdout.
    #[track_caller]
    pub(crate) fn json(&self) -> Value {
        serde_json::from_str(&self.stdout).unwrap_or_else(|error| panic!("{error}: {self:?}"))
    }

    /// The `digest` of the JSON result.
    #[track_caller]
    pub(crate) fn digest(&self) -> String {
        self.json()["digest"].as_str().unwrap().to_owned()
    }
}

/// Runs the binary to its end.
pub(crate) fn run<A: AsRef<OsStr>>(args: impl IntoIterator<Item = A>) -> Ended {
    finish(tickdeck(args))
}

/// Runs a command to its end.
pub(crate) fn finish(command: Command) -> Ended {
    Running::start(command).wait()
}

/// Splits `words` at spaces and runs the binary with them.
pub(crate) fn run_words(words: &str) -> Ended {
    run(words.split(' '))
}

/// One stream of a running process, read at once so that the process never blocks on it.
struct Stream {
    text: Arc<Mutex<Vec<u8>>>,
    reader: Option<JoinHandle<()>>,
}

impl Stream {
    fn of(mut pipe: impl Read + Send + 'static) -> Self {
        let text: Arc<Mutex<Vec<u8>>> = Arc::default();
        let sink = Arc::clone(&text);
        let reader = std::thread::spawn(move || {
            let mut buffer = vec![0; 1 << 16];
            while let Ok(count @ 1..) = pipe.read(&mut buffer) {
                sink.lock().unwrap().extend_from_slice(&buffer[..count]);
            }
        });
        Self {
            text,
            reader: Some(reader),
        }
    }

    fn so_far(&self) -> String {
        String::from_utf8_lossy(&self.text.lock().unwrap()).into_owned()
    }

    fn all(&mut self) -> String {
        if let Some(reader) = self.reader.take() {
            reader.join().unwrap();
        }
        self.so_far()
    }
}

/// A process that has not ended yet; killed when dropped.
pub(crate) struct Running {
    child: Child,
    stdout: Stream,
    stderr: Stream,
}

impl Running {
    /// Starts `command` with both streams caught.
    pub(crate) fn start(mut command: Command) -> Self {
        command.stdout(Stdio::piped()).stderr(Stdio::piped());
        let mut child = command.spawn().unwrap();
        let stdout = Stream::of(child.stdout.take().unwrap());
        let stderr = Stream::of(child.stderr.take().unwrap());
        Self {
            child,
            stdout,
            stderr,
        }
    }

    /// Starts `command` with its stderr somewhere else.
    pub(crate) fn start_with_stderr(mut command: Command, stderr: impl Into<Stdio>) -> Self {
        command.stdout(Stdio::piped()).stderr(stderr);
        let mut child = command.spawn().unwrap();
        let stdout = Stream::of(child.stdout.take().unwrap());
        Self {
            child,
            stdout,
            stderr: Stream::of(std::io::empty()),
        }
    }

    /// Writes to the stdin of a command that was given a pipe for it.
    pub(crate) fn type_text(&mut self, text: &str) {
        let stdin = self.child.stdin.as_mut().expect("stdin is a pipe");
        stdin.write_all(text.as_bytes()).unwrap();
        stdin.flush().unwrap();
    }

    pub(crate) fn stdout(&self) -> String {
        self.stdout.so_far()
    }

    /// Whether it has printed anything on stdout.
    pub(crate) fn has_output(&self) -> bool {
        !self.stdout.text.lock().unwrap().is_empty()
    }

    pub(crate) fn stderr(&self) -> String {
        self.stderr.so_far()
    }

    pub(crate) fn pid(&self) -> u32 {
        self.child.id()
    }

    /// Waits for the end.
    pub(crate) fn wait(mut self) -> Ended {
        let status = wait_for(&mut self.child);
        Ended {
            code: status.code(),
            stdout: self.stdout.all(),
            stderr: self.stderr.all(),
        }
    }

    /// Sends a signal by name, for example `INT`.
    pub(crate) fn signal(&self, name: &str) {
        signal(self.pid(), name);
    }

    /// Waits until the process would survive SIGUSR1, that is, until its handlers are installed.
    pub(crate) fn wait_for_handlers(&self) {
        wait_until("the signal handlers are installed", || {
            has_handlers(self.pid())
        });
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// Waits for the end of a process; a process that does not end is killed and fails the test.
pub(crate) fn wait_for(child: &mut Child) -> ExitStatus {
    let mut status = None;
    let ended = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| {
        super::wait_for("the process ends", PROCESS_DEADLINE, || {
            status = child.try_wait().unwrap();
            status.is_some()
        });
    }));
    if let Err(panic) = ended {
        let _ = child.kill();
        std::panic::resume_unwind(panic);
    }
    status.unwrap()
}

/// Sends a signal to a process of this test.
pub(crate) fn signal(pid: u32, name: &str) {
    let status = Command::new("kill")
        .args([format!("-{name}"), pid.to_string()])
        .status()
        .unwrap();
    assert!(status.success(), "kill -{name} {pid}");
}

/// Suspends a process of this test; `false` if it ended first.
///
/// The signal acts with a delay: each thread runs until it has seen it, on a loaded machine for
/// milliseconds.
pub(crate) fn freeze(pid: u32) -> bool {
    signal(pid, "STOP");
    let mut states = Vec::new();
    wait_until("it is stopped", || {
        states = thread_states(pid);
        states.iter().all(|state| matches!(state, 'T' | 'Z' | 'X'))
    });
    states.contains(&'T')
}

/// The states of a process's threads as the system writes them: `S` for sleeping, `T` for stopped.
fn thread_states(pid: u32) -> Vec<char> {
    let state = |thread: std::fs::DirEntry| {
        let stat = std::fs::read_to_string(thread.path().join("stat")).ok()?;
        stat.rsplit_once(") ")?.1.chars().next()
    };
    let threads = std::fs::read_dir(format!("/proc/{pid}/task"));
    threads
        .into_iter()
        .flatten()
        .flatten()
        .filter_map(state)
        .collect()
}

/// Whether the process catches SIGUSR1 yet.
pub(crate) fn has_handlers(pid: u32) -> bool {
    const SIGUSR1: u32 = 10;
    let status = std::fs::read_to_string(format!("/proc/{pid}/status")).unwrap_or_default();
    status
        .lines()
        .find_map(|line| line.strip_prefix("SigCgt:"))
        .and_then(|mask| u64::from_str_radix(mask.trim(), 16).ok())
        .is_some_and(|mask| mask & (1 << (SIGUSR1 - 1)) != 0)
}

//! A real server of the S3 protocol on loopback, owned by one test and ended with it: `s3s-fs`, which
//! keeps its objects in a folder and honours conditional puts.
//!
//! The binary comes from `TICKDECK_S3_SERVER` or `target/tools` (`cargo xtask s3-server` puts it there).
//! Without one a test is skipped visibly; under `TICKDECK_REQUIRE_S3=1` that is a failure.
//! Shared by the tests of all packages.
//!
//! The system chooses the port when the server binds it, and the server's log says which. A port that is
//! chosen first and released could be taken before the server binds it. A listener on it may even outlive
//! its release, in a process that another thread is starting, and answer in place of the server.

use std::io::{BufRead as _, BufReader, Read};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use crossbeam_channel::{Sender, bounded};
use tempfile::TempDir;
use tickdeck_core::thread;
use tickdeck_core::wait::{Received, receive};

use super::skipped_unless_required;

/// The bucket that there is.
pub(crate) const BUCKET: &str = "ticks";
/// What a client has to present. No output of tickdeck may hold them.
pub(crate) const ACCESS_KEY: &str = "AKIAMARKEDACCESS";
pub(crate) const SECRET_KEY: &str = "marked/secret+of/the/store";
/// Time for the server to start, on a machine that is busy.
const START: Duration = Duration::from_secs(60);
/// What its log says before its port.
const RUNNING: &str = "server is running at http://127.0.0.1:";

/// A running server.
pub(crate) struct S3Server {
    process: Child,
    folder: TempDir,
    port: u16,
}

/// The server's binary, or `None` after a visible skip.
fn binary(test: &str) -> Option<PathBuf> {
    let named = std::env::var_os("TICKDECK_S3_SERVER").map(PathBuf::from);
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("../..");
    let fetched = root.join("target/tools/s3s-fs");
    let found = named
        .into_iter()
        .chain([fetched])
        .find(|path| path.is_file());
    if found.is_none() {
        let why = "no S3 server; run `cargo xtask s3-server` or set TICKDECK_S3_SERVER";
        skipped_unless_required("TICKDECK_REQUIRE_S3", test, why);
    }
    found
}

impl S3Server {
    /// A server with one empty bucket.
    pub(crate) fn start(test: &str) -> Option<Self> {
        let binary = binary(test)?;
        let folder = tempfile::tempdir().unwrap();
        std::fs::create_dir(folder.path().join(BUCKET)).unwrap();
        let (process, port) = launch(&binary, folder.path(), 0);
        Some(Self {
            process,
            folder,
            port,
        })
    }

    /// Its address.
    pub(crate) fn endpoint(&self) -> String {
        format!("http://127.0.0.1:{}", self.port)
    }

    /// Its port on loopback.
    pub(crate) const fn port(&self) -> u16 {
        self.port
    }

    /// What tells a client of it, by the names of the variables.
    pub(crate) fn environment(&self) -> [(&'static str, String); 5] {
        [
            ("AWS_ENDPOINT", self.endpoint()),
            ("AWS_ALLOW_HTTP", "true".into()),
            ("AWS_REGION", "us-east-1".into()),
            ("AWS_ACCESS_KEY_ID", ACCESS_KEY.into()),
            ("AWS_SECRET_ACCESS_KEY", SECRET_KEY.into()),
        ]
    }

    /// Where it keeps the objects of the bucket.
    pub(crate) fn files(&self) -> PathBuf {
        self.folder.path().join(BUCKET)
    }
}

/// Starts it on a port, 0 for a free one, and returns the port.
fn launch(binary: &Path, folder: &Path, port: u16) -> (Child, u16) {
    let mut process = Command::new(binary)
        .args(["--host", "127.0.0.1", "--port", &port.to_string()])
        .args(["--access-key", ACCESS_KEY, "--secret-key", SECRET_KEY])
        .arg(folder)
        .env("RUST_LOG", "s3s_fs=info")
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let log = process.stdout.take().unwrap();
    let (found, port) = bounded(1);
    // It ends with the server. A log that is not read would stop that.
    thread::spawn("s3-log", move || read_log(log, &found)).unwrap();
    match receive(&port, START) {
        Received::Message(port) => (process, port),
        other => {
            let _ = process.kill();
            panic!(
                "the S3 server does not start ({other:?}): {:?}",
                process.wait()
            );
        }
    }
}

/// Reads the log of a server to its end. `found` receives the port.
fn read_log(log: impl Read, found: &Sender<u16>) {
    for line in BufReader::new(log).lines().map_while(Result::ok) {
        if let Some((_, port)) = line.split_once(RUNNING)
            && let Ok(port) = port.trim().parse()
        {
            // There is room for the only message.
            let _ = found.try_send(port);
        }
    }
}

impl Drop for S3Server {
    fn drop(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

//! A real server of the S3 protocol on loopback, owned by one test and ended with it: `s3s-fs`, which
//! keeps its objects in a folder and honours conditional puts.
//!
//! The binary comes from `TICKDECK_S3_SERVER` or `target/tools` (`cargo xtask s3-server` puts it there).
//! Without one a test is skipped visibly; under `TICKDECK_REQUIRE_S3=1` that is a failure.
//! Shared by the tests of all packages.

use std::net::{TcpListener, TcpStream};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use tempfile::TempDir;
use tickdeck_core::wait;

use super::skipped_unless_required;

/// The bucket that there is.
pub(crate) const BUCKET: &str = "ticks";
/// What a client has to present. No output of tickdeck may hold them.
pub(crate) const ACCESS_KEY: &str = "AKIAMARKEDACCESS";
pub(crate) const SECRET_KEY: &str = "marked/secret+of/the/store";
/// Tries, with a pause between them, until the server answers.
const TRIES: u32 = 600;
const PAUSE: Duration = Duration::from_millis(50);

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
        loop {
            // Another program may take the port before the server does.
            let port = TcpListener::bind("127.0.0.1:0").unwrap();
            let port = port.local_addr().unwrap().port();
            if let Some(process) = launch(&binary, folder.path(), port) {
                return Some(Self {
                    process,
                    folder,
                    port,
                });
            }
        }
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

/// Starts it. `None` if it ended before it answered.
fn launch(binary: &Path, folder: &Path, port: u16) -> Option<Child> {
    let mut process = Command::new(binary)
        .args(["--host", "127.0.0.1", "--port", &port.to_string()])
        .args(["--access-key", ACCESS_KEY, "--secret-key", SECRET_KEY])
        .arg(folder)
        .env("RUST_LOG", "off")
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn()
        .unwrap();
    for _ in 0..TRIES {
        if process.try_wait().unwrap().is_some() {
            return None;
        }
        if TcpStream::connect(("127.0.0.1", port)).is_ok() {
            return Some(process);
        }
        wait::nap(PAUSE);
    }
    let _ = process.kill();
    let _ = process.wait();
    panic!("the S3 server does not answer");
}

impl Drop for S3Server {
    fn drop(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

//! A real `nats-server` on a free port, owned by one test and killed with it.
//!
//! The port is outside the system's ephemeral range. While the server is down, neither another test
//! nor a connecting client of this one can be assigned it.
//!
//! The binary comes from `TICKDECK_NATS_SERVER`, `PATH` or `target/tools` (`cargo xtask
//! nats-server` puts it there). Without one a test is skipped visibly; under
//! `TICKDECK_REQUIRE_NATS=1`, which `cargo xtask test` sets, that is a failure.

use std::io::{BufRead as _, BufReader, Write as _};
use std::net::TcpStream;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

use tempfile::TempDir;
use tickdeck::nats::NatsOptions;

use super::cli::{freeze, signal};
use super::{DEADLINE, skipped_unless_required, wait_until};

/// The default configuration of every server: a reader that pauses for a while is not disconnected.
pub(crate) const PATIENCE: &str = "write_deadline: \"60s\"\nmax_pending: 1GB";
/// Ports below the ephemeral range of the system.
const PORTS: std::ops::Range<u16> = 10_000..32_000;

/// Options for the server at `url` with a deadline that a test can wait for.
pub(crate) fn options(url: &str) -> NatsOptions {
    NatsOptions {
        connect_timeout: DEADLINE,
        ..NatsOptions::at(url).unwrap()
    }
}

pub(crate) struct NatsServer {
    binary: PathBuf,
    folder: TempDir,
    config: String,
    port: u16,
    process: Process,
}

/// The server's binary, or `None` after a visible skip.
pub(crate) fn binary(test: &str) -> Option<PathBuf> {
    super::log::prepare();
    let named = std::env::var_os("TICKDECK_NATS_SERVER").map(PathBuf::from);
    let on_path = std::env::var_os("PATH")
        .into_iter()
        .flat_map(|path| std::env::split_paths(&path).collect::<Vec<_>>())
        .map(|folder| folder.join("nats-server"));
    let fetched =
        Path::new(concat!(env!("CARGO_MANIFEST_DIR"), "/../..")).join("target/tools/nats-server");
    let found = named
        .into_iter()
        .chain(on_path)
        .chain([fetched])
        .find(|path| path.is_file());
    if found.is_none() {
        let why = "no nats-server; run `cargo xtask nats-server` or set TICKDECK_NATS_SERVER";
        skipped_unless_required("TICKDECK_REQUIRE_NATS", test, why);
    }
    found
}

impl NatsServer {
    /// A server without login.
    pub(crate) fn start(test: &str) -> Option<Self> {
        Self::with_config(test, "")
    }

    /// A server with lines of configuration in its own syntax.
    pub(crate) fn with_config(test: &str, config: &str) -> Option<Self> {
        Self::with_files(test, config, &[])
    }

    /// As [`with_config`](Self::with_config), with files that the configuration names as
    /// `FOLDER/<name>`.
    pub(crate) fn with_files(test: &str, config: &str, files: &[(&str, &str)]) -> Option<Self> {
        let binary = binary(test)?;
        let folder = tempfile::tempdir().unwrap();
        for (name, content) in files {
            std::fs::write(folder.path().join(name), content).unwrap();
        }
        let config = config.replace("FOLDER", folder.path().to_str().unwrap());
        let (port, process) = ports()
            .find_map(|port| Some((port, Process::start(&binary, folder.path(), &config, port)?)))
            .expect("not every port is taken");
        Some(Self {
            binary,
            folder,
            config,
            port,
            process,
        })
    }

    pub(crate) fn port(&self) -> u16 {
        self.port
    }

    pub(crate) fn url(&self) -> String {
        format!("nats://127.0.0.1:{}", self.port)
    }

    /// Its process.
    pub(crate) fn pid(&self) -> u32 {
        self.process.0.id()
    }

    /// Its name in a cluster.
    pub(crate) fn name(&self) -> String {
        name_at(self.port)
    }

    /// Lets it continue after [`freeze`](Self::freeze).
    pub(crate) fn thaw(&self) {
        self.signal("CONT");
    }

    /// Options for this server with a deadline a test can wait for.
    pub(crate) fn options(&self) -> NatsOptions {
        options(&self.url())
    }

    /// The folder of the server's files.
    pub(crate) fn file(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    /// Suspends it: connections stay open, and nothing is answered.
    pub(crate) fn freeze(&self) {
        assert!(freeze(self.process.0.id()), "nats-server has ended");
    }

    /// Sends it a signal by name.
    pub(crate) fn signal(&self, name: &str) {
        signal(self.process.0.id(), name);
    }

    /// Kills the server, like a crash.
    pub(crate) fn kill(&mut self) {
        self.process.kill();
    }

    /// Restarts it on the same port with another configuration.
    pub(crate) fn restart_with(&mut self, config: &str) {
        self.config = config.replace("FOLDER", self.folder.path().to_str().unwrap());
        self.restart();
    }

    /// Restarts it on the same port.
    pub(crate) fn restart(&mut self) {
        self.kill();
        let mut process = None;
        wait_until("nats-server has its port again", || {
            process = Process::start(&self.binary, self.folder.path(), &self.config, self.port);
            process.is_some()
        });
        self.process = process.unwrap();
    }
}

/// The name of the server on a port.
fn name_at(port: u16) -> String {
    format!("test-{}-{port}", std::process::id())
}

/// A port that no program uses now.
pub(crate) fn free_port() -> u16 {
    let is_free = |port: &u16| std::net::TcpListener::bind(("127.0.0.1", *port)).is_ok();
    ports().find(is_free).expect("not every port is taken")
}

/// Ports to try, in a different order for each test process.
fn ports() -> impl Iterator<Item = u16> {
    static NEXT: AtomicU32 = AtomicU32::new(0);
    let first = std::process::id().wrapping_mul(61);
    let count = u32::from(PORTS.end - PORTS.start);
    (0..count).map(move |_| {
        let position = first.wrapping_add(NEXT.fetch_add(1, Ordering::Relaxed)) % count;
        PORTS.start + u16::try_from(position).unwrap()
    })
}

/// A server that is killed when dropped.
struct Process(Child);

impl Process {
    /// A server that answers; `None` when the port is taken.
    fn start(binary: &Path, folder: &Path, config: &str, port: u16) -> Option<Self> {
        let (path, log) = (folder.join("nats.conf"), folder.join("log"));
        let name = name_at(port);
        let mut file = std::fs::File::create(&path).unwrap();
        writeln!(
            file,
            "host: 127.0.0.1\nport: {port}\nserver_name: {name}\n{PATIENCE}\n{config}"
        )
        .unwrap();
        // Output of an earlier server does not count.
        let _ = std::fs::remove_file(&log);
        let child = Command::new(binary)
            .arg("--config")
            .arg(&path)
            .arg("--log")
            .arg(&log)
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        let mut process = Self(child);
        let mut is_taken = false;
        wait_until("nats-server starts", || {
            if let Some(status) = process.0.try_wait().unwrap() {
                let log = std::fs::read_to_string(&log).unwrap_or_default();
                is_taken = log.contains("address already in use");
                assert!(is_taken, "nats-server ended with {status}: {log}");
            }
            // A server that waits for TLS first does not greet; its log says when it is ready.
            let is_silent = config.contains("handshake_first");
            let is_ready = || {
                let log = std::fs::read_to_string(&log).unwrap_or_default();
                log.contains("Server is ready")
            };
            is_taken
                || if is_silent {
                    is_ready()
                } else {
                    greets_as(&name, port)
                }
        });
        (!is_taken).then_some(process)
    }

    fn kill(&mut self) {
        let _ = self.0.kill();
        self.0.wait().unwrap();
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        self.kill();
    }
}

/// Whether the server on `port` is there, and the one of that name.
fn greets_as(name: &str, port: u16) -> bool {
    let Ok(stream) = TcpStream::connect(("127.0.0.1", port)) else {
        return false;
    };
    // Another program may hold the port.
    stream
        .set_read_timeout(Some(Duration::from_secs(1)))
        .unwrap();
    let mut greeting = String::new();
    let _ = BufReader::new(stream).read_line(&mut greeting);
    greeting.starts_with("INFO ") && greeting.contains(&format!("\"{name}\""))
}

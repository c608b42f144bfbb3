//! A real `nats-server` on a free port, owned by one test and killed with it.
//!
//! The binary comes from `TICKDECK_NATS_SERVER`, `PATH` or `target/tools` (`cargo xtask
//! nats-server` puts it there). Without one a test is skipped visibly; under
//! `TICKDECK_REQUIRE_NATS=1`, which `cargo xtask test` sets, that is a failure.

use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use tempfile::TempDir;
use tickdeck::nats::NatsOptions;

use super::{skipped, wait_until};

pub(crate) struct NatsServer {
    binary: PathBuf,
    folder: TempDir,
    child: Child,
    port: u16,
    config: String,
}

/// The server's binary, or `None` after a visible skip.
pub(crate) fn binary(test: &str) -> Option<PathBuf> {
    super::log::prepare();
    let named = std::env::var_os("TICKDECK_NATS_SERVER").map(PathBuf::from);
    let on_path = std::env::var_os("PATH")
        .into_iter()
        .flat_map(|path| std::env::split_paths(&path).collect::<Vec<_>>())
        .map(|folder| folder.join("nats-server"));
    let fetched = Path::new(env!("CARGO_MANIFEST_DIR")).join("target/tools/nats-server");
    let found = named
        .into_iter()
        .chain(on_path)
        .chain([fetched])
        .find(|path| path.is_file());
    if found.is_none() {
        let why = "no nats-server; run `cargo xtask nats-server` or set TICKDECK_NATS_SERVER";
        assert!(
            std::env::var_os("TICKDECK_REQUIRE_NATS").is_none_or(|value| value != "1"),
            "{test}: {why}"
        );
        skipped(test, why);
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
        let binary = binary(test)?;
        let folder = tempfile::tempdir().unwrap();
        let config = config.replace("FOLDER", folder.path().to_str().unwrap());
        let child = spawn(&binary, folder.path(), &config, -1);
        let mut server = Self {
            binary,
            folder,
            child,
            port: 0,
            config,
        };
        server.wait_for_port();
        Some(server)
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
        let child = spawn(&binary, folder.path(), &config, -1);
        let mut server = Self {
            binary,
            folder,
            child,
            port: 0,
            config,
        };
        server.wait_for_port();
        Some(server)
    }

    pub(crate) fn port(&self) -> u16 {
        self.port
    }

    pub(crate) fn url(&self) -> String {
        format!("nats://127.0.0.1:{}", self.port)
    }

    /// Options for this server with a deadline a test can wait for.
    pub(crate) fn options(&self) -> NatsOptions {
        NatsOptions {
            connect_timeout: Duration::from_secs(20),
            ..NatsOptions::at(&self.url()).unwrap()
        }
    }

    /// Where files of the server lie.
    pub(crate) fn file(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    /// Ends the server without a warning, as a crash would.
    pub(crate) fn kill(&mut self) {
        let _ = self.child.kill();
        self.child.wait().unwrap();
    }

    /// Starts it again on the port it had.
    pub(crate) fn restart(&mut self) {
        self.kill();
        let port = i32::from(self.port);
        self.child = spawn(&self.binary, self.folder.path(), &self.config, port);
        self.wait_for_port();
    }

    fn wait_for_port(&mut self) {
        let name = format!("nats-server_{}.ports", self.child.id());
        let path = self.folder.path().join(name);
        let log = self.folder.path().join("log");
        wait_until("nats-server starts", || {
            if let Some(status) = self.child.try_wait().unwrap() {
                let log = std::fs::read_to_string(&log).unwrap_or_default();
                panic!("nats-server ended with {status}: {log}");
            }
            let text = std::fs::read_to_string(&path).unwrap_or_default();
            let port = serde_json::from_str::<serde_json::Value>(&text)
                .ok()
                .and_then(|ports| ports["nats"][0].as_str()?.rsplit_once(':')?.1.parse().ok());
            self.port = port.unwrap_or(0);
            self.port != 0
        });
    }
}

fn spawn(binary: &Path, folder: &Path, config: &str, port: i32) -> Child {
    let path = folder.join("nats.conf");
    let mut file = std::fs::File::create(&path).unwrap();
    writeln!(file, "host: 127.0.0.1\nport: {port}\n{config}").unwrap();
    Command::new(binary)
        .arg("--config")
        .arg(&path)
        .arg("--ports_file_dir")
        .arg(folder)
        .arg("--log")
        .arg(folder.join("log"))
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn()
        .unwrap()
}

impl Drop for NatsServer {
    fn drop(&mut self) {
        self.kill();
    }
}

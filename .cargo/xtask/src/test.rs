//! `cargo xtask test`: everything that must hold before a change is merged.

use std::fs::OpenOptions;
use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use anyhow::{Context as _, Result};

use crate::fuzz;
use crate::nats_server;
use crate::readers;
use crate::run::{self, cargo, note, succeeds, target};
use crate::s3_server;
use crate::sim;
use crate::sim_clients;
use crate::vendor_ctp;

/// How long each fuzz target runs.
const FUZZ_TIME: Duration = Duration::from_secs(600);

/// The tests that repeat themselves, with how often the long run has them do it. The normal run has a
/// small share of each.
const REPEATED: [(&str, &str, &str); 8] = [
    ("kills::", "TICKDECK_KILLS", "300"),
    (
        "crash::a_killed_recorder_leaves_a_prefix",
        "TICKDECK_RECOVERIES",
        "40",
    ),
    (
        "crash::gnu_timeout_loses_nothing",
        "TICKDECK_TIMEOUTS",
        "50",
    ),
    ("crash::of_two_recorders_at_once", "TICKDECK_DUELS", "1000"),
    ("soak::", "TICKDECK_SOAK_SECONDS", "1800"),
    (
        "nats::jetstream_faults::",
        "TICKDECK_STREAM_MESSAGES",
        "500000",
    ),
    ("nats::jetstream_faults::", "TICKDECK_STREAM_KILLS", "10"),
    // More than the largest file has.
    (
        "real_data::the_order_of_",
        "TICKDECK_DATED_ROWS",
        "1000000000",
    ),
];
/// Sessions of the simulated crashes.
const CRASH_LIVES: &str = "10000";

/// Builds the binary optimized and returns its path.
fn optimized_binary() -> Result<PathBuf> {
    run::run(cargo().args([
        "build",
        "--profile",
        "quick",
        "--package",
        "tickdeck-cli",
        "--bin",
        "tickdeck",
    ]))?;
    Ok(target().join("quick").join("tickdeck"))
}

/// Formatting, lints, all tests and the documentation's examples; with `quick` only the tests, with
/// `long` the repeated tests at full size and the fuzz targets too.
pub(crate) fn run(quick: bool, long: bool, rest: &[String]) -> Result<()> {
    let server = nats_server::provide()?;
    let optimized = optimized_binary()?;
    let vendor = vendor_ctp::provide();
    for problem in &vendor.problems {
        note(&format!("the vendor's files are unavailable: {problem}"));
    }
    let clients = sim_clients::provide();
    for problem in &clients.problems {
        note(&format!(
            "a client of the simulated front is unavailable: {problem}"
        ));
    }
    let readers = readers::provide();
    if let Err(error) = &readers {
        note(&format!(
            "the Python packages of the pages are unavailable: {error:#}"
        ));
    }
    let store = s3_server::provide();
    if let Err(error) = &store {
        note(&format!("no server of the S3 protocol: {error:#}"));
    }
    let simulated = sim::provide_for_tests()?;
    let skipped = target().join("skipped-tests.txt");
    std::fs::write(&skipped, "").with_context(|| format!("writing {}", skipped.display()))?;
    let with_server = |mut command: Command| {
        command
            .env("TICKDECK_NATS_SERVER", &server)
            // Without a server, a test fails instead of skipping itself.
            .env("TICKDECK_REQUIRE_NATS", "1")
            // Debug and optimized builds must publish the same bytes. The largest tests use it too.
            .env("TICKDECK_RELEASE_BIN", &optimized)
            // Tests that find nothing there skip themselves and report it.
            .env("TICKDECK_CTP_LIBRARIES", &vendor.libraries)
            .env("TICKDECK_CTP_HEADERS", &vendor.headers)
            .env("TICKDECK_CTP_VERSIONS", &vendor.other_versions)
            .env(
                "TICKDECK_CTP_HEADERS_BY_VERSION",
                &vendor.headers_by_version,
            )
            .env("TICKDECK_SIM_CLIENTS", &clients.folder)
            .env("TICKDECK_SIM_LIBRARY", &simulated)
            .env("TICKDECK_SKIPPED", &skipped);
        if let Ok(python) = &readers {
            command.env("TICKDECK_READERS", python);
        }
        if let Ok(store) = &store {
            command
                .env("TICKDECK_S3_SERVER", store)
                .env("TICKDECK_REQUIRE_S3", "1");
        }
        if vendor.problems.is_empty() {
            // As with the server: tests must find what was fetched.
            command.env("TICKDECK_REQUIRE_CTP", "1");
        }
        command
    };
    if !quick {
        check_style()?;
    }
    if succeeds("cargo", &["nextest", "--version"]) {
        run::run(
            with_server(cargo())
                .args(["nextest", "run", "--workspace", "--profile", "xtask"])
                .args(rest),
        )?;
    } else {
        let targets = [
            "test",
            "--workspace",
            "--no-fail-fast",
            "--lib",
            "--bins",
            "--tests",
        ];
        run::run(with_server(cargo()).args(targets).arg("--").args(rest))?;
    }
    if !quick && rest.is_empty() {
        run::run(with_server(cargo()).args(["test", "--workspace", "--doc"]))?;
    }
    if long {
        run_repeated(&with_server)?;
        run_fuzz_targets(&skipped)?;
    }
    report(&skipped, quick);
    Ok(())
}

/// The repeated tests at their full size, one at a time, because each measures.
fn run_repeated(with_server: &impl Fn(Command) -> Command) -> Result<()> {
    // The simulated front keeps up with a market only if it is optimized.
    let simulated = sim::provide(None)?;
    for (test, variable, times) in REPEATED {
        run::run(
            with_server(cargo())
                .env(variable, times)
                .env("TICKDECK_SIM_LIBRARY", &simulated)
                .args(["nextest", "run", "--package", "tickdeck-cli"])
                .args(["--test", "tests", "--profile", "long", test]),
        )?;
    }
    run::run(
        cargo()
            .env("TICKDECK_CRASH_LIVES", CRASH_LIVES)
            .args(["nextest", "run", "--package", "tickdeck-recording"])
            .args(["--cargo-profile", "quick", "--profile", "long"])
            .arg("crash_tests"),
    )
}

/// The fuzz targets, or a line among the skipped tests that says what they need.
fn run_fuzz_targets(skipped: &Path) -> Result<()> {
    let missing = fuzz::missing();
    if missing.is_empty() {
        return fuzz::command(None, FUZZ_TIME);
    }
    let line = format!(
        "skipped: the fuzz targets need {}\n",
        missing.join(", and ")
    );
    let file = OpenOptions::new().append(true).open(skipped);
    file.and_then(|mut file| file.write_all(line.as_bytes()))
        .with_context(|| format!("writing {}", skipped.display()))
}

/// Formatting, lints, and the links of the documentation.
fn check_style() -> Result<()> {
    run::run(cargo().args(["fmt", "--all", "--check"]))?;
    run::run(cargo().args([
        "clippy",
        "--workspace",
        "--all-targets",
        // The benchmarks are built on request only.
        "--features",
        "tickdeck-bench/benches",
        "--",
        "-D",
        "warnings",
    ]))?;
    // The workspace is built with all features, so each alone is checked here.
    for feature in [
        "", "nats", "live", "import", "signals", "codecs", "reports", "s3", "gcp", "azure",
    ] {
        run::run(cargo().args([
            "clippy",
            "--package",
            "tickdeck",
            "--no-default-features",
            "--features",
            feature,
            "--",
            "-D",
            "warnings",
        ]))?;
    }
    let libraries = [
        "tickdeck",
        "tickdeck-core",
        "tickdeck-recording",
        "tickdeck-ffi",
    ];
    let packages = libraries.iter().flat_map(|name| ["--package", name]);
    run::run(
        cargo()
            .env("RUSTDOCFLAGS", "-D warnings")
            .args(["doc", "--no-deps"])
            .args(packages),
    )
}

/// Lists the skipped tests, and says what passed.
fn report(skipped: &Path, quick: bool) {
    let skipped = std::fs::read_to_string(skipped).unwrap_or_default();
    for line in skipped.lines() {
        note(line);
    }
    let ran = match skipped.lines().count() {
        0 => "all tests".to_owned(),
        count => format!("all tests ({count} skipped in whole or in part, see above)"),
    };
    run::say(&if quick {
        format!("xtask test: {ran} passed (without formatting, lints and documentation tests)")
    } else {
        format!("xtask test: formatting, lints and {ran} passed")
    });
}

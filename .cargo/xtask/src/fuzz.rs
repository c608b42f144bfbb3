//! `cargo xtask fuzz`: runs the fuzz targets, one after the other.
//!
//! It installs nothing. Nightly Rust and cargo-fuzz are needed; it says how to get what is missing.

use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use anyhow::{Context as _, Result, bail};

use crate::run::{note, root, run, say, succeeds, target};

/// Memory of a target in MB. More for one input is a finding.
const MEMORY_MB: u32 = 1024;
/// Seconds for one input. More is a finding.
const INPUT_SECONDS: u32 = 20;
/// Longest input in bytes: a little more than the largest seed.
const INPUT_BYTES: u32 = 32_768;

/// What is missing to fuzz, with the command that gets it.
pub(crate) fn missing() -> Vec<&'static str> {
    let mut missing = Vec::new();
    if !succeeds("cargo", &["+nightly", "--version"]) {
        missing.push(
            "nightly Rust: rustup toolchain install nightly --profile minimal --component rust-src",
        );
    }
    if !succeeds("cargo", &["fuzz", "--version"]) {
        missing.push("cargo-fuzz: cargo install cargo-fuzz --locked");
    }
    missing
}

/// Runs one target, or all of them, each for so long.
///
/// # Errors
/// When something is missing, a target does not build, or one has a finding.
pub(crate) fn command(only: Option<&str>, each: Duration) -> Result<()> {
    let missing = missing();
    if !missing.is_empty() {
        bail!("fuzzing needs\n  {}", missing.join("\n  "));
    }
    let all = targets()?;
    let chosen: Vec<&String> = all
        .iter()
        .filter(|name| only.is_none_or(|only| only == name.as_str()))
        .collect();
    if chosen.is_empty() {
        bail!("no such target; there are {}", all.join(", "));
    }
    let mut findings = Vec::new();
    for name in chosen {
        if let Err(error) = fuzz(name, each) {
            note(&format!("{name}: {error:#}"));
            findings.push(name.as_str());
        }
    }
    if !findings.is_empty() {
        bail!(
            "findings in {}: fix them, and keep each input in fuzz/findings/TARGET, where the tests \
             read it (docs/security.md)",
            findings.join(", ")
        );
    }
    say("xtask fuzz: no findings");
    Ok(())
}

/// The names of the targets, sorted.
fn targets() -> Result<Vec<String>> {
    let folder = root().join("fuzz").join("targets");
    let entries =
        std::fs::read_dir(&folder).with_context(|| format!("listing {}", folder.display()))?;
    let mut names = Vec::new();
    for entry in entries {
        let path = entry?.path();
        names.extend(
            path.file_stem()
                .map(|stem| stem.to_string_lossy().into_owned()),
        );
    }
    names.sort();
    Ok(names)
}

fn folder(kind: &str, name: &str) -> Result<PathBuf> {
    let folder = target().join("fuzz").join(kind).join(name);
    std::fs::create_dir_all(&folder).with_context(|| format!("creating {}", folder.display()))?;
    Ok(folder)
}

fn fuzz(name: &str, each: Duration) -> Result<()> {
    // What libFuzzer finds on its way stays out of the working copy; the seeds are only read.
    let (grown, found) = (folder("corpus", name)?, folder("findings", name)?);
    let mut command = Command::new("cargo");
    command
        .current_dir(root())
        // They name the toolchain of this command, which is not nightly.
        .env_remove("CARGO")
        .env_remove("RUSTUP_TOOLCHAIN")
        // Inputs become files: in memory, where there is such a folder.
        .env("TMPDIR", scratch())
        // Safe Rust needs no address sanitizer, and runs three times as fast without.
        .args([
            "+nightly",
            "fuzz",
            "run",
            "--sanitizer",
            "none",
            "--target-dir",
        ])
        .arg(target().join("fuzz"))
        .arg(name)
        .arg(grown)
        .args(
            ["corpus", "findings"]
                .map(|kind| root().join("fuzz").join(kind).join(name))
                .iter()
                .filter(|folder| folder.is_dir()),
        )
        .arg("--")
        .arg(format!("-artifact_prefix={}/", found.display()))
        .arg(format!("-max_total_time={}", each.as_secs()))
        .arg(format!("-rss_limit_mb={MEMORY_MB}"))
        .arg(format!("-timeout={INPUT_SECONDS}"))
        .arg(format!("-max_len={INPUT_BYTES}"))
        .arg("-print_final_stats=1");
    run(&mut command)
}

fn scratch() -> PathBuf {
    let memory = Path::new("/dev/shm");
    if memory.is_dir() {
        memory.to_owned()
    } else {
        std::env::temp_dir()
    }
}

/// Reads `90`, `90s`, `10m` or `2h`.
pub(crate) fn parse_time(text: &str) -> Result<Duration, String> {
    let digits = text.trim_end_matches(['s', 'm', 'h']);
    let unit = match &text[digits.len()..] {
        "" | "s" => Some(1),
        "m" => Some(60),
        "h" => Some(3600),
        _ => None,
    };
    let number: Option<u64> = digits.parse().ok();
    let seconds = number
        .zip(unit)
        .and_then(|(number, unit)| number.checked_mul(unit));
    let seconds = seconds.filter(|seconds| *seconds > 0);
    seconds
        .map(Duration::from_secs)
        .ok_or_else(|| format!("`{text}` is not a time such as 90s, 10m or 2h"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_have_a_unit_or_are_seconds() {
        for (text, seconds) in [("90", 90), ("90s", 90), ("10m", 600), ("2h", 7200)] {
            assert_eq!(parse_time(text), Ok(Duration::from_secs(seconds)));
        }
        for text in [
            "",
            "m",
            "0",
            "-1",
            "1.5m",
            "10ms",
            "10x",
            "99999999999999999999h",
        ] {
            assert!(parse_time(text).is_err(), "{text}");
        }
    }

    #[test]
    fn every_target_is_found() {
        let targets = targets().unwrap();
        assert!(targets.contains(&"segment".to_owned()), "{targets:?}");
    }
}

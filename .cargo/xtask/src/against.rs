//! `cargo xtask bench --against REV`: the release binaries of two revisions, run in turn.
//!
//! Figures of different days do not compare: machines and their load differ. Here both binaries do the
//! same work alternately, and the median of their ratios counts. Each plays the recording that it has
//! generated, because an older one may not know today's format.

#![expect(clippy::disallowed_methods, reason = "a benchmark measures real time")]

use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail, ensure};

use crate::bench::{Row, table};
use crate::run::{cargo, note, root, run, say, target};

/// How often each case runs, with each binary.
const ROUNDS: usize = 7;
/// The word that stands for the dumps.
const DUMPS: &str = "DUMPS";
/// A kernel's tick in `/proc/self/stat`: always a hundredth of a second.
const CLOCK_TICK: Duration = Duration::from_millis(10);

/// What is compared: a name and the words of the verb. `IN` is an input, `OUT` a new recording, `DUMPS`
/// real ticks of java-trader.
const CASES: [(&str, &str); 7] = [
    ("generate day", "generate --profile day --force -q -o OUT"),
    (
        "generate full market",
        "generate --profile full-market --duration 5m --force -q -o OUT",
    ),
    (
        "record full market",
        "record --source recording:IN/market --force -q -o OUT",
    ),
    ("import java-trader", "import DUMPS --force -q -o OUT"),
    (
        "replay day to digest",
        "replay IN/day --rate max --sink digest --json -q",
    ),
    (
        "replay full market to digest",
        "replay IN/market --rate max --sink digest --json -q",
    ),
    ("verify day", "verify IN/day -q"),
];

/// A binary with its recordings.
struct Side {
    name: String,
    binary: PathBuf,
    folder: PathBuf,
}

/// What one run took.
#[derive(Debug, Clone, Copy)]
struct Took {
    wall: Duration,
    cpu: Duration,
}

/// Builds revision `rev` beside the working copy and compares them.
///
/// # Errors
/// When there is no such revision, one of them does not build, or a verb fails.
pub(crate) fn command(rev: &str) -> Result<()> {
    let sides = [revision(rev)?, working_copy()?];
    for side in &sides {
        note(&format!("recordings of {}", side.name));
        std::fs::create_dir_all(&side.folder)?;
        for (name, words) in [
            ("day", "generate --profile day --force -q -o OUT"),
            (
                "market",
                "generate --profile full-market --duration 10m --force -q -o OUT",
            ),
        ] {
            side.verb(words, &side.folder.join(name))?;
        }
    }
    let mut rows = Vec::new();
    let has_dumps = !dumps().is_empty();
    for (name, words) in CASES {
        if words.contains(DUMPS) && !has_dumps {
            note(&format!("SKIPPED {name}: no dumps (TICKDECK_SHARED_DATA)"));
            continue;
        }
        note(name);
        rows.push(compare(name, words, &sides)?);
    }
    say(&format!(
        "{} and {}, {ROUNDS} pairs each",
        sides[0].name, sides[1].name
    ));
    say("");
    for line in table(&["what", "before, s", "now, s", "wall", "CPU"], &rows) {
        say(&line);
    }
    Ok(())
}

/// Runs one case alternately.
fn compare(name: &str, words: &str, sides: &[Side; 2]) -> Result<Row> {
    let [mut before, mut now] = [Vec::new(), Vec::new()];
    let mut outputs = Vec::new();
    for round in 0..ROUNDS {
        // The first of a pair finds a colder cache, so the binaries take turns.
        for index in [round % 2, 1 - round % 2] {
            let side = &sides[index];
            let (took, output) = side.verb(words, &side.folder.join("new"))?;
            [&mut before, &mut now][index].push(took);
            outputs.extend(digest(&output));
        }
    }
    outputs.sort_unstable();
    outputs.dedup();
    let changed = if outputs.len() > 1 {
        " (DIGESTS DIFFER)"
    } else {
        ""
    };
    let ratio = |of: fn(&Took) -> Duration| {
        let pairs = before.iter().zip(&now);
        median(pairs.map(|(a, b)| of(a).as_secs_f64() / of(b).as_secs_f64()))
    };
    let wall = |took: &[Took]| median(took.iter().map(|took| took.wall.as_secs_f64()));
    Ok([
        format!("{name}{changed}"),
        format!("{:.2}", wall(&before)),
        format!("{:.2}", wall(&now)),
        format!("{:.2}x", ratio(|took| took.wall)),
        format!("{:.2}x", ratio(|took| took.cpu)),
    ])
}

impl Side {
    /// Runs a verb; `new` is the recording that it makes.
    fn verb(&self, words: &str, new: &Path) -> Result<(Took, String)> {
        let folder = self.folder.to_string_lossy();
        let words = words.split(' ').flat_map(|word| match word {
            "OUT" => vec![new.to_string_lossy().into_owned()],
            DUMPS => dumps(),
            word => vec![word.replacen("IN/", &format!("{folder}/"), 1)],
        });
        let mut command = Command::new(&self.binary);
        command.args(words).stdin(Stdio::null());
        let (started, cpu) = (Instant::now(), children_cpu()?);
        let output = command
            .output()
            .with_context(|| format!("starting {}", self.binary.display()))?;
        let took = Took {
            wall: started.elapsed(),
            cpu: children_cpu()?.saturating_sub(cpu),
        };
        if !output.status.success() {
            let text = String::from_utf8_lossy(&output.stderr);
            bail!("{}: {command:?} failed: {text}", self.name);
        }
        Ok((took, String::from_utf8_lossy(&output.stdout).into_owned()))
    }
}

/// Real ticks, if available, as the table has them.
fn dumps() -> Vec<String> {
    let default = || root().join("../shared/data");
    let folder = std::env::var_os("TICKDECK_SHARED_DATA").map_or_else(default, PathBuf::from);
    let files = std::fs::read_dir(folder).into_iter().flatten().flatten();
    let files = files.map(|file| file.path().to_string_lossy().into_owned());
    let mut files: Vec<String> = files.filter(|it| it.contains("java-trader_")).collect();
    files.sort();
    files
}

/// The release binary of a revision, built from a copy of its files.
fn revision(rev: &str) -> Result<Side> {
    let hash = git(&[
        "rev-parse",
        "--verify",
        "--short=12",
        &format!("{rev}^{{commit}}"),
    ])
    .with_context(|| format!("{rev:?} is not a revision of this repository"))?;
    let folder = target().join("against").join(&hash);
    let source = folder.join("source");
    if !source.join("Cargo.toml").exists() {
        std::fs::create_dir_all(&source)?;
        let archive = folder.join("source.tar");
        let output = format!("--output={}", archive.display());
        git(&["archive", "--format=tar", &output, &hash])?;
        run(Command::new("tar")
            .arg("-xf")
            .arg(&archive)
            .arg("-C")
            .arg(&source))?;
        std::fs::remove_file(&archive)?;
    }
    let built = folder.join("target");
    run(cargo()
        .current_dir(&source)
        .env("CARGO_TARGET_DIR", &built)
        .args(["build", "--release", "--bin", "tickdeck"]))?;
    Ok(Side {
        name: hash,
        binary: built.join("release/tickdeck"),
        folder: folder.join("recordings"),
    })
}

fn working_copy() -> Result<Side> {
    run(cargo().args([
        "build",
        "--release",
        "--package",
        "tickdeck-cli",
        "--bin",
        "tickdeck",
    ]))?;
    Ok(Side {
        name: git(&["describe", "--always", "--dirty", "--abbrev=12"])?,
        binary: target().join("release/tickdeck"),
        folder: target().join("against/recordings"),
    })
}

fn git(args: &[&str]) -> Result<String> {
    let output = Command::new("git").args(args).current_dir(root()).output();
    let output = output.context("starting git")?;
    let text = String::from_utf8_lossy(&output.stderr);
    ensure!(
        output.status.success(),
        "git {}: {}",
        args.join(" "),
        text.trim()
    );
    Ok(String::from_utf8_lossy(&output.stdout).trim().to_owned())
}

/// CPU time of all child processes that have ended, by the kernel's count.
fn children_cpu() -> Result<Duration> {
    let stat = std::fs::read_to_string("/proc/self/stat").context("reading /proc/self/stat")?;
    of_children(&stat).context("/proc/self/stat has another form than proc(5) describes")
}

/// `cutime` and `cstime`, fields 16 and 17; the second one is a name that may have spaces.
fn of_children(stat: &str) -> Option<Duration> {
    let (_, rest) = stat.rsplit_once(')')?;
    let mut fields = rest.split_whitespace().skip(13);
    let mut next = || fields.next()?.parse::<u32>().ok();
    Some(CLOCK_TICK * (next()? + next()?))
}

/// The digest in the JSON that a replay prints.
fn digest(output: &str) -> Option<String> {
    let (_, rest) = output.split_once("\"digest\":\"")?;
    rest.split('"').next().map(str::to_owned)
}

fn median(values: impl Iterator<Item = f64>) -> f64 {
    let mut values: Vec<f64> = values.collect();
    values.sort_by(f64::total_cmp);
    values.get(values.len() / 2).copied().unwrap_or(f64::NAN)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_time_of_children_is_read_behind_any_name() {
        let stat = "12 (a) b) S 1 2 3 4 5 6 7 8 9 10 11 12 300 45 20 0 1 0 99";
        assert_eq!(of_children(stat), Some(Duration::from_millis(3450)));
        assert_eq!(of_children("12 (a) S 1"), None);
        assert!(children_cpu().is_ok());
    }

    #[test]
    fn digests_and_medians_are_found() {
        assert_eq!(digest(r#"{"a":1,"digest":"f0"}"#).as_deref(), Some("f0"));
        assert_eq!(digest("{}"), None);
        assert!((median([3.0, 1.0, 2.0].into_iter()) - 2.0).abs() < f64::EPSILON);
    }
}

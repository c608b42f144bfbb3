//! The whole market through the simulated front into the live source at full speed: the
//! binary, a loaded library, 17,000 subscriptions.
//!
//! At full speed a library does not wait, and the recorder is slower. The played ticks fit
//! into the queue, as the burst at an opening must.

use std::ffi::OsStr;
use std::io::{BufRead as _, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};

use anyhow::{Context as _, Result, ensure};
use serde_json::Value;
use tickdeck::recording::{EventFilter, Recording};

use crate::program::{self, tickdeck};
use crate::replay::ticks_of;
use crate::report::{Bar, Report, median};

/// Part of the market: about 60,000 ticks, half of the queue.
const DURATION: &str = "125s";

/// Ticks per second from the library's first callback to its last, and the lost ticks.
pub(crate) fn measure(report: &Report, folder: &Path, rounds: usize) -> Result<()> {
    let what = "full-market through the simulated front: ticks/s";
    let Some(library) = std::env::var_os("TICKDECK_SIM_LIBRARY").map(PathBuf::from) else {
        report.skipped(what, "no simulated library (TICKDECK_SIM_LIBRARY)");
        return Ok(());
    };
    let market = folder.join("market");
    let shown = market.to_string_lossy();
    let what_is_played = ["generate", "--profile", "full-market", "--seed", "42"];
    let args = [
        &what_is_played[..],
        &["--duration", DURATION, "--output", &shown],
    ]
    .concat();
    tickdeck(&args)?;
    let played = ticks_of(&market)?;
    let (mut rates, mut lost) = (Vec::new(), 0.0_f64);
    for round in 0..rounds.min(3) {
        let recorded = folder.join(format!("recorded{round}"));
        record(&library, &market, played, &recorded)?;
        lost = lost.max(played - ticks_of(&recorded)?);
        rates.push(played / seconds(&recorded)?);
    }
    let figures: Vec<String> = rates
        .iter()
        .map(|rate| format!("{:.0}", rate / 1e3))
        .collect();
    let figures = format!("{} k ticks/s", figures.join(", "));
    report.row(what, &figures, median(rates), Bar::Open);
    let what = "full-market through the simulated front: lost";
    let figures = format!("of {played:.0} ticks, each time");
    report.row(what, &figures, lost, Bar::AtMost(0.0));
    Ok(())
}

/// Records the market until every tick has arrived, or none arrives for a while.
fn record(library: &Path, market: &Path, ticks: f64, output: &Path) -> Result<()> {
    let mut source = std::ffi::OsString::from("recording:");
    source.push(market);
    let words =
        "record --source ctp --symbols all --log-format json --progress-every 100ms --flow-dir";
    let mut command = Command::new(program::binary()?);
    command
        .args(words.split(' '))
        .arg(output.with_extension("flow"))
        .arg("--output")
        .arg(output)
        .envs([
            ("CTP_MD_ADDRESS", "tcp://127.0.0.1:1"),
            ("CTP_TD_ADDRESS", "tcp://127.0.0.1:1"),
            ("CTP_BROKER_ID", "9999"),
            ("CTP_USER_ID", "bench"),
            ("CTP_PASSWORD", "bench"),
            ("CTP_APP_ID", "bench"),
            ("CTP_AUTH_CODE", "bench"),
            ("TICKDECK_SIM_RATE", "max"),
        ])
        .env("CTP_GATEWAY_CONNECT", library)
        .env("TICKDECK_SIM_SOURCE", &source)
        .env("TICKDECK_SIM_LOG", OsStr::new("/dev/null"))
        .env_remove("CTP_SYMBOL")
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(Stdio::piped());
    let mut session = Session(command.spawn()?);
    let log = session.0.stderr.take().context("stderr is piped")?;
    let (mut before, mut unchanged, mut stopped) = (0.0, 0, false);
    for line in BufReader::new(log).lines() {
        let line: Value = serde_json::from_str(&line?).unwrap_or_default();
        if line["event"] != "publish_progress" {
            continue;
        }
        let recorded = line["recorded"].as_f64().unwrap_or(0.0);
        unchanged = if recorded > before { 0 } else { unchanged + 1 };
        before = recorded;
        // A minute of progress lines without progress.
        if !stopped && (recorded >= ticks || unchanged > 600) {
            let pid = session.0.id().to_string();
            Command::new("kill").args(["-TERM", &pid]).status()?;
            stopped = true;
        }
    }
    let status = session.0.wait()?;
    ensure!(status.success(), "the session ended with {status}");
    Ok(())
}

/// From the first callback with a tick to the last, by the stamps of the recording.
fn seconds(recording: &Path) -> Result<f64> {
    let mut reader = Recording::open(recording)?.reader(EventFilter::default());
    let (mut first, mut last) = (None, None);
    let mut events = Vec::new();
    while {
        events.clear();
        reader.next_events(&mut events, 65_536)?;
        !events.is_empty()
    } {
        for event in events.iter().filter(|event| event.as_tick().is_some()) {
            let at = event.recv_ts;
            first = first.or(Some(at));
            last = Some(at);
        }
    }
    let (first, last) = first.zip(last).context("no tick was recorded")?;
    Ok((last.0 - first.0) as f64 / 1e9)
}

/// A session that is killed when the measurement fails.
struct Session(Child);

impl Drop for Session {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

//! The library's own log: one flat JSON object per line. Never stdout, which belongs to the client.
//!
//! By default stderr gets only what the client or its user should know: misuse that would crash the
//! vendor's library, and unusable settings. It also gets the configured faults, which are needed to
//! repeat a run. A file gets everything. No credential is ever a field.

use std::ffi::OsStr;
use std::fs::{File, OpenOptions};
use std::io::Write;
use std::sync::{Mutex, OnceLock, PoisonError};

use chrono::SecondsFormat;
use serde_json::{Map, Value};
use tickdeck_core::clock::system_wall;
use tickdeck_core::time::UnixNanos;

use crate::report;

/// Where lines go.
enum Target {
    Off,
    Stderr,
    File(File),
}

static TARGET: OnceLock<Mutex<Target>> = OnceLock::new();

/// The level of a line.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Level {
    /// An event; written to a file only.
    Info,
    /// A property of the run.
    Notice,
    /// The client or its user should act.
    Warn,
}

/// Chooses the target by the value of `TICKDECK_SIM_LOG`: `off`, `stderr` (or nothing), or the path
/// of a file that is appended to. The first call decides.
pub fn open(value: Option<&OsStr>) {
    let mut failed = None;
    TARGET.get_or_init(|| {
        let Some(path) = value.filter(|value| *value != "stderr") else {
            return Mutex::new(Target::Stderr);
        };
        if path == "off" {
            return Mutex::new(Target::Off);
        }
        let opened = OpenOptions::new().create(true).append(true).open(path);
        Mutex::new(opened.map_or_else(
            |error| {
                failed = Some(format!(
                    "TICKDECK_SIM_LOG names {}: {error}",
                    path.display()
                ));
                Target::Stderr
            },
            Target::File,
        ))
    });
    if let Some(text) = failed {
        warn("sim_log_not_opened", &[("text", text.into())]);
    }
}

/// Writes a line that only the `tickdeck sim run` above this process needs.
pub fn report(event: &str, fields: &[(&str, Value)]) {
    report::append(&line(system_wall(), Level::Info, event, fields));
}

/// Writes a line about an event.
pub fn info(event: &str, fields: &[(&str, Value)]) {
    write(Level::Info, event, fields);
}

/// Writes a line about the settings of the run, to stderr as well.
pub fn notice(event: &str, fields: &[(&str, Value)]) {
    write(Level::Notice, event, fields);
}

/// Writes a warning.
pub fn warn(event: &str, fields: &[(&str, Value)]) {
    write(Level::Warn, event, fields);
}

/// Writes that a client did what the vendor's library does not survive.
pub fn misuse(api: &str, call: &str, text: &str) {
    let fields = [
        ("api", Value::from(api)),
        ("call", Value::from(call)),
        ("text", Value::from(text)),
    ];
    write(Level::Warn, "sim_misuse", &fields);
}

/// The time is written as in the lines of tickdeck's own log, so that the two can be set beside
/// each other.
fn line(at: UnixNanos, level: Level, event: &str, fields: &[(&str, Value)]) -> Map<String, Value> {
    let at = at.to_shanghai();
    let timestamp = at.to_rfc3339_opts(SecondsFormat::Millis, false);
    let word = if level == Level::Warn { "warn" } else { "info" };
    let mut line = Map::new();
    line.insert("timestamp".into(), timestamp.into());
    line.insert("level".into(), word.into());
    line.insert("event".into(), event.into());
    for (key, value) in fields {
        line.insert((*key).into(), value.clone());
    }
    line
}

fn write(level: Level, event: &str, fields: &[(&str, Value)]) {
    let line = line(system_wall(), level, event, fields);
    report::append(&line);
    let target = TARGET.get_or_init(|| Mutex::new(Target::Stderr));
    let mut target = target.lock().unwrap_or_else(PoisonError::into_inner);
    if matches!(*target, Target::Off) || (level == Level::Info && matches!(*target, Target::Stderr))
    {
        return;
    }
    let text = format!("{}\n", Value::Object(line));
    // A log that cannot be written must not disturb the client, and there is no place to report it.
    let _ = match &mut *target {
        Target::File(file) => file.write_all(text.as_bytes()),
        _ => std::io::stderr().lock().write_all(text.as_bytes()),
    };
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_has_the_timestamp_form_of_tickdecks_log() {
        let at = UnixNanos(1_757_640_600_500_999_999);
        let written = line(at, Level::Notice, "sim_fault", &[("tick", 7.into())]);
        let wanted = serde_json::json!({
            "timestamp": "2025-09-12T09:30:00.500+08:00",
            "level": "info",
            "event": "sim_fault",
            "tick": 7,
        });
        assert_eq!(Value::Object(written), wanted);
    }
}

//! What became of a client's run, in one line or as JSON.

use std::collections::{BTreeMap, BTreeSet};
use std::io::Write as _;

use serde::Serialize;
use serde_json::{Map, Value};

use super::super::outcome::stdout;
use super::ended::Ended;

/// The summary.
#[derive(Debug, Default, Serialize)]
pub(super) struct Summary {
    #[serde(skip)]
    has_created: bool,
    #[serde(skip)]
    pids: BTreeSet<u64>,
    /// Processes that created an API object.
    processes: usize,
    /// Versions that they were given.
    api_versions: BTreeSet<String>,
    /// Successful logins.
    logins: ByFront,
    /// Refused logins.
    refused_logins: ByFront,
    /// Instruments in accepted subscriptions.
    subscriptions: u64,
    /// Ticks delivered.
    ticks: u64,
    /// How often a fault acted, by its name.
    faults: BTreeMap<String, u64>,
    /// Calls that the vendor's library does not survive.
    misuse: Vec<Misuse>,
    /// The client's exit code.
    exit_code: u8,
    /// The signal that ended it.
    signal: Option<i32>,
}

#[derive(Debug, Default, Serialize, PartialEq, Eq)]
struct ByFront {
    md: u64,
    td: u64,
}

#[derive(Debug, Serialize, PartialEq, Eq)]
struct Misuse {
    api: String,
    call: String,
    text: String,
    times: u64,
}

impl Summary {
    /// Whether a process created an API object of the simulated front.
    pub(super) const fn is_bound(&self) -> bool {
        self.has_created
    }

    /// Sets the ticks that were delivered so far.
    pub(super) const fn set_ticks(&mut self, ticks: u64) {
        self.ticks = ticks;
    }

    /// Sets how the client ended.
    pub(super) fn set_end(&mut self, ended: &Ended) {
        self.exit_code = ended.code();
        self.signal = ended.signal();
    }

    /// Adds a line of the front's log.
    pub(super) fn add(&mut self, line: &Map<String, Value>) {
        let text = |key: &str| line.get(key).and_then(Value::as_str).unwrap_or_default();
        let number = |key: &str| line.get(key).and_then(Value::as_u64).unwrap_or(0);
        let is_error = number("error_id") != 0;
        match text("event") {
            "sim_created" => {
                self.has_created = true;
                self.pids.insert(number("pid"));
                self.processes = self.pids.len();
                self.api_versions.insert(text("version").to_owned());
            }
            "sim_md_login" if is_error => self.refused_logins.md += 1,
            "sim_td_login" if is_error => self.refused_logins.td += 1,
            "sim_md_login" => self.logins.md += 1,
            "sim_td_login" => self.logins.td += 1,
            "sim_md_subscribed" => self.subscriptions += number("count"),
            "sim_fault" => *self.faults.entry(text("rule").to_owned()).or_default() += 1,
            "sim_misuse" => self.add_misuse(text("api"), text("call"), text("text")),
            _ => {}
        }
    }

    fn add_misuse(&mut self, api: &str, call: &str, text: &str) {
        let mut known = self.misuse.iter_mut();
        match known.find(|one| (&*one.api, &*one.call, &*one.text) == (api, call, text)) {
            Some(one) => one.times += 1,
            None => self.misuse.push(Misuse {
                api: api.to_owned(),
                call: call.to_owned(),
                text: text.to_owned(),
                times: 1,
            }),
        }
    }

    /// Logs it.
    pub(super) fn log(&self) {
        let versions = Vec::from_iter(self.api_versions.iter().map(String::as_str)).join(",");
        tracing::info!(
            event = "sim_run_end",
            processes = self.processes,
            api_version = versions,
            md_logins = self.logins.md,
            td_logins = self.logins.td,
            refused_logins = self.refused_logins.md + self.refused_logins.td,
            subscriptions = self.subscriptions,
            ticks = self.ticks,
            faults = self.faults.values().sum::<u64>(),
            misuse = self.misuse.iter().map(|one| one.times).sum::<u64>(),
            exit_code = self.exit_code,
        );
    }

    /// Prints it as JSON, with the reason why the client did not use the front, if it did not.
    pub(super) fn print(&self, error: Option<&str>) -> anyhow::Result<()> {
        #[derive(Serialize)]
        struct Printed<'a> {
            #[serde(flatten)]
            summary: &'a Summary,
            error: Option<&'a str>,
        }
        let mut out = stdout();
        serde_json::to_writer(
            &mut out,
            &Printed {
                summary: self,
                error,
            },
        )?;
        writeln!(out)?;
        out.flush()?;
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn lines_of_several_processes_are_added_up() {
        let lines = [
            json!({"event": "sim_created", "api": "md", "version": "6.7.2", "pid": 7}),
            json!({"event": "sim_created", "api": "td", "version": "6.7.2", "pid": 7}),
            json!({"event": "sim_created", "api": "md", "version": "6.7.2", "pid": 8}),
            json!({"event": "sim_md_login", "error_id": 0}),
            json!({"event": "sim_md_login", "error_id": 3}),
            json!({"event": "sim_td_login", "error_id": 0}),
            json!({"event": "sim_md_subscribed", "count": 8}),
            json!({"event": "sim_fault", "rule": "front restarts"}),
            json!({"event": "sim_fault", "rule": "front restarts"}),
            json!({"event": "sim_misuse", "api": "md", "call": "Init", "text": "twice"}),
            json!({"event": "sim_misuse", "api": "md", "call": "Init", "text": "twice"}),
            json!({"event": "unknown"}),
        ];
        let mut summary = Summary::default();
        assert!(!summary.is_bound());
        for line in &lines {
            summary.add(line.as_object().unwrap());
        }
        assert!(summary.is_bound());
        assert_eq!(summary.processes, 2);
        assert_eq!(summary.logins, ByFront { md: 1, td: 1 });
        assert_eq!(summary.refused_logins, ByFront { md: 1, td: 0 });
        assert_eq!(summary.subscriptions, 8);
        assert_eq!(summary.faults["front restarts"], 2);
        assert_eq!((summary.misuse.len(), summary.misuse[0].times), (1, 2));
    }
}

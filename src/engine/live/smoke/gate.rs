//! The gate file of the smoke test: attempts, evidence and verdict, as YAML.
//!
//! A QA process archives it. It never holds a credential: only tickdeck's texts, error ids with
//! their documented meaning, and session names.

use std::time::Duration;

use super::observation::Observation;
use super::verdict::{Judgement, Verdict};
use crate::live::ctp::CtpLibrary;
use crate::live::report::{AttemptReport, LastAttempt};

/// The content of a gate file.
#[derive(Debug, Clone, PartialEq)]
pub struct Gate {
    /// The verdict.
    pub verdict: Verdict,
    /// Why.
    pub rationale: String,
    /// RFC 3339, Asia/Shanghai.
    pub updated: String,
    /// Version of the library; empty when it could not be loaded.
    pub api_version: String,
    /// Its tick layout.
    pub layout: String,
    /// Whether it is the simulated front, which says nothing about a real one; `None` when it could not
    /// be loaded.
    pub is_simulated: Option<bool>,
    /// Attempts that were begun.
    pub attempts: u32,
    /// Those that failed.
    pub failed: Vec<AttemptReport>,
    /// The attempt after those, which had not failed when the test ended.
    pub last: Option<LastAttempt>,
    /// Whether there was a login.
    pub login_seen: bool,
    /// Whether the library released every session in time.
    pub clean_shutdown: bool,
    /// Threads before and after; `None` where the system does not report them.
    pub threads: Option<(usize, usize)>,
    /// Open files before and after.
    pub files: Option<(usize, usize)>,
    /// Time that the test took, s.
    pub elapsed_s: f64,
    /// Longest time of the test, s.
    pub limit_s: f64,
}

/// A text as a YAML scalar: JSON strings are YAML.
fn quoted(text: &str) -> String {
    serde_json::Value::from(text).to_string()
}

impl Gate {
    /// The gate of a test that has only begun: FAIL. An interrupted test thus leaves no verdict of
    /// an earlier run.
    #[must_use]
    pub fn begun(limit: Duration, updated: String) -> Self {
        Self {
            verdict: Verdict::Fail,
            rationale: "the test did not finish".into(),
            updated,
            api_version: String::new(),
            layout: String::new(),
            is_simulated: None,
            attempts: 0,
            failed: Vec::new(),
            last: None,
            login_seen: false,
            clean_shutdown: false,
            threads: None,
            files: None,
            elapsed_s: 0.0,
            limit_s: limit.as_secs_f64(),
        }
    }

    /// A test that could not begin is a FAIL.
    pub fn could_not_begin(&mut self, reason: &str) {
        self.verdict = Verdict::Fail;
        self.rationale = format!("the test could not begin: {reason}");
    }

    /// Adds the library.
    pub(super) fn add_library(&mut self, library: &CtpLibrary) {
        self.api_version = library.version();
        self.layout = library.layout();
        self.is_simulated = Some(library.library().is_simulated());
    }

    /// Adds what the test observed.
    pub(super) fn add_observation(&mut self, observed: Observation) {
        let Observation::Ended {
            report,
            before,
            after,
        } = observed
        else {
            return;
        };
        self.threads = before.threads.zip(after.threads);
        self.files = before.files.zip(after.files);
        self.attempts = report.attempts;
        self.login_seen = report.logins > 0;
        self.clean_shutdown = report.abandoned == 0;
        self.failed = report.failed;
        self.last = report.last;
    }

    /// Sets the verdict. That on the simulated front says so.
    pub(super) fn set(&mut self, judgement: Judgement) {
        self.verdict = judgement.verdict;
        self.rationale = match self.is_simulated {
            Some(true) => format!("on the simulated front: {}", judgement.rationale),
            _ => judgement.rationale,
        };
    }

    /// What the library is, in a word.
    const fn library_kind(&self) -> Option<&'static str> {
        match self.is_simulated {
            Some(true) => Some("simulated"),
            Some(false) => Some("vendor"),
            None => None,
        }
    }

    /// The file's content.
    #[must_use]
    pub fn to_yaml(&self) -> String {
        let mut yaml = format!(
            "# Written by `tickdeck smoke`; the next run replaces it.\n\
             schema: 1\n\
             story: \"2.1a\"\n\
             story_title: \"CTP real connectivity\"\n\
             gate: {}\n\
             status_reason: {}\n\
             reviewer: \"tickdeck {}\"\n\
             updated: {}\n\
             evidence:\n  \
               library: {}\n  \
               api_version: {}\n  \
               struct_layout: {}\n  \
               login_seen: {}\n  \
               clean_shutdown: {}\n",
            self.verdict.as_str(),
            quoted(&self.rationale),
            env!("CARGO_PKG_VERSION"),
            quoted(&self.updated),
            self.library_kind().unwrap_or("null"),
            quoted(&self.api_version),
            quoted(&self.layout),
            self.login_seen,
            self.clean_shutdown,
        );
        for (name, counts) in [("threads", self.threads), ("open_files", self.files)] {
            if let Some((before, after)) = counts {
                yaml.push_str(&format!(
                    "  {name}: {{ before: {before}, after: {after} }}\n"
                ));
            }
        }
        yaml.push_str(&format!(
            "  elapsed_s: {:.3}\n  limit_s: {:.3}\nattempts: {}\n",
            self.elapsed_s, self.limit_s, self.attempts
        ));
        if self.failed.is_empty() {
            yaml.push_str("failed_attempts: []\n");
        } else {
            yaml.push_str("failed_attempts:\n");
        }
        for report in &self.failed {
            yaml.push_str(&format!(
                "  - {{ attempt: {}, session: {}, reason: {}, next_backoff_s: {:.3} }}\n",
                report.attempt,
                quoted(&report.session),
                quoted(&report.reason.to_string()),
                report.next_backoff_s
            ));
        }
        if let Some(last) = &self.last {
            yaml.push_str(&format!(
                "last_attempt: {{ attempt: {}, session: {}, reached: {} }}\n",
                last.attempt,
                quoted(&last.session),
                last.reached
            ));
        }
        yaml
    }

    /// The same as JSON.
    #[must_use]
    pub fn to_json(&self) -> serde_json::Value {
        let failed: Vec<serde_json::Value> = self
            .failed
            .iter()
            .map(|report| {
                serde_json::json!({
                    "attempt": report.attempt,
                    "session": report.session,
                    "reason": report.reason.to_string(),
                    "next_backoff": report.next_backoff_s,
                })
            })
            .collect();
        serde_json::json!({
            "gate": self.verdict.as_str(),
            "rationale": self.rationale,
            "library": self.library_kind(),
            "api_version": self.api_version,
            "struct_layout": self.layout,
            "attempts": self.attempts,
            "failed_attempts": failed,
            "last_attempt": self.last.as_ref().map(|last| serde_json::json!({
                "attempt": last.attempt,
                "session": last.session,
                "reached": last.reached,
            })),
            "login_seen": self.login_seen,
            "clean_shutdown": self.clean_shutdown,
            "elapsed_s": self.elapsed_s,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::live::fail_reason::FailReason;

    fn gate() -> Gate {
        Gate {
            verdict: Verdict::Concerns,
            rationale: "no login: \"connect_timeout\"".into(),
            updated: "2026-01-05T08:45:00.000+08:00".into(),
            api_version: "v6.7.11_20250617 16:22:00.10369".into(),
            layout: "C".into(),
            is_simulated: Some(false),
            attempts: 2,
            failed: vec![AttemptReport {
                attempt: 1,
                session: "smoke-a1".into(),
                reason: FailReason::ConnectTimeout,
                next_backoff_s: 0.875,
            }],
            last: Some(LastAttempt {
                attempt: 2,
                session: "smoke-a2".into(),
                reached: "connecting",
            }),
            login_seen: false,
            clean_shutdown: true,
            threads: Some((3, 3)),
            files: None,
            elapsed_s: 30.0004,
            limit_s: 120.0,
        }
    }

    #[test]
    fn a_verdict_on_the_simulated_front_says_so() {
        let mut gate = gate();
        for (is_simulated, reason, kind) in [
            (Some(true), "on the simulated front: no key", "simulated"),
            (Some(false), "no key", "vendor"),
            (None, "no key", "null"),
        ] {
            gate.is_simulated = is_simulated;
            gate.set(Judgement::fail("no key"));
            let yaml = gate.to_yaml();
            assert!(
                yaml.contains(&format!("status_reason: \"{reason}\"\n")),
                "{yaml}"
            );
            assert!(
                yaml.contains(&format!("evidence:\n  library: {kind}\n")),
                "{yaml}"
            );
            assert_eq!(gate.to_json()["library"].as_str().unwrap_or("null"), kind);
        }
    }

    #[test]
    fn a_test_that_could_not_begin_is_a_fail() {
        let mut gate = gate();
        gate.could_not_begin("no account");
        assert_eq!(gate.verdict, Verdict::Fail);
        assert_eq!(gate.rationale, "the test could not begin: no account");
    }

    #[test]
    fn a_gate_reads_as_reviewed() {
        insta::assert_snapshot!(gate().to_yaml());
    }
}

//! The gate file of `smoke`: what was tried, what came of it, and the verdict. YAML that a person
//! reads and a QA process keeps. It never holds a credential: only words of our own, error ids with
//! their documented meaning, and session names go in.

use std::path::Path;

use tickdeck::live::{AttemptReport, LastAttempt};
use tickdeck::sink::NewFile;

/// The verdict.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Verdict {
    /// Logged in and out cleanly.
    Pass,
    /// No login, for a reason that is known.
    Concerns,
    /// Anything else.
    Fail,
}

impl Verdict {
    pub(super) const fn as_str(self) -> &'static str {
        match self {
            Self::Pass => "PASS",
            Self::Concerns => "CONCERNS",
            Self::Fail => "FAIL",
        }
    }
}

/// What a smoke test came to.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Gate {
    pub(super) verdict: Verdict,
    pub(super) rationale: String,
    /// RFC 3339, Asia/Shanghai.
    pub(super) updated: String,
    pub(super) api_version: String,
    pub(super) layout: String,
    /// Sessions that were begun.
    pub(super) attempts: u32,
    /// Those that failed.
    pub(super) failed: Vec<AttemptReport>,
    /// The one after those, which had not failed when the test ended.
    pub(super) last: Option<LastAttempt>,
    pub(super) login_seen: bool,
    pub(super) clean_shutdown: bool,
    /// Threads and open files before and after; `None` where the system does not say.
    pub(super) threads: Option<(usize, usize)>,
    pub(super) files: Option<(usize, usize)>,
    pub(super) elapsed_s: f64,
    pub(super) limit_s: f64,
}

/// A text as a YAML scalar: JSON strings are YAML.
fn quoted(text: &str) -> String {
    serde_json::Value::from(text).to_string()
}

impl Gate {
    /// The file's content.
    pub(super) fn to_yaml(&self) -> String {
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
               api_version: {}\n  \
               struct_layout: {}\n  \
               login_seen: {}\n  \
               clean_shutdown: {}\n",
            self.verdict.as_str(),
            quoted(&self.rationale),
            env!("CARGO_PKG_VERSION"),
            quoted(&self.updated),
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

    /// The same for machines.
    pub(super) fn to_json(&self) -> serde_json::Value {
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

    /// Puts the file in place, whole or not at all. Its folder is made if need be.
    pub(super) fn write(&self, path: &Path) -> std::io::Result<()> {
        let folder = match path.parent() {
            Some(folder) if !folder.as_os_str().is_empty() => folder,
            _ => Path::new("."),
        };
        std::fs::create_dir_all(folder)?;
        NewFile::write_whole(path, self.to_yaml().as_bytes())
    }
}

#[cfg(test)]
mod tests {
    use tickdeck::live::FailReason;

    use super::*;

    fn gate() -> Gate {
        Gate {
            verdict: Verdict::Concerns,
            rationale: "no login: \"connect_timeout\"".into(),
            updated: "2026-01-05T08:45:00.000+08:00".into(),
            api_version: "v6.7.11_20250617 16:22:00.10369".into(),
            layout: "C".into(),
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
    fn a_gate_reads_as_reviewed() {
        insta::assert_snapshot!(gate().to_yaml());
    }

    #[test]
    fn a_gate_is_put_in_place_whole_and_its_folder_made() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("docs/qa/gate.yml");
        gate().write(&path).unwrap();
        gate().write(&path).unwrap();
        assert_eq!(std::fs::read_to_string(&path).unwrap(), gate().to_yaml());
        let names = std::fs::read_dir(path.parent().unwrap()).unwrap().count();
        assert_eq!(names, 1, "nothing half-written is left behind");
    }
}

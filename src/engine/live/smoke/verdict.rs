//! The verdict on a smoke test: a pure function of what the test observed.

use std::time::Duration;

use super::observation::Observation;
use super::reserve::{RESERVE, reserve};
use crate::live::fail_reason::FailReason;
use crate::live::report::{LiveEnd, LiveReport};

/// The verdict.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Verdict {
    /// Logged in, and closed cleanly.
    Pass,
    /// No login, for a known reason.
    Concerns,
    /// Anything else.
    Fail,
}

impl Verdict {
    /// The word of the gate file.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Pass => "PASS",
            Self::Concerns => "CONCERNS",
            Self::Fail => "FAIL",
        }
    }
}

/// A verdict with its reason.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Judgement {
    /// The verdict.
    pub verdict: Verdict,
    /// Why.
    pub rationale: String,
    /// The shortest test that would decide, if this one may have been too short.
    pub enough: Option<Duration>,
}

impl Judgement {
    /// A FAIL with this reason.
    #[must_use]
    pub(super) fn fail(rationale: impl Into<String>) -> Self {
        Self::of(Verdict::Fail, rationale.into())
    }

    const fn of(verdict: Verdict, rationale: String) -> Self {
        Self {
            verdict,
            rationale,
            enough: None,
        }
    }

    /// A FAIL for what a test found slow. A short test may be the reason.
    fn slow(text: &str, duration: Duration) -> Self {
        if reserve(duration) == RESERVE {
            return Self::fail(text);
        }
        Self {
            enough: Some(RESERVE * 3),
            ..Self::fail(format!("{text}, or the test is too short to decide"))
        }
    }
}

/// Judges a test that was given `duration`.
#[must_use]
pub(super) fn judge(observed: &Observation, is_interrupted: bool, duration: Duration) -> Judgement {
    let Observation::Ended {
        report,
        before,
        after,
    } = observed
    else {
        let text = "the session did not end in time: the library hangs";
        return Judgement::slow(text, duration);
    };
    if report.abandoned > 0 {
        let text = "the library did not release a session in time";
        return Judgement::slow(text, duration);
    }
    if after.exceeds(*before) {
        return Judgement::fail("threads or open files were leaked");
    }
    if report.logins > 0 {
        let attempts = report.attempts;
        let rationale = format!("logged in with attempt {attempts} and closed cleanly");
        return Judgement::of(Verdict::Pass, rationale);
    }
    if is_interrupted {
        return Judgement::fail("interrupted before there was a result");
    }
    without_login(report, duration)
}

fn without_login(report: &LiveReport, duration: Duration) -> Judgement {
    if let LiveEnd::GaveUp { reason } = &report.end {
        // A refusal by the front is a result; a session that cannot be opened is not.
        let verdict = match reason {
            FailReason::Refused(_) => Verdict::Concerns,
            _ => Verdict::Fail,
        };
        return Judgement::of(verdict, format!("no login: {reason}"));
    }
    if report.failed.is_empty() {
        let text = "no login, and no attempt ended in the given time";
        return Judgement::slow(text, duration);
    }
    let mut reasons: Vec<String> = report.failed.iter().map(|f| f.reason.to_string()).collect();
    reasons.dedup();
    let rationale = format!(
        "no login in {} attempts, each a new session after a growing pause: {}",
        report.attempts,
        reasons.join(", ")
    );
    Judgement::of(Verdict::Concerns, rationale)
}

#[cfg(test)]
mod tests {
    use super::super::footprint::Footprint;
    use super::*;
    use crate::live::front_kind::FrontKind;
    use crate::live::refusal::{CtpError, FrontRequest, Refusal};
    use crate::live::report::AttemptReport;

    const LONG: Duration = Duration::from_secs(120);

    fn judged(report: LiveReport, after: Footprint, is_interrupted: bool) -> Judgement {
        let observed = Observation::Ended {
            report: Box::new(report),
            before: Footprint::default(),
            after,
        };
        judge(&observed, is_interrupted, LONG)
    }

    fn gave_up(reason: FailReason) -> LiveReport {
        LiveReport {
            end: LiveEnd::GaveUp { reason },
            attempts: 1,
            ..LiveReport::default()
        }
    }

    fn refusal() -> Refusal {
        Refusal {
            front: FrontKind::MarketData,
            request: FrontRequest::Login,
            error: CtpError {
                error_id: 3,
                message: String::new(),
            },
        }
    }

    #[test]
    fn a_login_passes_unless_something_is_left_behind() {
        let report = LiveReport {
            logins: 1,
            attempts: 2,
            ..LiveReport::default()
        };
        let clean = judged(report.clone(), Footprint::default(), true);
        assert_eq!(clean.verdict, Verdict::Pass);
        assert!(clean.rationale.contains("attempt 2"));
        let abandoned = LiveReport {
            abandoned: 1,
            ..report.clone()
        };
        let verdict = judged(abandoned, Footprint::default(), false).verdict;
        assert_eq!(verdict, Verdict::Fail);
        let (before, after) = (Some(3), Some(4));
        let observed = Observation::Ended {
            report: Box::new(report),
            before: Footprint {
                threads: before,
                files: None,
            },
            after: Footprint {
                threads: after,
                files: None,
            },
        };
        assert_eq!(judge(&observed, false, LONG).verdict, Verdict::Fail);
    }

    #[test]
    fn a_refusal_is_a_result_and_a_broken_library_is_not() {
        let refused = gave_up(FailReason::Refused(refusal()));
        let judgement = judged(refused, Footprint::default(), false);
        assert_eq!(judgement.verdict, Verdict::Concerns);
        assert!(
            judgement
                .rationale
                .starts_with("no login: the front refuses")
        );
        // The text of the reason decides nothing.
        let broken = gave_up(FailReason::Library("CTP error".into()));
        let verdict = judged(broken, Footprint::default(), false).verdict;
        assert_eq!(verdict, Verdict::Fail);
    }

    #[test]
    fn attempts_in_vain_are_concerns_with_their_reasons() {
        let failed = |reason| AttemptReport {
            attempt: 1,
            session: String::new(),
            reason,
            next_backoff_s: 1.0,
        };
        let report = LiveReport {
            attempts: 3,
            failed: vec![
                failed(FailReason::ConnectTimeout),
                failed(FailReason::ConnectTimeout),
                failed(FailReason::LoginTimeout),
            ],
            ..LiveReport::default()
        };
        let judgement = judged(report.clone(), Footprint::default(), false);
        assert_eq!(judgement.verdict, Verdict::Concerns);
        let reasons = "pause: connect_timeout, login_timeout";
        assert!(judgement.rationale.ends_with(reasons), "{judgement:?}");
        let verdict = judged(report, Footprint::default(), true).verdict;
        assert_eq!(verdict, Verdict::Fail, "it was interrupted");
    }

    #[test]
    fn a_short_test_does_not_only_blame_the_library() {
        let of = |seconds| judge(&Observation::Hangs, false, Duration::from_secs(seconds));
        assert_eq!(
            of(26).rationale,
            "the session did not end in time: the library hangs, or the test is too short to decide"
        );
        assert_eq!(of(26).enough, Some(Duration::from_secs(27)));
        assert!(of(27).rationale.ends_with("the library hangs"));
        assert_eq!(of(27).enough, None);
        assert_eq!(reserve(Duration::from_secs(1)), Duration::from_secs(1) / 3);
    }
}

//! `tickdeck smoke`: can this machine log in to the front? For people at their own machine: never
//! for a CI against a real front.
//!
//! The session runs on a thread of its own and ends at the first login. Should it not come to an end
//! in time, the verdict is FAIL and the process does not wait for it.

use std::cell::Cell;
use std::io::Write as _;
use std::sync::Arc;
use std::time::Duration;

use crossbeam_channel::{RecvTimeoutError, bounded};
use tickdeck::live::ctp::{CtpConnector, CtpLibrary};
use tickdeck::live::{
    Attempt, Connector, FailReason, Inlet, LiveEnd, LiveOptions, LiveReport, MarketDataSession,
    OpenError, StopAsked, start,
};
use tickdeck_core::clock::{Clock, MonoNanos, SystemClock};
use tickdeck_core::source::Source as _;

use super::Context;
use super::account::Account;
use super::args::{FrontArgs, SmokeArgs};
use super::front::{
    check_library, flow_folder, keep_output_apart, login_of, make_flow_folder, session_name,
    supervision,
};
use super::gate::{Gate, Verdict};
use super::outcome::{Outcome, UsageError, stdout};
use super::startup::{require, startup_error};

/// Slots of the queue: nothing is subscribed.
const QUEUE_SLOTS: usize = 4_096;
/// Time kept back for the end of the session and the gate file. Two thirds of it are for the
/// library's Release, which may have to wait for a connection attempt of 5 s. A short test keeps back
/// a third of its time.
const RESERVE: Duration = Duration::from_secs(9);
/// How long threads that are on their way out may take.
const SETTLING: Duration = Duration::from_secs(2);
/// Attempts that fit into a test at least, however short.
const ATTEMPTS_MIN: u32 = 3;

/// Threads and open files of this process.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Footprint {
    threads: Option<usize>,
    files: Option<usize>,
}

impl Footprint {
    fn now() -> Self {
        let count = |folder: &str| std::fs::read_dir(folder).ok().map(Iterator::count);
        Self {
            threads: count("/proc/self/task"),
            files: count("/proc/self/fd"),
        }
    }

    /// Whether there is more than there was.
    fn exceeds(self, before: Self) -> bool {
        let more = |now: Option<usize>, then: Option<usize>| {
            now.zip(then).is_some_and(|(now, then)| now > then)
        };
        more(self.threads, before.threads) || more(self.files, before.files)
    }

    /// What there is once threads on their way out are gone: a thread that was waited for is still
    /// listed for a moment.
    fn settled(before: Self, clock: &dyn Clock, until: MonoNanos) -> Self {
        let until = until.min(clock.now().after(SETTLING));
        loop {
            let now = Self::now();
            if !now.exceeds(before) || clock.now() >= until {
                return now;
            }
            std::thread::sleep(Duration::from_millis(10));
        }
    }
}

/// What the test saw.
struct Seen {
    report: LiveReport,
    before: Footprint,
    after: Footprint,
}

/// Looks for the reason of a silence once only, so that the look is over before the test is.
struct ExplainsOnce {
    connector: CtpConnector,
    explained: Cell<bool>,
}

impl Connector for ExplainsOnce {
    fn explain_silence(&self) {
        if !self.explained.replace(true) {
            self.connector.explain_silence();
        }
    }

    fn reclaimed(&mut self) -> u32 {
        self.connector.reclaimed()
    }

    fn open(
        &mut self,
        attempt: &Attempt,
        inlet: Inlet,
    ) -> Result<Box<dyn MarketDataSession>, OpenError> {
        self.connector.open(attempt, inlet)
    }
}

/// Runs the verb.
pub(super) fn run(context: &Context, args: &SmokeArgs) -> anyhow::Result<Outcome> {
    let started = context.clock.now();
    let mut gate = Gate {
        verdict: Verdict::Fail,
        rationale: "the test did not come to its end".into(),
        updated: context.clock.wall().to_string(),
        api_version: String::new(),
        layout: String::new(),
        attempts: 0,
        failed: Vec::new(),
        last: None,
        login_seen: false,
        clean_shutdown: false,
        threads: None,
        files: None,
        elapsed_s: 0.0,
        limit_s: args.duration.as_secs_f64(),
    };
    // A verdict of an earlier run must not stand for this one, whatever ends it: a second signal, or
    // a library that takes the process down.
    write(args, &gate)?;
    let tested = test(context, args, started, &mut gate);
    gate.updated = context.clock.wall().to_string();
    gate.elapsed_s = context.clock.now().duration_since(started).as_secs_f64();
    if let Err(error) = tested {
        gate.rationale = format!("the test could not begin: {error:#}");
        write(args, &gate)?;
        return Err(error);
    }
    conclude(args, &gate)
}

/// Runs the test and fills in what it saw.
fn test(
    context: &Context,
    args: &SmokeArgs,
    started: MonoNanos,
    gate: &mut Gate,
) -> anyhow::Result<()> {
    require(&context.environment, &[]).map_err(startup_error)?;
    let account = Account::read(&context.environment)?;
    let flow = flow_folder(args.front.flow_dir.as_deref(), &context.environment);
    make_flow_folder(&flow)?;
    context.handle_signals()?;
    keep_output_apart(&account)?;
    match CtpLibrary::open(&account.library) {
        Err(error) => {
            let error = anyhow::Error::from(error);
            gate.rationale = format!("the CTP library cannot be used: {error:#}");
        }
        Ok(library) => {
            gate.api_version = library.version();
            gate.layout = library.layout();
            check_library(&library, &args.front, &account)?;
            let connector = ExplainsOnce {
                connector: CtpConnector::new(
                    library,
                    login_of(&account, &args.front),
                    account.md_fronts.clone(),
                    flow,
                ),
                explained: Cell::new(false),
            };
            match watch(context, args, started, connector)? {
                Some(seen) => judge(gate, seen, context.control.is_stopped(), args.duration),
                None => {
                    gate.rationale = slow(
                        "the session did not come to an end in time: the library hangs",
                        args.duration,
                    );
                }
            }
        }
    }
    Ok(())
}

/// Runs the session; `None` when it does not come to an end.
fn watch(
    context: &Context,
    args: &SmokeArgs,
    started: MonoNanos,
    connector: ExplainsOnce,
) -> anyhow::Result<Option<Seen>> {
    let reserve = reserve(args.duration);
    let deadline = started.after(args.duration - reserve / 6);
    let begun = context.clock.now().duration_since(started);
    let run_for = (args.duration - reserve).saturating_sub(begun);
    let options = LiveOptions {
        supervisor: supervision(
            &patient(&args.front, run_for),
            session_name("smoke", context.clock.wall()),
            context.clock.wall(),
        ),
        queue_slots: QUEUE_SLOTS,
        run_for: Some(run_for),
        end_at_login: true,
        close_timeout: reserve * 2 / 3,
        retry_close_timeout: reserve * 2 / 3,
        ..LiveOptions::default()
    };
    let (clock, control) = (Arc::clone(&context.clock), Arc::clone(&context.control));
    let (done, is_done) = bounded(1);
    std::thread::Builder::new()
        .name("smoke".into())
        .spawn(move || {
            let before = Footprint::now();
            let stop_asked = Box::new(move || control.is_stopped());
            let seen =
                session(Box::new(connector), options, &clock, stop_asked).map(|report| Seen {
                    report,
                    before,
                    after: Footprint::settled(before, &*clock, deadline),
                });
            let _ = done.send(seen);
        })?;
    let left = deadline.duration_since(context.clock.now());
    match is_done.recv_timeout(left) {
        Ok(seen) => Ok(Some(seen?)),
        Err(RecvTimeoutError::Timeout) => Ok(None),
        Err(RecvTimeoutError::Disconnected) => {
            anyhow::bail!("the thread of the session ended early; its panic was reported above")
        }
    }
}

/// Runs a session to its end.
fn session(
    connector: Box<dyn Connector>,
    options: LiveOptions,
    clock: &Arc<SystemClock>,
    stop_asked: StopAsked,
) -> std::io::Result<LiveReport> {
    let (mut source, handle) = start(connector, options, Arc::clone(clock) as _, stop_asked)?;
    let mut batch = Vec::new();
    // A live source does not fail; what it says is of no interest here.
    while source.next_batch(&mut batch, 1_024).is_ok() && !batch.is_empty() {
        batch.clear();
    }
    Ok(handle.join())
}

/// The same patience, but short enough for some attempts within the test.
fn patient(front: &FrontArgs, run_for: Duration) -> FrontArgs {
    let most = run_for / ATTEMPTS_MIN;
    FrontArgs {
        front_timeout: front.front_timeout.min(most),
        login_timeout: front.login_timeout.min(most),
        reconnect_grace: front.reconnect_grace.min(most),
        ..front.clone()
    }
}

/// Time kept back of a test that lasts `duration`.
fn reserve(duration: Duration) -> Duration {
    RESERVE.min(duration / 3)
}

/// What a test finds slow, and what else it may be when the test is short.
fn slow(text: &str, duration: Duration) -> String {
    if reserve(duration) == RESERVE {
        text.to_owned()
    } else {
        let enough = (RESERVE * 3).as_secs();
        format!("{text}, or the test is too short to tell: give it --duration {enough}s or more")
    }
}

fn judge(gate: &mut Gate, seen: Seen, is_interrupted: bool, duration: Duration) {
    let Seen {
        report,
        before,
        after,
    } = seen;
    gate.threads = before.threads.zip(after.threads);
    gate.files = before.files.zip(after.files);
    gate.attempts = report.attempts;
    gate.login_seen = report.logins > 0;
    gate.clean_shutdown = report.abandoned == 0;
    let reasons = |report: &LiveReport| {
        let mut reasons: Vec<String> = report.failed.iter().map(|f| f.reason.to_string()).collect();
        reasons.dedup();
        reasons.join(", ")
    };
    (gate.verdict, gate.rationale) = if !gate.clean_shutdown {
        let text = "the library did not let go of a session in time";
        (Verdict::Fail, slow(text, duration))
    } else if after.exceeds(before) {
        let text = "threads or open files were left behind";
        (Verdict::Fail, text.to_owned())
    } else if gate.login_seen {
        let text = format!(
            "logged in with attempt {} and closed cleanly",
            report.attempts
        );
        (Verdict::Pass, text)
    } else if is_interrupted {
        let text = "interrupted before anything could be told";
        (Verdict::Fail, text.to_owned())
    } else if let LiveEnd::GaveUp { reason } = &report.end {
        // A refusal by the front is a result; a session that cannot be made is none.
        let is_refusal = matches!(reason, FailReason::Refused(_));
        let verdict = if is_refusal {
            Verdict::Concerns
        } else {
            Verdict::Fail
        };
        (verdict, format!("no login: {reason}"))
    } else if report.failed.is_empty() {
        let text = "no login, and no attempt came to an end in the time given";
        (Verdict::Fail, slow(text, duration))
    } else {
        let text = format!(
            "no login in {} attempts, each a new session after a growing pause: {}",
            report.attempts,
            reasons(&report)
        );
        (Verdict::Concerns, text)
    };
    gate.failed = report.failed;
    gate.last = report.last;
}

fn write(args: &SmokeArgs, gate: &Gate) -> anyhow::Result<()> {
    gate.write(&args.gate)
        .map_err(|error| unwritable(args, error))
}

fn unwritable(args: &SmokeArgs, error: std::io::Error) -> anyhow::Error {
    let message = format!("gate file {} cannot be written", args.gate.display());
    UsageError::caused_by(message, error).into()
}

fn conclude(args: &SmokeArgs, gate: &Gate) -> anyhow::Result<Outcome> {
    let path = args.gate.display();
    write(args, gate)?;
    let verdict = gate.verdict.as_str();
    tracing::info!(
        event = "smoke_gate",
        gate = verdict,
        rationale = gate.rationale,
        attempts = gate.attempts,
        path = %path
    );
    let mut out = stdout();
    if args.json.json {
        writeln!(out, "{}", gate.to_json())?;
    } else {
        writeln!(out, "{verdict}: {}\ngate file  {path}", gate.rationale)?;
    }
    out.flush()?;
    Ok(match gate.verdict {
        Verdict::Pass | Verdict::Concerns => Outcome::Done,
        Verdict::Fail => Outcome::Difference,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_short_test_does_not_put_everything_down_to_the_library() {
        let short = slow("the library hangs", Duration::from_secs(26));
        assert_eq!(
            short,
            "the library hangs, or the test is too short to tell: give it --duration 27s or more"
        );
        assert_eq!(
            slow("the library hangs", Duration::from_secs(27)),
            "the library hangs"
        );
        assert_eq!(reserve(Duration::from_secs(1)), Duration::from_secs(1) / 3);
    }
}

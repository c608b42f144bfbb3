//! The thin loop around the [`Supervisor`]: asks the clock, performs what it decides, tells it what
//! came back, and logs. It is the only thread that opens, asks and closes sessions.

use std::collections::VecDeque;
use std::sync::Arc;
use std::time::Duration;

use crossbeam_channel::{Receiver, Sender, bounded};
use tickdeck_core::clock::{Clock, MonoNanos};
use tickdeck_core::event::SessionEvent;

use super::connector::{Attempt, Connector, MarketDataSession};
use super::front_log::Whose;
use super::queue::{Arrival, Inlet, Notice, Queue};
use super::session::{LiveOptions, StopAsked};
use super::stats::{LiveState, LiveStats};
use super::supervisor::{Action, End, Input, NEVER_CONNECTED, Supervisor, SupervisorOptions};

/// Notices that may wait while a session is opened or closed.
const NOTICES: usize = 8_192;
/// How long a wish to stop may go unseen.
const LOOK_UP: Duration = Duration::from_millis(50);
/// Attempts that the report keeps: the last ones.
const REPORTED_ATTEMPTS: usize = 100;

/// Why a session ended.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub enum LiveEnd {
    /// It was asked for, or its time was up.
    #[default]
    Stopped,
    /// It was to end at the login, and there was one.
    LoggedIn,
    /// Trying again cannot help.
    GaveUp {
        /// Why, for the operator.
        reason: String,
    },
}

/// One attempt that failed.
#[derive(Debug, Clone, PartialEq)]
pub struct AttemptReport {
    /// Its number, from 1.
    pub attempt: u32,
    /// Its session.
    pub session: String,
    /// Why it failed.
    pub reason: String,
    /// Pause before the next one, s.
    pub next_backoff_s: f64,
}

/// The attempt that was under way at the end.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LastAttempt {
    /// Its number, from 1.
    pub attempt: u32,
    /// Its session.
    pub session: String,
    /// How far it had got: `connecting`, `logging_in`, `logged_in`, `front_lost`, or
    /// `gave_up`.
    pub reached: &'static str,
}

/// What a session came to.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct LiveReport {
    /// Why it ended.
    pub end: LiveEnd,
    /// Sessions that were begun.
    pub attempts: u32,
    /// The last attempts that failed, oldest first.
    pub failed: Vec<AttemptReport>,
    /// The attempt after those, if one had begun.
    pub last: Option<LastAttempt>,
    /// Logins that the front accepted.
    pub logins: u64,
    /// Sessions that the library did not let go of.
    pub abandoned: u32,
    /// Ticks that the queue could not take.
    pub dropped: u64,
    /// Most events that waited in the queue.
    pub queue_high_water: usize,
}

/// An open session.
struct Opened {
    session: Box<dyn MarketDataSession>,
    inlet: Inlet,
}

pub(super) struct Driver {
    connector: Box<dyn Connector>,
    options: LiveOptions,
    clock: Arc<dyn Clock>,
    stop_asked: StopAsked,
    queue: Arc<Queue>,
    stats: Arc<LiveStats>,
    supervisor: Supervisor,
    opened: Option<Opened>,
    notices: (Sender<Notice>, Receiver<Notice>),
    report: LiveReport,
}

impl Driver {
    pub(super) fn new(
        connector: Box<dyn Connector>,
        options: LiveOptions,
        clock: Arc<dyn Clock>,
        stop_asked: StopAsked,
        queue: Arc<Queue>,
        stats: Arc<LiveStats>,
    ) -> Self {
        let supervision = SupervisorOptions {
            instruments: options.instruments.len(),
            ..options.supervisor.clone()
        };
        Self {
            connector,
            supervisor: Supervisor::new(supervision, clock.now()),
            options,
            clock,
            stop_asked,
            queue,
            stats,
            opened: None,
            notices: bounded(NOTICES),
            report: LiveReport::default(),
        }
    }

    /// Runs until the end.
    pub(super) fn run(mut self) -> LiveReport {
        // However this thread ends, the source must not wait for more.
        let _closes = CloseOnDrop(Arc::clone(&self.queue));
        let run_for = self.options.run_for;
        let run_until = run_for.map_or(MonoNanos::NEVER, |span| self.clock.now().after(span));
        let mut actions = VecDeque::new();
        loop {
            // What has come counts before a deadline that passed while this thread stood still.
            if self.hear_what_waits(&mut actions) {
                break;
            }
            let now = self.clock.now();
            if (self.stop_asked)() || self.queue.is_abandoned() || now >= run_until {
                self.stop(&mut actions);
            } else {
                self.look_for_a_fault(now, &mut actions);
                self.supervisor.poll(now, &mut actions);
            }
            if self.perform(&mut actions) {
                break;
            }
            let due = self.supervisor.due().min(run_until);
            let wait = due.duration_since(self.clock.now()).min(LOOK_UP);
            // A time-out is the other way to look again.
            if let Ok(notice) = self.notices.1.recv_timeout(wait) {
                self.hear(&notice, &mut actions);
                if self.perform(&mut actions) {
                    break;
                }
            }
        }
        self.stats.set_state(LiveState::Ended);
        self.report.attempts = self.supervisor.attempt().number;
        self.report.logins = self.supervisor.logins();
        self.report.dropped = self.queue.dropped();
        self.report.queue_high_water = self.queue.high_water();
        self.report
    }

    /// Hears the notices that wait; true when the end has come.
    fn hear_what_waits(&mut self, actions: &mut VecDeque<Action>) -> bool {
        for _ in 0..self.notices.1.len() {
            let Ok(notice) = self.notices.1.try_recv() else {
                break;
            };
            self.hear(&notice, actions);
            if self.perform(actions) {
                return true;
            }
        }
        false
    }

    /// Ends it in good order, and remembers how far it had got.
    fn stop(&mut self, actions: &mut VecDeque<Action>) {
        if self.supervisor.has_session() {
            self.note_last(self.supervisor.progress());
        }
        self.supervisor.stop(actions);
    }

    fn note_last(&mut self, reached: &'static str) {
        let Attempt { number, session } = self.supervisor.attempt();
        self.report.last = Some(LastAttempt {
            attempt: number,
            session,
            reached,
        });
    }

    /// A session in which a callback panicked would stay up and silent for ever.
    fn look_for_a_fault(&mut self, now: MonoNanos, actions: &mut VecDeque<Action>) {
        let fault = self.opened.as_ref().and_then(|open| open.session.fault());
        if let Some(reason) = fault {
            let session = self.supervisor.attempt().session;
            tracing::error!(event = "ctp_session_broken", reason, session);
            self.supervisor.broken(now, reason, actions);
        }
    }

    fn hear(&mut self, notice: &Notice, actions: &mut VecDeque<Action>) {
        if notice.attempt != self.supervisor.attempt().number || self.opened.is_none() {
            return;
        }
        self.log(&notice.input);
        let now = self.clock.now();
        self.supervisor
            .on(now, notice.attempt, &notice.input, actions);
        match notice.input {
            Input::FrontDisconnected { .. } => self.stats.count_disconnect(),
            Input::LoginOk => {
                self.stats.count_login();
                if self.options.end_at_login && self.supervisor.is_online() {
                    self.report.end = LiveEnd::LoggedIn;
                    self.stop(actions);
                }
            }
            _ => {}
        }
        self.stats.set_state(if self.supervisor.is_online() {
            LiveState::Online
        } else {
            LiveState::Connecting
        });
    }

    /// True when the end has come.
    fn perform(&mut self, actions: &mut VecDeque<Action>) -> bool {
        while let Some(action) = actions.pop_front() {
            match action {
                Action::Open(attempt) => self.open(&attempt, actions),
                Action::Login => self.log_in(),
                Action::Subscribe { from, to } => self.subscribe(from, to, actions),
                Action::Close => self.close(actions),
                Action::Retry(report) => {
                    self.supervisor.pause_begins(self.clock.now(), &report);
                    #[expect(clippy::cast_precision_loss, reason = "shown to the millisecond")]
                    let next_backoff_s = (report.next_backoff_ns / 1_000_000) as f64 / 1_000.0;
                    self.stats.set_state(LiveState::Connecting);
                    tracing::warn!(
                        event = "ctp_retry",
                        attempt = report.attempt.number,
                        reason = report.reason,
                        next_backoff = next_backoff_s,
                        session = report.attempt.session
                    );
                    if report.reason == NEVER_CONNECTED {
                        self.connector.explain_silence();
                    }
                    self.note(format!(
                        "attempt {} failed: {}; the next one comes in {next_backoff_s} s",
                        report.attempt.number, report.reason
                    ));
                    if self.report.failed.len() == REPORTED_ATTEMPTS {
                        self.report.failed.remove(0);
                    }
                    self.report.failed.push(AttemptReport {
                        attempt: report.attempt.number,
                        session: report.attempt.session,
                        reason: report.reason,
                        next_backoff_s,
                    });
                }
                Action::Subscribed(progress) => tracing::info!(
                    event = "ctp_subscribed",
                    instruments = progress.instruments,
                    again = progress.is_again,
                    session = self.supervisor.attempt().session
                ),
                Action::End(end) => {
                    if let End::GaveUp { reason } = end {
                        self.note_last("gave_up");
                        tracing::error!(event = "ctp_gave_up", reason);
                        self.note(format!("gave up: {reason}"));
                        self.report.end = LiveEnd::GaveUp { reason };
                    }
                    return true;
                }
            }
        }
        false
    }

    /// Keeps a remark in the recording.
    fn note(&self, text: String) {
        self.queue
            .push(Arrival::Session(SessionEvent::Note { text }));
    }

    fn open(&mut self, attempt: &Attempt, actions: &mut VecDeque<Action>) {
        self.reclaim();
        self.stats.count_attempt();
        tracing::info!(
            event = "ctp_session_open",
            attempt = attempt.number,
            session = attempt.session
        );
        self.note(format!(
            "attempt {}: session {}",
            attempt.number, attempt.session
        ));
        let inlet = Inlet::new(
            Arc::clone(&self.queue),
            attempt.number,
            self.notices.0.clone(),
        );
        match self.connector.open(attempt, inlet.clone()) {
            Ok(session) => self.opened = Some(Opened { session, inlet }),
            Err(error) => self.supervisor.open_failed(
                self.clock.now(),
                &error.reason,
                error.is_permanent,
                actions,
            ),
        }
    }

    fn log_in(&mut self) {
        let Some(opened) = &mut self.opened else {
            return;
        };
        let result = opened.session.login();
        if let Err(error) = result {
            tracing::warn!(event = "ctp_request_refused", request = "login", %error);
        }
        self.supervisor.login_sent(self.clock.now(), result);
    }

    fn subscribe(&mut self, from: usize, to: usize, actions: &mut VecDeque<Action>) {
        let (Some(opened), Some(batch)) =
            (&mut self.opened, self.options.instruments.get(from..to))
        else {
            return;
        };
        let result = opened.session.subscribe(batch);
        if let Err(error) = result {
            tracing::warn!(event = "ctp_request_refused", request = "subscribe", %error);
        }
        self.supervisor
            .subscribe_sent(self.clock.now(), to, result, actions);
    }

    fn close(&mut self, actions: &mut VecDeque<Action>) {
        let Some(opened) = self.opened.take() else {
            return;
        };
        opened.inlet.shut();
        let session = self.supervisor.attempt().session;
        let at_most = if self.supervisor.has_ended() {
            self.options.close_timeout
        } else {
            self.options.retry_close_timeout
        };
        match opened.session.close(at_most) {
            Ok(()) => {
                tracing::info!(event = "ctp_session_closed", session);
                self.supervisor.closed();
            }
            Err(error) => {
                tracing::error!(event = "ctp_session_abandoned", session, %error);
                self.note(format!("session {session} abandoned: {error}"));
                self.report.abandoned += 1;
                self.reclaim();
                self.supervisor.close_abandoned(actions);
            }
        }
    }

    /// Takes back what was counted against the library too early.
    fn reclaim(&mut self) {
        let sessions = self.connector.reclaimed();
        if sessions > 0 {
            tracing::info!(event = "ctp_sessions_reclaimed", sessions);
            self.supervisor.reclaimed(sessions);
        }
    }

    fn log(&self, input: &Input) {
        let session = self.supervisor.attempt().session;
        let whose = Whose {
            session: &session,
            kind: None,
        };
        match input {
            Input::FrontConnected => whose.front_connected(),
            Input::FrontDisconnected { reason } => whose.disconnected(*reason),
            Input::HeartbeatWarning { elapsed_s } => {
                tracing::warn!(event = "ctp_heartbeat_warning", elapsed_s, session);
            }
            Input::LoginOk => whose.login_ok(),
            Input::LoginFailed { error_id, message } => whose.login_failed(*error_id, message),
            Input::SubscriptionRefused { id, error_id } => tracing::warn!(
                event = "ctp_subscription_refused",
                instrument = id,
                error_id,
                session
            ),
            Input::LibraryError { error_id, message } => {
                tracing::warn!(event = "ctp_library_error", error_id, message, session);
            }
        }
    }
}

/// Closes the queue, even when the thread panics.
struct CloseOnDrop(Arc<Queue>);

impl Drop for CloseOnDrop {
    fn drop(&mut self) {
        self.0.close();
    }
}

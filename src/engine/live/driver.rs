//! The loop around the [`Supervisor`]: reads the clock, performs its actions, reports the results to
//! it, and logs. Its thread is the only one that opens, uses and closes sessions.

use std::collections::VecDeque;
use std::sync::Arc;
use std::time::Duration;

use crossbeam_channel::{Receiver, Sender, bounded};
use tickdeck_core::clock::{Clock, MonoNanos};
use tickdeck_core::event::SessionEvent;
use tickdeck_core::wait::{Received, receive};

use super::attempt::Attempt;
use super::connector::{Connector, MarketDataSession};
use super::fail_reason::FailReason;
use super::front_kind::FrontKind;
use super::front_log::SessionLog;
use super::input::Input;
use super::options::{LiveOptions, StopAsked};
use super::queue::{Arrival, Inlet, Notice, Queue};
use super::report::{AttemptReport, LastAttempt, LiveEnd, LiveReport};
use super::stats::{LiveState, LiveStats};
use super::supervisor::{Action, End, RetryReport, Supervisor, SupervisorOptions};

/// Notices that may wait while a session is opened or closed.
const NOTICES: usize = 8_192;
/// How often the stop request is checked.
const POLL_INTERVAL: Duration = Duration::from_millis(50);
/// Most recent attempts that the report keeps.
const REPORTED_ATTEMPTS: usize = 100;

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
        // However this thread ends, the source must not wait any longer.
        let _closes = CloseOnDrop(Arc::clone(&self.queue));
        let run_for = self.options.run_for;
        let run_until = run_for.map_or(MonoNanos::NEVER, |span| self.clock.now().after(span));
        let mut actions = VecDeque::new();
        loop {
            // Pending notices take precedence over a deadline that passed while this thread was blocked.
            if self.handle_pending(&mut actions) {
                break;
            }
            let now = self.clock.now();
            if (self.stop_asked)() || self.queue.is_abandoned() || now >= run_until {
                self.stop(&mut actions);
            } else {
                self.check_fault(now, &mut actions);
                self.supervisor.poll(now, &mut actions);
            }
            if self.perform(&mut actions) {
                break;
            }
            let due = self.supervisor.due().min(run_until);
            let wait = due.duration_since(self.clock.now()).min(POLL_INTERVAL);
            if let Received::Message(notice) = receive(&self.notices.1, wait) {
                self.handle(&notice, &mut actions);
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

    /// Handles the pending notices. True when the supervisor has ended.
    fn handle_pending(&mut self, actions: &mut VecDeque<Action>) -> bool {
        for _ in 0..self.notices.1.len() {
            let Ok(notice) = self.notices.1.try_recv() else {
                break;
            };
            self.handle(&notice, actions);
            if self.perform(actions) {
                return true;
            }
        }
        false
    }

    /// Stops the supervisor, and keeps the progress of the current attempt for the report.
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

    /// A session whose callback panicked would stay connected and silent.
    fn check_fault(&mut self, now: MonoNanos, actions: &mut VecDeque<Action>) {
        let fault = self.opened.as_ref().and_then(|open| open.session.fault());
        if let Some(reason) = fault {
            let session = self.supervisor.attempt().session;
            tracing::error!(event = "ctp_session_broken", reason, session);
            self.supervisor.broken(now, reason, actions);
        }
    }

    fn handle(&mut self, notice: &Notice, actions: &mut VecDeque<Action>) {
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

    /// Performs the actions. True when the supervisor has ended.
    fn perform(&mut self, actions: &mut VecDeque<Action>) -> bool {
        while let Some(action) = actions.pop_front() {
            match action {
                Action::Open(attempt) => self.open(&attempt, actions),
                Action::Login => self.log_in(),
                Action::Subscribe { from, to } => self.subscribe(from, to, actions),
                Action::Close => self.close(actions),
                Action::Retry(report) => self.report_retry(report),
                Action::Subscribed(progress) => tracing::info!(
                    event = "ctp_subscribed",
                    instruments = progress.instruments,
                    again = progress.is_again,
                    session = self.supervisor.attempt().session
                ),
                Action::End(end) => {
                    if let End::GaveUp { reason } = end {
                        self.give_up(reason);
                    }
                    return true;
                }
            }
        }
        false
    }

    fn report_retry(&mut self, report: RetryReport) {
        self.supervisor.pause_begins(self.clock.now(), &report);
        let RetryReport {
            attempt: Attempt { number, session },
            reason,
            next_backoff_ns,
        } = report;
        #[expect(clippy::cast_precision_loss, reason = "shown to the millisecond")]
        let next_backoff_s = (next_backoff_ns / 1_000_000) as f64 / 1_000.0;
        self.stats.set_state(LiveState::Connecting);
        tracing::warn!(
            event = "ctp_retry",
            attempt = number,
            reason = reason.to_string(),
            next_backoff = next_backoff_s,
            session
        );
        if reason == FailReason::ConnectTimeout {
            self.connector.explain_silence();
        }
        self.note(format!(
            "attempt {number} failed: {reason}; next attempt in {next_backoff_s} s"
        ));
        if self.report.failed.len() == REPORTED_ATTEMPTS {
            self.report.failed.remove(0);
        }
        self.report.failed.push(AttemptReport {
            attempt: number,
            session,
            reason,
            next_backoff_s,
        });
    }

    fn give_up(&mut self, reason: FailReason) {
        self.note_last("gave_up");
        tracing::error!(event = "ctp_gave_up", reason = reason.to_string());
        self.note(format!("gave up: {reason}"));
        self.report.end = LiveEnd::GaveUp { reason };
    }

    /// Adds a note to the recording.
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

    /// Stops counting the sessions that the library released late.
    fn reclaim(&mut self) {
        let sessions = self.connector.reclaimed();
        if sessions > 0 {
            tracing::info!(event = "ctp_sessions_reclaimed", sessions);
            self.supervisor.reclaimed(sessions);
        }
    }

    fn log(&self, input: &Input) {
        let session = self.supervisor.attempt().session;
        let log = SessionLog {
            session: &session,
            front: FrontKind::MarketData,
        };
        match input {
            Input::FrontConnected => log.front_connected(),
            Input::FrontDisconnected { reason } => log.disconnected(*reason),
            Input::HeartbeatWarning { elapsed_s } => {
                tracing::warn!(event = "ctp_heartbeat_warning", elapsed_s, session);
            }
            Input::LoginOk => log.login_ok(),
            Input::LoginFailed { error_id, message } => log.login_failed(*error_id, message),
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

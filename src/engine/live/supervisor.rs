//! Decides what to do next to have a session that is up: a state machine without I/O.
//!
//! ```text
//!            Open                Login                   Subscribe, batch by batch
//!  Waiting ───────> Connecting ─────────> LoggingIn ───────────────────────────────> Online
//!     ^                 │ connect_timeout     │ login_timeout, login_failed            │
//!     ├──── Close ──────┴─────────────────────┘                                        │ lost
//!     ├──── Close ── reconnect_loop (any state)                                        v
//!     └──── Close ── front_lost: the library did not come back in time ────────────── Lost
//! ```
//!
//! - An ordinary loss is the library's to mend: it reconnects by itself, and the vendor advises
//!   against a new instance. Only when it does not come back within the grace, or comes and goes too
//!   fast (libraries up to 6.7.8 reconnect hundreds of times a second), is the session closed.
//! - A new attempt is a new session: new number, new name. There are never two.
//! - After every login everything is subscribed again, from the first instrument on.
//! - A login error that an operator must mend ends it all: trying again may lock the account.
//!
//! Times are arguments; logging, clocks and the library are the driver's affair.

use std::collections::VecDeque;

use tickdeck_core::clock::MonoNanos;
use tickdeck_core::time::NANOS_PER_SECOND;

use super::abandoned::AbandonedSessions;
use super::backoff::Backoff;
use super::connector::{Attempt, RequestError};
use super::losses::{FAST, FAST_NS, Losses};
use super::meaning::login_error;

/// Pause before a request that the library did not take is made again, ns.
const ASK_AGAIN_NS: i64 = NANOS_PER_SECOND;
/// A session that was logged in for this long has not failed: the pauses begin again, ns.
const STABLE_NS: i64 = 60 * NANOS_PER_SECOND;

/// Reason of an attempt that reached no front in time.
pub(super) const NEVER_CONNECTED: &str = "connect_timeout";

/// How patient to be.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SupervisorOptions {
    /// First part of the session names.
    pub session: String,
    /// Pauses between attempts.
    pub backoff: Backoff,
    /// Time for the front to answer, ns.
    pub connect_timeout_ns: i64,
    /// Time for the answer to a login, ns.
    pub login_timeout_ns: i64,
    /// Time that the library has to reconnect by itself, ns.
    pub reconnect_grace_ns: i64,
    /// This many disconnects …
    pub loop_disconnects: usize,
    /// … within this time are a loop, ns.
    pub loop_window_ns: i64,
    /// How many instruments to subscribe.
    pub instruments: usize,
    /// Instruments of one request.
    pub batch: usize,
    /// Time between two requests, ns.
    pub batch_interval_ns: i64,
}

impl Default for SupervisorOptions {
    fn default() -> Self {
        Self {
            session: "session".into(),
            backoff: Backoff::default(),
            connect_timeout_ns: 20 * NANOS_PER_SECOND,
            login_timeout_ns: 10 * NANOS_PER_SECOND,
            reconnect_grace_ns: 30 * NANOS_PER_SECOND,
            loop_disconnects: FAST,
            loop_window_ns: FAST_NS,
            instruments: 0,
            batch: 500,
            batch_interval_ns: NANOS_PER_SECOND,
        }
    }
}

/// What the library told.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Input {
    /// The front answers.
    FrontConnected,
    /// The front is gone.
    FrontDisconnected {
        /// CTP's `nReason`.
        reason: i32,
    },
    /// The front has been silent.
    HeartbeatWarning {
        /// For so long, s.
        elapsed_s: i32,
    },
    /// Logged in.
    LoginOk,
    /// Not logged in.
    LoginFailed {
        /// CTP's `ErrorID`.
        error_id: i32,
        /// CTP's `ErrorMsg`, decoded.
        message: String,
    },
    /// One instrument was refused.
    SubscriptionRefused {
        /// Which one.
        id: String,
        /// CTP's `ErrorID`.
        error_id: i32,
    },
    /// Something else went wrong.
    LibraryError {
        /// CTP's `ErrorID`, or 0.
        error_id: i32,
        /// What was reported.
        message: String,
    },
}

/// What the driver is to do, in this order.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Action {
    /// Make a session. A failure is told with [`Supervisor::open_failed`].
    Open(Attempt),
    /// Ask to log in; the result is told with [`Supervisor::login_sent`].
    Login,
    /// Subscribe the instruments `from..to`; the result is told with
    /// [`Supervisor::subscribe_sent`].
    Subscribe {
        /// First one.
        from: usize,
        /// One after the last.
        to: usize,
    },
    /// Close the session.
    Close,
    /// Tell that the attempt has failed and when the next one comes.
    Retry(RetryReport),
    /// Tell that all instruments were asked for.
    Subscribed(SubscriptionProgress),
    /// Nothing more will be done.
    End(End),
}

/// An attempt has failed, another one follows.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RetryReport {
    /// The attempt that failed.
    pub attempt: Attempt,
    /// Why, as one word or with details after a colon.
    pub reason: String,
    /// Pause before the next attempt, ns.
    pub next_backoff_ns: i64,
}

/// All instruments were asked for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct SubscriptionProgress {
    /// How many.
    pub instruments: usize,
    /// Whether it was not the first time.
    pub is_again: bool,
}

/// Why nothing more is done.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum End {
    /// It was asked for.
    Stopped,
    /// Trying again cannot help.
    GaveUp {
        /// Why, for the operator.
        reason: String,
    },
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum State {
    /// No session.
    Waiting { until: MonoNanos },
    /// A session that has not reached the front.
    Connecting { deadline: MonoNanos },
    /// Waiting for the answer to a login.
    LoggingIn {
        deadline: MonoNanos,
        ask_at: MonoNanos,
    },
    /// Logged in; `next` is the first instrument not subscribed yet.
    Online {
        since: MonoNanos,
        next: usize,
        ask_at: MonoNanos,
    },
    /// The front is gone, the library reconnects by itself.
    Lost { deadline: MonoNanos },
    /// Nothing more will be done.
    Ended,
}

/// The state machine.
#[derive(Debug, Clone)]
pub struct Supervisor {
    options: SupervisorOptions,
    state: State,
    attempt: u32,
    failures: u32,
    logins: u64,
    abandoned: AbandonedSessions,
    /// Of the attempt in progress.
    losses: Losses,
}

impl Supervisor {
    /// Wants its first session at once.
    #[must_use]
    pub fn new(options: SupervisorOptions, now: MonoNanos) -> Self {
        Self {
            losses: Losses::new(options.loop_disconnects, options.loop_window_ns),
            options,
            state: State::Waiting { until: now },
            attempt: 0,
            failures: 0,
            logins: 0,
            abandoned: AbandonedSessions::default(),
        }
    }

    /// The attempt in progress, or the last one.
    #[must_use]
    pub fn attempt(&self) -> Attempt {
        Attempt {
            number: self.attempt,
            session: format!("{}-a{}", self.options.session, self.attempt),
        }
    }

    /// Logins so far.
    #[must_use]
    pub const fn logins(&self) -> u64 {
        self.logins
    }

    /// Whether it is logged in.
    #[must_use]
    pub const fn is_online(&self) -> bool {
        matches!(self.state, State::Online { .. })
    }

    /// Whether there is a session, connected or not.
    #[must_use]
    pub const fn has_session(&self) -> bool {
        !matches!(self.state, State::Waiting { .. } | State::Ended)
    }

    /// When [`poll`](Self::poll) has something to do, if nothing else happens.
    #[must_use]
    pub fn due(&self) -> MonoNanos {
        match self.state {
            State::Waiting { until } => until,
            State::Connecting { deadline } | State::Lost { deadline } => deadline,
            State::LoggingIn { deadline, ask_at } => deadline.min(ask_at),
            State::Online { next, ask_at, .. } if next < self.options.instruments => ask_at,
            State::Online { .. } | State::Ended => MonoNanos::NEVER,
        }
    }

    /// Lets time pass.
    pub fn poll(&mut self, now: MonoNanos, actions: &mut VecDeque<Action>) {
        if now < self.due() {
            return;
        }
        match self.state {
            State::Waiting { .. } => {
                self.attempt += 1;
                self.losses.clear();
                self.state = State::Connecting {
                    deadline: now.plus(self.options.connect_timeout_ns),
                };
                actions.push_back(Action::Open(self.attempt()));
            }
            State::Connecting { .. } => self.fail(now, NEVER_CONNECTED, actions),
            State::LoggingIn { deadline, .. } if now >= deadline => {
                self.fail(now, "login_timeout", actions);
            }
            State::LoggingIn { deadline, .. } => {
                self.state = State::LoggingIn {
                    deadline,
                    ask_at: MonoNanos::NEVER,
                };
                actions.push_back(Action::Login);
            }
            State::Online { since, next, .. } => {
                let to = (next + self.options.batch.max(1)).min(self.options.instruments);
                self.state = State::Online {
                    since,
                    next,
                    ask_at: MonoNanos::NEVER,
                };
                actions.push_back(Action::Subscribe { from: next, to });
            }
            State::Lost { .. } => self.fail(now, "front_lost", actions),
            State::Ended => {}
        }
    }

    /// Takes what the library told of attempt number `attempt`. What an earlier one still says is
    /// not heard.
    pub fn on(
        &mut self,
        now: MonoNanos,
        attempt: u32,
        input: &Input,
        actions: &mut VecDeque<Action>,
    ) {
        if attempt != self.attempt || !self.has_session() {
            return;
        }
        match input {
            Input::FrontConnected => self.log_in(now, actions),
            Input::FrontDisconnected { .. } => self.lose(now, actions),
            Input::LoginOk if matches!(self.state, State::LoggingIn { .. }) => {
                self.logins += 1;
                self.state = State::Online {
                    since: now,
                    next: 0,
                    ask_at: now,
                };
            }
            Input::LoginFailed { error_id, message } => {
                self.refused(now, *error_id, message, actions);
            }
            Input::LoginOk
            | Input::HeartbeatWarning { .. }
            | Input::SubscriptionRefused { .. }
            | Input::LibraryError { .. } => {}
        }
    }

    /// The session of the last [`Action::Open`] could not be made.
    pub fn open_failed(
        &mut self,
        now: MonoNanos,
        reason: &str,
        is_permanent: bool,
        actions: &mut VecDeque<Action>,
    ) {
        if !matches!(self.state, State::Connecting { .. }) {
            return;
        }
        if is_permanent {
            self.state = State::Ended;
            let reason = reason.to_owned();
            actions.push_back(Action::End(End::GaveUp { reason }));
        } else {
            self.back_off(now, &format!("open_failed: {reason}"), actions);
        }
    }

    /// The result of the last [`Action::Login`].
    pub fn login_sent(&mut self, now: MonoNanos, result: Result<(), RequestError>) {
        if let (State::LoggingIn { deadline, .. }, Err(_)) = (self.state, result) {
            self.state = State::LoggingIn {
                deadline,
                ask_at: now.plus(ASK_AGAIN_NS),
            };
        }
    }

    /// The result of the last [`Action::Subscribe`], which ended at `to`.
    pub fn subscribe_sent(
        &mut self,
        now: MonoNanos,
        to: usize,
        result: Result<(), RequestError>,
        actions: &mut VecDeque<Action>,
    ) {
        let State::Online { since, next, .. } = self.state else {
            return;
        };
        let (next, pause) = match result {
            Ok(()) => (to, self.options.batch_interval_ns),
            Err(_) => (next, ASK_AGAIN_NS),
        };
        self.state = State::Online {
            since,
            next,
            ask_at: now.plus(pause),
        };
        if result.is_ok() && next == self.options.instruments {
            actions.push_back(Action::Subscribed(SubscriptionProgress {
                instruments: next,
                is_again: self.logins > 1,
            }));
        }
    }

    /// The pause of a [`Retry`](Action::Retry) begins now: the library took its time to let go of
    /// the session before it.
    pub fn pause_begins(&mut self, now: MonoNanos, report: &RetryReport) {
        if let State::Waiting { until } = &mut self.state {
            *until = now.plus(report.next_backoff_ns);
        }
    }

    /// The session itself is broken and hears nothing any more.
    pub fn broken(&mut self, now: MonoNanos, reason: &str, actions: &mut VecDeque<Action>) {
        if self.has_session() {
            self.fail(now, reason, actions);
        }
    }

    /// How far the attempt has got, in one word.
    #[must_use]
    pub const fn progress(&self) -> &'static str {
        match self.state {
            State::Waiting { .. } => "failed",
            State::Connecting { .. } => "connecting",
            State::LoggingIn { .. } => "logging_in",
            State::Online { .. } => "logged_in",
            State::Lost { .. } => "front_lost",
            State::Ended => "ended",
        }
    }

    /// Whether nothing more will be done.
    #[must_use]
    pub const fn has_ended(&self) -> bool {
        matches!(self.state, State::Ended)
    }

    /// The library let go of the last session in time.
    pub const fn closed(&mut self) {
        self.abandoned.let_go();
    }

    /// The library did not let go of the last session. Its threads may still be at work, so this
    /// cannot go on for ever.
    pub fn close_abandoned(&mut self, actions: &mut VecDeque<Action>) {
        if let Err(hangs) = self.abandoned.add()
            && !self.has_ended()
        {
            self.state = State::Ended;
            let reason = hangs.to_string();
            actions.push_back(Action::End(End::GaveUp { reason }));
        }
    }

    /// The library has let go of so many sessions after all.
    pub const fn reclaimed(&mut self, sessions: u32) {
        self.abandoned.reclaimed(sessions);
    }

    /// Ends it in good order.
    pub fn stop(&mut self, actions: &mut VecDeque<Action>) {
        if self.has_ended() {
            return;
        }
        if self.has_session() {
            actions.push_back(Action::Close);
        }
        self.state = State::Ended;
        actions.push_back(Action::End(End::Stopped));
    }

    fn log_in(&mut self, now: MonoNanos, actions: &mut VecDeque<Action>) {
        self.state = State::LoggingIn {
            deadline: now.plus(self.options.login_timeout_ns),
            ask_at: MonoNanos::NEVER,
        };
        actions.push_back(Action::Login);
    }

    fn lose(&mut self, now: MonoNanos, actions: &mut VecDeque<Action>) {
        self.note_stable(now);
        if self.losses.add(now) {
            self.fail(now, "reconnect_loop", actions);
            return;
        }
        match self.state {
            // Not connected before: the time to connect runs on.
            State::Connecting { .. } | State::Lost { .. } => {}
            _ => {
                self.state = State::Lost {
                    deadline: now.plus(self.options.reconnect_grace_ns),
                };
            }
        }
    }

    fn refused(
        &mut self,
        now: MonoNanos,
        error_id: i32,
        message: &str,
        actions: &mut VecDeque<Action>,
    ) {
        if !matches!(self.state, State::LoggingIn { .. }) {
            return;
        }
        match login_error(error_id) {
            Some(error) if error.is_permanent => {
                self.state = State::Ended;
                actions.push_back(Action::Close);
                let reason = format!("the front refuses the login for good: {error}");
                actions.push_back(Action::End(End::GaveUp { reason }));
            }
            Some(error) => {
                let reason = format!("login_failed: {error_id} {}", error.name);
                self.fail(now, &reason, actions);
            }
            None => self.fail(now, &format!("login_failed: {error_id} {message}"), actions),
        }
    }

    /// A session that held for a while counts as a success.
    fn note_stable(&mut self, now: MonoNanos) {
        if let State::Online { since, .. } = self.state
            && now.since(since) >= STABLE_NS
        {
            self.failures = 0;
        }
    }

    fn fail(&mut self, now: MonoNanos, reason: &str, actions: &mut VecDeque<Action>) {
        actions.push_back(Action::Close);
        self.back_off(now, reason, actions);
    }

    fn back_off(&mut self, now: MonoNanos, reason: &str, actions: &mut VecDeque<Action>) {
        self.failures = self.failures.saturating_add(1);
        let next_backoff_ns = self.options.backoff.pause_ns(self.failures, self.attempt);
        self.state = State::Waiting {
            until: now.plus(next_backoff_ns),
        };
        actions.push_back(Action::Retry(RetryReport {
            attempt: self.attempt(),
            reason: reason.to_owned(),
            next_backoff_ns,
        }));
    }
}

#[cfg(test)]
mod tests;

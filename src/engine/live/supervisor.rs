//! Decides what to do next to keep a session up: a state machine without I/O.
//!
//! ```text
//!            Open                Login                   Subscribe, batch by batch
//!  Waiting ───────> Connecting ─────────> LoggingIn ───────────────────────────────> Online
//!     ^                 │ connect_timeout     │ login_timeout, login_failed            │
//!     ├──── Close ──────┴─────────────────────┘                                        │ lost
//!     ├──── Close ── reconnect_loop (any state)                                        v
//!     └──── Close ── front_lost: the library did not return in time ────────────── Lost
//! ```
//!
//! - The library handles an ordinary loss: it reconnects by itself, and the vendor advises against a
//!   new instance. The session is closed only in two cases. Either the library does not reconnect
//!   within the grace period, or it loses the connection too often (libraries up to 6.7.8 reconnect
//!   hundreds of times a second).
//! - A new attempt is a new session with a new number and a new name. There are never two sessions.
//! - After every login all instruments are subscribed again.
//! - A login error that an operator must fix ends the run: another attempt may lock the account.
//!
//! Times are arguments. Logging, clocks and the library belong to the driver.

use std::collections::VecDeque;

use tickdeck_core::clock::MonoNanos;
use tickdeck_core::time::NANOS_PER_SECOND;

use super::attempt::Attempt;
use super::backoff::Backoff;
use super::connector::RequestError;
use super::fail_reason::FailReason;
use super::front_kind::FrontKind;
use super::input::Input;
use super::losses::{FAST, FAST_NS, Losses};
use super::refusal::{CtpError, FrontRequest, Refusal};
use super::retry::Retry;

/// Pause before a request is repeated that the library did not accept, ns.
const ASK_AGAIN_NS: i64 = NANOS_PER_SECOND;
/// A session that was logged in for this long was stable: the pauses start again, ns.
const STABLE_NS: i64 = 60 * NANOS_PER_SECOND;

/// Time limits and pauses.
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
    /// Time for the library to reconnect by itself, ns.
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

/// What the driver must do, in this order.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Action {
    /// Open a session. A failure is reported with [`Supervisor::open_failed`].
    Open(Attempt),
    /// Log in. The result is reported with [`Supervisor::login_sent`].
    Login,
    /// Subscribe the instruments `from..to`. The result is reported with
    /// [`Supervisor::subscribe_sent`].
    Subscribe {
        /// First one.
        from: usize,
        /// One after the last.
        to: usize,
    },
    /// Close the session.
    Close,
    /// Report that the attempt failed and when the next one starts.
    Retry(RetryReport),
    /// Report that all instruments were requested.
    Subscribed(SubscriptionProgress),
    /// The supervisor has ended.
    End(End),
}

/// An attempt failed, another one follows.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RetryReport {
    /// The attempt that failed.
    pub attempt: Attempt,
    /// Why.
    pub reason: FailReason,
    /// Pause before the next attempt, ns.
    pub next_backoff_ns: i64,
}

/// All instruments were requested.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct SubscriptionProgress {
    /// How many.
    pub instruments: usize,
    /// Whether it was not the first time.
    pub is_again: bool,
}

/// Why the supervisor ended.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum End {
    /// It was stopped.
    Stopped,
    /// Another attempt cannot help.
    GaveUp {
        /// Why.
        reason: FailReason,
    },
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum State {
    /// No session.
    Waiting { until: MonoNanos },
    /// A session that is not connected yet.
    Connecting { deadline: MonoNanos },
    /// Waiting for the answer to the login.
    LoggingIn {
        deadline: MonoNanos,
        ask_at: MonoNanos,
    },
    /// Logged in; `next` is the first instrument that is not subscribed yet.
    Online {
        since: MonoNanos,
        next: usize,
        ask_at: MonoNanos,
    },
    /// The connection was lost; the library reconnects by itself.
    Lost { deadline: MonoNanos },
    /// Nothing more to do.
    Ended,
}

/// The state machine.
#[derive(Debug, Clone)]
pub struct Supervisor {
    options: SupervisorOptions,
    state: State,
    retry: Retry,
    logins: u64,
    /// Losses of the current attempt.
    losses: Losses,
}

impl Supervisor {
    /// Opens its first session at once.
    #[must_use]
    pub fn new(options: SupervisorOptions, now: MonoNanos) -> Self {
        Self {
            losses: Losses::new(options.loop_disconnects, options.loop_window_ns),
            retry: Retry::new(
                FrontKind::MarketData,
                options.session.clone(),
                options.backoff,
            ),
            options,
            state: State::Waiting { until: now },
            logins: 0,
        }
    }

    /// The current attempt, or the last one.
    #[must_use]
    pub fn attempt(&self) -> Attempt {
        self.retry.attempt()
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

    /// When [`poll`](Self::poll) must be called next, unless something else happens.
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

    /// Handles the passing of time.
    pub fn poll(&mut self, now: MonoNanos, actions: &mut VecDeque<Action>) {
        if now < self.due() {
            return;
        }
        match self.state {
            State::Waiting { .. } => {
                let attempt = self.retry.begin();
                self.losses.clear();
                self.state = State::Connecting {
                    deadline: now.plus(self.options.connect_timeout_ns),
                };
                actions.push_back(Action::Open(attempt));
            }
            State::Connecting { .. } => self.fail(now, FailReason::ConnectTimeout, actions),
            State::LoggingIn { deadline, .. } if now >= deadline => {
                self.fail(now, FailReason::LoginTimeout, actions);
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
            State::Lost { .. } => self.fail(now, FailReason::FrontLost, actions),
            State::Ended => {}
        }
    }

    /// Handles what the library reported about attempt number `attempt`. Reports about an earlier
    /// attempt are ignored.
    pub fn on(
        &mut self,
        now: MonoNanos,
        attempt: u32,
        input: &Input,
        actions: &mut VecDeque<Action>,
    ) {
        if attempt != self.retry.number() || !self.has_session() {
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

    /// The session of the last [`Action::Open`] could not be opened.
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
            let reason = FailReason::Library(reason.to_owned());
            actions.push_back(Action::End(End::GaveUp { reason }));
        } else {
            let reason = FailReason::OpenFailed(reason.to_owned());
            self.back_off(now, reason, actions);
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

    /// The pause of a [`Retry`](Action::Retry) begins now: releasing the session before it took
    /// time.
    pub fn pause_begins(&mut self, now: MonoNanos, report: &RetryReport) {
        if let State::Waiting { until } = &mut self.state {
            *until = now.plus(report.next_backoff_ns);
        }
    }

    /// The session is broken and delivers no more callbacks.
    pub fn broken(&mut self, now: MonoNanos, fault: &'static str, actions: &mut VecDeque<Action>) {
        if self.has_session() {
            self.fail(now, FailReason::Broken(fault), actions);
        }
    }

    /// Progress of the attempt, in one word.
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

    /// Whether there is nothing more to do.
    #[must_use]
    pub const fn has_ended(&self) -> bool {
        matches!(self.state, State::Ended)
    }

    /// The library released the last session in time.
    pub const fn closed(&mut self) {
        self.retry.released();
    }

    /// The library did not release the last session. Its threads may still run, so the number of
    /// such sessions is limited.
    pub fn close_abandoned(&mut self, actions: &mut VecDeque<Action>) {
        if let Err(hangs) = self.retry.abandoned()
            && !self.has_ended()
        {
            self.state = State::Ended;
            let front = FrontKind::MarketData;
            let reason = FailReason::Hangs { front, hangs };
            actions.push_back(Action::End(End::GaveUp { reason }));
        }
    }

    /// The library released this many sessions late.
    pub const fn reclaimed(&mut self, sessions: u32) {
        self.retry.reclaimed(sessions);
    }

    /// Closes the session, if there is one, and ends.
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
            self.fail(now, FailReason::ReconnectLoop, actions);
            return;
        }
        match self.state {
            // Not connected before: the time limit for connecting stays.
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
        let refusal = Refusal {
            front: FrontKind::MarketData,
            request: FrontRequest::Login,
            error: CtpError {
                error_id,
                message: message.to_owned(),
            },
        };
        let is_permanent = refusal.is_permanent();
        let reason = FailReason::Refused(refusal);
        if is_permanent {
            self.state = State::Ended;
            actions.push_back(Action::Close);
            actions.push_back(Action::End(End::GaveUp { reason }));
        } else {
            self.fail(now, reason, actions);
        }
    }

    /// A session that was logged in for a while counts as a success.
    fn note_stable(&mut self, now: MonoNanos) {
        if let State::Online { since, .. } = self.state
            && now.since(since) >= STABLE_NS
        {
            self.retry.stable();
        }
    }

    fn fail(&mut self, now: MonoNanos, reason: FailReason, actions: &mut VecDeque<Action>) {
        actions.push_back(Action::Close);
        self.back_off(now, reason, actions);
    }

    fn back_off(&mut self, now: MonoNanos, reason: FailReason, actions: &mut VecDeque<Action>) {
        let next_backoff_ns = self.retry.failed();
        self.state = State::Waiting {
            until: now.plus(next_backoff_ns),
        };
        actions.push_back(Action::Retry(RetryReport {
            attempt: self.attempt(),
            reason,
            next_backoff_ns,
        }));
    }
}

#[cfg(test)]
mod tests;

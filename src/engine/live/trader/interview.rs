//! Decides what to ask a trader front to list its contracts: a state machine without I/O.
//!
//! ```text
//!                    ┌────────────── lost ───────────────┐
//!                    v                                   │
//!  Disconnected ── connected ──> LoggingIn ── done ──> Querying ── last exchange ──> Ended
//!       │ connect_timeout            │ login_timeout, refused     │ refused
//!       └────────────────────────────┴────────────────────────────┴──> Ended
//! ```
//!
//! - The login has up to three requests: authentication, login, confirmation of the settlement.
//! - Contracts are queried exchange by exchange, one query a second: that is what fronts allow. A
//!   query of the whole market does not complete on some of them (field guide 1.7).
//! - After a lost connection the library reconnects by itself. The interview logs in again and repeats
//!   the query that was interrupted.
//!
//! Times are arguments. The library, the clock and the log belong to the adapter.

use std::time::Duration;

use tickdeck_core::clock::MonoNanos;
use tickdeck_core::contract::{Exchange, QueriedContract};

use crate::live::front_kind::FrontKind;
use crate::live::losses::Losses;
use crate::live::meaning::disconnect_reason;
use crate::live::refusal::{CtpError, FrontRequest, Refusal};

/// Pause before a query, and before a request is repeated that was not accepted.
const PAUSE: Duration = Duration::from_millis(1_100);
/// CTP's "the query is not ready": the query is repeated.
const NEED_RETRY: i32 = 90;
/// CTP's "not logged in yet": the connection was replaced just before the query.
const NOT_LOGIN_YET: i32 = 6;

/// What to ask for, and the time limits.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct InterviewOptions {
    /// Whether to authenticate before the login.
    pub authenticate: bool,
    /// Whether to confirm yesterday's settlement, which some brokers require before any query. A legal
    /// act of the account holder.
    pub confirm_settlement: bool,
    /// Time for the connection, at first and after every loss.
    pub connect_timeout: Duration,
    /// Time for the answer to each request of the login.
    pub login_timeout: Duration,
    /// Time for the whole interview.
    pub timeout: Duration,
}

/// A request to the front.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Request {
    /// Authenticate the client.
    Authenticate,
    /// Log in.
    Login,
    /// Confirm the settlement.
    ConfirmSettlement,
    /// List the contracts of an exchange.
    Query(Exchange),
}

/// What the adapter must do.
#[derive(Debug, Clone, PartialEq)]
pub enum Action {
    /// Send a request. The result is reported with [`Interview::sent`] or
    /// [`Interview::not_accepted`].
    Send(Request),
    /// The interview has ended.
    End(Result<Vec<QueriedContract>, InterviewError>),
}

/// A callback of the library.
#[derive(Debug, Clone, PartialEq)]
pub enum CallbackEvent {
    /// The connection is up.
    Connected,
    /// The connection, or an attempt to connect, was lost.
    Disconnected {
        /// CTP's `nReason`.
        reason: i32,
    },
    /// Answer to the authentication.
    Authenticated(Result<(), CtpError>),
    /// Answer to the login.
    LoggedIn(Result<(), CtpError>),
    /// Answer to the confirmation of the settlement.
    Confirmed(Result<(), CtpError>),
    /// Part of the answer to a query, or an error that CTP reported about any request.
    Queried {
        /// Number of the request.
        request: i32,
        /// The contract, or none: an exchange may have no contract.
        result: Result<Option<QueriedContract>, CtpError>,
        /// Whether the answer is complete.
        is_last: bool,
    },
}

/// Progress of an interview.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Step {
    /// Waiting for the first connection.
    Connecting,
    /// Waiting for the connection after a loss.
    Reconnecting,
    /// Waiting for the answer to the authentication.
    Authenticating,
    /// Waiting for the answer to the login.
    LoggingIn,
    /// Waiting for the answer to the confirmation.
    ConfirmingSettlement,
    /// Listing contracts.
    ListingContracts,
}

impl std::fmt::Display for Step {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self {
            Self::Connecting => "connecting",
            Self::Reconnecting => "reconnecting",
            Self::Authenticating => "authenticating",
            Self::LoggingIn => "logging in",
            Self::ConfirmingSettlement => "confirming the settlement",
            Self::ListingContracts => "listing contracts",
        })
    }
}

/// An interview failed.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum InterviewError {
    /// It took too long.
    #[error("the trader front did not answer within {waited:?} ({step})")]
    TimedOut {
        /// Progress.
        step: Step,
        /// The time limit.
        waited: Duration,
    },
    /// The front refused a request.
    #[error("{0}")]
    Refused(Refusal),
    /// The connection was lost repeatedly.
    #[error(
        "reconnect_loop: the connection to the trader front was lost repeatedly ({step}), most \
         recently with {reason:#06x}: {}",
        disconnect_reason(*reason).english
    )]
    ReconnectLoop {
        /// Progress.
        step: Step,
        /// CTP's `nReason` of the last loss.
        reason: i32,
    },
}

impl InterviewError {
    /// Whether no front answered at all.
    pub(super) fn never_connected(&self) -> bool {
        matches!(
            self,
            Self::TimedOut {
                step: Step::Connecting,
                ..
            }
        )
    }
}

#[derive(Debug, Clone, PartialEq)]
enum State {
    /// Waiting for the connection.
    Disconnected { deadline: MonoNanos },
    /// One request of the login: due at `send_at`, or sent when that is `NEVER`.
    LoggingIn {
        request: FrontRequest,
        send_at: MonoNanos,
        answer_by: MonoNanos,
    },
    /// The query of the current exchange: due at `send_at`, or sent as request `number`.
    Querying {
        send_at: MonoNanos,
        number: Option<i32>,
    },
    /// Nothing more to do, except to report the result once.
    Ended(Option<Result<Vec<QueriedContract>, InterviewError>>),
}

/// The state machine of one session.
#[derive(Debug, Clone)]
pub struct Interview {
    options: InterviewOptions,
    /// End of the whole interview.
    deadline: MonoNanos,
    state: State,
    was_connected: bool,
    losses: Losses,
    /// Index of the current exchange.
    exchange: usize,
    contracts: Vec<QueriedContract>,
    /// Contracts of the exchanges before the current one.
    complete: usize,
}

impl Interview {
    /// Waits for the connection.
    #[must_use]
    pub fn new(options: InterviewOptions, now: MonoNanos) -> Self {
        Self {
            deadline: now.after(options.timeout),
            state: State::Disconnected {
                deadline: now.after(options.connect_timeout),
            },
            options,
            was_connected: false,
            losses: Losses::default(),
            exchange: 0,
            contracts: Vec::new(),
            complete: 0,
        }
    }

    /// Whether the interview has ended.
    #[must_use]
    pub const fn has_ended(&self) -> bool {
        matches!(self.state, State::Ended(_))
    }

    /// When [`poll`](Self::poll) must be called next, unless a callback comes first.
    #[must_use]
    pub fn due(&self) -> MonoNanos {
        let due = match self.state {
            State::Disconnected { deadline } => deadline,
            State::LoggingIn {
                send_at, answer_by, ..
            } => send_at.min(answer_by),
            State::Querying { send_at, .. } => send_at,
            State::Ended(_) => return MonoNanos::NEVER,
        };
        due.min(self.deadline)
    }

    /// Handles the passing of time. Returns the next action, if one is due.
    pub fn poll(&mut self, now: MonoNanos) -> Option<Action> {
        if let Some(waited) = self.overdue(now) {
            let step = self.step();
            self.end(Err(InterviewError::TimedOut { step, waited }));
        }
        match &mut self.state {
            State::LoggingIn {
                send_at, request, ..
            } if now >= *send_at => {
                *send_at = MonoNanos::NEVER;
                Some(Action::Send(match request {
                    FrontRequest::Authentication => Request::Authenticate,
                    FrontRequest::SettlementConfirmation => Request::ConfirmSettlement,
                    FrontRequest::Login | FrontRequest::ContractQuery => Request::Login,
                }))
            }
            State::Querying { send_at, .. } if now >= *send_at => {
                *send_at = MonoNanos::NEVER;
                let exchange = Exchange::ALL.get(self.exchange)?;
                Some(Action::Send(Request::Query(*exchange)))
            }
            State::Ended(result) => result.take().map(Action::End),
            State::Disconnected { .. } | State::LoggingIn { .. } | State::Querying { .. } => None,
        }
    }

    /// The last [`Action::Send`] was accepted as request `number`.
    pub const fn sent(&mut self, number: i32) {
        if let State::Querying { number: sent, .. } = &mut self.state {
            *sent = Some(number);
        }
    }

    /// The library did not accept the last [`Action::Send`] for now: it is repeated after a pause.
    pub fn not_accepted(&mut self, now: MonoNanos) {
        if let State::LoggingIn { send_at, .. } | State::Querying { send_at, .. } = &mut self.state
        {
            *send_at = now.after(PAUSE);
        }
    }

    /// Handles a callback.
    pub fn on(&mut self, now: MonoNanos, event: CallbackEvent) {
        if self.has_ended() {
            return;
        }
        match event {
            CallbackEvent::Connected => {
                self.was_connected = true;
                self.restart_login(now);
            }
            CallbackEvent::Disconnected { reason } => self.lose(now, reason),
            CallbackEvent::Authenticated(result) => {
                self.answered(now, FrontRequest::Authentication, result);
            }
            CallbackEvent::LoggedIn(result) => self.answered(now, FrontRequest::Login, result),
            CallbackEvent::Confirmed(result) => {
                self.answered(now, FrontRequest::SettlementConfirmation, result);
            }
            CallbackEvent::Queried {
                request,
                result,
                is_last,
            } => self.queried(now, request, result, is_last),
        }
    }

    const fn step(&self) -> Step {
        match self.state {
            State::Disconnected { .. } if self.was_connected => Step::Reconnecting,
            State::Disconnected { .. } => Step::Connecting,
            State::LoggingIn { request, .. } => match request {
                FrontRequest::Authentication => Step::Authenticating,
                FrontRequest::SettlementConfirmation => Step::ConfirmingSettlement,
                FrontRequest::Login | FrontRequest::ContractQuery => Step::LoggingIn,
            },
            State::Querying { .. } | State::Ended(_) => Step::ListingContracts,
        }
    }

    /// The time limit that has passed, if one has.
    fn overdue(&self, now: MonoNanos) -> Option<Duration> {
        match self.state {
            State::Ended(_) => None,
            _ if now >= self.deadline => Some(self.options.timeout),
            State::Disconnected { deadline } if now >= deadline => {
                Some(self.options.connect_timeout)
            }
            State::LoggingIn { answer_by, .. } if now >= answer_by => {
                Some(self.options.login_timeout)
            }
            _ => None,
        }
    }

    /// Begins the login at `at`.
    fn restart_login(&mut self, at: MonoNanos) {
        self.discard_partial();
        let first = if self.options.authenticate {
            FrontRequest::Authentication
        } else {
            FrontRequest::Login
        };
        self.request_login(at, first);
    }

    /// The time limit of a request includes the time until the library accepts it.
    fn request_login(&mut self, at: MonoNanos, request: FrontRequest) {
        self.state = State::LoggingIn {
            request,
            send_at: at,
            answer_by: at.after(self.options.login_timeout),
        };
    }

    fn lose(&mut self, now: MonoNanos, reason: i32) {
        // The library also reports failed attempts to connect. These extend no deadline.
        if !matches!(self.state, State::Disconnected { .. }) {
            self.discard_partial();
            self.state = State::Disconnected {
                deadline: now.after(self.options.connect_timeout),
            };
        }
        if self.losses.add(now) {
            let step = self.step();
            self.end(Err(InterviewError::ReconnectLoop { step, reason }));
        }
    }

    /// Handles the answer to a request of the login.
    fn answered(&mut self, now: MonoNanos, answered: FrontRequest, result: Result<(), CtpError>) {
        match self.state {
            State::LoggingIn {
                request, send_at, ..
            } if request == answered && send_at == MonoNanos::NEVER => {}
            _ => return,
        }
        match (result, answered) {
            (Err(error), _) => self.refuse(answered, error),
            (Ok(()), FrontRequest::Authentication) => self.request_login(now, FrontRequest::Login),
            (Ok(()), FrontRequest::Login) if self.options.confirm_settlement => {
                self.request_login(now, FrontRequest::SettlementConfirmation);
            }
            (Ok(()), _) => self.query_after_pause(now),
        }
    }

    fn queried(
        &mut self,
        now: MonoNanos,
        request: i32,
        result: Result<Option<QueriedContract>, CtpError>,
        is_last: bool,
    ) {
        match self.state {
            State::LoggingIn { .. } => {
                if let Err(error) = result {
                    self.refuse(FrontRequest::Login, error);
                }
                return;
            }
            State::Querying { number, .. } if number == Some(request) => {}
            _ => return,
        }
        match result {
            Err(error) if error.error_id == NEED_RETRY => {
                self.discard_partial();
                self.query_after_pause(now);
            }
            Err(error) if error.error_id == NOT_LOGIN_YET => self.restart_login(now.after(PAUSE)),
            Err(error) => self.refuse(FrontRequest::ContractQuery, error),
            Ok(contract) => {
                self.contracts.extend(contract);
                if is_last {
                    self.next_exchange(now);
                }
            }
        }
    }

    fn next_exchange(&mut self, now: MonoNanos) {
        self.complete = self.contracts.len();
        self.exchange += 1;
        if self.exchange < Exchange::ALL.len() {
            self.query_after_pause(now);
        } else {
            let contracts = std::mem::take(&mut self.contracts);
            self.end(Ok(contracts));
        }
    }

    fn query_after_pause(&mut self, now: MonoNanos) {
        self.state = State::Querying {
            send_at: now.after(PAUSE),
            number: None,
        };
    }

    /// Drops the contracts of a query that will be repeated.
    fn discard_partial(&mut self) {
        self.contracts.truncate(self.complete);
    }

    fn refuse(&mut self, request: FrontRequest, error: CtpError) {
        self.end(Err(InterviewError::Refused(Refusal {
            front: FrontKind::Trader,
            request,
            error,
        })));
    }

    fn end(&mut self, result: Result<Vec<QueriedContract>, InterviewError>) {
        self.state = State::Ended(Some(result));
    }
}

#[cfg(test)]
mod tests;

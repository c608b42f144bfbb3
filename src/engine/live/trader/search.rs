//! Asks the trader front for its contracts, until it succeeds.
//!
//! Before the market opens a trader front is often unreachable, silent or not ready. If the
//! subscription cannot do without its list, the search retries with the pauses of the market data
//! front. A permanent refusal ends the whole run: the market data front would count a further login
//! as another failure of the same account.

use std::collections::VecDeque;
use std::time::Duration;

use tickdeck_core::clock::{Clock, WakeFlag};
use tickdeck_core::contract::QueriedContract;
use tickdeck_core::event::{Event, EventKind, Seq, SessionEvent};
use tickdeck_core::time::UnixNanos;

use super::error::TraderError;
use crate::live::attempt::Attempt;
use crate::live::backoff::Backoff;
use crate::live::fail_reason::FailReason;
use crate::live::front_kind::FrontKind;
use crate::live::report::{LiveEnd, LiveReport};
use crate::live::retry::Retry;

/// Notes that are kept: the most recent ones of a run that may take days.
const NOTES: usize = 10_000;
/// How often the stop request is checked during a pause, ns.
const POLL_INTERVAL_NS: i64 = 100_000_000;

/// Lists the contracts of a trader front.
pub trait TraderFront {
    /// Lists them in a new session, and closes the session.
    fn list(&mut self, attempt: &Attempt) -> Listed;

    /// Finds out why no front answered, and logs it. Returns at once.
    fn explain_silence(&self) {}
}

/// Result of one attempt.
#[derive(Debug)]
pub struct Listed {
    /// The contracts, or why there are none.
    pub contracts: Result<Vec<QueriedContract>, TraderError>,
    /// How the session ended.
    pub session: SessionEnd,
    /// Earlier sessions that the library released late, since the last attempt.
    pub reclaimed: u32,
}

/// How a session ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum SessionEnd {
    /// There was none.
    NotStarted,
    /// The library released it in time.
    Released,
    /// The library did not release it.
    Abandoned,
}

/// Settings of a search.
pub struct Search<'a> {
    /// First part of the session names.
    pub session: String,
    /// Pauses between attempts.
    pub backoff: Backoff,
    /// Whether the subscription needs the list.
    pub needs_list: bool,
    /// Measures the pauses.
    pub clock: &'a dyn Clock,
    /// Ends the search early.
    pub stop_asked: &'a dyn Fn() -> bool,
}

/// Result of a search.
#[derive(Debug)]
pub enum Found {
    /// The contracts.
    Contracts(Vec<QueriedContract>),
    /// The list is not available, and the subscription can do without it.
    Unavailable(TraderError),
    /// The run is over before its session began.
    Ended {
        /// Why, and after how many attempts.
        live: LiveReport,
        /// What happened, for the recording.
        events: Vec<Event>,
    },
}

/// What follows an attempt.
#[derive(Debug)]
enum Next {
    Found(Found),
    Stop,
    GiveUp(FailReason),
    Retry { reason: String, is_silence: bool },
}

impl Search<'_> {
    /// Asks until there is a list, until it is not needed, or until the run is over.
    pub fn run(&self, front: &mut dyn TraderFront) -> Found {
        let mut retry = Retry::new(FrontKind::Trader, self.session.clone(), self.backoff);
        let mut notes = Notes::default();
        loop {
            let attempt = retry.begin();
            let Attempt { number, session } = &attempt;
            tracing::info!(event = "contract_discovery", attempt = number, session);
            self.note(
                &mut notes,
                format!("trader front, attempt {number}: session {session}"),
            );
            let contracts = listed(&mut retry, front.list(&attempt));
            match self.decide(contracts) {
                Next::Found(found) => {
                    if matches!(&found, Found::Unavailable(error) if error.is_silence()) {
                        front.explain_silence();
                    }
                    return found;
                }
                Next::Stop => return notes.ended(*number, LiveEnd::Stopped),
                Next::GiveUp(reason) => {
                    tracing::error!(event = "ctp_gave_up", reason = reason.to_string());
                    self.note(&mut notes, format!("gave up: {reason}"));
                    return notes.ended(*number, LiveEnd::GaveUp { reason });
                }
                Next::Retry { reason, is_silence } => {
                    if is_silence {
                        front.explain_silence();
                    }
                    let pause_ns = retry.failed();
                    let next_backoff = Duration::from_nanos(pause_ns.unsigned_abs()).as_secs_f64();
                    tracing::warn!(
                        event = "ctp_retry",
                        attempt = number,
                        reason,
                        next_backoff,
                        session
                    );
                    self.note(
                        &mut notes,
                        format!(
                            "trader front, attempt {number} failed: {reason}; next attempt in {next_backoff} s"
                        ),
                    );
                    if !self.pause(pause_ns) {
                        return notes.ended(*number, LiveEnd::Stopped);
                    }
                }
            }
        }
    }

    fn decide(&self, contracts: Result<Vec<QueriedContract>, TraderError>) -> Next {
        let error = match contracts {
            Ok(found) if found.is_empty() && self.needs_list => {
                return Next::Retry {
                    reason: "the trader front lists no contract".to_owned(),
                    is_silence: false,
                };
            }
            Ok(found) => return Next::Found(Found::Contracts(found)),
            Err(TraderError::Stopped) => return Next::Stop,
            Err(error) => error,
        };
        if let Some(reason) = error.end_of_run() {
            return Next::GiveUp(reason);
        }
        if self.needs_list && error.is_retryable() {
            return Next::Retry {
                reason: error.to_string(),
                is_silence: error.is_silence(),
            };
        }
        Next::Found(Found::Unavailable(error))
    }

    fn note(&self, notes: &mut Notes, text: String) {
        notes.add(self.clock.wall(), text);
    }

    /// False if the session ended meanwhile.
    fn pause(&self, pause_ns: i64) -> bool {
        let until = self.clock.now().plus(pause_ns);
        while self.clock.now() < until {
            if (self.stop_asked)() {
                return false;
            }
            let poll_at = self.clock.now().plus(POLL_INTERVAL_NS);
            self.clock.sleep_until(until.min(poll_at), &WakeFlag::new());
        }
        true
    }
}

/// The contracts of an attempt. Too many unreleased sessions are an error if another attempt would
/// follow.
fn listed(retry: &mut Retry, listed: Listed) -> Result<Vec<QueriedContract>, TraderError> {
    let Listed {
        contracts,
        session,
        reclaimed,
    } = listed;
    retry.reclaimed(reclaimed);
    let hangs = match session {
        SessionEnd::NotStarted => None,
        SessionEnd::Released => {
            retry.released();
            None
        }
        SessionEnd::Abandoned => retry.abandoned().err(),
    };
    let may_be_repeated = match &contracts {
        Ok(contracts) => contracts.is_empty(),
        Err(error) => error.is_retryable(),
    };
    match hangs {
        Some(hangs) if may_be_repeated => Err(hangs.into()),
        _ => contracts,
    }
}

/// The most recent notes, with their times.
#[derive(Debug, Default)]
struct Notes(VecDeque<(UnixNanos, String)>);

impl Notes {
    fn add(&mut self, at: UnixNanos, text: String) {
        if self.0.len() == NOTES {
            self.0.pop_front();
        }
        self.0.push_back((at, text));
    }

    fn ended(self, attempts: u32, end: LiveEnd) -> Found {
        let note = |(seq, (recv_ts, text))| Event {
            seq: Seq(seq),
            recv_ts,
            kind: EventKind::Session(SessionEvent::Note { text }),
        };
        Found::Ended {
            live: LiveReport {
                end,
                attempts,
                ..LiveReport::default()
            },
            events: (0..).zip(self.0).map(note).collect(),
        }
    }
}

#[cfg(test)]
mod tests {
    use std::cell::Cell;

    use tickdeck_core::clock::VirtualClock;

    use super::super::interview::{InterviewError, Step};
    use super::*;
    use crate::live::refusal::{CtpError, FrontRequest, Refusal};

    fn contract() -> QueriedContract {
        QueriedContract {
            instrument_id: "rb2601".into(),
            exchange_id: "SHFE".into(),
            product_id: "rb".into(),
            product_class: '1',
            volume_multiple: 10,
            price_tick: 1.0,
            instrument_name: String::new(),
        }
    }

    fn silent() -> TraderError {
        InterviewError::TimedOut {
            step: Step::Connecting,
            waited: Duration::from_secs(20),
        }
        .into()
    }

    fn refused(error_id: i32) -> TraderError {
        InterviewError::Refused(Refusal {
            front: FrontKind::Trader,
            request: FrontRequest::Login,
            error: CtpError {
                error_id,
                message: String::new(),
            },
        })
        .into()
    }

    /// A front that answers with `answer` and ends its sessions with `end`.
    struct Scripted<F> {
        answer: F,
        end: SessionEnd,
        explained: Cell<u32>,
    }

    impl<F: FnMut(u32) -> Result<Vec<QueriedContract>, TraderError>> TraderFront for Scripted<F> {
        fn list(&mut self, attempt: &Attempt) -> Listed {
            Listed {
                contracts: (self.answer)(attempt.number),
                session: self.end,
                reclaimed: 0,
            }
        }

        fn explain_silence(&self) {
            self.explained.set(self.explained.get() + 1);
        }
    }

    fn search(
        needs_list: bool,
        end: SessionEnd,
        answer: impl FnMut(u32) -> Result<Vec<QueriedContract>, TraderError>,
    ) -> (Found, u32) {
        let mut front = Scripted {
            answer,
            end,
            explained: Cell::new(0),
        };
        let found = Search {
            session: "ctp".into(),
            backoff: Backoff::default(),
            needs_list,
            clock: &VirtualClock::new(),
            stop_asked: &|| false,
        }
        .run(&mut front);
        (found, front.explained.get())
    }

    #[test]
    fn a_needed_list_is_asked_for_repeatedly() {
        let answer = |attempt| match attempt {
            1 => Err(silent()),
            2 => Err(refused(7)),
            3 => Ok(Vec::new()),
            _ => Ok(vec![contract()]),
        };
        let (found, explained) = search(true, SessionEnd::Released, answer);
        assert!(matches!(found, Found::Contracts(found) if found == [contract()]));
        assert_eq!(explained, 1);
    }

    #[test]
    fn a_list_that_is_not_needed_is_asked_for_once() {
        let (found, explained) = search(false, SessionEnd::Released, |_| Err(silent()));
        assert!(matches!(found, Found::Unavailable(error) if error.is_silence()));
        assert_eq!(explained, 1);
        let (found, _) = search(false, SessionEnd::Released, |_| Ok(Vec::new()));
        assert!(matches!(found, Found::Contracts(found) if found.is_empty()));
    }

    #[test]
    fn a_permanent_refusal_ends_the_run_with_its_notes() {
        let (found, _) = search(true, SessionEnd::Released, |_| Err(refused(3)));
        let Found::Ended { live, events } = found else {
            panic!("{found:?}");
        };
        assert_eq!(live.attempts, 1);
        assert!(matches!(
            live.end,
            LiveEnd::GaveUp {
                reason: FailReason::Refused(_)
            }
        ));
        assert_eq!(events.len(), 2);
    }

    #[test]
    fn three_unreleased_sessions_end_the_run() {
        let (found, _) = search(true, SessionEnd::Abandoned, |_| Err(silent()));
        let Found::Ended { live, .. } = found else {
            panic!("{found:?}");
        };
        assert_eq!(live.attempts, 3);
        assert!(matches!(
            live.end,
            LiveEnd::GaveUp {
                reason: FailReason::Hangs { .. }
            }
        ));
    }
}

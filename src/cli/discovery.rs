//! Which contracts there are, for a live session that subscribes by patterns: those of the trader
//! front, else those of the contract file.
//!
//! A trader front that is away, silent or not ready is asked again and again, with the pauses of the
//! market data front, when the patterns cannot do without it: before the market opens that is how
//! fronts are. A login that it refuses for good ends everything, because the market data front would
//! count it as another failure of the same account.

use std::collections::VecDeque;
use std::path::Path;
use std::time::Duration;

use tickdeck::live::ctp::{Discovery, DiscoveryError, TraderSessions, explain_silence};
use tickdeck::live::{LiveEnd, LiveReport, Wanted};
use tickdeck::reference::{Reference, read_contract_file};
use tickdeck_core::clock::{Clock as _, MonoNanos, WakeFlag};
use tickdeck_core::contract::{Contract, QueriedContract};
use tickdeck_core::event::{Event, EventKind, Seq, SessionEvent};
use tickdeck_core::time::UnixNanos;

use super::Context;
use super::account::Account;
use super::args::{FrontArgs, NormalizeArgs, SubscribeArgs};
use super::front::{backoff, login_of};
use super::outcome::UsageError;

/// Notes that are kept: the last ones of a run that may take days.
const NOTES: usize = 10_000;
/// How long a wish to stop may go unseen between two tries, ns.
const LOOK_UP_NS: i64 = 100_000_000;

/// What the search needs.
pub(super) struct Search<'a> {
    pub(super) context: &'a Context,
    pub(super) account: &'a Account,
    pub(super) front: &'a FrontArgs,
    pub(super) subscribe: &'a SubscribeArgs,
    pub(super) normalize: &'a NormalizeArgs,
    /// Folder below which every try has one of its own.
    pub(super) flow: &'a Path,
    /// Whether the fronts are in the library, and no address is dialled.
    pub(super) is_simulated: bool,
    /// First part of the session names.
    pub(super) session: &'a str,
    /// When the whole run is over.
    pub(super) run_until: MonoNanos,
}

/// How the search came out.
pub(super) enum Found {
    /// The session can begin.
    Contracts(Listing),
    /// There will be no session.
    Ended {
        /// Why, and after how many tries.
        live: LiveReport,
        /// What became of them, for the recording.
        events: Vec<Event>,
    },
}

/// The contracts to choose from.
pub(super) struct Listing {
    /// The tables in force, with what the trader front knows.
    pub(super) reference: Reference,
    /// What patterns are matched against; empty when there is no list.
    pub(super) contracts: Vec<Contract>,
    /// Why the trader front gave none.
    pub(super) problem: Option<DiscoveryError>,
}

impl Search<'_> {
    /// Asks the trader front, as often as it takes, and the contract file.
    pub(super) fn run(&self, reference: Reference) -> anyhow::Result<Found> {
        if self.account.td_fronts.is_empty() {
            return self.without_front(reference, None);
        }
        let needs_list = self.normalize.contracts.is_none()
            && self.subscribe.symbols.iter().any(Wanted::needs_list);
        let pauses = backoff(self.front, self.context.clock.wall());
        let mut attempt = 0;
        let mut tried = Tried::default();
        let mut sessions = TraderSessions::default();
        loop {
            attempt += 1;
            let session = format!("{}-td{attempt}", self.session);
            tracing::info!(event = "contract_discovery", attempt, session);
            self.note(
                &mut tried,
                format!("trader front, attempt {attempt}: session {session}"),
            );
            let reason = match self.ask(&mut sessions, &session) {
                Ok(found) if found.is_empty() && needs_list => {
                    "the trader front lists no contract".to_owned()
                }
                Ok(found) => return Ok(Found::Contracts(listing(reference, &found))),
                Err(DiscoveryError::Stopped) => return Ok(tried.ended(attempt, LiveEnd::Stopped)),
                Err(error) if error.ends_the_run() => {
                    let reason = error.to_string();
                    tracing::error!(event = "ctp_gave_up", reason);
                    self.note(&mut tried, format!("gave up: {reason}"));
                    return Ok(tried.ended(attempt, LiveEnd::GaveUp { reason }));
                }
                Err(error) if needs_list && error.is_worth_another_try() => {
                    self.explain_silence(&error);
                    error.to_string()
                }
                Err(error) => {
                    self.explain_silence(&error);
                    return self.without_front(reference, Some(error));
                }
            };
            let pause_ns = pauses.pause_ns(attempt, attempt);
            let next_backoff = Duration::from_nanos(pause_ns.unsigned_abs()).as_secs_f64();
            tracing::warn!(event = "ctp_retry", attempt, reason, next_backoff, session);
            self.note(
                &mut tried,
                format!(
                    "trader front, attempt {attempt} failed: {reason}; the next one comes in \
                     {next_backoff} s"
                ),
            );
            if !self.pause(pause_ns) {
                return Ok(tried.ended(attempt, LiveEnd::Stopped));
            }
        }
    }

    fn note(&self, tried: &mut Tried, text: String) {
        let recv_ts = self.context.clock.wall();
        if tried.notes.len() == NOTES {
            tried.notes.pop_front();
        }
        tried.notes.push_back((recv_ts, text));
    }

    /// Says in the log why no trader front answered, if that is what happened.
    fn explain_silence(&self, error: &DiscoveryError) {
        if error.is_silence() && !self.is_simulated {
            explain_silence("trader", &self.account.td_fronts);
        }
    }

    fn is_over(&self) -> bool {
        self.context.control.is_stopped() || self.context.clock.now() >= self.run_until
    }

    fn ask(
        &self,
        sessions: &mut TraderSessions,
        session: &str,
    ) -> Result<Vec<QueriedContract>, DiscoveryError> {
        sessions.discover(&Discovery {
            library: &self.account.library,
            login: &login_of(self.account, self.front),
            fronts: &self.account.td_fronts,
            session,
            flow: &self.flow.join(session),
            confirm_settlement: self.subscribe.confirm_settlement,
            connect_timeout: self.front.front_timeout,
            login_timeout: self.front.login_timeout,
            timeout: self.subscribe.discovery_timeout,
            clock: self.context.clock.as_ref(),
            stop_asked: &|| self.is_over(),
        })
    }

    /// False when the run is over meanwhile.
    fn pause(&self, pause_ns: i64) -> bool {
        let clock = &self.context.clock;
        let until = clock.now().plus(pause_ns);
        while clock.now() < until {
            if self.is_over() {
                return false;
            }
            let look_up = clock.now().plus(LOOK_UP_NS);
            clock.sleep_until(until.min(look_up), &WakeFlag::new());
        }
        true
    }

    fn without_front(
        &self,
        reference: Reference,
        problem: Option<DiscoveryError>,
    ) -> anyhow::Result<Found> {
        if let Some(error) = &problem {
            tracing::warn!(
                event = "contract_discovery_failed",
                reason = %error,
                "the contracts of the trader front are not known: going on with --contracts and the \
                 product table"
            );
        }
        let contracts = match &self.normalize.contracts {
            None => Vec::new(),
            Some(path) => read_contract_file(path, reference.contracts.products())
                .map_err(|error| UsageError::caused_by("--contracts cannot be used", error))?,
        };
        Ok(Found::Contracts(Listing {
            reference,
            contracts,
            problem,
        }))
    }
}

/// What was tried in vain: the last notes, with their times.
#[derive(Default)]
struct Tried {
    notes: VecDeque<(UnixNanos, String)>,
}

impl Tried {
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
            events: (0..).zip(self.notes).map(note).collect(),
        }
    }
}

fn listing(reference: Reference, found: &[QueriedContract]) -> Listing {
    let products = reference.contracts.products();
    let listed: Vec<Contract> = found
        .iter()
        .filter_map(|one| one.contract(products))
        .collect();
    tracing::info!(event = "contracts_discovered", contracts = listed.len());
    Listing {
        reference: reference.with_contracts(listed.iter().cloned()),
        contracts: listed,
        problem: None,
    }
}

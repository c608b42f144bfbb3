//! A live session with CTP fronts: connects to the server, lists the contracts at the trader front,
//! chooses what to subscribe, and runs a [`LiveSession`] with the market data front.

use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use tickdeck_core::clock::{Clock, MonoNanos};
use tickdeck_core::contract::Contract;
use tickdeck_core::event::{Event, InstrumentId};
use tickdeck_recording::{RecorderOptions, RecordingWriter};

use super::error::SessionError;
use super::live::LiveSession;
use super::live_recorder::OnRecordingFailure;
use super::live_server::{LiveNats, LiveServer};
use super::live_summary::LiveSummary;
use super::record::RecordTo;
use crate::control::{Control, run_interruptible};
use crate::live::ctp::{CtpLibrary, LoginTooLong};
use crate::live::setup::{FrontSettings, ListingOptions, subscription_interval_ns, warn_untested};
use crate::live::trader::{Found, Search, TraderError};
use crate::live::{Listing, LiveOptions, LiveReport, Subscription, SupervisorOptions};
use crate::sink::Sink;

/// The set-up of a live session with CTP fronts. Nothing is read from the environment.
pub struct CtpSession {
    session: LiveSession,
    front: FrontSettings,
    library: CtpLibrary,
    subscription: Subscription,
    verb: &'static str,
    front_session: String,
    nats: Option<LiveNats>,
    listing: ListingOptions,
    contract_list: Option<Vec<Contract>>,
    batch: usize,
    run_for: Option<Duration>,
}

/// The contracts to choose from, or the end of a run without them.
enum Contracts {
    Listing(Box<Listing>),
    Ended {
        live: LiveReport,
        events: Vec<Event>,
    },
}

impl CtpSession {
    pub(super) fn new(
        session: LiveSession,
        front: FrontSettings,
        library: CtpLibrary,
        subscription: Subscription,
    ) -> Self {
        Self {
            front_session: session.name.clone(),
            session,
            front,
            library,
            subscription,
            verb: "live",
            nats: None,
            listing: ListingOptions::default(),
            contract_list: None,
            batch: SupervisorOptions::default().batch,
            run_for: None,
        }
    }

    /// Publishes to a server. Health requests are answered from the start.
    #[must_use]
    pub fn nats(mut self, nats: impl Into<Option<LiveNats>>) -> Self {
        self.nats = nats.into();
        self
    }

    /// Publishes to this sink as well. A slow one delays the session.
    #[must_use]
    pub fn sink(mut self, sink: impl Sink + 'static) -> Self {
        self.session = self.session.sink(sink);
        self
    }

    /// Publishes to these sinks as well. A slow one delays the session.
    #[must_use]
    pub fn sinks(mut self, sinks: Vec<Box<dyn Sink>>) -> Self {
        self.session = self.session.sinks(sinks);
        self
    }

    /// Records everything before it is published. Contracts of the trader front go into the recording.
    #[must_use]
    pub fn record(mut self, record: impl Into<Option<RecordTo>>) -> Self {
        self.session = self.session.record(record);
        self
    }

    /// How to record: how often the journal is synced, and how much space is left on the disk.
    #[must_use]
    pub fn recorder(mut self, options: RecorderOptions) -> Self {
        self.session = self.session.recorder(options);
        self
    }

    /// What to do when it can no longer be recorded; by default it continues.
    #[must_use]
    pub fn on_recording_failure(mut self, what: OnRecordingFailure) -> Self {
        self.session = self.session.on_recording_failure(what);
        self
    }

    /// The word for this session in health answers and the log; `live` by default.
    #[must_use]
    pub const fn verb(mut self, verb: &'static str) -> Self {
        self.verb = verb;
        self
    }

    /// The first part of the names of the sessions with the fronts; the session's own name by default.
    #[must_use]
    pub fn front_session(mut self, name: String) -> Self {
        self.front_session = name;
        self
    }

    /// How to query the trader front.
    #[must_use]
    pub const fn listing(mut self, listing: ListingOptions) -> Self {
        self.listing = listing;
        self
    }

    /// What patterns are matched against when the trader front gives no list.
    #[must_use]
    pub fn contract_list(mut self, contracts: impl Into<Option<Vec<Contract>>>) -> Self {
        self.contract_list = contracts.into();
        self
    }

    /// Instruments per subscription request.
    #[must_use]
    pub const fn subscribe_batch(mut self, instruments: usize) -> Self {
        self.batch = instruments;
        self
    }

    /// Slots of the queue between the library and the pipeline, in ticks.
    #[must_use]
    pub const fn queue_slots(mut self, slots: usize) -> Self {
        self.session.options.queue_slots = slots;
        self
    }

    /// Ends after this time, which includes the search for contracts.
    #[must_use]
    pub fn run_for(mut self, span: impl Into<Option<Duration>>) -> Self {
        self.run_for = span.into();
        self
    }

    /// Logs the counts this often; zero, the default, for never.
    #[must_use]
    pub fn progress_every(mut self, every: Duration) -> Self {
        self.session = self.session.progress_every(every);
        self
    }

    /// Ends when this control is stopped.
    #[must_use]
    pub fn control(mut self, control: Arc<Control>) -> Self {
        self.session = self.session.control(control);
        self
    }

    /// Uses another clock than the machine's.
    #[must_use]
    pub fn clock(mut self, clock: Arc<dyn Clock>) -> Self {
        self.session = self.session.clock(clock);
        self
    }

    /// Runs until a stop is requested, its time is up, or it cannot continue.
    ///
    /// # Errors
    /// When it cannot be started. What happens later is in the summary.
    pub fn run(mut self) -> Result<LiveSummary, SessionError> {
        let clock = Arc::clone(&self.session.clock);
        let started = clock.now();
        let run_until = self
            .run_for
            .map_or(MonoNanos::NEVER, |span| started.after(span));
        self.check_login()?;
        self.front.check_library(&self.library)?;
        self.log_start();
        if let Some(nats) = self.nats.take() {
            match self.connect(nats, run_until)? {
                Some(server) => self.session.server = Some(server),
                None if self.session.control.is_stopped() => {
                    return self.not_begun(LiveReport::default(), &[], started);
                }
                None => return Err(SessionError::ServerNotReached),
            }
        }
        self.log_library();
        let mut listing = match self.find_contracts(run_until) {
            Contracts::Listing(listing) => *listing,
            Contracts::Ended { live, events } => return self.not_begun(live, &events, started),
        };
        self.use_contracts(&mut listing);
        let instruments = self.subscription.instruments(listing)?;
        let elapsed = clock.now().duration_since(started);
        self.session.options = self.options(instruments, elapsed);
        let connector = Box::new(self.front.connector(self.library));
        let mut ended = self.session.run(connector)?;
        ended.elapsed_ns = clock.now().since(started);
        Ok(ended)
    }

    /// The settlement is confirmed only at a trader front.
    fn check_login(&self) -> Result<(), LoginTooLong> {
        let login = &self.front.login;
        login.check()?;
        match self.listing.confirm_settlement && !self.front.td_fronts.is_empty() {
            true => login.check_settlement(),
            false => Ok(()),
        }
    }

    fn log_start(&self) {
        let publisher = &self.session.publisher;
        tracing::info!(
            event = "live_ingest_start",
            session = self.session.name,
            verb = self.verb,
            recording = self.session.record.is_some(),
            publishing = self.nats.is_some(),
            payload = publisher.payload.as_str(),
            subject_prefix = publisher.subject_prefix,
            drop = %publisher.drop
        );
    }

    fn log_library(&self) {
        tracing::info!(
            event = "ctp_library",
            api_version = self.library.version(),
            layout = self.library.layout(),
            path = %self.library.path().display()
        );
        warn_untested(&self.library);
    }

    /// `None` when the run is over before the server answers.
    fn connect(
        &self,
        nats: LiveNats,
        run_until: MonoNanos,
    ) -> Result<Option<LiveServer>, SessionError> {
        let LiveSession {
            name,
            control,
            clock,
            ..
        } = &self.session;
        let (name, verb) = (name.clone(), self.verb);
        let is_recorded = self.session.record.is_some();
        let nats = LiveNats {
            is_recorded,
            ..nats
        };
        let connect = move || LiveServer::connect(&nats, &name, verb);
        let is_over = || control.is_stopped() || clock.now() >= run_until;
        let connected = run_interruptible("nats-connect", is_over, connect)?;
        Ok(connected.transpose()?)
    }

    /// The trader front's contracts, else those of the caller's list.
    fn find_contracts(&self, run_until: MonoNanos) -> Contracts {
        if self.front.td_fronts.is_empty() {
            return self.without_front(None);
        }
        let LiveSession { control, clock, .. } = &self.session;
        let is_over = || control.is_stopped() || clock.now() >= run_until;
        let clock = clock.as_ref();
        let mut trader = self
            .front
            .trader(&self.library, self.listing, clock, &is_over);
        let search = Search {
            session: self.front_session.clone(),
            backoff: self.front.backoff,
            needs_list: self.contract_list.is_none() && self.subscription.needs_list(),
            clock,
            stop_asked: &is_over,
        };
        match search.run(&mut trader) {
            Found::Contracts(found) => {
                let listing = Listing::from_front(&self.session.publisher.contracts, &found);
                Contracts::Listing(Box::new(listing))
            }
            Found::Unavailable(problem) => self.without_front(Some(problem)),
            Found::Ended { live, events } => Contracts::Ended { live, events },
        }
    }

    fn without_front(&self, problem: Option<TraderError>) -> Contracts {
        let table = &self.session.publisher.contracts;
        let contracts = self.contract_list.clone().unwrap_or_default();
        Contracts::Listing(Box::new(Listing::without_front(table, contracts, problem)))
    }

    /// Publishes and records by the contracts that were found.
    fn use_contracts(&mut self, listing: &mut Listing) {
        let contracts = Arc::new(std::mem::take(&mut listing.table));
        if let Some(record) = &mut self.session.record {
            record.options.contracts = Arc::clone(&contracts);
        }
        self.session.publisher.contracts = contracts;
    }

    fn options(&self, instruments: Vec<InstrumentId>, elapsed: Duration) -> LiveOptions {
        LiveOptions {
            instruments,
            supervisor: SupervisorOptions {
                batch: self.batch,
                batch_interval_ns: subscription_interval_ns(&self.library),
                ..self.front.supervisor(self.front_session.clone())
            },
            run_for: self.run_for.map(|span| span.saturating_sub(elapsed)),
            ..self.session.options.clone()
        }
    }

    /// The end of a run whose session never began. What happened is recorded, so that the recording
    /// says why it is empty.
    fn not_begun(
        self,
        live: LiveReport,
        events: &[Event],
        started: MonoNanos,
    ) -> Result<LiveSummary, SessionError> {
        let LiveSession {
            name,
            record,
            clock,
            ..
        } = self.session;
        let at = events.first().map(|event| event.recv_ts);
        let record = record.zip(at).map(|(to, at)| (to.folder_at(at), to));
        let writer = match record.filter(|(folder, _)| is_free(folder)) {
            None => None,
            Some((folder, to)) => {
                let mut writer = RecordingWriter::create(&folder, to.options)?;
                writer.write(events)?;
                Some(writer)
            }
        };
        let elapsed_ns = clock.now().since(started);
        Ok(LiveSummary::not_begun(name, live, elapsed_ns, writer)?)
    }
}

/// Whether the folder is free. A session that never began must not replace an earlier recording.
fn is_free(folder: &Path) -> bool {
    let is_free = RecordingWriter::check_target(folder, false).is_ok();
    if !is_free {
        tracing::warn!(
            event = "recording_kept",
            path = %folder.display(),
            "no session began, so the earlier recording was not replaced"
        );
    }
    is_free
}

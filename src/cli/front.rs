//! Runs a live session for the verbs: checks, server, contracts, session.

use std::sync::Arc;
use std::time::Duration;

use tickdeck::encode::PayloadSource;
use tickdeck::live::ctp::CtpLibrary;
use tickdeck::live::setup::{FrontSettings, ListingOptions, subscription_interval_ns};
use tickdeck::live::trader::{Found, Search, TraderError};
use tickdeck::live::{
    self, Listing, LiveEnd, LiveOptions, LiveReport, SubscriptionError, SupervisorOptions, Wanted,
};
use tickdeck::nats::NatsOptions;
use tickdeck::normalize::Flags;
use tickdeck::pipeline::PublisherOptions;
use tickdeck::reference::{Reference, read_contract_file};
use tickdeck::session::{
    Ingest, IngestError, IngestNats, IngestServer, IngestSummary, RecordTo, ingest,
};
use tickdeck::sink::Sink;
use tickdeck_core::clock::{Clock as _, MonoNanos};
use tickdeck_core::event::{Event, InstrumentId};
use tickdeck_core::select::{SymbolGlobError, SymbolGlobs};
use tickdeck_recording::{RecordingError, RecordingOptions, RecordingWriter, SourceInfo};

use super::Context;
use super::account::{Account, DURATION, SYMBOL, TD_ADDRESS, duration, first_symbols};
use super::args::{FrontArgs, NormalizeArgs, OutputArgs, RollArgs, SinkArgs, SubscribeArgs};
use super::environment_error::EnvironmentError;
use super::front_settings::{
    check_library, make_flow_folder, open_library, session_name, settings,
};
use super::inputs::{self, warn_not_covered};
use super::outcome::{Outcome, UsageError};
use super::outputs::{Sinks, is_occupied, recording_options, refuse_unwritable, session_of};

/// What a verb asks of a live session.
pub(super) struct FrontRun<'a> {
    pub(super) verb: &'static str,
    pub(super) front: &'a FrontArgs,
    pub(super) subscribe: &'a SubscribeArgs,
    pub(super) normalize: &'a NormalizeArgs,
    pub(super) subject_prefix: &'a str,
    pub(super) nats: Option<NatsOptions>,
    pub(super) sinks: Option<&'a SinkArgs>,
    pub(super) record: Option<(&'a OutputArgs, &'a RollArgs)>,
}

/// Runs a live session to its end.
pub(super) fn run(context: &Context, run: FrontRun<'_>) -> anyhow::Result<IngestSummary> {
    let mut prepared = Prepared::new(context, run)?;
    prepared.log_start();
    let server = match prepared.connect()? {
        Connected::Server(server) => server.map(|server| *server),
        Connected::Stopped => return prepared.not_begun(LiveReport::default(), None),
    };
    prepared.log_library();
    let mut listing = match prepared.find_contracts()? {
        Contracts::Listing(listing) => *listing,
        Contracts::Ended { live, events } => return prepared.record_notes(live, &events),
    };
    prepared.reference.contracts = Arc::new(std::mem::take(&mut listing.table));
    let instruments = prepared.instruments(listing)?;
    prepared.ingest(server, instruments)
}

/// A session whose settings were checked. Nothing has been published or recorded.
struct Prepared<'a> {
    context: &'a Context,
    run: FrontRun<'a>,
    settings: FrontSettings,
    library: CtpLibrary,
    reference: Reference,
    sinks: Vec<Box<dyn Sink>>,
    /// Session id, in logs, health answers and the recording.
    session: String,
    /// First part of the names of the sessions with a front.
    front_session: String,
    started: MonoNanos,
    /// Time for the whole run.
    bound: Option<Duration>,
}

/// Whether there is a server to publish to.
enum Connected {
    Server(Option<Box<IngestServer>>),
    /// The run was stopped meanwhile.
    Stopped,
}

/// Whether the contracts are known.
enum Contracts {
    Listing(Box<Listing>),
    /// The run is over.
    Ended {
        live: LiveReport,
        events: Vec<Event>,
    },
}

impl<'a> Prepared<'a> {
    fn new(context: &'a Context, run: FrontRun<'a>) -> anyhow::Result<Self> {
        let environment = &context.environment;
        let account = Account::read(environment)?;
        let bound = match run.subscribe.duration {
            Some(span) => Some(span).filter(|span| !span.is_zero()),
            None => duration(environment)?,
        };
        let now = context.clock.wall();
        let started = context.clock.now();
        if run.subscribe.confirm_settlement && !account.td_fronts.is_empty() {
            account.check_settlement()?;
        }
        let settings = settings(&account, run.front, environment, now);
        // From here on the library does not print to stdout, so the sinks may use it.
        let library = open_library(&settings)?;
        check_library(&settings, &library)?;
        make_flow_folder(&settings.flow)?;
        let session = match run.record {
            Some((output, _)) => {
                RecordingWriter::check_target(&output.output, output.force)?;
                refuse_unwritable(&output.output)?;
                session_of(&output.output)
            }
            None => session_name(run.verb, now),
        };
        let sinks = match run.sinks {
            Some(sinks) => Sinks::open(context, sinks, None)?.sinks,
            None => Vec::new(),
        };
        check_symbols(context, &run)?;
        let reference = inputs::reference(run.normalize, &[])?;
        warn_not_covered(&reference.calendar, [now.to_shanghai().date_naive()]);
        context.handle_signals()?;
        Ok(Self {
            context,
            settings,
            library,
            reference,
            sinks,
            session,
            front_session: session_name("ctp", now),
            started,
            bound,
            run,
        })
    }

    fn log_start(&self) {
        let run = &self.run;
        tracing::info!(
            event = "live_ingest_start",
            session = self.session,
            verb = run.verb,
            recording = run.record.is_some(),
            publishing = run.nats.is_some(),
            payload = run.normalize.payload.as_str(),
            subject_prefix = run.subject_prefix,
            drop = %run.normalize.drop.iter().copied().collect::<Flags>()
        );
    }

    fn log_library(&self) {
        tracing::info!(
            event = "ctp_library",
            api_version = self.library.version(),
            layout = self.library.layout(),
            path = %self.library.path().display()
        );
    }

    fn run_until(&self) -> MonoNanos {
        self.bound
            .map_or(MonoNanos::NEVER, |span| self.started.after(span))
    }

    /// Connects to the NATS server, if ticks are published.
    fn connect(&self) -> anyhow::Result<Connected> {
        let Some(options) = self.run.nats.clone() else {
            return Ok(Connected::Server(None));
        };
        let nats = IngestNats {
            buffer: self.run.subscribe.nats_buffer,
            ..IngestNats::new(options)
        };
        let (name, verb) = (self.session.clone(), self.run.verb);
        let connect = move || IngestServer::connect(&nats, &name, verb);
        let context = self.context;
        match context.unless_stopped("nats-connect", self.run_until(), connect)? {
            Some(connected) => Ok(Connected::Server(Some(Box::new(connected?)))),
            None if context.control.is_stopped() => Ok(Connected::Stopped),
            None => anyhow::bail!(
                "no NATS server was reached before the run ended: {DURATION} or --duration \
                 is shorter than the server's absence"
            ),
        }
    }

    /// The trader front's contracts, else those of the contract file.
    fn find_contracts(&self) -> anyhow::Result<Contracts> {
        if self.settings.td_fronts.is_empty() {
            return self.contracts_of_file(None);
        }
        let Self { context, run, .. } = self;
        let run_until = self.run_until();
        let is_over = || context.control.is_stopped() || context.clock.now() >= run_until;
        let mut trader = self.settings.trader(
            &self.library,
            ListingOptions {
                confirm_settlement: run.subscribe.confirm_settlement,
                timeout: run.subscribe.discovery_timeout,
            },
            context.clock.as_ref(),
            &is_over,
        );
        let search = Search {
            session: self.front_session.clone(),
            backoff: self.settings.backoff,
            needs_list: run.normalize.contracts.is_none()
                && run.subscribe.symbols.iter().any(Wanted::needs_list),
            clock: context.clock.as_ref(),
            stop_asked: &is_over,
        };
        match search.run(&mut trader) {
            Found::Contracts(found) => {
                let listing = Listing::from_front(&self.reference.contracts, &found);
                Ok(Contracts::Listing(Box::new(listing)))
            }
            Found::Unavailable(problem) => self.contracts_of_file(Some(problem)),
            Found::Ended { live, events } => Ok(Contracts::Ended { live, events }),
        }
    }

    fn contracts_of_file(&self, problem: Option<TraderError>) -> anyhow::Result<Contracts> {
        let table = &self.reference.contracts;
        let contracts = match &self.run.normalize.contracts {
            None => Vec::new(),
            Some(path) => read_contract_file(path, table.products())
                .map_err(|error| UsageError::caused_by("--contracts cannot be used", error))?,
        };
        let listing = Listing::without_front(table, contracts, problem);
        Ok(Contracts::Listing(Box::new(listing)))
    }

    /// What to subscribe.
    fn instruments(&self, listing: Listing) -> anyhow::Result<Vec<InstrumentId>> {
        let first = first_symbols(self.run.normalize.ctp_symbol.as_deref())?;
        let first: Vec<String> = first.into_iter().map(|(id, _)| id).collect();
        let wanted = &self.run.subscribe.symbols;
        let globs = globs(wanted)?;
        let matches = |pattern: &str, id: &[u8], exchange| {
            let known = globs.iter().find(|(known, _)| *known == pattern);
            known.is_some_and(|(_, globs)| globs.matches(id, Some(exchange)))
        };
        live::instruments(&first, wanted, listing, &matches).map_err(unsubscribable)
    }

    /// Where to record, if anywhere.
    fn record_to(&self) -> Option<RecordTo> {
        let (output, roll) = self.run.record?;
        let source = SourceInfo {
            kind: "ctp".into(),
            payload_source: "ctp".into(),
            api_version: self.library.version(),
            struct_layout: self.library.layout(),
            recv_ts: "clock".into(),
            ..SourceInfo::default()
        };
        let session = self.session.clone();
        Some(RecordTo {
            folder: output.output.clone(),
            options: RecordingOptions {
                keep_partial: true,
                ..recording_options(output, roll, &self.reference, session, source)
            },
        })
    }

    /// Records the notes of a run that ended before its session began, so that the recording says
    /// why it is empty.
    fn record_notes(self, live: LiveReport, events: &[Event]) -> anyhow::Result<IngestSummary> {
        let to = self.record_to().filter(is_free);
        let writer = to.map(|to| recorded(to, events)).transpose()?;
        self.not_begun(live, writer)
    }

    fn not_begun(
        self,
        live: LiveReport,
        writer: Option<RecordingWriter>,
    ) -> anyhow::Result<IngestSummary> {
        let elapsed_ns = self.context.clock.now().since(self.started);
        let summary = IngestSummary::not_begun(self.session, live, elapsed_ns, writer)?;
        Ok(summary)
    }

    fn live_options(&self, instruments: Vec<InstrumentId>) -> LiveOptions {
        let elapsed = self.context.clock.now().duration_since(self.started);
        let subscribe = self.run.subscribe;
        LiveOptions {
            instruments,
            supervisor: SupervisorOptions {
                batch: subscribe.subscribe_batch as usize,
                batch_interval_ns: subscription_interval_ns(&self.library),
                ..self.settings.supervisor(self.front_session.clone())
            },
            queue_slots: subscribe.queue_slots as usize,
            run_for: self.bound.map(|span| span.saturating_sub(elapsed)),
            ..LiveOptions::default()
        }
    }

    fn ingest(
        self,
        server: Option<IngestServer>,
        instruments: Vec<InstrumentId>,
    ) -> anyhow::Result<IngestSummary> {
        let setup = Ingest {
            live: self.live_options(instruments),
            record: self.record_to(),
            session: self.session,
            publisher: PublisherOptions {
                payload: self.run.normalize.payload,
                subject_prefix: self.run.subject_prefix.to_owned(),
                drop: self.run.normalize.drop.iter().copied().collect(),
                ..PublisherOptions::new(&self.reference, PayloadSource::Ctp)
            },
            server,
            sinks: self.sinks,
            progress_every: self.run.subscribe.progress_every,
        };
        let context = self.context;
        let control = Arc::clone(&context.control);
        let ended = ingest(
            Box::new(self.settings.connector(self.library)),
            setup,
            Arc::clone(&context.clock) as _,
            Box::new(move || control.is_stopped()),
        );
        // The causes decide the exit code.
        let mut ended = ended.map_err(|error| match error {
            IngestError::Record(error) => anyhow::Error::from(error),
            error => error.into(),
        })?;
        // The time includes the search for contracts.
        ended.elapsed_ns = context.clock.now().since(self.started);
        Ok(ended)
    }
}

/// A recording of these events, not finished yet.
fn recorded(to: RecordTo, events: &[Event]) -> Result<RecordingWriter, RecordingError> {
    let mut writer = RecordingWriter::create(&to.folder, to.options)?;
    writer.write(events)?;
    Ok(writer)
}

/// Whether the folder is free. A session that never began must not replace an earlier recording.
fn is_free(to: &RecordTo) -> bool {
    let would_replace = is_occupied(&to.folder);
    if would_replace {
        tracing::warn!(
            event = "recording_kept",
            path = %to.folder.display(),
            "no session began: --force did not replace anything"
        );
    }
    !would_replace
}

/// Checks before anything starts that there is something to subscribe, and that the patterns are
/// valid.
fn check_symbols(context: &Context, run: &FrontRun<'_>) -> anyhow::Result<()> {
    let wanted = &run.subscribe.symbols;
    if first_symbols(run.normalize.ctp_symbol.as_deref())?.is_empty() && wanted.is_empty() {
        return Err(EnvironmentError::missing(&[SYMBOL], &context.environment).into());
    }
    globs(wanted)?;
    Ok(())
}

/// The patterns, each with its globs.
fn globs(wanted: &[Wanted]) -> Result<Vec<(&str, SymbolGlobs)>, UsageError> {
    let patterns = wanted.iter().filter_map(|one| match one {
        Wanted::Instrument(_) => None,
        Wanted::Pattern(pattern) => Some(pattern.as_str()),
    });
    patterns
        .map(|pattern| Ok((pattern, SymbolGlobs::new(&[pattern])?)))
        .collect::<Result<_, _>>()
        .map_err(|error: SymbolGlobError| UsageError::caused_by("--symbols cannot be used", error))
}

fn unsubscribable(error: SubscriptionError) -> anyhow::Error {
    let message = error.to_string();
    match error {
        SubscriptionError::ListUnavailable { problem, .. } => {
            UsageError::caused_by(message, *problem).into()
        }
        SubscriptionError::NoList { .. } => EnvironmentError::unusable(TD_ADDRESS, error).into(),
        _ => UsageError::new(message).into(),
    }
}

/// How a live session ends the process.
pub(super) fn outcome(ended: IngestSummary, is_lossy: bool) -> anyhow::Result<Outcome> {
    if let Some(error) = ended.error {
        return Err(error.into());
    }
    if let LiveEnd::GaveUp { reason } = ended.live.end {
        anyhow::bail!("the session with the front ended: {reason}");
    }
    Ok(if is_lossy {
        Outcome::Lossy
    } else {
        Outcome::Done
    })
}

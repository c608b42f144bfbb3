//! Runs a live session for the verbs: checks the settings, sets the session up, maps its errors.

use std::sync::Arc;

use anyhow::Context as _;
use tickdeck::control::signals;
use tickdeck::encode::PayloadSource;
use tickdeck::live::ctp::CtpLibrary;
use tickdeck::live::setup::{FrontSettings, ListingOptions};
use tickdeck::live::{LiveEnd, Subscription, SubscriptionError, Wanted};
use tickdeck::nats::NatsOptions;
use tickdeck::nats::stream::StreamSettings;
use tickdeck::pipeline::PublisherOptions;
use tickdeck::reference::{Reference, read_contract_file};
use tickdeck::session::{
    CtpSession, LiveNats, LiveSummary, NoTick, OnRecordingFailure, Session, SessionError,
};
use tickdeck::sink::{JetStreamOptions, Sink};
use tickdeck_core::clock::Clock as _;
use tickdeck_core::contract::Contract;
use tickdeck_core::select::Partition;
use tickdeck_core::time::UnixNanos;
use tickdeck_recording::{Requested, SessionId};

use super::account::{Account, DURATION, SYMBOL, TD_ADDRESS, duration, first_symbols};
use super::args::{FrontArgs, JournalArgs, NormalizeArgs, RollArgs, SinkArgs, SubscribeArgs};
use super::context::Context;
use super::environment_error::EnvironmentError;
use super::front_settings::{
    check_library, make_flow_folder, open_library, session_name, settings,
};
use super::inputs::{self, warn_not_covered};
use super::outcome::{Outcome, UsageError, session_error};
use super::outputs::{Sinks, publisher_options};
use super::session_place::SessionPlace;
use super::symbols::{refuse_foreign, warn_unknown};

/// What a verb asks of a live session.
pub(super) struct FrontRun<'a> {
    pub(super) verb: &'static str,
    pub(super) front: &'a FrontArgs,
    pub(super) subscribe: &'a SubscribeArgs,
    pub(super) normalize: &'a NormalizeArgs,
    pub(super) subject_prefix: &'a str,
    pub(super) partition: Option<Partition>,
    pub(super) nats: Option<NatsOptions>,
    /// The stream on that server to publish to, if not by core NATS.
    pub(super) stream: Option<StreamSettings>,
    pub(super) sinks: Option<&'a SinkArgs>,
    pub(super) record: Option<RecordInto<'a>>,
}

/// Where and how a session is recorded.
#[derive(Clone, Copy)]
pub(super) struct RecordInto<'a> {
    pub(super) output: &'a SessionPlace,
    pub(super) roll: &'a RollArgs,
    pub(super) journal: &'a JournalArgs,
    pub(super) on_failure: OnRecordingFailure,
}

/// Runs a live session to its end.
pub(super) fn run(context: &Context, run: FrontRun<'_>) -> anyhow::Result<LiveSummary> {
    let ended = prepare(context, run)?.run().map_err(start_error)?;
    warn_no_tick(&ended, context.control.is_stopped());
    Ok(ended)
}

/// Warns about a session that received nothing, and says how far it came.
fn warn_no_tick(ended: &LiveSummary, is_stopped: bool) {
    let Some(no_tick) = ended.no_tick() else {
        return;
    };
    let fix = text(no_tick, is_stopped);
    tracing::warn!(
        event = "live_no_tick",
        session = ended.session,
        attempts = ended.live.attempts,
        logins = ended.live.logins,
        "the session received no tick; {fix}"
    );
}

/// Why there was no tick, and what to do. The log says more about an attempt that failed.
fn text(no_tick: NoTick, is_stopped: bool) -> String {
    let (end, longer) = match is_stopped {
        true => ("it was stopped", String::new()),
        false => (
            "its time was up",
            format!("; raise {DURATION} or --duration"),
        ),
    };
    match no_tick {
        NoTick::GaveUp => {
            "ctp_gave_up has the reason, and `tickdeck doctor` checks the front".to_owned()
        }
        NoTick::ServerNotReached => format!("{end} before the server was reached{longer}"),
        NoTick::Listing => format!("{end} while the contracts were being listed{longer}"),
        NoTick::NotLoggedIn => format!("{end} before the first login{longer}"),
        NoTick::LoginsFailed => {
            "no login: ctp_retry has the reason, and `tickdeck doctor` checks the front".to_owned()
        }
        NoTick::Silent => "the front sent nothing: markets are closed, or it does not have the \
                           instruments"
            .to_owned(),
    }
}

/// A session whose settings were checked. Nothing has been published or recorded.
fn prepare(context: &Context, run: FrontRun<'_>) -> anyhow::Result<CtpSession> {
    let environment = &context.environment;
    let account = Account::read(environment, run.front.front_keys)?;
    let bound = match run.subscribe.duration {
        Some(span) => Some(span).filter(|span| !span.is_zero()),
        None => duration(environment)?,
    };
    let now = context.clock.wall();
    if run.subscribe.confirm_settlement && !account.td_fronts.is_empty() {
        account.check_settlement()?;
    }
    let (reference, subscription) = subscription(context, &run)?;
    let settings = settings(&account, run.front, environment, now);
    let library = usable_library(&settings)?;
    let record = run.record.map(|RecordInto { output, roll, .. }| {
        output.record_to(roll, library.source_info(), &reference)
    });
    let recorder = run.record.map(|record| record.journal.options());
    let recorder = recorder.unwrap_or_default();
    if let Some(record) = &record {
        record.prepare(recorder).map_err(session_error)?;
    }
    let name = name_of(&run, now);
    let sinks = sinks(context, &run)?;
    warn_not_covered(&reference.calendar, [now.to_shanghai().date_naive()]);
    handle_signals(context, &run)?;
    let publisher = PublisherOptions {
        partition: run.partition,
        ..publisher_options(
            run.normalize,
            run.subject_prefix,
            PayloadSource::Ctp,
            &reference,
        )
    };
    let on_failure = run.record.map(|record| record.on_failure);
    let contracts = contract_list(run.normalize, &reference)?;
    let nats = run.nats.clone().map(|options| LiveNats {
        stream: stream_options(context, &run, &options, &name),
        buffer: run.subscribe.nats_buffer,
        ring: run.record.and_then(|record| record.output.trigger()),
        ..LiveNats::new(options)
    });
    Ok(
        Session::ctp(name, publisher, settings, library, subscription)
            .verb(run.verb)
            .front_session(session_name("ctp", now))
            .nats(nats)
            .sinks(sinks)
            .record(record)
            .recorder(recorder)
            .on_recording_failure(on_failure.unwrap_or_default())
            .listing(ListingOptions {
                confirm_settlement: run.subscribe.confirm_settlement,
                timeout: run.subscribe.discovery_timeout,
            })
            .contract_list(contracts)
            .subscribe_batch(run.subscribe.subscribe_batch as usize)
            .queue_slots(run.subscribe.queue_slots as usize)
            .run_for(bound)
            .progress_every(run.subscribe.progress_every)
            .control(Arc::clone(&context.control))
            .clock(Arc::clone(&context.clock) as _),
    )
}

/// The stream of the flags, as part of the run of `context`.
fn stream_options(
    context: &Context,
    run: &FrontRun<'_>,
    nats: &NatsOptions,
    session: &str,
) -> Option<Box<JetStreamOptions>> {
    let stream = run.stream.clone()?;
    Some(Box::new(JetStreamOptions {
        subject_prefix: run.subject_prefix.to_owned(),
        ..JetStreamOptions::new(nats.clone(), stream, session, context.run.as_str())
    }))
}

/// The sinks of the flags. The server of a live session is apart from them.
fn sinks(context: &Context, run: &FrontRun<'_>) -> anyhow::Result<Vec<Box<dyn Sink>>> {
    let Some(sinks) = run.sinks else {
        return Ok(Vec::new());
    };
    let force = run.record.is_some_and(|record| record.output.force);
    Ok(Sinks::open(context, sinks, force, true, None)?.sinks)
}

/// Handles the signals of every session, and SIGUSR2 for one with a ring: it keeps what that has.
fn handle_signals(context: &Context, run: &FrontRun<'_>) -> anyhow::Result<()> {
    context.handle_signals()?;
    let trigger = run.record.and_then(|record| record.output.trigger());
    signals::at_sigusr2(move || match &trigger {
        Some(trigger) => match trigger.keep("SIGUSR2") {
            Requested::Refused(reason) => tracing::error!(
                event = "ring_not_kept",
                signal = "SIGUSR2",
                error = reason,
                "nothing is kept"
            ),
            Requested::Noted | Requested::NotNoted => {
                tracing::info!(event = "ring_keep_requested", signal = "SIGUSR2");
            }
        },
        None => tracing::warn!(
            event = "signal_ignored",
            signal = "SIGUSR2",
            "it keeps what a ring has; the session continues without one"
        ),
    })
    .context("installing the handler of SIGUSR2")
}

/// The session id: that of the place where it is recorded, if it is.
fn name_of(run: &FrontRun<'_>, now: UnixNanos) -> String {
    match run.record {
        Some(record) => record.output.session(),
        None => session_name(run.verb, now),
    }
}

/// The library, with a flow folder that it can write to. From here on it does not print to stdout, so
/// the sinks may use that.
fn usable_library(settings: &FrontSettings) -> anyhow::Result<CtpLibrary> {
    let library = open_library(settings)?;
    check_library(settings, &library)?;
    make_flow_folder(&settings.flow)?;
    Ok(library)
}

/// The tables in force, and what the variables and flags ask to subscribe.
fn subscription(
    context: &Context,
    run: &FrontRun<'_>,
) -> anyhow::Result<(Reference, Subscription)> {
    // Before the tables: the error of this list names the variable.
    let first = first_symbols(run.normalize.ctp_symbol.as_deref())?;
    let reference = inputs::reference(run.normalize, &[])?;
    let first: Vec<String> = first.into_iter().map(|(id, _)| id).collect();
    let named = run.subscribe.symbols.iter().filter_map(|one| match one {
        Wanted::Instrument(id, exchange) => Some((id.as_str(), *exchange)),
        Wanted::Pattern(_) => None,
    });
    let unknown = refuse_foreign(&reference.contracts, named)
        .map_err(|error| UsageError::caused_by("--symbols cannot be used", error))?;
    warn_unknown(&unknown);
    let subscription = Subscription::new(first, run.subscribe.symbols.clone())
        .map_err(|error| UsageError::caused_by("--symbols cannot be used", error))?;
    if subscription.is_empty() {
        return Err(EnvironmentError::missing_unless(
            &[SYMBOL],
            &context.environment,
            ", or name instruments with --symbols",
        )
        .into());
    }
    Ok((reference, subscription))
}

/// The contracts of `--contracts`.
fn contract_list(
    args: &NormalizeArgs,
    reference: &Reference,
) -> Result<Option<Vec<Contract>>, UsageError> {
    let products = reference.contracts.products();
    args.contracts
        .as_deref()
        .map(|path| read_contract_file(path, products))
        .transpose()
        .map_err(|error| UsageError::caused_by("--contracts cannot be used", error))
}

/// Names the variable or flag to change.
fn start_error(error: SessionError) -> anyhow::Error {
    match error {
        SessionError::ServerNotReached => anyhow::Error::from(error).context(format!(
            "the run ended before the server became reachable: raise {DURATION} or --duration"
        )),
        SessionError::Subscription(error) => unsubscribable(error),
        error => session_error(error),
    }
}

fn unsubscribable(error: SubscriptionError) -> anyhow::Error {
    match error {
        SubscriptionError::ListUnavailable { patterns, problem } => {
            let message = format!(
                "--symbols {patterns} needs the trader front's contract list, which is unavailable; \
                 fix that, or give --contracts FILE"
            );
            UsageError::caused_by(message, *problem).into()
        }
        SubscriptionError::NoList { patterns } => {
            let problem = anyhow::anyhow!(
                "--symbols {patterns} needs a contract list, and the product table is not one: set \
                 {TD_ADDRESS}, or give --contracts FILE"
            );
            EnvironmentError::unusable(TD_ADDRESS, problem).into()
        }
        SubscriptionError::Nothing => {
            UsageError::new("--symbols matches no contract: nothing to subscribe").into()
        }
        error => error.into(),
    }
}

/// How a live session ends the process.
pub(super) fn outcome(ended: LiveSummary, is_lossy: bool) -> anyhow::Result<Outcome> {
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

/// The id of a session with a front that is not given one.
pub(super) fn live_session_id(verb: &str, context: &Context) -> SessionId {
    SessionId::of_text(&session_name(verb, context.clock.wall()))
}

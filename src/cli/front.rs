//! A live session as the verbs start it: the library, the instruments, the tables, the sinks.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use anyhow::Context as _;
use chrono::Timelike as _;

use super::account::{Account, Missing, duration, first_symbols};
use super::args::{FrontArgs, NormalizeArgs, OutputArgs, RollArgs, SubscribeArgs, duration_ns};
use super::env::Environment;
use super::inputs::{Reference, warn_not_covered};
use super::outcome::{Outcome, UsageError};
use super::outputs::recording_options;
use super::select::SymbolGlobs;
use super::{Context, library_output};
use crate::clock::Clock as _;
use crate::contract::{Contract, ContractTable, read_contract_file};
use crate::encode::PayloadSource;
use crate::live::ctp::{
    CtpConnector, CtpLibrary, CtpLogin, Discovery, Scrubber, discover as discover_contracts,
};
use crate::live::{Backoff, LiveEnd, LiveOptions, SupervisorOptions, choose};
use crate::nats::NatsOptions;
use crate::pace::Rate;
use crate::pipeline::{
    Ingest, IngestError, IngestNats, IngestSummary, LatenessMs, PublisherOptions, RecordTo,
    Summary, ingest,
};
use crate::recording::SourceInfo;
use crate::sink::Sink;
use crate::time::UnixNanos;

/// How a live session is to go.
pub(super) struct FrontRun<'a> {
    pub(super) verb: &'static str,
    pub(super) front: &'a FrontArgs,
    pub(super) subscribe: &'a SubscribeArgs,
    pub(super) normalize: &'a NormalizeArgs,
    pub(super) subject_prefix: &'a str,
    pub(super) nats: Option<NatsOptions>,
    pub(super) sinks: Vec<Box<dyn Sink>>,
    pub(super) record: Option<(&'a OutputArgs, &'a RollArgs)>,
}

/// Variables without which no session can start.
#[derive(Debug, thiserror::Error)]
#[error("{fix}")]
pub(super) struct MissingEnvironment {
    required_env: String,
    fix: String,
}

/// Checks that the environment names everything that a login needs, and `more`.
pub(super) fn require(environment: &Environment, more: &[&'static str]) -> anyhow::Result<()> {
    let Missing(mut names) = Account::missing(environment);
    names.extend(more);
    if names.is_empty() {
        return Ok(());
    }
    let missing = MissingEnvironment {
        fix: format!("set {} {}", names.join(", "), environment.where_to_set()),
        required_env: names.join(","),
    };
    Err(UsageError::caused_by("the environment is not complete", missing).into())
}

/// Logs what keeps a session from starting, in the words of the live verbs.
pub(super) fn startup_error(error: anyhow::Error) -> anyhow::Error {
    let missing = error
        .chain()
        .find_map(|cause| cause.downcast_ref::<MissingEnvironment>());
    match missing {
        Some(MissingEnvironment { required_env, fix }) => tracing::error!(
            event = "live_ingest_startup_error",
            required_env,
            fix,
            "the environment is not complete"
        ),
        None => tracing::error!(
            event = "live_ingest_startup_error",
            required_env = "",
            reason = format!("{error:#}")
        ),
    }
    error
}

/// Loads the library that the environment names.
pub(super) fn open_library(account: &Account) -> anyhow::Result<CtpLibrary> {
    keep_output_apart(account)?;
    CtpLibrary::open(&account.library).map_err(|error| {
        UsageError::caused_by(
            "the CTP library that CTP_GATEWAY_CONNECT names cannot be used",
            error,
        )
        .into()
    })
}

/// What libraries print must not get among the results.
pub(super) fn keep_output_apart(account: &Account) -> anyhow::Result<()> {
    library_output::separate(Scrubber::new(account.secrets()))
        .context("keeping what the CTP library prints apart from results")
}

/// The login of an account.
pub(super) fn login_of(account: &Account) -> CtpLogin {
    CtpLogin {
        broker_id: account.broker_id.clone(),
        user_id: account.user_id.clone(),
        password: account.password.clone(),
        app_id: account.app_id.clone(),
        auth_code: account.auth_code.clone(),
        secrets: account.secrets(),
    }
}

/// Where the library's own files go: the given folder, or one below the user's state folder.
pub(super) fn flow_folder(given: Option<&Path>, environment: &Environment) -> PathBuf {
    if let Some(folder) = given {
        return folder.to_owned();
    }
    let named = |name: &str| environment.get(name).map(|v| PathBuf::from(v.expose()));
    let state = named("XDG_STATE_HOME")
        .or_else(|| named("HOME").map(|home| home.join(".local/state")))
        .unwrap_or_else(std::env::temp_dir);
    state.join("tickdeck").join("flow")
}

/// Makes the folder, so that a later error is not the library's, which would crash.
pub(super) fn make_flow_folder(folder: &Path) -> anyhow::Result<()> {
    let shown = folder.display();
    let refused = |error: std::io::Error| {
        UsageError::caused_by(
            format!("flow folder {shown} cannot be written to: choose another with --flow-dir"),
            error,
        )
    };
    std::fs::create_dir_all(folder).map_err(refused)?;
    tempfile::Builder::new()
        .prefix(".probe")
        .tempfile_in(folder)
        .map_err(refused)?;
    Ok(())
}

/// A name that no other session of this machine has: time and process.
pub(super) fn session_name(prefix: &str, now: UnixNanos) -> String {
    let at = now.to_shanghai();
    format!(
        "{prefix}-{}-{:02}{:02}{:02}-{}",
        at.format("%Y%m%d"),
        at.hour(),
        at.minute(),
        at.second(),
        std::process::id()
    )
}

/// How patient the flags want the supervisor to be.
pub(super) fn supervision(args: &FrontArgs, session: String, now: UnixNanos) -> SupervisorOptions {
    SupervisorOptions {
        session,
        backoff: Backoff {
            first_ns: duration_ns(args.backoff),
            cap_ns: duration_ns(args.backoff_max),
            seed: args.backoff_seed.unwrap_or(now.0.unsigned_abs()),
        },
        connect_timeout_ns: duration_ns(args.front_timeout),
        login_timeout_ns: duration_ns(args.login_timeout),
        reconnect_grace_ns: duration_ns(args.reconnect_grace),
        ..SupervisorOptions::default()
    }
}

/// Runs a live session to its end.
pub(super) fn run(context: &Context, run: FrontRun<'_>) -> anyhow::Result<IngestSummary> {
    let environment = &context.environment;
    let account = Account::read(environment)?;
    let bound = match run.subscribe.duration {
        Some(span) => Some(span).filter(|span| !span.is_zero()),
        None => duration(environment)?,
    };
    let now = context.clock.wall();
    let library = open_library(&account)?;
    let flow = flow_folder(run.front.flow_dir.as_deref(), environment);
    make_flow_folder(&flow)?;
    let session = match run.record {
        Some((output, _)) => super::outputs::session_of(&output.output),
        None => session_name(run.verb, now),
    };
    let supervised = session_name("ctp", now);
    let reference = Reference::new(run.normalize, &[])?;
    warn_not_covered(&reference.calendar, [now.to_shanghai().date_naive()]);
    context.handle_signals()?;
    let (reference, listed) = discover(context, &account, &run, &flow, &supervised, reference)?;
    let instruments = instruments(context, &run, &listed)?;
    let info = SourceInfo {
        kind: "ctp".into(),
        payload_source: "ctp".into(),
        api_version: library.version(),
        struct_layout: library.layout(),
        recv_ts: "clock".into(),
        ..SourceInfo::default()
    };
    tracing::info!(
        event = "ctp_library",
        api_version = info.api_version,
        layout = info.struct_layout,
        path = %library.path().display()
    );
    let connector = CtpConnector::new(library, login_of(&account), account.md_fronts.clone(), flow);
    let setup = Ingest {
        session: session.clone(),
        verb: run.verb,
        live: LiveOptions {
            instruments,
            supervisor: SupervisorOptions {
                batch: run.subscribe.subscribe_batch as usize,
                ..supervision(run.front, supervised, now)
            },
            queue_slots: run.subscribe.queue_slots as usize,
            run_for: bound,
            ..LiveOptions::default()
        },
        publisher: PublisherOptions {
            payload: run.normalize.payload,
            source: PayloadSource::Ctp,
            subject_prefix: run.subject_prefix.to_owned(),
            drop: run.normalize.drop.iter().copied().collect(),
            contracts: Arc::clone(&reference.contracts),
            calendar: Arc::clone(&reference.calendar),
        },
        nats: run.nats.map(|options| IngestNats {
            buffer: run.subscribe.nats_buffer,
            ..IngestNats::new(options)
        }),
        sinks: run.sinks,
        record: run.record.map(|(output, roll)| RecordTo {
            folder: output.output.clone(),
            options: crate::recording::RecordingOptions {
                keep_partial: true,
                ..recording_options(output, roll, &reference, session, info)
            },
        }),
        progress_every: run.subscribe.progress_every,
    };
    let control = Arc::clone(&context.control);
    let ended = ingest(
        Box::new(connector),
        setup,
        Arc::clone(&context.clock) as _,
        Box::new(move || control.is_stopped()),
    );
    // The causes decide about the exit code.
    ended.map_err(|error| match error {
        IngestError::Record(error) => error.into(),
        IngestError::Nats(error) => error.into(),
        error => error.into(),
    })
}

/// The tables in force with what the trader front knows, and the list that patterns are matched
/// against: the trader front's, else the contract file's, else none.
fn discover(
    context: &Context,
    account: &Account,
    run: &FrontRun<'_>,
    flow: &Path,
    session: &str,
    reference: Reference,
) -> anyhow::Result<(Reference, Vec<Contract>)> {
    let from_file = || -> anyhow::Result<Vec<Contract>> {
        match &run.normalize.contracts {
            None => Ok(Vec::new()),
            Some(path) => read_contract_file(path, reference.contracts.products())
                .map_err(|e| UsageError::caused_by("--contracts cannot be used", e).into()),
        }
    };
    if account.td_fronts.is_empty() {
        return Ok((reference.clone(), from_file()?));
    }
    let control = Arc::clone(&context.control);
    let found = discover_contracts(&Discovery {
        library: &account.library,
        login: &login_of(account),
        fronts: &account.td_fronts,
        flow: &flow.join(format!("{session}-td")),
        timeout: run.subscribe.discovery_timeout,
        clock: context.clock.as_ref(),
        stop_asked: &move || control.is_stopped(),
    });
    let listed: Vec<Contract> = match found {
        Ok(found) => {
            let products = reference.contracts.products();
            found
                .iter()
                .filter_map(|one| one.contract(products))
                .collect()
        }
        Err(error) => {
            tracing::warn!(
                event = "contract_discovery_failed",
                reason = %error,
                "the contracts of the trader front are not known: going on with --contracts and the \
                 product table"
            );
            return Ok((reference.clone(), from_file()?));
        }
    };
    tracing::info!(event = "contracts_discovered", contracts = listed.len());
    let mut contracts = ContractTable::clone(&reference.contracts);
    contracts.extend(listed.iter().cloned());
    // What the user gave goes before what the front says.
    contracts.extend(reference.contracts.explicit().cloned());
    let reference = Reference {
        contracts: Arc::new(contracts),
        ..reference
    };
    Ok((reference, listed))
}

fn instruments(
    context: &Context,
    run: &FrontRun<'_>,
    listed: &[Contract],
) -> anyhow::Result<Vec<crate::event::InstrumentId>> {
    let first = first_symbols(run.normalize.ctp_symbol.as_deref())?;
    let first: Vec<String> = first.into_iter().map(|(id, _)| id).collect();
    let patterns = &run.subscribe.symbols;
    if first.is_empty() && patterns.is_empty() {
        require(&context.environment, &["CTP_SYMBOL"])?;
    }
    let globs = patterns
        .iter()
        .map(|pattern| SymbolGlobs::new(std::slice::from_ref(pattern)))
        .collect::<Result<Vec<_>, _>>()
        .map_err(|error| UsageError::caused_by("--symbols cannot be used", error))?;
    let matches = |pattern: &str, id: &[u8], exchange| {
        let known = patterns
            .iter()
            .zip(&globs)
            .find(|(known, _)| *known == pattern);
        known.is_some_and(|(_, globs)| globs.matches(id, Some(exchange)))
    };
    let choice = choose(&first, patterns, listed, &matches);
    if !choice.unmatched.is_empty() {
        let patterns = choice.unmatched.join(",");
        if listed.is_empty() {
            return Err(UsageError::new(format!(
                "--symbols {patterns} needs a list of contracts, and the product table is none: set \
                 CTP_TD_ADDRESS, or give --contracts FILE"
            ))
            .into());
        }
        tracing::warn!(
            event = "symbols_unmatched",
            patterns,
            contracts = listed.len()
        );
    }
    if !choice.unlisted.is_empty() {
        let ids = choice.unlisted.join(",");
        tracing::warn!(event = "symbols_unlisted", ids, "subscribed all the same");
    }
    if choice.instruments.is_empty() {
        return Err(UsageError::new("--symbols matches no contract: nothing to subscribe").into());
    }
    Ok(choice.instruments)
}

/// The closing summary in the form of all verbs. What was late is the way from the callback to the
/// sinks.
pub(super) fn summary(ended: &IngestSummary) -> Summary {
    let total = ended.ledger.total();
    let millis = |nanos: u64| {
        #[expect(clippy::cast_precision_loss, reason = "a measurement, far below 2^53")]
        let micros = (nanos / 1_000) as f64;
        micros / 1_000.0
    };
    Summary {
        session: ended.session.clone(),
        received: total.received,
        published: total.published,
        rejected: total.rejected,
        filtered: total.filtered,
        failed: total.failed,
        dropped: ended.live.dropped,
        digest: ended.digest.clone(),
        rate_asked: Rate::Max,
        rate_achieved: None,
        lateness_ms: ended.delay.map(|delay| LatenessMs {
            p50: millis(delay.p50_ns),
            p99: millis(delay.p99_ns),
            max: millis(delay.max_ns),
        }),
        elapsed_s: millis(ended.elapsed_ns.unsigned_abs()) / 1_000.0,
        damaged: Vec::new(),
        missing: Vec::new(),
    }
}

/// How a live session ends the process.
pub(super) fn outcome(ended: IngestSummary, is_lossy: bool) -> anyhow::Result<Outcome> {
    if let Some(error) = ended.error {
        return Err(error.into());
    }
    if let LiveEnd::GaveUp { reason } = ended.live.end {
        anyhow::bail!("the session with the front is over: {reason}");
    }
    Ok(if is_lossy {
        Outcome::Lossy
    } else {
        Outcome::Done
    })
}

//! A live session as the verbs start it: the library, the instruments, the tables, the sinks.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use anyhow::Context as _;
use chrono::Timelike as _;
use tickdeck::encode::PayloadSource;
use tickdeck::live::ctp::{CtpConnector, CtpLibrary, CtpLogin, DiscoveryError, Scrubber};
use tickdeck::live::{
    Backoff, LiveEnd, LiveOptions, LiveReport, SupervisorOptions, Wanted, choose,
};
use tickdeck::nats::NatsOptions;
use tickdeck::normalize::Flags;
use tickdeck::pipeline::PublisherOptions;
use tickdeck::reference::Reference;
use tickdeck::session::{
    Ingest, IngestError, IngestNats, IngestServer, IngestSummary, RecordTo, ingest,
};
use tickdeck_core::clock::{Clock as _, MonoNanos};
use tickdeck_core::contract::Contract;
use tickdeck_core::event::Event;
use tickdeck_core::time::UnixNanos;
use tickdeck_ffi::abi::Knowledge;
use tickdeck_recording::{RecordingError, RecordingOptions, RecordingWriter, SourceInfo};

use super::account::{
    Account, DURATION, GATEWAY, MD_ADDRESS, SYMBOL, TD_ADDRESS, duration, first_symbols,
};
use super::args::{
    FrontArgs, FrontKeys, NormalizeArgs, OutputArgs, RollArgs, SinkArgs, SubscribeArgs, duration_ns,
};
use super::discovery::{Found, Listing, Search};
use super::env::Environment;
use super::inputs::{self, warn_not_covered};
use super::outcome::{Outcome, UsageError};
use super::outputs::{Sinks, is_occupied, recording_options, refuse_unwritable};
use super::select::{SymbolGlobError, SymbolGlobs};
use super::startup::EnvironmentError;
use super::{Context, library_output};

/// How a live session is to go.
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

/// Loads the library that the environment names.
pub(super) fn open_library(account: &Account) -> anyhow::Result<CtpLibrary> {
    keep_output_apart(account)?;
    CtpLibrary::open(&account.library)
        .map_err(|error| EnvironmentError::unusable(GATEWAY, error).into())
}

/// Whether flags and fronts suit a library, and a warning when nobody has tried its version.
pub(super) fn check_library(
    library: &CtpLibrary,
    args: &FrontArgs,
    account: &Account,
) -> anyhow::Result<()> {
    if let Some(refusal) = refused_front(library, account) {
        return Err(EnvironmentError::unusable(MD_ADDRESS, anyhow::anyhow!(refusal)).into());
    }
    if library.library().version().knowledge() != Knowledge::Listed {
        tracing::warn!(
            event = "ctp_version_untested",
            api_version = library.version(),
            layout = library.layout(),
            "this version of the library is not among those that were tested: compare a short \
             recording with another recorder's before you rely on it"
        );
    }
    match refused_keys(library, args) {
        None => Ok(()),
        Some(refusal) => Err(UsageError::new(refusal).into()),
    }
}

/// The first market data front that the library does not take, by its number, and why.
pub(super) fn refused_front(library: &CtpLibrary, account: &Account) -> Option<String> {
    (1..).zip(&account.md_fronts).find_map(|(number, front)| {
        let refusal = library.library().check_front(front).err()?;
        Some(format!(
            "address {number} is not for this library: {refusal}"
        ))
    })
}

/// Why the keys that the flags want are not to be had from a library.
pub(super) fn refused_keys(library: &CtpLibrary, args: &FrontArgs) -> Option<String> {
    let is_told = args.front_keys == FrontKeys::Evaluation;
    (is_told && !library.library().has_production_flag()).then(|| {
        format!(
            "--front-keys evaluation cannot be told to a library of version {}, which knows only the \
             keys that it was built with: take a library of 6.7.11 or later, or the broker's \
             evaluation build without the flag",
            library.version()
        )
    })
}

/// What libraries print must not get among the results.
pub(super) fn keep_output_apart(account: &Account) -> anyhow::Result<()> {
    library_output::separate(Scrubber::new(account.secrets()))
        .context("keeping what the CTP library prints apart from results")
}

/// The login of an account.
pub(super) fn login_of(account: &Account, args: &FrontArgs) -> CtpLogin {
    CtpLogin {
        broker_id: account.broker_id.clone(),
        user_id: account.user_id.clone(),
        password: account.password.clone(),
        app_id: account.app_id.clone(),
        auth_code: account.auth_code.clone(),
        production_keys: args.front_keys == FrontKeys::Production,
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

/// The pauses that the flags want between two tries.
pub(super) fn backoff(args: &FrontArgs, now: UnixNanos) -> Backoff {
    Backoff {
        first_ns: duration_ns(args.backoff),
        cap_ns: duration_ns(args.backoff_max),
        seed: args.backoff_seed.unwrap_or(now.0.unsigned_abs()),
    }
}

/// How patient the flags want the supervisor to be.
pub(super) fn supervision(args: &FrontArgs, session: String, now: UnixNanos) -> SupervisorOptions {
    SupervisorOptions {
        session,
        backoff: backoff(args, now),
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
    let started = context.clock.now();
    let run_until = bound.map_or(MonoNanos::NEVER, |span| started.after(span));
    if run.subscribe.confirm_settlement && !account.td_fronts.is_empty() {
        account.check_settlement()?;
    }
    // From here on stdout is not the library's, so the sinks may have it.
    let library = open_library(&account)?;
    check_library(&library, run.front, &account)?;
    let flow = flow_folder(run.front.flow_dir.as_deref(), environment);
    make_flow_folder(&flow)?;
    let session = match run.record {
        Some((output, _)) => super::outputs::session_of(&output.output),
        None => session_name(run.verb, now),
    };
    if let Some((output, _)) = run.record {
        RecordingWriter::check_target(&output.output, output.force)?;
        refuse_unwritable(&output.output)?;
    }
    let sinks = match run.sinks {
        Some(sinks) => Sinks::open(context, sinks, None)?.sinks,
        None => Vec::new(),
    };
    let supervised = session_name("ctp", now);
    check_symbols(context, &run)?;
    let reference = inputs::reference(run.normalize, &[])?;
    warn_not_covered(&reference.calendar, [now.to_shanghai().date_naive()]);
    context.handle_signals()?;
    tracing::info!(
        event = "live_ingest_start",
        session,
        verb = run.verb,
        recording = run.record.is_some(),
        publishing = run.nats.is_some(),
        payload = run.normalize.payload.as_str(),
        subject_prefix = run.subject_prefix,
        drop = %run.normalize.drop.iter().copied().collect::<Flags>()
    );
    let ended = |live, writer| {
        let elapsed_ns = context.clock.now().since(started);
        IngestSummary::not_begun(session.clone(), live, elapsed_ns, writer)
    };
    let server = match run.nats.clone() {
        None => None,
        Some(options) => {
            let nats = IngestNats {
                buffer: run.subscribe.nats_buffer,
                ..IngestNats::new(options)
            };
            let (name, verb) = (session.clone(), run.verb);
            let connect = move || IngestServer::connect(&nats, &name, verb);
            match context.unless_stopped("nats-connect", run_until, connect)? {
                Some(connected) => Some(connected?),
                None if context.control.is_stopped() => {
                    return Ok(ended(LiveReport::default(), None)?);
                }
                None => anyhow::bail!(
                    "no NATS server could be reached before the run was over: {DURATION} or \
                     --duration is shorter than the server was away"
                ),
            }
        }
    };
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
    let record_to = |reference: &Reference| {
        run.record.map(|(output, roll)| RecordTo {
            folder: output.output.clone(),
            options: RecordingOptions {
                keep_partial: true,
                ..recording_options(output, roll, reference, session.clone(), info.clone())
            },
        })
    };
    let search = Search {
        context,
        account: &account,
        front: run.front,
        subscribe: run.subscribe,
        normalize: run.normalize,
        flow: &flow,
        is_simulated: library.library().is_simulated(),
        session: &supervised,
        run_until,
    };
    let Listing {
        reference,
        contracts: listed,
        problem,
    } = match search.run(reference.clone())? {
        Found::Contracts(listing) => listing,
        // Whoever looks for the recording finds one, and in it why it is empty.
        Found::Ended { live, events } => {
            let to = record_to(&reference).filter(is_free);
            let writer = to.map(|to| recorded(to, &events));
            return Ok(ended(live, writer.transpose()?)?);
        }
    };
    let instruments = instruments(&run, &listed, problem)?;
    // Real fronts want a second between two requests. The simulated one takes them all at once, and
    // its market would start before the last one.
    let batch_interval_ns = if library.library().is_simulated() {
        0
    } else {
        SupervisorOptions::default().batch_interval_ns
    };
    let login = login_of(&account, run.front);
    let connector = CtpConnector::new(library, login, account.md_fronts.clone(), flow);
    let elapsed = context.clock.now().duration_since(started);
    let record = record_to(&reference);
    let setup = Ingest {
        session: session.clone(),
        live: LiveOptions {
            instruments,
            supervisor: SupervisorOptions {
                batch: run.subscribe.subscribe_batch as usize,
                batch_interval_ns,
                ..supervision(run.front, supervised, now)
            },
            queue_slots: run.subscribe.queue_slots as usize,
            run_for: bound.map(|span| span.saturating_sub(elapsed)),
            ..LiveOptions::default()
        },
        publisher: PublisherOptions {
            payload: run.normalize.payload,
            subject_prefix: run.subject_prefix.to_owned(),
            drop: run.normalize.drop.iter().copied().collect(),
            ..reference.publisher_options(PayloadSource::Ctp)
        },
        server,
        sinks,
        record,
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
    let mut ended = ended.map_err(|error| match error {
        IngestError::Record(error) => anyhow::Error::from(error),
        error => error.into(),
    })?;
    // With the time that it took to find out what to subscribe.
    ended.elapsed_ns = context.clock.now().since(started);
    Ok(ended)
}

/// A recording of these events, not finished yet.
fn recorded(to: RecordTo, events: &[Event]) -> Result<RecordingWriter, RecordingError> {
    let mut writer = RecordingWriter::create(&to.folder, to.options)?;
    writer.write(events)?;
    Ok(writer)
}

/// Whether nothing would be replaced: a session that never began is no reason to lose an earlier one.
fn is_free(to: &RecordTo) -> bool {
    let would_replace = is_occupied(&to.folder);
    if would_replace {
        tracing::warn!(
            event = "recording_kept",
            path = %to.folder.display(),
            "no session began: --force replaced nothing"
        );
    }
    !would_replace
}

/// Whether anything is to be subscribed, and whether what is asked for can be understood: found out
/// before anything is begun.
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

fn instruments(
    run: &FrontRun<'_>,
    listed: &[Contract],
    problem: Option<DiscoveryError>,
) -> anyhow::Result<Vec<tickdeck_core::event::InstrumentId>> {
    let first = first_symbols(run.normalize.ctp_symbol.as_deref())?;
    let first: Vec<String> = first.into_iter().map(|(id, _)| id).collect();
    let wanted = &run.subscribe.symbols;
    let globs = globs(wanted)?;
    let matches = |pattern: &str, id: &[u8], exchange| {
        let known = globs.iter().find(|(known, _)| *known == pattern);
        known.is_some_and(|(_, globs)| globs.matches(id, Some(exchange)))
    };
    let choice = choose(&first, wanted, listed, &matches);
    if !choice.unmatched.is_empty() {
        let patterns = choice.unmatched.join(",");
        match problem {
            Some(problem) if listed.is_empty() => {
                let message = format!(
                    "--symbols {patterns} needs the contracts of the trader front, which cannot be \
                     had; mend that, or give --contracts FILE"
                );
                return Err(UsageError::caused_by(message, problem).into());
            }
            None if listed.is_empty() => {
                let problem = anyhow::anyhow!(
                    "--symbols {patterns} needs a list of contracts, and the product table is none: \
                     set CTP_TD_ADDRESS, or give --contracts FILE"
                );
                return Err(EnvironmentError::unusable(TD_ADDRESS, problem).into());
            }
            _ => {}
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

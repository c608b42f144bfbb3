//! `tickdeck live`: live market data, from CTP to NATS.

use std::io::Write as _;

use tickdeck::session::{LiveSummary, Summary};
use tickdeck_core::printable::printable_value;
use tickdeck_core::switch::parse_switch;

use super::args::LiveArgs;
use super::context::Context;
use super::env::Environment;
use super::environment_error::EnvironmentError;
use super::front::{FrontRun, RecordInto, live_session_id, outcome, run as run_front};
use super::inputs::{Published, of_publishing};
use super::outcome::{Outcome, UsageError, after_printing, stdout};
use super::outputs::{live_stream, nats_options};
use super::render::print_summary;
use super::session_place::{SessionPlace, warn_unstored};
use super::startup::{require, startup_error};

/// The variable that allows the ingest.
const SWITCH: &str = "MD_RUN_INGEST";

/// Runs the verb.
pub(super) fn run(context: &Context, args: &LiveArgs) -> anyhow::Result<Outcome> {
    if !is_ingest_allowed(&context.environment).map_err(|error| startup_error(error.into()))? {
        return disabled(context, args);
    }
    let place = place(context, args).map_err(startup_error)?;
    let ended = prepare(context, args, place.as_ref()).map_err(startup_error)?;
    let mut summary = ended.summary();
    summary.partition = args.partition;
    if let Some(place) = &place {
        let made = place.made(ended.manifest.as_ref(), &ended.days);
        let paths = made.iter().filter_map(|made| made.path());
        summary.recordings = paths.map(str::to_owned).collect();
    }
    let printed = print_summary(&summary, args.json.json, &args.sinks());
    warn_unstored(&ended.unstored);
    let is_lossy =
        summary.is_lossy() || is_nothing(context, &ended, &summary) || !ended.unstored.is_empty();
    after_printing(printed, outcome(ended, is_lossy))
}

/// Whether there were ticks and nothing became of them: no message, and no recording either. What the
/// user ended early is complete.
fn is_nothing(context: &Context, ended: &LiveSummary, summary: &Summary) -> bool {
    let is_silent =
        ended.error.is_none() && of_publishing(&Published::of(summary), false) == Outcome::Lossy;
    is_silent && ended.recorded == 0 && !context.control.is_stopped()
}

/// Whether the environment allows the ingest. Without the variable it is disabled.
///
/// # Errors
/// When the value is neither yes nor no.
pub(super) fn is_ingest_allowed(environment: &Environment) -> Result<bool, UsageError> {
    let Some(value) = environment.get(SWITCH) else {
        return Ok(false);
    };
    let value = value.expose().trim();
    parse_switch(value).map_err(|error| {
        let problem = format!("found \"{}\", {error}", printable_value(value));
        EnvironmentError::unusable(SWITCH, UsageError::new(problem))
    })
}

/// Ingest is disabled by default. The verb says how to enable it and connects to nothing.
fn disabled(context: &Context, args: &LiveArgs) -> anyhow::Result<Outcome> {
    let enable = format!("set {SWITCH}=1 {}", context.environment.where_to_set());
    tracing::info!(event = "live_ingest_disabled", enable);
    let mut out = stdout();
    if args.json.json {
        let answer = serde_json::json!({ "ingest": "disabled", "enable": enable });
        writeln!(out, "{answer}")?;
    } else {
        writeln!(out, "live ingest is disabled; to enable it, {enable}")?;
    }
    out.flush()?;
    Ok(Outcome::Done)
}

/// Where the session is recorded, if it is.
fn place(context: &Context, args: &LiveArgs) -> anyhow::Result<Option<SessionPlace>> {
    let place = match (&args.record, &args.record_under) {
        (Some(folder), _) => Some(SessionPlace::folder(folder, args.force)),
        (None, Some(root)) => {
            let given = args.session_id.clone();
            let session = given.unwrap_or_else(|| live_session_id("live", context));
            Some(SessionPlace::under(root, session, args.force).with_ring(args.ring()))
        }
        (None, None) => None,
    };
    let spool = args.journal.spool.as_deref();
    place.map(|place| place.spooled(spool)).transpose()
}

fn prepare(
    context: &Context,
    args: &LiveArgs,
    place: Option<&SessionPlace>,
) -> anyhow::Result<LiveSummary> {
    require(&context.environment)?;
    run_front(
        context,
        FrontRun {
            verb: "live",
            front: &args.front,
            subscribe: &args.subscribe,
            normalize: &args.normalize,
            subject_prefix: &args.subject_prefix,
            partition: args.partition,
            nats: Some(nats_options(&args.nats)?),
            stream: live_stream(&args.sinks(), &args.stream),
            sinks: None,
            record: place.map(|output| RecordInto {
                output,
                roll: &args.roll,
                journal: &args.journal,
                on_failure: args.on_recording_failure.into(),
            }),
        },
    )
}

//! `tickdeck record`: a source into a recording, optionally published at the same time.

use std::path::PathBuf;
use std::sync::Arc;

use anyhow::Context as _;
use tickdeck::pipeline::PlayError;
use tickdeck::reference::Reference;
use tickdeck::session::{LiveSummary, Session, Summary};
use tickdeck_core::pace::PaceOptions;
use tickdeck_core::source::{MergeSource, Source};
use tickdeck_market::source::{Profile, SyntheticOptions};
use tickdeck_recording::{
    BackgroundWriter, EventFilter, Manifest, Recorded, RecordingOptions, RecordingWriter,
    SourceInfo,
};

use super::Context;
use super::args::{RecordArgs, SinkSpec, SourceSpec};
use super::front::{FrontRun, RecordInto, outcome, run as run_front};
use super::inputs::{self, INTACT_ONLY, completeness, on_a_thread, refuse_damage};
use super::outcome::{Outcome, UsageError, after_printing, session_error};
use super::outputs::{
    Sinks, nats_options, publisher_options, publishes_to_nats, recording_options, session_of,
};
use super::recover::recover_leftovers;
use super::render::{Made, print_summary};
use super::startup::{require, startup_error};
use super::synthetic;

/// A source that is ready to be recorded.
struct Opened {
    source: Box<dyn Source>,
    info: SourceInfo,
    reference: Reference,
    total: Option<u64>,
    /// Lossy if the source is a recording that is not whole.
    completeness: Outcome,
}

/// Runs the verb.
pub(super) fn run(context: &Context, args: &RecordArgs) -> anyhow::Result<Outcome> {
    if !args.publish && args.sinks.sinks != [SinkSpec::Nats] {
        return Err(
            UsageError::new("--sink needs --publish: only a published session has sinks").into(),
        );
    }
    let opened = match &args.source {
        SourceSpec::Ctp => return record_front(context, args),
        SourceSpec::Synthetic { profile, seed } => open_market(args, *profile, *seed)?,
        SourceSpec::Recording(path) => open_recording(args, path)?,
    };
    let publishes_nats = args.publish && publishes_to_nats(&args.sinks);
    let nats = publishes_nats
        .then(|| nats_options(&args.nats))
        .transpose()?;
    context.handle_signals()?;
    let sinks = match args.publish {
        true => Sinks::open(context, &args.sinks, args.output.force, nats.as_ref())?,
        false => Sinks::default(),
    };
    let session = session_of(&args.output.output);
    let reference = &opened.reference;
    let info = opened.info;
    let payload_source = info.payload_source();
    let options = RecordingOptions {
        keep_partial: true,
        ..recording_options(&args.output, &args.roll, reference, session.clone(), info)
    };
    // A session that was stopped before it began must not replace an earlier recording.
    let mut recorder = (!context.control.is_stopped())
        .then(|| start_recorder(args, options))
        .transpose()?;
    let mut source = Some(opened.source);
    let options = publisher_options(
        &args.normalize,
        &args.sinks.subject_prefix,
        payload_source,
        reference,
    );
    let session = Session::replay(session, options, || {
        // There is only one pass; a second one would be empty.
        let empty = || Box::new(MergeSource::new(Vec::new())) as _;
        Ok(source.take().unwrap_or_else(empty))
    })
    .health(nats, "record")
    .record(recorder.as_mut().map(|recorder| recorder as _))
    .pace(PaceOptions {
        rate: args.effective_rate(),
        ..PaceOptions::default()
    })
    .progress(context.progress("record", opened.total))
    .run_id(context.run.clone())
    .control(Arc::clone(&context.control))
    .clock(context.clock.clone());
    let played = sinks.give_to(session).run().map_err(session_error)?;
    // The recording is sealed even if a sink failed.
    let recorded = recorder.map_or_else(Recorded::default, |recorder| recorder.finish(0));
    let has_failed = matches!(played.error, Some(PlayError::Record(_)));
    if has_failed || recorded.error.is_some() {
        tracing::error!(
            event = "recording_failed",
            recorded = recorded.ticks,
            "these ticks are safe; `tickdeck recover` seals what is in the journal"
        );
    }
    let is_lossy = played.summary.is_lossy();
    let printed = print(args, &played.summary, recorded.manifest.as_ref());
    let ended = match (played.error, recorded.error) {
        (Some(error), _) => Err(error.into()),
        (None, Some(error)) => Err(error.into()),
        (None, None) if is_lossy => Ok(Outcome::Lossy),
        (None, None) => Ok(opened.completeness),
    };
    after_printing(printed, ended)
}

/// Starts the recording, after what an earlier recorder left is safe.
fn start_recorder(
    args: &RecordArgs,
    options: RecordingOptions,
) -> anyhow::Result<BackgroundWriter> {
    recover_leftovers(&args.output.output)?;
    let writer = RecordingWriter::create(&args.output.output, options)?;
    BackgroundWriter::start_syncing(writer, args.journal.sync_every)
        .context("starting the recorder's threads")
}

/// Prints the summary of what was published, and the new recording.
fn print(args: &RecordArgs, summary: &Summary, made: Option<&Manifest>) -> anyhow::Result<()> {
    if args.publish || args.json.json {
        print_summary(summary, args.json.json, &args.sinks)?;
    }
    match made {
        Some(manifest) if !args.json.json => {
            let sinks = args.publish.then_some(&args.sinks);
            Made::new(&args.output.output, manifest).print_beside(sinks)?;
        }
        _ => {}
    }
    Ok(())
}

/// Records a live session.
fn record_front(context: &Context, args: &RecordArgs) -> anyhow::Result<Outcome> {
    let run = || -> anyhow::Result<LiveSummary> {
        require(&context.environment, &[])?;
        let nats = (args.publish && publishes_to_nats(&args.sinks))
            .then(|| nats_options(&args.nats))
            .transpose()?;
        run_front(
            context,
            FrontRun {
                verb: "record",
                front: &args.front,
                subscribe: &args.subscribe,
                normalize: &args.normalize,
                subject_prefix: &args.sinks.subject_prefix,
                nats,
                sinks: args.publish.then_some(&args.sinks),
                record: Some(RecordInto {
                    output: &args.output,
                    roll: &args.roll,
                    journal: &args.journal,
                }),
            },
        )
    };
    let ended = run().map_err(startup_error)?;
    let summary = ended.summary();
    let printed = print(args, &summary, ended.manifest.as_ref());
    after_printing(printed, outcome(ended, summary.is_lossy()))
}

fn open_market(args: &RecordArgs, profile: Profile, seed: u64) -> anyhow::Result<Opened> {
    let reference = inputs::reference(&args.normalize, &[])?;
    let options = SyntheticOptions {
        profile,
        seed,
        ..SyntheticOptions::default()
    };
    let source = synthetic::open(options, &reference.calendar)?;
    Ok(Opened {
        info: source.info(),
        reference: synthetic::reference_of(&source, reference),
        total: Some(source.expected_events()),
        completeness: Outcome::Done,
        source: on_a_thread(Box::new(source))?,
    })
}

fn open_recording(args: &RecordArgs, path: &PathBuf) -> anyhow::Result<Opened> {
    let inputs = inputs::open(std::slice::from_ref(path))?;
    refuse_damage(&inputs.damage(), INTACT_ONLY)?;
    let all = EventFilter::default();
    Ok(Opened {
        info: inputs.recordings[0].source().clone(),
        reference: inputs::reference(&args.normalize, &inputs.recordings)?,
        total: inputs.estimate(&all),
        completeness: completeness(&inputs),
        // A merge of one source renumbers its events for the new recording.
        source: Box::new(MergeSource::new(vec![inputs.source_ahead(&all, None)?])),
    })
}

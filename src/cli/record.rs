//! `tickdeck record`: a source into a recording, optionally published at the same time.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use tickdeck::pipeline::PublisherOptions;
use tickdeck::reference::Reference;
use tickdeck::session::{LiveSummary, OnRecordingFailure, Replayed, Session, Summary};
use tickdeck_core::pace::PaceOptions;
use tickdeck_core::source::Source;
use tickdeck_market::source::SyntheticOptions;
use tickdeck_recording::{EventFilter, SessionId, SourceInfo};

use super::args::{RecordArgs, SourceSpec};
use super::context::Context;
use super::front::{FrontRun, RecordInto, live_session_id, outcome, run as run_front};
use super::inputs::{
    self, INTACT_ONLY, Inputs, Published, completeness, of_publishing, on_a_thread, refuse_damage,
    warn_no_tick,
};
use super::outcome::{Outcome, after_printing, session_error};
use super::outputs::{
    Sinks, Target, live_stream, nats_options, publisher_options, publishes_to_nats,
};
use super::render::{Made, print_summary};
use super::session_place::{SessionPlace, warn_unstored};
use super::startup::{require, startup_error};
use super::synthetic;

/// A source that is ready to be recorded.
struct Opened {
    source: Box<dyn Source>,
    info: SourceInfo,
    reference: Reference,
    total: Option<u64>,
    /// Where it goes.
    place: SessionPlace,
    /// The recording that is the source.
    inputs: Option<Inputs>,
    /// Lossy if the source is a recording that is not whole.
    completeness: Outcome,
}

/// Runs the verb.
pub(super) fn run(context: &Context, args: &RecordArgs) -> anyhow::Result<Outcome> {
    let opened = match &args.source {
        SourceSpec::Ctp => return record_front(context, args),
        SourceSpec::Synthetic(options) => open_market(args, options.clone())?,
        SourceSpec::Recording(path) => open_recording(args, path)?,
    };
    let publishes_nats = args.publish && publishes_to_nats(&args.sinks);
    let nats = publishes_nats
        .then(|| nats_options(&args.nats))
        .transpose()?;
    let place = &opened.place;
    let record = place.record_to(&args.roll, opened.info.clone(), &opened.reference);
    context.handle_signals()?;
    record
        .prepare(args.journal.options())
        .map_err(session_error)?;
    let session = place.session();
    let target = Target::of(context, &args.sinks, &args.stream, nats.as_ref(), &session);
    let sinks = match args.publish {
        true => Sinks::open(
            context,
            &args.sinks,
            args.output.force,
            args.allow_empty,
            target,
        )?,
        false => Sinks::default(),
    };
    let reference = &opened.reference;
    let options = PublisherOptions {
        partition: args.sinks.partition,
        ..publisher_options(
            &args.normalize,
            &args.sinks.subject_prefix,
            opened.info.payload_source(),
            reference,
        )
    };
    let session = Session::replay_once(place.session(), options, opened.source)
        .health(nats, "record")
        .record(record)
        // Without publishing, only the JSON has a payload digest.
        .record_only(!args.publish && !args.json.json)
        .allow_empty(args.allow_empty)
        .recorder(args.journal.options())
        .pace(PaceOptions {
            rate: args.effective_rate(),
            ..PaceOptions::default()
        })
        .progress(context.progress("record", opened.total))
        .run_id(context.run.clone())
        .control(Arc::clone(&context.control))
        .clock(context.clock.clone());
    let played = sinks.give_to(session).run().map_err(session_error)?;
    // Of a source without a tick nothing is kept.
    let is_empty =
        played.recorded.is_none() && played.error.is_none() && !context.control.is_stopped();
    if is_empty {
        match &opened.inputs {
            Some(inputs) => warn_no_tick(inputs),
            None => synthetic::warn_no_tick(
                "a longer duration= in --source has some, and --allow-empty accepts that",
            ),
        }
    }
    conclude(args, place, played, is_empty, opened.completeness)
}

/// Prints the result and decides how the verb ends. Of an empty source there is no recording.
fn conclude(
    args: &RecordArgs,
    place: &SessionPlace,
    played: Replayed,
    is_empty: bool,
    completeness: Outcome,
) -> anyhow::Result<Outcome> {
    let recorded = played.recorded.unwrap_or_default();
    let made = recorded.manifest.as_ref();
    // A recording that was never begun, or that failed, is not a result.
    let made = match is_empty || made.is_some() {
        true => place.made(made, &recorded.days),
        false => Vec::new(),
    };
    let made = made.into_iter();
    let made: Vec<Made<'_>> = made
        .map(|made| made.incomplete(completeness == Outcome::Lossy))
        .collect();
    let printed = print(args, &played.summary, &made);
    let is_silent = args.publish
        && played.error.is_none()
        && of_publishing(&Published::of(&played.summary), args.allow_empty) == Outcome::Lossy;
    warn_unstored(&recorded.unstored);
    let is_unstored = !recorded.unstored.is_empty();
    let is_lossy = played.summary.is_lossy() || is_empty || is_silent || is_unstored;
    let ended = match (played.error, recorded.error) {
        (Some(error), _) => Err(error.into()),
        (None, Some(error)) => Err(error.into()),
        (None, None) if is_lossy => Ok(Outcome::Lossy),
        (None, None) => Ok(completeness),
    };
    after_printing(printed, ended)
}

/// Prints the summary of what was published, and the new recordings.
fn print(args: &RecordArgs, summary: &Summary, made: &[Made<'_>]) -> anyhow::Result<()> {
    if args.json.json {
        let paths = made.iter().filter_map(Made::path).map(str::to_owned);
        let summary = Summary {
            recordings: paths.collect(),
            ..summary.clone()
        };
        print_summary(&summary, true, &args.sinks)?;
    } else if args.publish {
        // The recordings have their own lines below.
        print_summary(summary, false, &args.sinks)?;
    }
    for made in made.iter().filter(|_| !args.json.json) {
        made.print_beside(args.publish.then_some(&args.sinks))?;
    }
    Ok(())
}

/// Records a live session.
fn record_front(context: &Context, args: &RecordArgs) -> anyhow::Result<Outcome> {
    let place = place(args, || live_session_id("record", context))?;
    let run = || -> anyhow::Result<LiveSummary> {
        require(&context.environment)?;
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
                partition: args.sinks.partition,
                nats,
                stream: live_stream(&args.sinks, &args.stream),
                sinks: args.publish.then_some(&args.sinks),
                record: Some(RecordInto {
                    output: &place,
                    roll: &args.roll,
                    journal: &args.journal,
                    // The recording is what the verb is for.
                    on_failure: OnRecordingFailure::Stop,
                }),
            },
        )
    };
    let ended = run().map_err(startup_error)?;
    let summary = Summary {
        partition: args.sinks.partition,
        ..ended.summary()
    };
    let made = match &ended.manifest {
        None => Vec::new(),
        made => place.made(made.as_ref(), &ended.days),
    };
    let printed = print(args, &summary, &made);
    // A recording without a tick shows why there is none.
    let is_empty = summary.received == 0 && !args.allow_empty;
    let is_silent = args.publish
        && ended.error.is_none()
        && of_publishing(&Published::of(&summary), args.allow_empty) == Outcome::Lossy;
    // What the user ended early is complete.
    let is_nothing = (is_empty || is_silent) && !context.control.is_stopped();
    warn_unstored(&ended.unstored);
    let is_lossy = summary.is_lossy() || is_nothing || !ended.unstored.is_empty();
    after_printing(printed, outcome(ended, is_lossy))
}

/// Where the session goes. `id` is its id in a catalogue if none is given.
fn place(args: &RecordArgs, id: impl FnOnce() -> SessionId) -> anyhow::Result<SessionPlace> {
    let output = &args.output;
    let place = match (&output.record_under, &output.output) {
        (Some(root), _) => {
            let session = output.session_id.clone().unwrap_or_else(id);
            SessionPlace::under(root, session, output.force)
        }
        (None, folder) => {
            SessionPlace::folder(folder.as_deref().unwrap_or(Path::new("")), output.force)
        }
    };
    place.spooled(args.journal.spool.as_deref())
}

fn open_market(args: &RecordArgs, options: SyntheticOptions) -> anyhow::Result<Opened> {
    let reference = inputs::reference(&args.normalize, &[])?;
    // The same market has the same id, at any time and on any machine.
    let id = format!("{}-{}", options.profile, options.seed);
    let place = place(args, || SessionId::of_text(&id))?;
    let source = synthetic::open(options, &reference.calendar)?;
    Ok(Opened {
        info: source.info(),
        reference: synthetic::reference_of(&source, reference),
        total: Some(source.expected_events()),
        place,
        inputs: None,
        completeness: Outcome::Done,
        source: on_a_thread(Box::new(source))?,
    })
}

fn open_recording(args: &RecordArgs, path: &PathBuf) -> anyhow::Result<Opened> {
    let paths = std::slice::from_ref(path);
    let named = |id: &str| place(args, || SessionId::of_text(id));
    named("")?.check_inputs(paths)?;
    let inputs = inputs::open_with(paths, &args.normalize)?;
    let place = named(&inputs.session())?;
    refuse_damage(&inputs.damage(), INTACT_ONLY)?;
    let all = EventFilter::default();
    Ok(Opened {
        info: inputs.recordings[0].source().clone(),
        reference: inputs::reference(&args.normalize, &inputs.recordings)?,
        total: inputs.estimate(&all),
        place,
        completeness: completeness(inputs.are_complete()),
        source: inputs.source_ahead(&all, None)?,
        inputs: Some(inputs),
    })
}

//! `tickdeck record`: a source into a recording, published at the same time if asked to.

use super::Context;
use super::args::{RecordArgs, SinkSpec, SourceSpec};
use super::inputs::{INTACT_ONLY, Inputs, Reference, on_a_thread, refuse_damage};
use super::outcome::{Outcome, UsageError};
use super::outputs::{
    Sinks, nats_options, publisher_options, publishes_to_nats, recording_options, session_of,
};
use super::play::{PlaySetup, play};
use super::render::{print_made, print_summary};
use super::synthetic;
use crate::pace::PaceOptions;
use crate::pipeline::{PlayOptions, Publisher};
use crate::recording::{EventFilter, RecordingOptions, RecordingWriter, SourceInfo};
use crate::source::{MergeSource, Source, SyntheticOptions};

/// A source that is ready to be recorded.
struct Opened {
    source: Box<dyn Source>,
    info: SourceInfo,
    reference: Reference,
    total: Option<u64>,
}

/// Runs the verb.
pub(super) fn run(context: &Context, args: &RecordArgs) -> anyhow::Result<Outcome> {
    if !args.publish && args.sinks.sinks != [SinkSpec::Nats] {
        return Err(
            UsageError::new("--sink needs --publish: a recording alone has no sinks").into(),
        );
    }
    let opened = open_source(args)?;
    let publishes_nats = args.publish && publishes_to_nats(&args.sinks);
    let nats = publishes_nats
        .then(|| nats_options(&args.nats))
        .transpose()?;
    context.handle_signals()?;
    let sinks = if args.publish {
        Sinks::open(&args.sinks, nats.as_ref())?
    } else {
        Sinks::null()
    };
    let session = session_of(&args.output.output);
    let reference = &opened.reference;
    let info = opened.info;
    let payload_source = info.payload_source();
    let options = RecordingOptions {
        keep_partial: true,
        ..recording_options(&args.output, &args.roll, reference, session.clone(), info)
    };
    let mut writer = RecordingWriter::create(&args.output.output, options)?;
    let publisher = Publisher::new(
        publisher_options(&args.normalize, &args.sinks, payload_source, reference),
        sinks.sinks,
    );
    let setup = PlaySetup {
        verb: "record",
        session,
        pace: PaceOptions {
            rate: args.effective_rate(),
            ..PaceOptions::default()
        },
        looping: false,
        clock_ticks: None,
        options: PlayOptions::default(),
        total: opened.total,
        health: nats,
        nats: sinks.nats,
        stop: sinks.stop,
    };
    let mut source = Some(opened.source);
    let mut played = play(context, setup, publisher, Some(&mut writer), &mut || {
        source
            .take()
            .ok_or_else(|| anyhow::anyhow!("the source was already played"))
    })?;
    // The recording is sealed whatever became of the sinks: it has the priority.
    let manifest = writer.finish();
    if !args.publish {
        played.summary.published = 0;
    }
    if args.publish || args.json.json {
        print_summary(&played.summary, args.json.json, &args.sinks)?;
    }
    if let Some(error) = played.error {
        return Err(error);
    }
    let manifest = manifest?;
    if !args.json.json {
        print_made(&args.output.output, &manifest)?;
    }
    Ok(if played.summary.is_lossy() {
        Outcome::Lossy
    } else {
        Outcome::Done
    })
}

fn open_source(args: &RecordArgs) -> anyhow::Result<Opened> {
    match &args.source {
        SourceSpec::Ctp => Err(UsageError::new(
            "--source ctp is not in this build yet: record synthetic:PROFILE or recording:PATH",
        )
        .into()),
        SourceSpec::Synthetic { profile, seed } => {
            let reference = Reference::new(&args.normalize, &[])?;
            let options = SyntheticOptions {
                profile: *profile,
                seed: *seed,
                ..SyntheticOptions::default()
            };
            let source = synthetic::open(options, &reference.calendar)?;
            Ok(Opened {
                info: source.info(),
                reference: synthetic::reference_of(&source, reference),
                total: Some(source.expected_events()),
                source: on_a_thread(Box::new(source))?,
            })
        }
        SourceSpec::Recording(path) => {
            let inputs = Inputs::open(std::slice::from_ref(path), false)?;
            refuse_damage(&inputs.damage(), INTACT_ONLY)?;
            let all = EventFilter::default();
            Ok(Opened {
                info: inputs.recordings[0].source().clone(),
                reference: Reference::new(&args.normalize, &inputs.recordings)?,
                total: inputs.estimate(&all),
                // A recording that is part of another one is renumbered.
                source: Box::new(MergeSource::new(vec![inputs.source_ahead(&all, None)?])),
            })
        }
    }
}

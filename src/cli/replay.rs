//! `tickdeck replay`: recordings into sinks, at a controlled speed.

use std::io::IsTerminal as _;
use std::sync::Arc;

use tickdeck::control::Command;
use tickdeck::nats::NatsOptions;
use tickdeck::pipeline::{DryRun, PublisherOptions};
use tickdeck::reference::Reference;
use tickdeck::session::{Replayed, Session};
use tickdeck_core::event::Event;
use tickdeck_core::pace::{ClockTicks, Rate};
use tickdeck_core::select::Partition;
use tickdeck_core::source::PayloadSource;
use tickdeck_core::thread;
use tickdeck_recording::{EventFilter, Finding, Followed};

use super::args::ReplayArgs;
use super::context::Context;
use super::inputs::{
    self, Inputs, Published, Salvaged, Selection, completeness, of_publishing, refuse_damage,
    report_missing, warn_nothing_intact,
};
use super::outcome::{Outcome, UsageError, after_printing, is_reader_gone, session_error};
use super::outputs::{Sinks, Target, nats_options, publisher_options, publishes_to_nats};
use super::plan;
use super::render::print_summary;

/// What is played, checked before anything is opened or printed.
struct Plan {
    inputs: Inputs,
    source: PayloadSource,
    reference: Reference,
    selection: Selection,
    nats: Option<NatsOptions>,
    /// What is wrong with the recordings of a salvage.
    damage: Vec<Finding>,
}

impl Plan {
    fn make(args: &ReplayArgs) -> anyhow::Result<Self> {
        let inputs = if args.salvage {
            inputs::open_salvage(&args.recordings, &args.normalize)?
        } else {
            inputs::open_to_follow(&args.recordings, args.follow, &args.normalize)?
        };
        let source = inputs.payload_source()?;
        let reference = inputs::reference(&args.normalize, &inputs.recordings)?;
        inputs::warn_not_covered(&reference.calendar, inputs.recorded_days());
        let selection = Selection::new(&args.select, &inputs, &reference)?;
        let nats = publishes_to_nats(&args.sinks)
            .then(|| nats_options(&args.nats))
            .transpose()?;
        check_flags(args, &selection, nats.as_ref())?;
        let damage = inputs.damage();
        if !args.salvage {
            refuse_damage(&damage, "--salvage plays the intact parts")?;
        }
        Ok(Self {
            inputs,
            source,
            reference,
            selection,
            nats,
            damage,
        })
    }
}

/// Runs the verb.
pub(super) fn run(context: &Context, args: &ReplayArgs) -> anyhow::Result<Outcome> {
    let plan = Plan::make(args)?;
    inputs::warn_given_twice(&args.recordings);
    if args.dry_run {
        return show(args, &plan);
    }
    // Before the first key or signal can arrive, so that it resumes.
    if args.pace.start_paused {
        context.control.send(Command::Pause);
    }
    context.handle_signals()?;
    let _keyboard = context.watch_keyboard()?;
    let session = plan.inputs.session();
    let target = Target::of(
        context,
        &args.sinks,
        &args.stream,
        plan.nats.as_ref(),
        &session,
    );
    let sinks = Sinks::open(
        context,
        &args.sinks,
        args.force,
        plan.selection.may_be_empty(),
        target,
    )?;
    if args.pace.start_paused && !std::io::stdin().is_terminal() {
        let pid = std::process::id();
        tracing::info!(
            event = "replay_paused",
            pid,
            "paused: SIGUSR1 to pid {pid} resumes"
        );
    }
    let followed = Followed::default();
    let played = play(context, args, &plan, sinks, &followed)?;
    let selection = &plan.selection;
    let selected = match played.summary.received {
        _ if context.control.is_stopped() => Outcome::Done,
        0 if played.summary.is_damaged() && !selection.may_be_empty() => {
            warn_nothing_intact(selection, &played.summary.missing);
            Outcome::Lossy
        }
        0 => nothing_of(args.sinks.partition, selection),
        // What ended the replay early says why nothing was published.
        _ if played.error.is_some() => Outcome::Done,
        _ => of_publishing(&Published::of(&played.summary), selection.may_be_empty()),
    };
    let is_complete = match args.follow {
        true => {
            inputs::warn_abandoned(&plan.inputs, &followed);
            followed.is_finished()
        }
        false => plan.inputs.are_complete(),
    };
    report(args, selected.and(completeness(is_complete)), played)
}

/// Prints what would be played.
fn show(args: &ReplayArgs, plan: &Plan) -> anyhow::Result<Outcome> {
    let (inputs, selection) = (&plan.inputs, &plan.selection);
    let batch = args.batch_size as usize;
    let mut dry_run = DryRun::new(&options(args, plan));
    let visitor = |events: &[Event]| dry_run.take(events);
    let mut found = selection
        .events
        .count(inputs, args.salvage, batch, visitor)?;
    if let Some(partition) = args.sinks.partition {
        found
            .instruments
            .retain(|id, _| partition.has(id.as_bytes()));
    }
    plan::print(args, inputs, selection, plan.nats.as_ref(), &found)?;
    report_missing(&found.missing, &plan.damage);
    let played = match found.missing.is_empty() && plan.damage.is_empty() {
        true => Outcome::Done,
        false => Outcome::Lossy,
    };
    let selected = match found.ticks() {
        0 => nothing_of(args.sinks.partition, selection),
        _ => of_publishing(&Published::of_dry_run(&dry_run), selection.may_be_empty()),
    };
    let completeness = completeness(inputs.are_complete());
    Ok(selected.and(completeness).and(played))
}

/// What is published, and how.
fn options(args: &ReplayArgs, plan: &Plan) -> PublisherOptions {
    PublisherOptions {
        partition: args.sinks.partition,
        ..publisher_options(
            &args.normalize,
            &args.sinks.subject_prefix,
            plan.source,
            &plan.reference,
        )
    }
}

/// The events to read. A partition need not read the ticks of the others where that changes nothing:
/// neither a count, nor a due time, nor the `seq` of a merge.
fn filter(args: &ReplayArgs, plan: &Plan) -> EventFilter {
    let filter = plan.selection.events.filter.clone();
    let counts_all = plan.selection.events.max_ticks.is_some() || args.clock.is_some();
    let is_merged = plan.inputs.recordings.len() > 1;
    match args.sinks.partition {
        Some(partition) if args.pace.options().rate == Rate::Max && !counts_all && !is_merged => {
            filter.within(partition)
        }
        _ => filter,
    }
}

/// Plays it to its end. A salvage lists what it skips.
fn play(
    context: &Context,
    args: &ReplayArgs,
    plan: &Plan,
    sinks: Sinks,
    followed: &Followed,
) -> anyhow::Result<Replayed> {
    let inputs = &plan.inputs;
    let salvaged = Salvaged::default();
    let options = options(args, plan);
    let mut filter = filter(args, plan);
    let prime_until = if args.prime {
        filter.start.take()
    } else {
        None
    };
    let pace = args.pace.options();
    let total = inputs
        .estimate(&filter)
        .filter(|_| !args.pace.looping && !args.follow);
    let mut session = Session::replay(inputs.session(), options, || {
        let control = Arc::clone(&context.control);
        let following = args
            .follow
            .then(|| inputs.source_following(&filter, move || control.is_stopped(), followed));
        match following.flatten() {
            Some(source) => Ok(source),
            None => inputs.source_ahead(&filter, args.salvage.then_some(&salvaged)),
        }
    })
    .health(plan.nats.clone(), "replay")
    .pace(pace)
    .looping(args.pace.looping)
    .clock_ticks(args.clock.map(|hz| ClockTicks::new(hz, pace.max_gap_ns)))
    .max_ticks(plan.selection.events.max_ticks)
    .prime_until(prime_until)
    .batch_events(args.batch_size)
    .jobs(jobs(args))
    .damaged(plan.damage.clone())
    .salvaged(salvaged.clone())
    .progress(context.progress("replay", total))
    .run_id(context.run.clone())
    .control(Arc::clone(&context.control))
    .clock(context.clock.clone());
    if let (Some(wanted), Some(nats)) = (args.wait_for_subscribers, &plan.nats) {
        session = session.wait_for_subscribers(nats.clone(), wanted);
    }
    sinks.give_to(session).run().map_err(session_error)
}

/// More threads than this have little left to share: reading and publishing have one each.
const MOST_JOBS: usize = 4;

/// On how many threads. A recording that grows has nothing to make ahead.
fn jobs(args: &ReplayArgs) -> usize {
    match args.jobs {
        _ if args.follow => 1,
        Some(jobs) => jobs as usize,
        None if args.pace.options().rate == Rate::Max => thread::cores().min(MOST_JOBS),
        None => 1,
    }
}

/// Flags that need each other, checked before anything is opened or printed.
fn check_flags(
    args: &ReplayArgs,
    selection: &Selection,
    nats: Option<&NatsOptions>,
) -> Result<(), UsageError> {
    if args.prime && selection.events.filter.start.is_none() {
        return Err(UsageError::new(
            "--prime needs a start point: give --start or --start-offset",
        ));
    }
    if args.wait_for_subscribers.is_some() && nats.is_none() {
        return Err(UsageError::new(
            "--wait-for-subscribers needs --sink nats or jetstream:STREAM",
        ));
    }
    Ok(())
}

/// How a replay ends that has no tick.
fn nothing_of(partition: Option<Partition>, selection: &Selection) -> Outcome {
    match partition {
        Some(partition) if !selection.may_be_empty() => {
            tracing::warn!(
                event = "partition_empty",
                %partition,
                "no selected tick is of an instrument of this partition; --allow-empty accepts that"
            );
            Outcome::Lossy
        }
        _ => selection.outcome(0),
    }
}

/// Prints the summary and what was not played, and decides the outcome.
fn report(args: &ReplayArgs, inputs: Outcome, mut played: Replayed) -> anyhow::Result<Outcome> {
    if let Some(error) = played.error.take_if(|error| is_reader_gone(error)) {
        return Err(error.into());
    }
    let printed = print_summary(&played.summary, args.json.json, &args.sinks);
    report_missing(&played.summary.missing, &played.summary.damaged);
    if let Some(error) = played.error {
        return after_printing(printed, Err(error.into()));
    }
    let played = match played.summary.is_lossy() {
        true => Outcome::Lossy,
        false => Outcome::Done,
    };
    after_printing(printed, Ok(inputs.and(played)))
}

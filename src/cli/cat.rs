//! `tickdeck cat`: the events of a recording, one line each.

use std::io::Write;
use std::ops::ControlFlow;
use std::sync::Arc;

use tickdeck::export::jsonl::JsonlWriter;
use tickdeck_core::event::{Event, EventKind, RawTick};
use tickdeck_core::printable::printable_value;
use tickdeck_recording::Followed;

use super::args::{CatArgs, NormalizeArgs};
use super::context::Context;
use super::inputs::{self, INTACT_ONLY, Selection, completeness, refuse_damage};
use super::outcome::{Outcome, stdout};

/// Events read at a time.
const BATCH_EVENTS: usize = 512;

/// Runs the verb.
pub(super) fn run(context: &Context, args: &CatArgs) -> anyhow::Result<Outcome> {
    let inputs = inputs::open_to_follow(&args.recordings, args.follow, &NormalizeArgs::default())?;
    refuse_damage(&inputs.damage(), INTACT_ONLY)?;
    inputs::warn_given_twice(&args.recordings);
    let reference = inputs::reference(&NormalizeArgs::default(), &inputs.recordings)?;
    inputs::warn_unknown_years(&reference.calendar, inputs.recorded_days());
    let selection = Selection::new(&args.select, &inputs, &reference)?;
    // A follower may never reach an end.
    let stop = args.follow.then(|| Arc::clone(&context.control));
    if args.follow {
        context.handle_signals()?;
    }
    let is_stopped = || stop.as_ref().is_some_and(|control| control.is_stopped());
    let followed = Followed::default();
    followed.set_finished(inputs.are_complete());
    let mut source = match stop.clone() {
        Some(control) => {
            selection
                .events
                .source_following(&inputs, move || control.is_stopped(), &followed)
        }
        None => selection.events.source(&inputs),
    };
    let mut json = args
        .json
        .json
        .then(|| JsonlWriter::new(stdout(), reference.receive_times));
    let mut out = stdout();
    if json.is_none() {
        print_header(&mut out)?;
    }
    let print = |batch: &[Event]| -> anyhow::Result<ControlFlow<()>> {
        match &mut json {
            Some(json) => json.write(batch)?,
            None => batch
                .iter()
                .try_for_each(|event| print_event(&mut out, event))?,
        }
        if args.follow {
            match &mut json {
                Some(json) => json.flush()?,
                None => out.flush()?,
            }
        }
        Ok(match is_stopped() {
            true => ControlFlow::Break(()),
            false => ControlFlow::Continue(()),
        })
    };
    let events = &selection.events;
    let found = events.visit(source.as_mut(), BATCH_EVENTS, print)?;
    if let Some(json) = json {
        json.finish()?.flush()?;
    }
    out.flush()?;
    if is_stopped() {
        return Ok(Outcome::Done);
    }
    inputs::warn_abandoned(&inputs, &followed);
    let completeness = completeness(followed.is_finished());
    Ok(selection.outcome(found).and(completeness))
}

fn print_header(out: &mut impl Write) -> std::io::Result<()> {
    writeln!(
        out,
        "{:>8} {:<26} {:<14} {:<8} {:<12} {:>10} {:>10} {:>12} {:>10} {:>6} {:>10} {:>6}",
        "seq",
        "recv_ts (+08:00)",
        "instrument",
        "day",
        "time",
        "last",
        "volume",
        "oi",
        "bid",
        "size",
        "ask",
        "size"
    )
}

fn print_event(out: &mut impl Write, event: &Event) -> std::io::Result<()> {
    let recv = event.recv_ts.to_shanghai().format("%Y-%m-%d %H:%M:%S%.6f");
    match &event.kind {
        EventKind::Session(session) => writeln!(
            out,
            "{:>8} {recv:<26} -- {} {}",
            event.seq,
            session.kind(),
            session.detail()
        ),
        EventKind::Tick(tick) => print_tick(out, event, &recv.to_string(), tick),
    }
}

fn print_tick(
    out: &mut impl Write,
    event: &Event,
    recv: &str,
    tick: &RawTick,
) -> std::io::Result<()> {
    let time = tick.update_time.to_string_lossy();
    let time = format!("{}.{:03}", printable_value(&time), tick.update_millisec);
    writeln!(
        out,
        "{:>8} {recv:<26} {:<14} {:<8} {time:<12} {:>10} {:>10} {:>12} {:>10} {:>6} {:>10} {:>6}",
        event.seq,
        printable_value(&tick.instrument_id.to_string_lossy()),
        printable_value(&tick.trading_day.to_string_lossy()),
        price(tick.last_price),
        tick.volume,
        price(tick.open_interest),
        price(tick.bid_price1),
        tick.bid_volume1,
        price(tick.ask_price1),
        tick.ask_volume1,
    )
}

/// A price as stored. CTP's DBL_MAX, which means no price, is shown as `-`.
fn price(price: f64) -> String {
    if price.abs() == f64::MAX {
        "-".into()
    } else {
        price.to_string()
    }
}

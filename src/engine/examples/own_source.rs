//! `cargo run -p tickdeck --example own_source`
//!
//! A [`Source`] of your own: a random walk of one instrument, published as JSON lines on stdout.

use std::path::Path;

use tickdeck::event::{RawTick, Seq, Text};
use tickdeck::pace::Rate;
use tickdeck::reference::{Reference, ReferenceOptions};
use tickdeck::sink::JsonlSink;
use tickdeck::source::PayloadSource;
use tickdeck::time::UnixNanos;
use tickdeck::{Event, EventKind, PublisherOptions, Session, Sink, Source, SourceError, Summary};

/// 2025-09-12 09:30:00 +08:00.
const START: UnixNanos = UnixNanos(1_757_640_600_000_000_000);
const SECOND_NS: i64 = 1_000_000_000;

/// One tick a second. Each moves the price by one, up or down.
struct RandomWalk {
    ticks: u32,
    done: u32,
    random: u32,
    price: f64,
}

impl Source for RandomWalk {
    fn next_batch(&mut self, batch: &mut Vec<Event>, max: usize) -> Result<(), SourceError> {
        // Appending nothing ends the session.
        for _ in 0..max.min((self.ticks - self.done) as usize) {
            let second = self.done;
            self.random = self
                .random
                .wrapping_mul(1_664_525)
                .wrapping_add(1_013_904_223);
            self.price += 2.0 * f64::from(self.random >> 31) - 1.0;
            let time = format!("09:{:02}:{:02}", 30 + second / 60, second % 60);
            let tick = RawTick {
                trading_day: Text::from_array(*b"20250912\0"),
                action_day: Text::from_array(*b"20250912\0"),
                update_time: Text::new(time.as_bytes()).unwrap_or_default(),
                instrument_id: Text::new(b"rb2601").unwrap_or_default(),
                last_price: self.price,
                volume: 10 * (second.cast_signed() + 1),
                ..RawTick::unset()
            };
            batch.push(Event {
                seq: Seq(second.into()),
                recv_ts: START.plus(i64::from(second) * SECOND_NS),
                kind: EventKind::Tick(tick),
            });
            self.done += 1;
        }
        Ok(())
    }
}

/// Publishes `ticks` ticks to `sink`.
pub(crate) fn walk(ticks: u32, sink: impl Sink + 'static) -> anyhow::Result<Summary> {
    let reference = Reference::load(&ReferenceOptions::default(), &[])?;
    let options = PublisherOptions::new(&reference, PayloadSource::Synthetic);
    let source = RandomWalk {
        ticks,
        done: 0,
        random: 1,
        price: 3_150.0,
    };
    let session = Session::replay_once("random-walk", options, Box::new(source));
    Ok(session.rate(Rate::Max).sink(sink).run()?.into_summary()?)
}

fn main() -> anyhow::Result<()> {
    walk(20, JsonlSink::create(Path::new("-"))?)?;
    Ok(())
}

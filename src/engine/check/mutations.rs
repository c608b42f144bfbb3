//! The proof that `check` finds faults: each mutation breaks normalizer or encoder in one small way,
//! and the check of a committed recording must name exactly what it broke.

use std::collections::BTreeSet;
use std::path::Path;

use tickdeck_core::contract::Exchange;
use tickdeck_core::event::Seq;
use tickdeck_recording::Recording;

use super::examine::job_of;
use super::messages::publisher_options;
use super::parts::Chunk;
use super::*;
use crate::normalize::{Flag, Level, NormalizedTick};
use crate::pipeline::Mutation;
use crate::sink::MessageBatch;

const INTACT: Mutation = Mutation {
    tick: |_| true,
    payload: |_| (),
};

fn repository(path: &str) -> std::path::PathBuf {
    Path::new(concat!(env!("CARGO_MANIFEST_DIR"), "/../..")).join(path)
}

/// The check of a committed recording, with something done to its messages.
fn check_as<M: Messages>(name: &str, change: impl FnOnce(PublishedMessages) -> M) -> Checked {
    let recording = Recording::open(&repository(&format!("recordings/{name}"))).unwrap();
    let golden = repository(&format!("recordings/{name}.golden.json"));
    let publishing = publisher_options(&recording).unwrap();
    let options = CheckOptions::default();
    let job = job_of(&recording, &publishing, &golden, &options).unwrap();
    let now = PublishedMessages::of(&recording, publishing).cut_at(job.cuts.clone());
    job.run(change(now), &mut |_| true).unwrap()
}

fn check_with(name: &str, mutation: Mutation) -> Checked {
    check_as(name, |messages| messages.mutated(mutation))
}

/// Fields and exchanges that a check names.
fn named(checked: &Checked) -> (Vec<String>, Vec<String>) {
    let found = checked.comparison.as_ref().unwrap();
    let fields: BTreeSet<String> = found
        .fields
        .iter()
        .map(|group| group.name.clone())
        .collect();
    let groups = found.fields.iter().chain(&found.moved);
    let exchanges: BTreeSet<String> = groups
        .flat_map(|group| group.exchanges.keys().cloned())
        .collect();
    (
        fields.into_iter().collect(),
        exchanges.into_iter().collect(),
    )
}

fn replace(payload: &mut Vec<u8>, from: &str, to: &str) {
    let text = String::from_utf8(std::mem::take(payload)).unwrap();
    *payload = text.replace(from, to).into_bytes();
}

fn exchange(tick: &NormalizedTick<'_>) -> Exchange {
    tick.instrument.contract.exchange
}

const EVERY: [&str; 6] = ["CFFEX", "CZCE", "DCE", "GFEX", "INE", "SHFE"];

#[test]
fn an_intact_program_passes() {
    for name in ["quick", "quirks"] {
        let checked = check_with(name, INTACT);
        assert_eq!(checked.verdict, Verdict::Equal, "{name}: {checked:?}");
    }
}

/// What is broken, the fields and exchanges that a check must name, and the mutation.
type Fault = (
    &'static str,
    &'static [&'static str],
    &'static [&'static str],
    Mutation,
);

const fn tick(tick: fn(&mut NormalizedTick<'_>) -> bool) -> Mutation {
    Mutation { tick, ..INTACT }
}

const fn payload(payload: fn(&mut Vec<u8>)) -> Mutation {
    Mutation { payload, ..INTACT }
}

const FAULTS: [Fault; 14] = [
    (
        "rounds turnover",
        &["turnover"],
        &EVERY,
        tick(|tick| {
            tick.turnover = tick.turnover.map(|cny| (cny / 1e4).round() * 1e4);
            true
        }),
    ),
    (
        "drops the time zone",
        &["local_time", "timestamp"],
        &EVERY,
        payload(|payload| replace(payload, "+08:00\"", "\"")),
    ),
    (
        "swaps bid and ask",
        &["ask_price_1", "ask_volume_1", "bid_price_1", "bid_volume_1"],
        &["CFFEX", "CZCE", "DCE", "GFEX"],
        tick(|tick| {
            // Five levels are left to the exchanges that have them.
            if tick.bids[1].price.is_none() {
                std::mem::swap(&mut tick.bids, &mut tick.asks);
            }
            true
        }),
    ),
    (
        "last_volume off by one on one exchange",
        &["last_volume"],
        &["CZCE"],
        tick(|tick| {
            if exchange(tick) == Exchange::Czce {
                tick.last_volume = tick.last_volume.map(|lots| lots + 1);
            }
            true
        }),
    ),
    (
        "open interest lost on one exchange",
        &["open_interest"],
        &["GFEX"],
        tick(|tick| {
            if exchange(tick) == Exchange::Gfex {
                tick.open_interest = None;
            }
            true
        }),
    ),
    (
        "loses the fifth level",
        &["ask_price_5", "ask_volume_5", "bid_price_5", "bid_volume_5"],
        &["INE", "SHFE"],
        tick(|tick| {
            tick.bids[4] = Level::default();
            tick.asks[4] = Level::default();
            true
        }),
    ),
    (
        "loses one flag",
        &["flags"],
        &EVERY,
        tick(|tick| {
            let flags = tick.flags.iter().filter(|flag| *flag != Flag::Snapshot);
            tick.flags = flags.collect();
            true
        }),
    ),
    (
        "cuts milliseconds off",
        &["timestamp"],
        &["CFFEX", "DCE", "GFEX", "INE", "SHFE"],
        tick(|tick| {
            tick.exchange_ts.0 -= tick.exchange_ts.0 % 1_000_000_000;
            true
        }),
    ),
    (
        "uses CTP's trading day as the date",
        &["action_day"],
        &EVERY,
        tick(|tick| {
            tick.action_day = tick.action_day.succ_opt().unwrap();
            true
        }),
    ),
    (
        "average price with the multiplier",
        &["average_price"],
        &["SHFE"],
        tick(|tick| {
            if exchange(tick) == Exchange::Shfe {
                tick.average_price = tick.average_price.map(|price| price * 10.0);
            }
            true
        }),
    ),
    (
        "counts as floats",
        &["volume"],
        &EVERY,
        payload(|payload| replace(payload, ",\"turnover\"", ".0,\"turnover\"")),
    ),
    (
        "an absent limit as null",
        &["limit_up"],
        &EVERY,
        payload(|payload| replace(payload, ",\"limit_up\":", ",\"limit_up\":-")),
    ),
    (
        "another source",
        &["source"],
        &EVERY,
        payload(|payload| replace(payload, "\"synthetic\"", "\"ctp\"")),
    ),
    (
        "one last bit of one price",
        &["last_price"],
        &["DCE"],
        tick(|tick| {
            if tick.seq == Seq(411) {
                let next = |price: f64| f64::from_bits(price.to_bits() + 1);
                tick.last_price = tick.last_price.map(next);
            }
            true
        }),
    ),
];

#[test]
fn every_mutation_is_found_under_its_field_and_exchange() {
    for (what, fields, exchanges, mutation) in FAULTS {
        let checked = check_with("quick", mutation);
        assert_eq!(checked.verdict, Verdict::Different, "{what}");
        let found = named(&checked);
        assert_eq!(found.0, fields, "{what}");
        assert_eq!(found.1, exchanges, "{what}");
        let found = checked.comparison.unwrap();
        assert_eq!((found.missing, found.extra, found.reordered), (0, 0, 0));
    }
}

#[test]
fn one_lost_tick_is_found_and_named() {
    let checked = check_with(
        "quirks",
        Mutation {
            tick: |tick| tick.seq != Seq(2000),
            ..INTACT
        },
    );
    let found = checked.comparison.as_ref().unwrap();
    assert_eq!((found.missing, found.differences()), (1, 1), "{found:?}");
    assert_eq!(found.first[0].seq, Some(2000));
    assert_eq!(checked.located.windows.differing, 1);
    assert_eq!(checked.located.subjects.differing, 1);
}

/// Swaps the first message of every fourth batch with its neighbour.
struct Swapped(PublishedMessages, u32);

impl Messages for Swapped {
    fn next_chunk(&mut self) -> Result<Option<Chunk>, CheckError> {
        let chunk = self.0.next_chunk()?;
        self.1 += 1;
        if self.1 != 4 {
            return Ok(chunk);
        }
        Ok(chunk.map(|chunk| {
            let mut messages: Vec<_> = chunk.messages.messages().collect();
            messages.swap(0, 1);
            Chunk {
                messages: messages.into_iter().collect::<MessageBatch>(),
                seq: chunk.seq,
            }
        }))
    }

    fn ended(&mut self) -> Ended {
        self.0.ended()
    }
}

#[test]
fn two_swapped_ticks_are_found_as_reordered() {
    let checked = check_as("quirks", |messages| Swapped(messages, 0));
    let found = checked.comparison.as_ref().unwrap();
    assert_eq!((found.reordered, found.differences()), (1, 0), "{found:?}");
    assert_eq!(checked.verdict, Verdict::Different);
}

#[test]
fn a_golden_without_a_stream_finds_the_same_faults_by_digests() {
    let folder = tempfile::tempdir().unwrap();
    let golden = folder.path().join("quick.golden.json");
    let recording = Recording::open(&repository("recordings/quick")).unwrap();
    let publishing = publisher_options(&recording).unwrap();
    let make = CheckOptions {
        accept: Accept::Everything,
        stream_limit: Some(0),
        ..CheckOptions::default()
    };
    check_recording(&recording, publishing.clone(), &golden, &make, &mut |_| {
        true
    })
    .unwrap();
    let options = CheckOptions::default();
    let job = job_of(&recording, &publishing, &golden, &options).unwrap();
    let mutation = Mutation {
        tick: |tick| {
            if exchange(tick) == Exchange::Czce {
                tick.volume += 1;
            }
            true
        },
        ..INTACT
    };
    let now = PublishedMessages::of(&recording, publishing).mutated(mutation);
    let checked = job.run(now, &mut |_| true).unwrap();
    assert_eq!(checked.verdict, Verdict::Different);
    let subjects = &checked.located.subjects;
    assert_eq!((subjects.differing, subjects.of), (1, 8));
    assert_eq!(subjects.first[0].name, "market.tick.CZCE.TA601");
}

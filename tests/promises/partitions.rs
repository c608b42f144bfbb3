//! N partitions together publish what one replay publishes: each instrument in one of them, with the
//! same messages in the same order.

use std::collections::BTreeMap;

use tickdeck::encode::control::{EndMarker, RunId};
use tickdeck::pace::Rate;
use tickdeck::pipeline::PublisherOptions;
use tickdeck::reference::Reference;
use tickdeck::select::Partition;
use tickdeck::{Recording, Session};
use tickdeck_core::time::UnixNanos;
use tickdeck_recording::EventFilter;

use super::jobs::Kept;
use crate::support::cli::{finish, tickdeck};
use crate::support::recordings::{quick, quirks, split};

/// The payloads of each subject, in order.
type Streams = BTreeMap<String, Vec<String>>;

fn partitions(of: u32) -> impl Iterator<Item = Partition> {
    (1..=of).map(move |number| format!("{number}/{of}").parse().unwrap())
}

fn streams<'a>(lines: impl IntoIterator<Item = &'a str>) -> Streams {
    let mut streams = Streams::new();
    for line in lines {
        let (subject, payload) = split(line);
        let stream = streams.entry(subject.to_owned()).or_default();
        stream.push(payload.to_owned());
    }
    streams
}

/// Plays a part of a recording with primed instruments, and returns its messages and its end marker.
fn play(recording: &Recording, partition: Option<Partition>, jobs: usize) -> (Streams, EndMarker) {
    let own = std::slice::from_ref(recording);
    let reference = Reference::of_recordings(own).unwrap();
    let options = PublisherOptions {
        partition,
        ..PublisherOptions::new(&reference, recording.source().payload_source())
    };
    let kept = Kept::default();
    let (start, _) = recording.time_range().unwrap().unwrap();
    let open = || Ok(Box::new(recording.reader(EventFilter::default())) as _);
    let played = Session::replay("s", options, open)
        .rate(Rate::Max)
        .jobs(jobs)
        .prime_until(UnixNanos(start.0 + 20_000_000_000))
        .max_ticks(700)
        .run_id(RunId::of(UnixNanos(0), 1))
        .sink(kept.clone())
        .run()
        .unwrap();
    let summary = played.into_summary().unwrap();
    assert_eq!(summary.partition, partition);
    let lines = std::mem::take(&mut *kept.lines.lock().unwrap());
    let (marker, lines) = lines.split_last().unwrap();
    let marker = EndMarker::parse(split(marker).1.as_bytes()).unwrap();
    let rejected: u64 = summary.rejected.values().sum();
    assert_eq!(summary.received, lines.len() as u64 + rejected);
    (streams(lines.iter().map(String::as_str)), marker)
}

#[test]
fn the_union_of_the_partitions_is_the_replay() {
    for path in [quick(), quirks()] {
        let recording = Recording::open(&path).unwrap();
        let (whole, marker) = play(&recording, None, 1);
        assert!(whole.len() > 4 && marker.partition.is_none());
        for of in [1, 2, 4] {
            for jobs in [1, 3] {
                let (mut union, mut total) = (Streams::new(), 0);
                for partition in partitions(of) {
                    let (part, marker) = play(&recording, Some(partition), jobs);
                    assert_eq!(marker.partition, Some(partition.to_string()));
                    total += marker.total.unwrap();
                    for (subject, stream) in part {
                        let other = union.insert(subject, stream);
                        assert!(other.is_none(), "an instrument is in one partition");
                    }
                }
                assert!(union == whole, "{of} partitions, {jobs} jobs");
                assert_eq!(Some(total), marker.total);
            }
        }
    }
}

/// What `replay` writes to stdout.
fn replayed(words: &str) -> String {
    let (one, other) = (quick(), quirks());
    let mut command = tickdeck(["replay", "--sink", "jsonl:-", "-q", "--rate", "max"]);
    command.arg(one);
    if words.contains("--exchange") {
        command.arg(other);
    }
    command.args(words.split_whitespace());
    finish(command).done().stdout
}

#[test]
fn partitions_of_the_program_keep_every_seq_and_count() {
    for words in [
        "",
        "-n 500",
        "-S 09:30:10 --prime",
        // Two recordings, which are merged and numbered.
        "--exchange SHFE,DCE,CZCE",
        "--exchange SHFE,DCE,CZCE -n 900",
    ] {
        let whole = replayed(words);
        let whole = streams(whole.lines());
        let mut union = Streams::new();
        for partition in partitions(3) {
            let words = format!("{words} --partition {partition} --allow-empty");
            union.extend(streams(replayed(&words).lines()));
        }
        assert!(!whole.is_empty() && union == whole, "{words}");
    }
}

//! Order: several recordings are one stream by (`recv_ts`, place on the command line, `seq`), and
//! `seq` alone orders what is inside one.

use std::path::{Path, PathBuf};

use tickdeck::event::Event;

use crate::support::cli::{finish, tickdeck};
use crate::support::recordings::{Folder, events, replay_digest, repository};

/// `verb` with several recordings and more arguments.
fn with_all(verb: &str, recordings: &[&Path], words: &[&str]) -> crate::support::cli::Ended {
    let mut command = tickdeck([verb]);
    command.args(recordings).args(words);
    finish(command).done()
}

fn merged(folder: &Folder, name: &str, recordings: &[&Path]) -> PathBuf {
    let path = folder.join(name);
    with_all("merge", recordings, &["-o", path.to_str().unwrap()]);
    path
}

/// The stated order, by sorting: the simplest correct reference.
fn expected(recordings: &[&Path]) -> Vec<Event> {
    let mut all = Vec::new();
    for (index, recording) in recordings.iter().enumerate() {
        all.extend(events(recording).into_iter().map(|event| (index, event)));
    }
    all.sort_by_key(|(index, event)| (event.recv_ts, *index, event.seq));
    let renumber = |(seq, (_, mut event)): (usize, (usize, Event))| {
        event.seq.0 = u64::try_from(seq).unwrap();
        event
    };
    all.into_iter().enumerate().map(renumber).collect()
}

/// Two sessions of the same minute, a copy of a part of the first (every receive time is a tie), and
/// one of another day.
fn sessions(folder: &Folder) -> [PathBuf; 4] {
    [
        folder.generate("one", "--seed 1"),
        folder.generate("two", "--seed 2"),
        folder.generate("part", "--seed 1 --symbols rb2510,IF2509"),
        folder.generate("later", "--seed 1 --trading-day 2025-09-15"),
    ]
}

#[test]
fn merge_orders_by_time_argument_and_seq() {
    let folder = Folder::new();
    let sessions = sessions(&folder);
    let [one, two, part, later] = sessions.each_ref().map(PathBuf::as_path);
    for (number, inputs) in [
        &[one, two][..],
        &[two, one],
        &[one, part],
        &[part, one],
        &[one, one],
        &[later, one, two, part],
    ]
    .into_iter()
    .enumerate()
    {
        let path = merged(&folder, &format!("merged{number}"), inputs);
        assert!(events(&path) == expected(inputs), "case {number}");
    }
}

#[test]
fn replay_of_several_equals_their_merge() {
    let folder = Folder::new();
    let sessions = sessions(&folder);
    let [one, two, part, later] = sessions.each_ref().map(PathBuf::as_path);
    let digest = |inputs: &[&Path]| {
        let words = ["--rate", "max", "--sink", "digest", "--json", "-q"];
        with_all("replay", inputs, &words).digest()
    };
    for (number, inputs) in [&[one, two][..], &[part, one], &[later, part, two, one]]
        .into_iter()
        .enumerate()
    {
        let path = merged(&folder, &format!("merged{number}"), inputs);
        assert_eq!(digest(inputs), replay_digest(&path), "case {number}");
    }
}

/// The same rows under two instrument ids: every receive time is a tie.
#[test]
fn equal_receive_times_keep_argument_order() {
    let folder = Folder::new();
    let rows = repository("fixtures/dialects/java_trader_AP010_20200803_evening_row.csv");
    let rows = std::fs::read_to_string(rows).unwrap();
    let [one, two] = ["AP010", "AP101"].map(|id| {
        let file = folder.join(&format!("{id}.csv"));
        std::fs::write(&file, rows.replace("AP010", id)).unwrap();
        let path = folder.join(id);
        with_all("import", &[&file], &["-o", path.to_str().unwrap()]);
        path
    });
    for (number, inputs) in [[&*one, &*two], [&two, &one]].into_iter().enumerate() {
        let path = merged(&folder, &format!("merged{number}"), &inputs);
        let merged = events(&path);
        assert!(merged == expected(&inputs));
        let ids: Vec<_> = merged[..2]
            .iter()
            .map(|event| event.as_tick().unwrap().instrument_id.to_string())
            .collect();
        let first = inputs.map(|input| input.file_name().unwrap().to_str().unwrap());
        assert_eq!(ids, first);
    }
}

#[test]
fn seq_is_gap_free_and_sorted() {
    let folder = Folder::new();
    let recording = folder.generate("rolled", "--profile quirks --max-rows 100");
    for (position, event) in events(&recording).iter().enumerate() {
        assert_eq!(event.seq.0, u64::try_from(position).unwrap());
    }
}

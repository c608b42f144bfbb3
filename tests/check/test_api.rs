//! The test API, as `docs/testing.md` shows it: the example there is the file `example.rs` beside
//! this one, and runs here.

#[path = "example.rs"]
mod example;

use std::panic::catch_unwind;

use tickdeck::encode::PayloadKind;
use tickdeck::normalize::{Flag, Flags};
use tickdeck::testing::{Replay, assert_golden, check_golden};

use super::published;
use crate::support::recordings::{Folder, quick, quirks, replay_digest, repository};

#[test]
fn documented_example_is_the_tested_one() {
    let page = std::fs::read_to_string(repository("docs/testing.md")).unwrap();
    let example = std::fs::read_to_string(repository("tests/check/example.rs")).unwrap();
    let code = example.split_once("// ---\n").unwrap().1;
    // Here the package is two folders below the recordings.
    let code = code.replace("../../recordings", "recordings");
    assert!(
        page.contains(&code),
        "docs/testing.md does not show tests/check/example.rs"
    );
}

#[test]
fn test_api_publishes_what_the_binary_does() {
    let replay = Replay::open(quick()).unwrap().run().unwrap();
    assert_eq!(replay.digest(), replay_digest(&quick()));
    let lines: Vec<String> = replay.to_string().lines().map(str::to_owned).collect();
    assert_eq!(lines, published());
    assert_eq!(replay.ledger().received, 918);
}

#[test]
fn what_is_chosen_is_what_is_played() {
    let replay = || Replay::open(quirks()).unwrap();
    let whole = replay().run().unwrap();
    let flags: Flags = [Flag::Snapshot].into_iter().collect();
    let fewer = replay().drop_flags(flags).run().unwrap();
    assert!(fewer.messages().len() < whole.messages().len());
    let decimal = replay()
        .payload(PayloadKind::Decimal)
        .instruments(&["rb2601"])
        .run()
        .unwrap();
    assert!(!decimal.messages().is_empty());
    let is_rb =
        |message: &tickdeck::testing::PublishedMessage| message.subject.ends_with(".rb2601");
    assert!(decimal.messages().iter().all(is_rb));
    assert!(!decimal.without(&["price"]).contains("\"price\""));
}

#[test]
fn assert_golden_panics_with_the_difference() {
    let golden = repository("recordings/quick.golden.json");
    assert_golden(quick(), &golden);
    assert_eq!(check_golden(&quick(), &golden).unwrap(), None);
    let folder = Folder::new();
    let other = folder.generate("other", "--profile quick --seed 2");
    let panic = catch_unwind(|| assert_golden(&other, &golden)).unwrap_err();
    let text = panic.downcast_ref::<String>().unwrap();
    assert!(text.contains("made from another recording"), "{text}");
    assert!(text.contains("differences, golden -> now"), "{text}");
    assert!(!text.contains("--"), "flags are of the binary: {text}");
}

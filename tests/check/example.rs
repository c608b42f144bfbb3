//! The example of `docs/testing.md`, which shows the part below the line.

// ---
use tickdeck::testing::{Replay, assert_golden};

const QUICK: &str = "../../recordings/quick";
const GOLDEN: &str = "../../recordings/quick.golden.json";

/// Everything that the recording publishes, against the golden beside it.
#[test]
fn the_morning_is_published_as_before() {
    assert_golden(QUICK, GOLDEN);
}

/// A few columns of one instrument, small enough to review in a diff.
#[test]
fn rebar_opens_as_reviewed() {
    let replay = Replay::open(QUICK).unwrap();
    let published = replay.instruments(&["rb2510"]).run().unwrap();
    let table = published.table(&["timestamp", "last_price", "volume"]);
    let opening: Vec<&str> = table.lines().take(3).collect();
    insta::assert_snapshot!(opening.join("\n"), @r"
    2025-09-12T09:29:57.000+08:00  3151.0  129683
    2025-09-12T09:29:58.000+08:00  3152.0  129684
    2025-09-12T09:29:58.500+08:00  3152.0  129696
    ");
}

/// A property of your own, over every payload.
#[test]
fn the_book_is_never_crossed() {
    let published = Replay::open(QUICK).unwrap().run().unwrap();
    for message in published.messages() {
        let tick = message.json().unwrap();
        let (bid, ask) = (&tick["bid_price_1"], &tick["ask_price_1"]);
        if let (Some(bid), Some(ask)) = (bid.as_f64(), ask.as_f64()) {
            assert!(bid < ask, "{message}");
        }
    }
}

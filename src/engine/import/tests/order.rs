//! What the order of rows may change, and what it may not.

use std::fmt::Write as _;

use proptest::prelude::*;
use tickdeck_core::dating::CLOCK_ERROR;
use tickdeck_core::source::ReceiveTimes;

use super::*;
use crate::import::{OutOfOrder, RecvTsRule};
use crate::normalize::{Normalizer, Outcome};

const HEADER: &str = "InstrumentID,TradingDay,ActionDay,UpdateTime,UpdateMillisec,LastPrice,Volume";

/// A row of a DCE contract in the form of [`HEADER`].
fn dce(instrument: usize, trading_day: &str, time: &str, volume: usize) -> String {
    format!(
        "m{},{trading_day},,{time},100,3100,{volume}\n",
        1001 + instrument
    )
}

/// Receive times of the dump, and what contradicted its order.
fn received(rows: &str) -> (Vec<String>, OutOfOrder) {
    let (_folder, path) = file("mixed.csv", format!("{HEADER}\n{rows}"));
    let (events, report) = import(path);
    let times = events.iter().map(recv).collect();
    (times, report.inputs[0].out_of_order.clone())
}

const NIGHT: &str = "20221019 22:59:59.100";

#[test]
fn a_night_sent_again_for_many_instruments_holds_no_row_back() {
    // As many as a look at the next few rows cannot span; some of them never trade again.
    for (instruments, quiet) in [(33, 0), (200, 0), (200, 40), (2_000, 100)] {
        let mut rows = String::new();
        for instrument in 0..instruments {
            rows += &dce(instrument, "20221020", "22:59:59", 900);
        }
        for instrument in 0..instruments {
            rows += &dce(instrument, "20221021", "22:59:59", 900);
        }
        for second in 0..4 {
            for instrument in quiet..instruments {
                let time = format!("09:00:0{second}");
                rows += &dce(instrument, "20221020", &time, 950 + second);
            }
        }
        let (times, noted) = received(&rows);
        let (night, day) = times.split_at(2 * instruments);
        assert!(night.iter().all(|time| time == NIGHT), "{instruments}");
        for (second, times) in day.chunks(instruments - quiet).enumerate() {
            let expected = format!("20221020 09:00:0{second}.100");
            assert!(times.iter().all(|time| *time == expected), "{instruments}");
        }
        assert_eq!(noted.set_aside, u64::try_from(instruments).unwrap());
        assert_eq!(noted.held_back, 0, "{instruments}");
    }
}

#[test]
fn rows_sent_again_between_the_opening_rows_hold_none_back() {
    let mut rows = String::new();
    for instrument in 0..200 {
        rows += &dce(instrument, "20221020", "22:59:59", 900);
    }
    for instrument in 0..200 {
        rows += &dce(instrument, "20221021", "22:59:59", 900);
        rows += &dce(instrument, "20221020", "08:59:00", 910);
    }
    for second in 0..2 {
        for instrument in 0..200 {
            let time = format!("09:00:0{second}");
            rows += &dce(instrument, "20221020", &time, 950 + second);
        }
    }
    let (times, noted) = received(&rows);
    for (row, time) in times.iter().enumerate() {
        let expected = match row {
            // The first one comes before any opening row.
            0..=200 => NIGHT,
            201..600 => "20221020 08:59:00.100",
            600..800 => "20221020 09:00:00.100",
            _ => "20221020 09:00:01.100",
        };
        assert_eq!(time, expected, "row {row}");
    }
    assert_eq!((noted.set_aside, noted.held_back), (200, 0));
}

#[test]
fn an_opening_among_closes_sent_again_keeps_its_time() {
    // On subscription at 20:59 the closes of the others come again, with their right dates.
    let mut rows = String::new();
    for instrument in 0..200 {
        rows += &dce(instrument, "20221020", "14:59:59", 900);
    }
    rows += &dce(0, "20221021", "20:59:00", 10);
    for instrument in 1..200 {
        rows += &dce(instrument, "20221020", "15:00:00", 900);
    }
    for second in 0..2 {
        for instrument in 0..200 {
            let time = format!("21:00:0{second}");
            rows += &dce(instrument, "20221021", &time, 20 + second);
        }
    }
    let (times, noted) = received(&rows);
    assert_eq!(times[200], "20221020 20:59:00.100");
    assert_eq!(times[400], "20221020 21:00:00.100");
    assert_eq!((noted.set_aside, noted.held_back), (0, 199));
}

#[test]
fn a_dump_written_newest_first_sets_no_row_aside() {
    let mut rows = String::new();
    for minute in (0..50).step_by(5).rev() {
        for instrument in 0..3 {
            rows += &dce(instrument, "20221020", &format!("10:{minute:02}:00"), 900);
        }
    }
    let (times, noted) = received(&rows);
    assert!(times.iter().all(|time| time == "20221020 10:45:00.100"));
    assert_eq!((noted.set_aside, noted.held_back), (0, 27));
}

#[test]
fn measured_and_missing_receive_times_do_not_mix() {
    let clocked = |clock: &str| {
        let row = "rb2610,20260527,20260526,21:00:00,500,3100,500";
        format!("{HEADER},LocalTime\n{row},2026-05-26 21:00:00.8\n{row},{clock}\n")
    };
    let (_folder, path) = file("blank.csv", clocked(""));
    let import = |paths: &[PathBuf], skip_bad| {
        let options = ImportOptions {
            skip_bad,
            ..ImportOptions::default()
        };
        import_with(paths, options)
    };
    let error = import(std::slice::from_ref(&path), false)
        .unwrap_err()
        .to_string();
    assert!(
        error.contains("row 3, no measured receive time, unlike"),
        "{error}"
    );
    // What is accepted is measured.
    let (events, report) = import(&[path], true).unwrap();
    assert_eq!((events.len(), report.skipped()), (1, 1));
    assert_eq!(report.recv_ts_rules(), [RecvTsRule::Recorded]);
    // A time of day has its date from the row, so it is not evidence of that either.
    let (_folder, of_day) = file("of_day.csv", clocked("21:00:01.2"));
    let error = import(&[of_day], false).unwrap_err().to_string();
    assert!(error.contains("row 3, no measured receive"), "{error}");
    // The same over several inputs.
    let (_folder, derived) = file(
        "derived.csv",
        HEADER.to_owned() + "\n" + &dce(0, "20260527", "09:00:00", 1),
    );
    let (_other, measured) = file("measured.csv", clocked("2026-05-26 21:00:01"));
    let error = import(&[derived, measured], false).unwrap_err().to_string();
    assert!(
        error.contains("row 2, a measured receive time, unlike"),
        "{error}"
    );
}

/// One row of an arbitrary dump: instrument, dates and time, and a close price or none.
#[derive(Debug, Clone)]
struct AnyRow {
    instrument: &'static str,
    trading_day: &'static str,
    action_day: &'static str,
    seconds: u32,
    has_close: bool,
    /// Days and seconds between the first day and the receipt.
    received: (i64, i64),
}

prop_compose! {
    fn any_row()(
        instrument in prop::sample::select(vec!["m2601", "rb2601", "SR601", "SA601", "IF2512"]),
        // Thursday to Sunday, the Monday and Tuesday after, a holiday, none.
        trading_day in prop::sample::select(DAYS.to_vec()),
        action_day in prop::sample::select(DAYS.to_vec()),
        seconds in prop_oneof![0..9_000_u32, 32_400..54_000_u32, 68_400..86_400_u32],
        has_close in any::<bool>(),
        received in (0..6_i64, 0..86_400_i64),
    ) -> AnyRow {
        AnyRow { instrument, trading_day, action_day, seconds, has_close, received }
    }
}

const DAYS: [&str; 8] = [
    "20251030", "20251031", "20251101", "20251102", "20251103", "20251104", "20251001", "",
];

/// The dump of rows in that order; the volume is the row's position in `rows`. With a receive clock
/// or without.
fn dump_of(rows: &[AnyRow], order: &[usize], has_clock: bool) -> String {
    let clock = if has_clock { ",LocalTime" } else { "" };
    let mut text = format!("{HEADER},ClosePrice{clock}\n");
    for &index in order {
        let row = &rows[index];
        let (hour, minute, second) = (row.seconds / 3600, row.seconds / 60 % 60, row.seconds % 60);
        let close = if row.has_close { "3100" } else { "" };
        let AnyRow {
            instrument,
            trading_day,
            action_day,
            ..
        } = row;
        write!(
            text,
            "{instrument},{trading_day},{action_day},{hour:02}:{minute:02}:{second:02},0,3100,\
             {index},{close}"
        )
        .unwrap();
        if has_clock {
            // From 2025-10-30 00:00:00 in Shanghai on.
            let received = 1_761_753_600 + row.received.0 * 86_400 + row.received.1;
            write!(text, ",{received}").unwrap();
        }
        text.push('\n');
    }
    text
}

/// Exchange and receive time by the row's position in `rows`.
fn dates(dump: &str, receive_times: ReceiveTimes) -> BTreeMap<i32, (UnixNanos, UnixNanos)> {
    let (_folder, path) = file("any.csv", dump);
    let options = ImportOptions {
        skip_bad: true,
        ..ImportOptions::default()
    };
    let (events, _) = import_with(&[path], options).unwrap();
    let contracts = Arc::new(ContractTable::builtin());
    let calendar = Arc::new(TradingCalendar::builtin());
    let mut normalizer = Normalizer::new(contracts, calendar, receive_times);
    let mut dates = BTreeMap::new();
    for event in &events {
        let volume = event.as_tick().unwrap().volume;
        match normalizer.apply(event) {
            Outcome::Tick(tick) => {
                dates.insert(volume, (tick.exchange_ts, event.recv_ts));
            }
            other => panic!("{other:?}"),
        }
    }
    dates
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn prop_shuffling_the_rows_of_a_dump_changes_no_exchange_time(
        (rows, order) in prop::collection::vec(any_row(), 1..40).prop_flat_map(|rows| {
            let order: Vec<usize> = (0..rows.len()).collect();
            (Just(rows), Just(order).prop_shuffle())
        })
    ) {
        let in_order: Vec<usize> = (0..rows.len()).collect();
        let stamps = |order: &[usize]| -> BTreeMap<i32, UnixNanos> {
            let dates = dates(&dump_of(&rows, order, false), ReceiveTimes::Derived);
            dates.into_iter().map(|(row, (exchange_ts, _))| (row, exchange_ts)).collect()
        };
        prop_assert_eq!(stamps(&in_order), stamps(&order));
    }

    #[test]
    fn prop_no_tick_is_stamped_more_than_a_minute_after_its_receipt(
        rows in prop::collection::vec(any_row(), 1..40)
    ) {
        let in_order: Vec<usize> = (0..rows.len()).collect();
        let dates = dates(&dump_of(&rows, &in_order, true), ReceiveTimes::Measured);
        prop_assert_eq!(dates.len(), rows.len());
        for (row, (exchange_ts, recv_ts)) in dates {
            prop_assert!(exchange_ts.since(recv_ts) <= CLOCK_ERROR, "row {row}");
        }
    }
}

//! What the calendar promises, against known days and under arbitrary data.

use proptest::prelude::*;

use super::*;
use crate::time::shanghai_instant;

fn date(text: &str) -> NaiveDate {
    text.parse().unwrap()
}

fn day(text: &str) -> TradingDay {
    TradingDay(date(text))
}

#[test]
fn known_days_trade_or_not() {
    let calendar = TradingCalendar::builtin();
    for (text, trades) in [
        ("2017-11-10", true),
        ("2017-11-11", false), // Saturday
        ("2025-09-30", true),
        ("2025-10-01", false),
        ("2025-10-08", false),
        ("2025-10-09", true),
        ("2025-09-28", false), // make-up working Sunday
        ("2025-10-11", false), // make-up working Saturday
        ("2024-02-09", false), // eve of the Spring Festival: closed, though no statutory holiday
        ("2020-01-31", false), // the holiday that COVID-19 lengthened
        ("2015-09-03", false), // decreed once
        ("2026-02-23", false),
        ("2026-02-24", true),
    ] {
        assert_eq!(calendar.is_trading_day(date(text)), trades, "{text}");
    }
}

#[test]
fn only_evenings_before_holidays_have_no_night() {
    let calendar = TradingCalendar::builtin();
    for (text, night) in [
        ("2017-11-10", true), // Friday before an ordinary weekend
        ("2017-11-13", true),
        ("2017-11-12", false), // Sunday
        ("2025-09-30", false), // before the National Day
        ("2025-10-08", false), // last evening of the holiday
        ("2025-10-09", true),
        ("2019-12-31", false), // a one-day holiday
        ("2025-04-03", false), // Thursday before a closed Friday
        ("2022-12-30", false), // Friday before a closed Monday
        ("2013-07-04", false), // the evening before there were nights
        ("2013-07-05", true),
        ("2020-01-22", true),
        ("2020-01-23", false),
        ("2020-02-03", false), // suspended
        ("2020-04-29", false),
        ("2020-05-06", true), // the first night again
    ] {
        assert_eq!(calendar.has_night_session(date(text)), night, "{text}");
    }
    assert!(calendar.opens_at_night(day("2017-11-13")));
    assert!(!calendar.opens_at_night(day("2025-10-09")));
    assert!(calendar.opens_at_night(day("2025-10-10")));
    assert!(!calendar.opens_at_night(day("2020-05-06")));
}

#[test]
fn received_events_belong_to_their_evenings_trading_day() {
    let calendar = TradingCalendar::builtin();
    for (received, hour, expected) in [
        ("2017-11-10", 21, "2017-11-13"), // Friday evening
        ("2017-11-11", 2, "2017-11-13"),  // and after midnight
        ("2017-11-12", 12, "2017-11-13"), // Sunday
        ("2017-11-13", 2, "2017-11-13"),
        ("2017-11-13", 9, "2017-11-13"),
        ("2017-11-13", 17, "2017-11-13"),
        ("2017-11-13", 18, "2017-11-14"),
        ("2017-11-14", 0, "2017-11-14"),
        ("2025-09-30", 20, "2025-10-09"),
        ("2025-10-08", 20, "2025-10-09"),
        ("2025-10-03", 1, "2025-10-09"),
    ] {
        let instant = shanghai_instant(date(received), hour * 3600, 0).unwrap();
        let belongs = calendar.trading_day_of(instant);
        assert_eq!(belongs, day(expected), "{received} {hour}h");
    }
}

#[test]
fn the_builtin_years_have_plausible_numbers_of_days() {
    let calendar = TradingCalendar::builtin();
    for year in 2013..=2026 {
        let first = NaiveDate::from_ymd_opt(year, 1, 1).unwrap();
        assert_eq!(calendar.coverage(first), Coverage::Known, "{year}");
        let days = first.iter_days().take_while(|date| date.year() == year);
        let trading = days.filter(|date| calendar.is_trading_day(*date)).count();
        assert!(
            (237..=246).contains(&trading),
            "{year}: {trading} trading days"
        );
    }
    assert_eq!(calendar.coverage(date("2012-12-31")), Coverage::Unknown);
}

#[test]
fn statutory_days_are_closed_before_the_notice() {
    let calendar = TradingCalendar::builtin();
    for closed in [
        "2027-01-01",
        "2027-02-05",
        "2027-02-08",
        "2027-04-05",
        "2027-06-09",
        "2027-09-15",
        "2027-10-01",
    ] {
        assert!(!calendar.is_trading_day(date(closed)), "{closed}");
    }
    for open in ["2027-01-04", "2027-02-04", "2027-06-10"] {
        assert!(calendar.is_trading_day(date(open)), "{open}");
    }
    assert!(!calendar.has_night_session(date("2026-12-31")));
    assert_eq!(
        calendar.next_trading_day(date("2026-12-31")),
        day("2027-01-04")
    );
}

#[test]
fn fixed_holidays_are_closed_in_every_later_year() {
    let calendar = TradingCalendar::builtin();
    for year in 2028..=2060 {
        for month_day in ["01-01", "05-01", "05-02", "10-01", "10-02", "10-03"] {
            let holiday = date(&format!("{year}-{month_day}"));
            assert!(!calendar.is_trading_day(holiday), "{holiday}");
            assert!(!calendar.has_night_session(holiday), "{holiday}");
            assert_eq!(calendar.coverage(holiday), Coverage::FixedDays);
        }
    }
    // A Friday without a night, and the trading day after New Year's Day.
    assert!(!calendar.has_night_session(date("2029-12-31")));
    assert_eq!(
        calendar.next_trading_day(date("2029-12-31")),
        day("2030-01-02")
    );
    // Spring Festival moves, so its days are not known before the notice.
    assert!(calendar.is_trading_day(date("2028-01-26")));
    // The rule gives way to data, and says nothing of years before the regulation.
    let user = TradingCalendar::parse("tickdeck-calendar 1\n2028 0103\n").unwrap();
    let merged = calendar.overlaid_with(&user);
    assert!(merged.is_trading_day(date("2028-05-01")));
    assert!(!merged.is_trading_day(date("2029-05-01")));
    assert!(merged.is_trading_day(date("2012-10-01")));
    assert!(TradingCalendar::default().is_trading_day(date("2029-05-01")));
    let uncovered = calendar.uncovered([date("2031-03-03"), date("2012-03-05")]);
    assert_eq!(uncovered.fixed_days, BTreeSet::from([2031]));
    assert_eq!(uncovered.unknown, BTreeSet::from([2012]));
}

#[test]
fn the_end_of_the_known_days_is_announced() {
    let calendar = TradingCalendar::builtin();
    let known_until = date("2026-12-31");
    for (text, expected) in [
        ("2026-10-31", Coverage::Known),
        ("2026-11-01", Coverage::EndsSoon { known_until }),
        ("2026-12-31", Coverage::EndsSoon { known_until }),
        ("2027-01-01", Coverage::Partly),
        ("2027-12-31", Coverage::Partly),
        ("2028-01-01", Coverage::FixedDays),
        ("2025-12-31", Coverage::Known),
    ] {
        assert_eq!(calendar.coverage(date(text)), expected, "{text}");
    }
    let notice = TradingCalendar::parse("tickdeck-calendar 1\n2027 0101 0205-0211\n").unwrap();
    let complete = calendar.overlaid_with(&notice);
    assert_eq!(complete.coverage(date("2026-12-31")), Coverage::Known);
    assert!(!complete.is_trading_day(date("2027-02-11")));
    assert!(
        complete.is_trading_day(date("2027-04-05")),
        "the user's year counts"
    );
    // A recording's partly known year does not replace a known one.
    assert_eq!(complete.overlaid_with(&calendar), complete);
}

#[test]
fn the_text_is_one_line_a_year_and_its_digest_ignores_comments() {
    let calendar = TradingCalendar::builtin();
    let text = calendar.to_text();
    assert_eq!(text.lines().count(), 1 + 15 + 2, "{text}");
    assert!(text.starts_with("tickdeck-calendar 2\n"), "{text}");
    assert!(text.contains("\n2027 partly 0101 0205-0208 "), "{text}");
    let read = TradingCalendar::parse(&text).unwrap();
    assert_eq!(read, calendar);
    assert_eq!(read.digest(), calendar.digest());
    assert_ne!(calendar.digest(), TradingCalendar::default().digest());
    // Older programs read a calendar without partly known years.
    let whole = TradingCalendar::parse("tickdeck-calendar 2\n2027 0101\n").unwrap();
    assert_eq!(whole.to_text(), "tickdeck-calendar 1\n2027 0101\n");
}

#[test]
fn a_users_file_replaces_its_years_and_leaves_the_others() {
    let user = TradingCalendar::parse(
        "tickdeck-calendar 1\r\n# mine\r\n2020 0101\r\n2027 0101 0208-0212 # announced\r\n",
    )
    .unwrap();
    let merged = TradingCalendar::builtin().overlaid_with(&user);
    assert!(!merged.is_trading_day(date("2027-02-10")));
    assert!(merged.is_trading_day(date("2020-01-31")));
    assert!(merged.has_night_session(date("2020-02-03")));
    assert!(!merged.is_trading_day(date("2025-10-01")));
    assert!(!merged.has_night_session(date("2013-01-07")));
}

#[test]
fn a_bad_file_is_refused_with_line_value_and_expectation() {
    for (text, line, part) in [
        ("", 1, "tickdeck-calendar 1"),
        ("2027 0101", 1, "tickdeck-calendar 1"),
        ("tickdeck-calendar 3\n", 1, "tickdeck-calendar 1"),
        ("tickdeck-calendar 2\n2027 0101 partly", 2, "`partly`"),
        ("tickdeck-calendar 2\n2027 partly\n2027", 3, "two lines"),
        ("tickdeck-calendar 1\n\n27 0101", 3, "`27`"),
        ("tickdeck-calendar 1\n2027 0229", 2, "`0229`"),
        ("tickdeck-calendar 1\n2027 0105-0101", 2, "earlier"),
        ("tickdeck-calendar 1\n2027 101", 2, "MMDD"),
        ("tickdeck-calendar 1\n2027\n2027", 3, "two lines"),
        ("tickdeck-calendar 1\nno-night", 2, "no-night"),
        (
            "tickdeck-calendar 1\nno-night 2027-01-05..2027-01-04",
            2,
            "first to last",
        ),
        (
            "tickdeck-calendar 1\nno-night 0001-01-01..9999-12-31",
            2,
            "ten years",
        ),
    ] {
        let error = TradingCalendar::parse(text).unwrap_err();
        assert_eq!(error.line, line, "{text:?}");
        assert!(error.problem.contains(part), "{text:?}: {error}");
    }
}

#[test]
fn the_ends_of_the_date_range_do_not_panic() {
    let calendar = TradingCalendar::builtin();
    for edge in [NaiveDate::MIN, NaiveDate::MAX] {
        let _ = calendar.prev_trading_day(edge);
        let _ = calendar.next_trading_day(edge);
        let _ = calendar.has_night_session(edge);
        let _ = calendar.opens_at_night(TradingDay(edge));
    }
    for edge in [i64::MIN, i64::MAX] {
        let _ = calendar.trading_day_of(UnixNanos(edge));
    }
}

fn any_date() -> impl Strategy<Value = NaiveDate> {
    (0..366 * 20_i64).prop_map(|days| date("2010-01-01") + TimeDelta::days(days))
}

fn any_calendar() -> impl Strategy<Value = TradingCalendar> {
    let years = || proptest::collection::btree_set(2010..2030, 0..5);
    let days = || proptest::collection::btree_set(any_date(), 0..60);
    (years(), years(), days(), days()).prop_map(|(years, partly, closed, no_night)| {
        let partly: BTreeSet<i32> = partly.difference(&years).copied().collect();
        let is_covered = |year: i32| years.contains(&year) || partly.contains(&year);
        TradingCalendar {
            closed: closed
                .into_iter()
                .filter(|date| !is_weekend(*date) && is_covered(date.year()))
                .collect(),
            no_night: no_night
                .into_iter()
                .filter(|date| !is_weekend(*date))
                .collect(),
            years,
            partly,
        }
    })
}

proptest! {
    #[test]
    fn prop_previous_and_next_are_inverse(calendar in any_calendar(), date in any_date()) {
        let next = calendar.next_trading_day(date);
        let previous = calendar.prev_trading_day(date);
        prop_assert!(previous.0 < date && date < next.0);
        prop_assert!(calendar.is_trading_day(next.0) && calendar.is_trading_day(previous.0));
        if calendar.is_trading_day(date) {
            prop_assert_eq!(calendar.prev_trading_day(next.0).0, date);
            prop_assert_eq!(calendar.next_trading_day(previous.0).0, date);
        }
    }

    #[test]
    fn prop_a_night_session_is_followed_by_its_trading_day(
        calendar in any_calendar(),
        date in any_date(),
    ) {
        if calendar.has_night_session(date) {
            let next = calendar.next_trading_day(date);
            prop_assert!(calendar.opens_at_night(next));
            prop_assert!(next.0.signed_duration_since(date).num_days() <= 3);
        }
    }

    #[test]
    fn prop_the_text_reads_back(calendar in any_calendar()) {
        prop_assert_eq!(TradingCalendar::parse(&calendar.to_text()).unwrap(), calendar);
    }

    #[test]
    fn prop_any_text_is_read_or_refused_without_a_panic(text in "(tickdeck-calendar 1\n)?\\PC{0,80}") {
        let _ = TradingCalendar::parse(&text);
    }
}

//! The table of witnesses, row by row, and what it promises for arbitrary rows.

use proptest::prelude::*;

use super::*;
use crate::time::parse_ctp_time;

fn day(text: &str) -> Option<NaiveDate> {
    (!text.is_empty()).then(|| text.parse().unwrap())
}

fn received(text: &str) -> Option<UnixNanos> {
    let (date, time) = text.split_once(' ')?;
    shanghai_instant(date.parse().ok()?, parse_ctp_time(time.as_bytes())?, 0)
}

/// Exchange (`CZCE` or another), dates, time, receive time (empty: not measured) and the answer:
/// calendar date and trading day.
#[track_caller]
fn check(cases: &[(&str, &str, &str, &str, &str, &str)]) {
    let calendar = TradingCalendar::builtin();
    for &(exchange, trading_day, action_day, time, recv, expected) in cases {
        let row = Witnesses {
            is_czce: exchange.starts_with("CZCE"),
            trading_day: day(trading_day),
            action_day: day(action_day),
            has_close: exchange.ends_with("close"),
            seconds: parse_ctp_time(time.as_bytes()).unwrap(),
            millis: 0,
            received: received(recv),
        };
        let found = date_of(&calendar, &row).map_or_else(String::new, |dated| {
            let part = DayPart::of(row.seconds);
            let date = calendar_date(&calendar, dated.trading_day, part);
            format!("{date} {}", dated.trading_day)
        });
        assert_eq!(
            found, expected,
            "{exchange} {trading_day} {action_day} {time} at {recv}"
        );
    }
}

#[test]
fn by_day_the_trading_day_is_the_date_on_czce_too() {
    let close = "14:59:59";
    let dated = "2026-05-26 2026-05-26";
    check(&[
        (
            "CZCE",
            "2026-05-26",
            "2026-05-26",
            close,
            "2026-05-26 15:00:00",
            dated,
        ),
        (
            "CZCE",
            "2026-05-26",
            "2026-05-26",
            close,
            "2026-05-26 20:35:01",
            dated,
        ),
        (
            "CZCE",
            "2026-05-26",
            "2026-05-26",
            close,
            "2026-05-30 10:00:00",
            dated,
        ),
        ("CZCE", "2026-05-26", "2026-05-26", close, "", dated),
        (
            "CZCE",
            "2026-05-26",
            "",
            close,
            "2026-05-27 09:00:00",
            dated,
        ),
        (
            "SHFE",
            "2026-05-26",
            "2026-05-25",
            close,
            "2026-05-26 20:35:01",
            dated,
        ),
        // Without it `ActionDay`, unless it is after the receipt; then the receive time.
        (
            "SHFE",
            "",
            "2026-05-26",
            close,
            "2026-05-26 20:35:01",
            dated,
        ),
        ("SHFE", "", "2026-05-26", close, "", dated),
        (
            "SHFE",
            "",
            "2026-05-27",
            close,
            "2026-05-26 20:35:01",
            dated,
        ),
        ("SHFE", "", "", close, "2026-05-26 20:35:01", dated),
        ("SHFE", "", "", close, "", ""),
    ]);
}

#[test]
fn by_day_a_closed_day_is_no_trading_day() {
    let close = "14:59:59";
    let friday = "2026-05-22 2026-05-22";
    check(&[
        // A Sunday: the other date, then the receipt.
        (
            "SHFE",
            "2026-05-24",
            "2026-05-22",
            close,
            "2026-05-24 10:00:00",
            friday,
        ),
        ("SHFE", "2026-05-24", "2026-05-22", close, "", friday),
        (
            "CZCE",
            "2026-05-24",
            "2026-05-24",
            close,
            "2026-05-24 16:00:00",
            friday,
        ),
        (
            "DCE",
            "2026-05-24",
            "",
            "09:00:01",
            "2026-05-25 09:00:01",
            "2026-05-25 2026-05-25",
        ),
        (
            "SHFE",
            "",
            "2026-05-24",
            close,
            "2026-05-24 16:00:00",
            friday,
        ),
        // Nothing else is known.
        ("SHFE", "2026-05-24", "2026-05-24", close, "", friday),
        ("SHFE", "", "2026-05-24", close, "", friday),
        // A holiday, and the Saturday on which others work for it.
        (
            "SHFE",
            "2025-10-02",
            "2025-09-30",
            close,
            "2025-10-02 10:00:00",
            "2025-09-30 2025-09-30",
        ),
        (
            "SHFE",
            "2025-10-11",
            "2025-10-10",
            close,
            "2025-10-11 10:00:00",
            "2025-10-10 2025-10-10",
        ),
        // Of 2027 only the statutory days are known: the rest counts as open.
        (
            "SHFE",
            "2027-10-01",
            "2027-09-30",
            close,
            "2027-10-01 10:00:00",
            "2027-09-30 2027-09-30",
        ),
        (
            "SHFE",
            "2027-10-04",
            "2027-10-04",
            close,
            "2027-10-04 15:00:00",
            "2027-10-04 2027-10-04",
        ),
    ]);
}

#[test]
fn a_date_without_trading_is_found() {
    let calendar = TradingCalendar::builtin();
    let friday = "2026-05-22";
    let (saturday, sunday, monday) = ("2026-05-23", "2026-05-24", "2026-05-25");
    for (exchange, trading_day, action_day, time, expected) in [
        ("SHFE", friday, friday, "14:59:59", ""),
        ("SHFE", sunday, friday, "14:59:59", sunday),
        ("SHFE", "", sunday, "14:59:59", sunday),
        ("SHFE", friday, saturday, "14:59:59", saturday),
        ("CZCE", saturday, saturday, "14:59:59", saturday),
        ("SHFE", "2025-10-02", "2025-10-02", "10:00:00", "2025-10-02"),
        // The night of Monday: Friday evening and Saturday morning.
        ("SHFE", monday, friday, "21:00:00", ""),
        ("SHFE", monday, saturday, "00:30:00", ""),
        ("CZCE", friday, friday, "21:00:00", ""),
        ("CZCE", saturday, saturday, "00:30:00", ""),
        ("DCE", monday, monday, "21:00:00", ""),
        ("DCE", monday, monday, "00:30:00", ""),
        // Nights that are none.
        ("SHFE", saturday, friday, "21:00:00", saturday),
        ("SHFE", saturday, saturday, "00:30:00", saturday),
        ("SHFE", monday, sunday, "00:30:00", sunday),
        ("SHFE", monday, saturday, "21:00:00", saturday),
        ("CZCE", saturday, saturday, "22:59:59", saturday),
        ("CZCE", "", sunday, "00:30:00", sunday),
        ("SHFE", "", "", "10:00:00", ""),
    ] {
        let row = Witnesses {
            is_czce: exchange == "CZCE",
            trading_day: day(trading_day),
            action_day: day(action_day),
            has_close: false,
            seconds: parse_ctp_time(time.as_bytes()).unwrap(),
            millis: 0,
            received: None,
        };
        let found = closed_date(&calendar, &row);
        assert_eq!(
            found,
            day(expected),
            "{exchange} {trading_day} {action_day} {time}"
        );
    }
}

#[test]
fn at_night_the_evening_before_the_trading_day_is_the_date() {
    check(&[
        // The eve of New Year: the first of January is closed in every year.
        (
            "SHFE",
            "2025-01-02",
            "2024-12-31",
            "20:59:00",
            "2024-12-31 20:59:00",
            "2024-12-31 2025-01-02",
        ),
        (
            "DCE",
            "2026-05-25",
            "2026-05-25",
            "21:00:00",
            "2026-05-22 21:00:00",
            "2026-05-22 2026-05-25",
        ),
        (
            "DCE",
            "2026-05-25",
            "2026-05-25",
            "21:00:00",
            "",
            "2026-05-22 2026-05-25",
        ),
        (
            "SHFE",
            "2026-05-25",
            "2026-05-23",
            "01:30:00",
            "",
            "2026-05-23 2026-05-25",
        ),
        // Without it the receive time, because DCE's `ActionDay` is the trading day.
        (
            "DCE",
            "",
            "2026-05-25",
            "21:00:00",
            "2026-05-22 21:00:00",
            "2026-05-22 2026-05-25",
        ),
        (
            "SHFE",
            "",
            "2026-05-22",
            "21:00:00",
            "",
            "2026-05-22 2026-05-25",
        ),
        (
            "SHFE",
            "",
            "2026-05-23",
            "00:30:00",
            "",
            "2026-05-23 2026-05-25",
        ),
    ]);
}

#[test]
fn czce_nights_are_dated_by_their_calendar_date() {
    check(&[
        (
            "CZCE",
            "2026-05-26",
            "2026-05-26",
            "20:59:00",
            "2026-05-26 20:59:00",
            "2026-05-26 2026-05-27",
        ),
        (
            "CZCE",
            "2026-05-22",
            "2026-05-22",
            "21:30:00",
            "",
            "2026-05-22 2026-05-25",
        ),
        (
            "CZCE",
            "2026-05-22",
            "",
            "21:30:00",
            "2026-05-22 21:30:00",
            "2026-05-22 2026-05-25",
        ),
        // The evening row of a product without a night.
        (
            "CZCE",
            "2020-08-11",
            "2020-08-10",
            "19:22:00",
            "2020-08-10 19:22:01",
            "2020-08-10 2020-08-11",
        ),
        // Sent again in the morning, by the receive time or by the close price.
        (
            "CZCE",
            "2019-09-02",
            "2019-09-02",
            "23:29:59",
            "2019-09-02 08:55:10",
            "2019-08-30 2019-09-02",
        ),
        (
            "CZCE close",
            "2019-09-02",
            "2019-09-02",
            "23:29:59",
            "",
            "2019-08-30 2019-09-02",
        ),
        (
            "CZCE",
            "",
            "",
            "21:30:00",
            "2026-05-22 21:30:01",
            "2026-05-22 2026-05-25",
        ),
    ]);
}

#[test]
fn a_row_ahead_of_its_receipt_is_a_trading_day_older() {
    check(&[
        // The next trading day stands on the close of the last one.
        (
            "SHFE",
            "2026-05-25",
            "2026-05-25",
            "15:00:00",
            "2026-05-22 20:35:00",
            "2026-05-22 2026-05-22",
        ),
        (
            "CZCE",
            "2026-05-25",
            "2026-05-25",
            "14:59:59",
            "2026-05-25 08:40:00",
            "2026-05-22 2026-05-22",
        ),
        (
            "DCE",
            "2026-05-25",
            "2026-05-25",
            "23:00:00",
            "2026-05-22 20:35:00",
            "2026-05-21 2026-05-22",
        ),
        // A minute of clock error is not ahead.
        (
            "SHFE",
            "2026-05-25",
            "2026-05-25",
            "09:00:00",
            "2026-05-25 08:59:00",
            "2026-05-25 2026-05-25",
        ),
        (
            "SHFE",
            "2026-05-25",
            "2026-05-25",
            "09:00:01",
            "2026-05-25 08:59:00",
            "2026-05-22 2026-05-22",
        ),
        // Dates of another year are none.
        (
            "SHFE",
            "2036-05-26",
            "2036-05-26",
            "09:00:00",
            "2026-05-26 09:00:00",
            "2026-05-26 2026-05-26",
        ),
        (
            "SHFE",
            "2036-05-26",
            "2036-05-26",
            "09:00:00",
            "2026-05-26 08:00:00",
            "2026-05-25 2026-05-25",
        ),
    ]);
}

#[test]
fn a_recorders_date_gives_the_trading_day() {
    let calendar = TradingCalendar::builtin();
    for (date, part, expected) in [
        ("2019-10-31", DayPart::Day, "2019-10-31"),
        ("2019-10-31", DayPart::Evening, "2019-11-01"),
        ("2019-11-02", DayPart::Early, "2019-11-04"),
        ("2019-11-02", DayPart::Day, "2019-11-01"), // a close, received on Saturday
        ("2019-11-02", DayPart::Evening, "2019-11-04"),
    ] {
        let found = trading_day_on(&calendar, date.parse().unwrap(), part);
        assert_eq!(found.to_string(), expected, "{date} {part:?}");
    }
}

fn any_date() -> impl Strategy<Value = Option<NaiveDate>> {
    let start = NaiveDate::from_ymd_opt(2025, 9, 15).unwrap();
    prop::option::weighted(0.8, 0..60_u64)
        .prop_map(move |days| days.and_then(|days| start.checked_add_days(Days::new(days))))
}

prop_compose! {
    fn any_row()(
        is_czce in any::<bool>(),
        trading_day in any_date(),
        action_day in any_date(),
        has_close in any::<bool>(),
        seconds in 0..86_400_u32,
        millis in 0..1_000_u32,
    ) -> Witnesses {
        Witnesses { is_czce, trading_day, action_day, has_close, seconds, millis, received: None }
    }
}

fn instant(calendar: &TradingCalendar, row: &Witnesses, dated: Dated) -> UnixNanos {
    let date = calendar_date(calendar, dated.trading_day, DayPart::of(row.seconds));
    shanghai_instant(date, row.seconds, row.millis).unwrap()
}

proptest! {
    #[test]
    fn prop_nothing_is_stamped_after_its_receipt(row in any_row(), recv in any_date(), at in 0..86_400_u32) {
        let calendar = TradingCalendar::builtin();
        let received = recv.and_then(|date| shanghai_instant(date, at, 0));
        let row = Witnesses { received, ..row };
        match date_of(&calendar, &row) {
            Some(dated) => if let Some(received) = received {
                prop_assert!(instant(&calendar, &row, dated).since(received) <= CLOCK_ERROR);
            },
            None => prop_assert!(received.is_none() && row.trading_day.is_none() && row.action_day.is_none()),
        }
    }

    #[test]
    fn prop_by_day_the_date_is_the_trading_day(row in any_row(), recv in any_date(), at in 0..86_400_u32) {
        let calendar = TradingCalendar::builtin();
        let seconds = 6 * 3600 + row.seconds / 2;
        let received = recv.and_then(|date| shanghai_instant(date, at, 0));
        let row = Witnesses { seconds, received, ..row };
        if let Some(dated) = date_of(&calendar, &row) {
            let date = calendar_date(&calendar, dated.trading_day, DayPart::of(seconds));
            prop_assert_eq!(date, dated.trading_day.0);
            prop_assert!(calendar.is_trading_day(date));
        }
    }

    #[test]
    fn prop_an_own_date_ignores_a_later_receipt(row in any_row(), recv in any_date(), days in 0..400_u64) {
        let calendar = TradingCalendar::builtin();
        let Some(recv) = recv else { return Ok(()) };
        let at = |date| Witnesses { received: shanghai_instant(date, 43_200, 0), ..row };
        let first = date_of(&calendar, &at(recv));
        if first.is_some_and(|dated| dated.is_own) {
            prop_assert_eq!(date_of(&calendar, &at(recv + Days::new(days))), first);
        }
    }
}

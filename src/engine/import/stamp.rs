//! Placing a row in time by what it says itself: its recorded receive time, or its exchange time.
//!
//! The date is decided as the normalizer decides it ([`tickdeck_core::dating`]), from the row alone.
//! What the order of the rows adds is in [`arrival`](crate::import::arrival).

use std::sync::Arc;

use chrono::NaiveDate;
use rustc_hash::FxHashMap;
use tickdeck_core::calendar::TradingCalendar;
use tickdeck_core::contract::{ContractTable, Exchange};
use tickdeck_core::dating::{self, CLOCK_ERROR, Witnesses};
use tickdeck_core::event::{InstrumentId, RawTick};
use tickdeck_core::source::ReceiveTimes;
use tickdeck_core::time::{
    DayPart, TradingDay, UnixNanos, parse_ctp_date, parse_ctp_time, shanghai_instant,
};

use crate::import::clock::TimeOfDay;
use crate::import::fields::restore_missing_prices;
use crate::import::options::GivenOption;
use crate::import::out_of_order::{Moved, Redated};
use crate::import::recv_ts_rule::RecvTsRule;
use crate::import::row::Row;
use crate::import::row_error::RowProblem;

/// Where a row lies in time.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Placed {
    /// The dump has its receive time.
    Received {
        recv_ts: UnixNanos,
        /// Its exchange time by its own dates, where they give one.
        stamped: Option<UnixNanos>,
        /// How the receive time came about.
        rule: RecvTsRule,
    },
    /// The dump has its exchange time.
    Stamped(UnixNanos),
    /// The row has no time at all.
    Nowhere,
}

impl Placed {
    /// Whether the row's receive time was measured.
    pub(crate) const fn receive_times(self) -> ReceiveTimes {
        match self {
            Self::Received { rule, .. } => rule.receive_times(),
            Self::Stamped(_) | Self::Nowhere => ReceiveTimes::Derived,
        }
    }
}

/// Completes the rows of one input.
pub(crate) struct Stamper {
    /// Of the options or the file name.
    pub(crate) trading_day: Option<TradingDay>,
    /// Of the options or the file name.
    pub(crate) symbol: Option<InstrumentId>,
    /// Whether the rows themselves have a `TradingDay` column.
    pub(crate) rows_have_trading_day: bool,
    pub(crate) zero_is_missing: bool,
    pub(crate) contracts: Arc<ContractTable>,
    pub(crate) calendar: Arc<TradingCalendar>,
    czce: FxHashMap<InstrumentId, bool>,
    /// Whether a row has taken `trading_day`.
    is_day_taken: bool,
    /// Whether a row has taken `symbol`.
    is_symbol_taken: bool,
    /// The last volume of each instrument.
    volumes: FxHashMap<InstrumentId, KnownVolume>,
}

/// A volume, and the row's own dates and time.
#[derive(Debug, Clone, Copy)]
pub(crate) struct KnownVolume {
    volume: i32,
    trading_day: tickdeck_ffi::Text<9>,
    action_day: tickdeck_ffi::Text<9>,
    update_time: tickdeck_ffi::Text<9>,
}

impl KnownVolume {
    /// That of a tick, unless its volume is blank.
    pub(crate) fn of(row: &Row) -> Option<Self> {
        let tick = &row.tick;
        let is_known = row.session.is_none() && !row.is_volume_blank;
        is_known.then_some(Self {
            volume: tick.volume,
            trading_day: tick.trading_day,
            action_day: tick.action_day,
            update_time: tick.update_time,
        })
    }
}

impl Stamper {
    pub(crate) fn new(contracts: Arc<ContractTable>, calendar: Arc<TradingCalendar>) -> Self {
        Self {
            trading_day: None,
            symbol: None,
            rows_have_trading_day: true,
            zero_is_missing: false,
            contracts,
            calendar,
            czce: FxHashMap::default(),
            is_day_taken: false,
            is_symbol_taken: false,
            volumes: FxHashMap::default(),
        }
    }

    /// Whether a row has taken what the option gives. The exchange is not decided here.
    pub(crate) const fn has_taken(&self, option: GivenOption) -> bool {
        match option {
            GivenOption::TradingDay => self.is_day_taken,
            GivenOption::Symbol => self.is_symbol_taken,
            GivenOption::TrustExchange => false,
        }
    }

    /// Notes whether a row, as it was read, needs `symbol`.
    pub(crate) fn note_symbol(&mut self, row: &Row) {
        let is_unnamed = row.session.is_none() && row.tick.instrument_id.is_empty();
        self.is_symbol_taken |= is_unnamed && self.symbol.is_some();
    }

    /// Fills what the row lacks and places it.
    pub(crate) fn complete(&mut self, row: &mut Row) -> Result<Placed, RowProblem> {
        let rule = match row.is_recv_ts_derived {
            true => RecvTsRule::RecordedDerived,
            false => RecvTsRule::Recorded,
        };
        if row.session.is_some() {
            let expected = "a receive time: the row is a session event";
            let recv_ts = row.recv_ts;
            return recv_ts
                .map(|recv_ts| Placed::Received {
                    recv_ts,
                    stamped: None,
                    rule,
                })
                .ok_or_else(|| RowProblem::value("recv_ts", b"", expected));
        }
        if let Some(symbol) = self.symbol.filter(|_| row.tick.instrument_id.is_empty()) {
            row.tick.instrument_id = symbol;
        }
        if self.zero_is_missing && !self.is_czce(&row.tick) {
            restore_missing_prices(&mut row.tick);
        }
        // A day that the user or the file's name gives stands instead of the row's calendar date.
        let is_without_day = row.date.is_some() && row.tick.trading_day.is_empty();
        if let Some(date) = row.date {
            row.redated = self.redated(row, date)?;
            self.fill_by_date(&mut row.tick, date)?;
        }
        let placed = match (row.recv_ts, row.recv_time) {
            (Some(recv_ts), _) => Placed::Received {
                recv_ts,
                stamped: self.dated(&row.tick).map(|(_, stamped)| stamped),
                rule,
            },
            (None, Some(time)) => self.receive_at(&mut row.tick, time)?,
            (None, None) => self.place(&mut row.tick)?,
        };
        if !is_without_day || self.trading_day.is_none() {
            let takes_day =
                is_without_day || (row.recv_ts.is_none() && !self.rows_have_trading_day);
            row.moved = self.moved(row, placed, takes_day);
        }
        Ok(placed)
    }

    /// A row for which a day is given that is not of its date. At night some exchanges date rows by
    /// the trading day, without a contradiction. A date without trading asks for another day.
    fn redated(&self, row: &Row, date: NaiveDate) -> Result<Option<Redated>, RowProblem> {
        let Some(day) = self.trading_day else {
            return Ok(None);
        };
        let Some(seconds) = seconds_of(&row.tick)? else {
            return Ok(None);
        };
        let on = dating::calendar_date(&self.calendar, day, DayPart::of(seconds));
        let is_other = row.tick.trading_day.is_empty() && date != on && date != day.0;
        let is_replaced = is_other && self.calendar.is_trading_day(date);
        Ok(is_replaced.then_some(Redated {
            row: row.number,
            date,
            on,
        }))
    }

    /// What becomes of a row that is dated on a day without trading.
    fn moved(&mut self, row: &Row, placed: Placed, takes_day: bool) -> Option<Moved> {
        let received = match placed {
            Placed::Received { recv_ts, rule, .. }
                if rule.receive_times() == ReceiveTimes::Measured =>
            {
                Some(recv_ts)
            }
            _ => None,
        };
        let witnesses = self.witnesses(&row.tick, received)?;
        let date = dating::closed_date(&self.calendar, &witnesses)?;
        let to = dating::date_of(&self.calendar, &witnesses)?.trading_day;
        let part = DayPart::of(witnesses.seconds);
        Some(Moved {
            row: row.number,
            date,
            on: dating::calendar_date(&self.calendar, to, part),
            to,
            takes_day,
        })
    }

    /// A count cannot be missing in CTP's struct. A blank volume becomes the last one of the instrument
    /// in its trading day, because a volume that falls would be an error of the feed.
    pub(crate) fn fill_volume(&mut self, row: &mut Row) {
        if row.session.is_some() {
            return;
        }
        let id = row.tick.instrument_id;
        match KnownVolume::of(row) {
            Some(this) => {
                self.volumes.insert(id, this);
            }
            None => {
                let last = self.volumes.get(&id).copied();
                row.is_volume_unknown = !self.take_volume(row, last);
            }
        }
    }

    /// Gives a row the volume of another row of its instrument, if both are of one trading day.
    pub(crate) fn take_volume(&mut self, row: &mut Row, from: Option<KnownVolume>) -> bool {
        let Some(from) = from else {
            return false;
        };
        let other = RawTick {
            trading_day: from.trading_day,
            action_day: from.action_day,
            update_time: from.update_time,
            update_millisec: 0,
            ..row.tick
        };
        let day = |dated: Option<(TradingDay, UnixNanos)>| dated.map(|(day, _)| day);
        let is_same_day = day(self.dated(&other)) == day(self.dated(&row.tick));
        if is_same_day {
            row.tick.volume = from.volume;
        }
        is_same_day
    }

    /// A receive time without a date is one of the row's trading day, as exchange times are. There it
    /// must not lie before the exchange time: then the row belongs to another day than it was received
    /// on, and nothing says which.
    fn receive_at(&mut self, tick: &mut RawTick, time: TimeOfDay) -> Result<Placed, RowProblem> {
        let bad = |expected| {
            let time = time.to_string();
            RowProblem::value("of the receive time", time.as_bytes(), expected)
        };
        let Placed::Stamped(stamped) = self.place(tick)? else {
            return Err(bad(
                "a date too: the row has no exchange time to date it by",
            ));
        };
        let day = self.dated(tick).map(|(day, _)| day);
        let recv_ts = day.and_then(|day| {
            let date = dating::calendar_date(&self.calendar, day, DayPart::of(time.seconds));
            let second = shanghai_instant(date, time.seconds, 0)?;
            Some(second.plus(i64::from(time.nanos)))
        });
        match recv_ts {
            Some(recv_ts) if stamped.since(recv_ts) <= CLOCK_ERROR => Ok(Placed::Received {
                recv_ts,
                stamped: Some(stamped),
                rule: RecvTsRule::RecordedTimeOfDay,
            }),
            _ => Err(bad(
                "a date too: on the trading day of the row, this is before its exchange time",
            )),
        }
    }

    /// `TradingDay` and `ActionDay` of a row with its calendar date. That date takes precedence over
    /// any receive time: the recorder wrote it down with the row.
    fn fill_by_date(&mut self, tick: &mut RawTick, date: NaiveDate) -> Result<(), RowProblem> {
        let part = seconds_of(tick)?.map_or(DayPart::Day, DayPart::of);
        if tick.trading_day.is_empty() {
            self.is_day_taken |= self.trading_day.is_some();
            let day = self
                .trading_day
                .unwrap_or_else(|| dating::trading_day_on(&self.calendar, date, part));
            tick.trading_day = ctp_date(day.0);
        }
        if tick.action_day.is_empty() {
            tick.action_day = ctp_date(date);
        }
        Ok(())
    }

    /// The exchange time by the row's dates, which the day of the file completes.
    fn place(&mut self, tick: &mut RawTick) -> Result<Placed, RowProblem> {
        let Some(seconds) = seconds_of(tick)? else {
            return Ok(Placed::Nowhere);
        };
        let part = DayPart::of(seconds);
        let trading_day = ctp_day("TradingDay", tick.trading_day.as_bytes())?;
        let action_day = ctp_day("ActionDay", tick.action_day.as_bytes())?;
        let is_undated = trading_day.is_none() && action_day.is_none();
        if let Some(day) = self.trading_day
            && (is_undated || !self.rows_have_trading_day)
        {
            self.is_day_taken = true;
            tick.trading_day = ctp_date(day.0);
            tick.action_day = ctp_date(dating::calendar_date(&self.calendar, day, part));
        } else if is_undated {
            return Err(RowProblem::NoTradingDay);
        }
        check_millis(tick)?;
        let dated = self.dated(tick);
        dated
            .map(|(_, instant)| Placed::Stamped(instant))
            .ok_or_else(|| {
                let value = tick.trading_day.as_bytes();
                RowProblem::value("TradingDay", value, "a date of 1678 to 2261")
            })
    }

    /// Trading day and exchange time by the row's own dates; `None` where they or the time are not
    /// usable.
    fn dated(&mut self, tick: &RawTick) -> Option<(TradingDay, UnixNanos)> {
        let row = self.witnesses(tick, None)?;
        let day = dating::date_of(&self.calendar, &row)?.trading_day;
        let date = dating::calendar_date(&self.calendar, day, DayPart::of(row.seconds));
        Some((day, shanghai_instant(date, row.seconds, row.millis)?))
    }

    /// What the row says about its date; `None` without a time of day.
    fn witnesses(&mut self, tick: &RawTick, received: Option<UnixNanos>) -> Option<Witnesses> {
        Some(Witnesses {
            is_czce: self.is_czce(tick),
            trading_day: parse_ctp_date(tick.trading_day.as_bytes()),
            action_day: parse_ctp_date(tick.action_day.as_bytes()),
            has_close: dating::is_close_set(tick.close_price),
            seconds: parse_ctp_time(tick.update_time.as_bytes())?,
            millis: u32::try_from(tick.update_millisec).ok()?,
            received,
        })
    }

    /// By the row's own `ExchangeID`, else by the contract table.
    fn is_czce(&mut self, tick: &RawTick) -> bool {
        if !tick.exchange_id.is_empty() {
            return tick.exchange_id.as_bytes() == Exchange::Czce.as_str().as_bytes();
        }
        let id = tick.instrument_id;
        *self.czce.entry(id).or_insert_with(|| {
            let contract = self.contracts.resolve(id.as_bytes());
            contract.is_ok_and(|contract| contract.exchange == Exchange::Czce)
        })
    }
}

/// A `YYYYMMDD` that may be empty but not something else.
fn ctp_day(column: &str, text: &[u8]) -> Result<Option<NaiveDate>, RowProblem> {
    if text.is_empty() {
        return Ok(None);
    }
    let date = parse_ctp_date(text);
    date.map(Some)
        .ok_or_else(|| RowProblem::value(column, text, "a date YYYYMMDD, or nothing"))
}

/// Seconds since midnight of `UpdateTime`; `None` when it is empty.
fn seconds_of(tick: &RawTick) -> Result<Option<u32>, RowProblem> {
    let text = tick.update_time.as_bytes();
    if text.is_empty() {
        return Ok(None);
    }
    let seconds = parse_ctp_time(text);
    seconds
        .map(Some)
        .ok_or_else(|| RowProblem::value("UpdateTime", text, "a time HH:MM:SS"))
}

fn check_millis(tick: &RawTick) -> Result<(), RowProblem> {
    if (0..1000).contains(&tick.update_millisec) {
        return Ok(());
    }
    let value = tick.update_millisec.to_string();
    let value = value.as_bytes();
    Err(RowProblem::value("UpdateMillisec", value, "0 to 999"))
}

fn ctp_date(date: NaiveDate) -> tickdeck_ffi::Text<9> {
    // Eight digits; a year beyond 9999 cannot come out of eight digits either.
    tickdeck_ffi::Text::new(TradingDay(date).to_ctp().as_bytes()).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use crate::import::clock::{ReceiveTime, parse_receive_time};

    use super::*;

    fn row(id: &str, trading_day: &str, action_day: &str, time: &str) -> Row {
        let text = |text: &str| tickdeck_ffi::Text::new(text.as_bytes()).unwrap();
        let mut row = Row::new();
        row.tick.exchange_id = text(id);
        row.tick.trading_day = text(trading_day);
        row.tick.action_day = text(action_day);
        row.tick.update_time = text(time);
        row
    }

    fn stamper() -> Stamper {
        Stamper::new(
            Arc::new(ContractTable::builtin()),
            Arc::new(TradingCalendar::builtin()),
        )
    }

    /// The exchange time of the row.
    fn instant(row: &Row) -> String {
        let Placed::Stamped(stamped) = stamper().complete(&mut row.clone()).unwrap() else {
            panic!("{row:?}");
        };
        stamped.to_shanghai().format("%Y%m%d %H:%M:%S").to_string()
    }

    /// The receive time of a row of that trading day, exchange time and receive clock.
    fn received(trading_day: &str, time: &str, clock: &str) -> Result<String, String> {
        let mut row = row("SHFE", trading_day, "", time);
        let Some(ReceiveTime::OfDay(clock)) = parse_receive_time(clock.as_bytes()) else {
            panic!("{clock}");
        };
        row.recv_time = Some(clock);
        match stamper().complete(&mut row) {
            Ok(Placed::Received { recv_ts, rule, .. }) => {
                assert_eq!(rule, RecvTsRule::RecordedTimeOfDay);
                let shown = recv_ts.to_shanghai().format("%Y%m%d %H:%M:%S%.3f");
                Ok(shown.to_string())
            }
            Ok(placed) => panic!("{placed:?}"),
            Err(problem) => Err(problem.to_string()),
        }
    }

    #[test]
    fn a_receive_clock_without_a_date_has_the_rows_day() {
        // Monday's trading day begins on Friday's evening.
        for (time, clock, expected) in [
            ("21:00:00", "21:00:00.612", "20171110 21:00:00.612"),
            ("23:59:59", "00:00:00.1", "20171111 00:00:00.100"),
            ("00:00:00", "23:59:59.9", "20171110 23:59:59.900"),
            ("02:29:59", "02:30:00", "20171111 02:30:00.000"),
            ("09:00:00", "09:00:00.25", "20171113 09:00:00.250"),
            // A stale tick, on the same day.
            ("22:59:59", "08:55:00", "20171113 08:55:00.000"),
            // A slow clock.
            ("09:00:30", "08:59:40", "20171113 08:59:40.000"),
        ] {
            let found = received("20171113", time, clock);
            assert_eq!(found.as_deref(), Ok(expected), "{time} {clock}");
        }
        // Received on the evening after, or the trading day is that of the next day: nothing says which.
        for (time, clock) in [("15:00:00", "20:35:21"), ("15:00:00", "08:55:00")] {
            let problem = received("20171113", time, clock).unwrap_err();
            assert!(problem.contains("before its exchange time"), "{problem}");
            assert!(problem.contains(clock), "{problem}");
        }
        let problem = received("20171113", "", "09:00:00").unwrap_err();
        assert!(problem.contains("no exchange time"), "{problem}");
        let problem = received("", "09:00:00", "09:00:00").unwrap_err();
        assert!(problem.contains("a trading day YYYYMMDD"), "{problem}");
    }

    #[test]
    fn night_belongs_to_the_evening_before() {
        for (id, trading_day, action_day, time, expected) in [
            (
                "SHFE",
                "20171113",
                "20171110",
                "21:00:00",
                "20171110 21:00:00",
            ),
            (
                "SHFE",
                "20171113",
                "20171111",
                "01:30:00",
                "20171111 01:30:00",
            ),
            (
                "DCE",
                "20171113",
                "20171113",
                "21:00:00",
                "20171110 21:00:00",
            ),
            ("DCE", "20171113", "", "21:00:00", "20171110 21:00:00"),
            (
                "SHFE",
                "20171113",
                "20171113",
                "09:00:00",
                "20171113 09:00:00",
            ),
            (
                "CZCE",
                "20200803",
                "20200731",
                "19:29:00",
                "20200731 19:29:00",
            ),
            (
                "CZCE",
                "20190830",
                "20190830",
                "23:29:59",
                "20190830 23:29:59",
            ),
            ("DCE", "", "20200731", "19:29:00", "20200731 19:29:00"),
        ] {
            let row = row(id, trading_day, action_day, time);
            assert_eq!(instant(&row), expected, "{id} {trading_day} {action_day}");
        }
    }
}

//! Placing a row in time: the exchange instant, and from it `recv_ts` where none was recorded.
//!
//! Exchange instant: CTP field guide, section 5.3, with the trading day of the row or the file.
//! Without a recorded receive time, `recv_ts` is that instant, but never before the row above it:
//! the order of the rows is the one fact about arrival that a dump keeps.

use std::sync::Arc;

use chrono::{Days, NaiveDate};
use rustc_hash::FxHashMap;
use tickdeck_core::calendar::TradingCalendar;
use tickdeck_core::contract::{ContractTable, Exchange};
use tickdeck_core::event::{InstrumentId, RawTick};
use tickdeck_core::time::{
    DayPart, TradingDay, UnixNanos, parse_ctp_date, parse_ctp_time, shanghai_instant,
};

use crate::import::fields::restore_missing_prices;
use crate::import::row::Row;
use crate::import::row_error::RowProblem;

/// How `recv_ts` came about.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[non_exhaustive]
pub enum RecvTsRule {
    /// The dump has a receive time.
    Recorded,
    /// The exchange time, never before that of the row above.
    ExchangeTimeMonotone,
}

impl RecvTsRule {
    /// The word for the manifest.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Recorded => "recorded",
            Self::ExchangeTimeMonotone => "exchange-time-monotone",
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
    previous: Option<UnixNanos>,
    derived: bool,
    recorded: bool,
    czce: FxHashMap<InstrumentId, bool>,
    previous_day: Option<(TradingDay, TradingDay)>,
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
            previous: None,
            derived: false,
            recorded: false,
            czce: FxHashMap::default(),
            previous_day: None,
        }
    }

    /// Adds the rules that were used so far and are not in `rules` yet.
    pub(crate) fn add_rules_to(&self, rules: &mut Vec<RecvTsRule>) {
        let used = [
            (self.recorded, RecvTsRule::Recorded),
            (self.derived, RecvTsRule::ExchangeTimeMonotone),
        ];
        for (used, rule) in used {
            if used && !rules.contains(&rule) {
                rules.push(rule);
            }
        }
    }

    /// Fills what the row lacks and gives its `recv_ts`.
    pub(crate) fn complete(&mut self, row: &mut Row) -> Result<UnixNanos, RowProblem> {
        if row.session.is_some() {
            return self.recorded_or(row.recv_ts, || {
                let expected = "a receive time: the row is a session event";
                Err(RowProblem::value("recv_ts", b"", expected))
            });
        }
        if let Some(symbol) = self.symbol.filter(|_| row.tick.instrument_id.is_empty()) {
            row.tick.instrument_id = symbol;
        }
        if self.zero_is_missing && !self.is_czce(&row.tick) {
            restore_missing_prices(&mut row.tick);
        }
        if let Some(date) = row.date {
            return self.complete_dated(row, date);
        }
        if let Some(recv_ts) = row.recv_ts {
            return self.recorded_or(Some(recv_ts), || Ok(recv_ts));
        }
        let instant = self.exchange_instant(row)?;
        self.derive(instant, &row.tick)
    }

    /// The recorded receive time, which is taken as it is.
    fn recorded_or(
        &mut self,
        recv_ts: Option<UnixNanos>,
        otherwise: impl FnOnce() -> Result<UnixNanos, RowProblem>,
    ) -> Result<UnixNanos, RowProblem> {
        let recv_ts = recv_ts.map_or_else(otherwise, Ok)?;
        self.recorded = true;
        self.previous = Some(recv_ts);
        Ok(recv_ts)
    }

    /// A row of a dialect with the calendar date and not the trading day.
    fn complete_dated(&mut self, row: &mut Row, date: NaiveDate) -> Result<UnixNanos, RowProblem> {
        let instant = instant_of(&row.tick, date)?;
        let recv_ts = match row.recv_ts {
            Some(recv_ts) => self.recorded_or(Some(recv_ts), || Ok(recv_ts))?,
            None => self.derive(instant, &row.tick)?,
        };
        let day = self.trading_day.unwrap_or_else(|| {
            let at = row.recv_ts.or(instant).unwrap_or(recv_ts);
            self.calendar.trading_day_of(at)
        });
        if row.tick.trading_day.is_empty() {
            row.tick.trading_day = ctp_date(day.0);
        }
        if row.tick.action_day.is_empty() {
            row.tick.action_day = ctp_date(date);
        }
        Ok(recv_ts)
    }

    /// `max(row above, instant)`. A row without a time has the position of the row above.
    fn derive(
        &mut self,
        instant: Option<UnixNanos>,
        tick: &RawTick,
    ) -> Result<UnixNanos, RowProblem> {
        let recv_ts = instant.max(self.previous).ok_or_else(|| {
            let time = tick.update_time;
            let expected = "a time HH:MM:SS in the first row: its recv_ts is derived from it";
            RowProblem::value("UpdateTime", time.as_bytes(), expected)
        })?;
        self.derived = true;
        self.previous = Some(recv_ts);
        Ok(recv_ts)
    }

    /// The exchange instant by the trading day; `None` when the row has no time at all.
    fn exchange_instant(&mut self, row: &mut Row) -> Result<Option<UnixNanos>, RowProblem> {
        let Some(seconds) = seconds_of(&row.tick)? else {
            return Ok(None);
        };
        let part = DayPart::of(seconds);
        let date = self.calendar_date(&row.tick, part)?;
        if !self.rows_have_trading_day {
            if let Some(day) = self.trading_day {
                row.tick.trading_day = ctp_date(day.0);
            }
            row.tick.action_day = ctp_date(date);
        }
        instant_of(&row.tick, date)
    }

    /// The calendar date of a time of day in `part`.
    fn calendar_date(&mut self, tick: &RawTick, part: DayPart) -> Result<NaiveDate, RowProblem> {
        let of_row = ctp_day("TradingDay", tick.trading_day.as_bytes())?;
        let action_day = ctp_day("ActionDay", tick.action_day.as_bytes())?;
        let Some(day) = of_row.map(TradingDay).or(self.trading_day) else {
            // Combinations may come without any date but ActionDay (guide 5.1).
            let expected = "a trading day YYYYMMDD in the row, or --trading-day";
            return action_day.ok_or_else(|| RowProblem::value("TradingDay", b"", expected));
        };
        if part == DayPart::Day {
            return Ok(day.0);
        }
        // At night CZCE sends the natural date as TradingDay (guide 5.1), unless the row is the
        // last night tick pushed again in the morning: that one has a close price (guide 5.3).
        let natural = of_row.is_some() && of_row == action_day;
        if natural && self.is_czce(tick) && !has_close(tick) {
            return Ok(day.0);
        }
        let before = self.previous_trading_day(day).0;
        Ok(match part {
            DayPart::Early => before.checked_add_days(Days::new(1)).unwrap_or(before),
            _ => before,
        })
    }

    fn previous_trading_day(&mut self, day: TradingDay) -> TradingDay {
        if let Some((known, before)) = self.previous_day
            && known == day
        {
            return before;
        }
        let before = self.calendar.prev_trading_day(day.0);
        self.previous_day = Some((day, before));
        before
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

/// Whether the close price is set: neither CTP's nor CZCE's "no value".
fn has_close(tick: &RawTick) -> bool {
    tick.close_price != 0.0 && tick.close_price.is_finite() && tick.close_price < 1e300
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

/// `UpdateTime` and `UpdateMillisec` on `date`.
fn instant_of(tick: &RawTick, date: NaiveDate) -> Result<Option<UnixNanos>, RowProblem> {
    let Some(seconds) = seconds_of(tick)? else {
        return Ok(None);
    };
    let millis = u32::try_from(tick.update_millisec)
        .ok()
        .filter(|millis| *millis < 1000)
        .ok_or_else(|| {
            let value = tick.update_millisec.to_string();
            RowProblem::value("UpdateMillisec", value.as_bytes(), "0 to 999")
        })?;
    let instant = shanghai_instant(date, seconds, millis);
    instant.map(Some).ok_or_else(|| {
        let value = date.to_string();
        RowProblem::value("TradingDay", value.as_bytes(), "a date of 1678 to 2261")
    })
}

fn ctp_date(date: NaiveDate) -> tickdeck_ffi::Text<9> {
    // Eight digits; a year beyond 9999 cannot come out of eight digits either.
    tickdeck_ffi::Text::new(TradingDay(date).to_ctp().as_bytes()).unwrap_or_default()
}

#[cfg(test)]
mod tests {
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

    /// `recv_ts` of the row when it is the first of its file.
    fn instant(row: &Row) -> String {
        let stamped = stamper().complete(&mut row.clone()).unwrap();
        stamped.to_shanghai().format("%Y%m%d %H:%M:%S").to_string()
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

    #[test]
    fn a_repeated_czce_night_tick_does_not_advance_time() {
        let mut stamper = stamper();
        let mut night = row("CZCE", "20190830", "20190830", "23:29:59");
        let mut again = row("CZCE", "20190902", "20190902", "23:29:59");
        again.tick.close_price = 5390.0;
        let mut morning = row("CZCE", "20190902", "20190902", "09:00:00");
        let first = stamper.complete(&mut night).unwrap();
        assert_eq!(stamper.complete(&mut again).unwrap(), first);
        let next = stamper.complete(&mut morning).unwrap();
        assert!(next.to_string().starts_with("2019-09-02T09:00:00"));
    }

    #[test]
    fn a_stale_row_takes_the_time_of_the_row_above() {
        let mut stamper = stamper();
        let mut first = row("SHFE", "20171113", "20171113", "09:00:00");
        let mut stale = row("SHFE", "20171113", "20171110", "22:59:59");
        let mut empty = row("SHFE", "20171113", "20171113", "");
        let above = stamper.complete(&mut first).unwrap();
        assert_eq!(stamper.complete(&mut stale).unwrap(), above);
        assert_eq!(stamper.complete(&mut empty).unwrap(), above);
        let mut rules = Vec::new();
        stamper.add_rules_to(&mut rules);
        assert_eq!(rules, [RecvTsRule::ExchangeTimeMonotone]);
    }
}

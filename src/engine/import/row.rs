//! One row of a dump, read but not yet placed in time.

use chrono::NaiveDate;
use tickdeck_core::event::{RawTick, SessionEvent};
use tickdeck_core::time::{UnixNanos, parse_ctp_time};

use crate::import::clock::TimeOfDay;
use crate::import::number::Clock;
use crate::import::out_of_order::{Moved, OutOfOrder, Redated};
use crate::import::row_error::RowError;

/// What a row says, and nothing that it does not say.
#[derive(Debug, Clone)]
pub(crate) struct Row {
    /// 1-based line or record.
    pub(crate) number: u64,
    /// The tick; fields that the row does not give are those of [`not_recorded`].
    pub(crate) tick: RawTick,
    /// Set when the row is a session event and not a tick.
    pub(crate) session: Option<SessionEvent>,
    /// The recorded receive time.
    pub(crate) recv_ts: Option<UnixNanos>,
    /// Whether `recv_ts` was derived by an earlier import.
    pub(crate) is_recv_ts_derived: bool,
    /// The recorded receive time, where it has no date.
    pub(crate) recv_time: Option<TimeOfDay>,
    /// The calendar date of the exchange time, where the dialect records it.
    pub(crate) date: Option<NaiveDate>,
    /// Its dates and the one that it gets, where the exchanges are closed on its own.
    pub(crate) moved: Option<Moved>,
    /// Its date and the one that a given day makes of it.
    pub(crate) redated: Option<Redated>,
    /// The average price per unit, where the dialect records that instead of CTP's.
    pub(crate) unit_average: Option<f64>,
    /// Whether the row has a `Volume` that is blank.
    pub(crate) is_volume_blank: bool,
    /// Whether it is blank and no row before it gives one.
    pub(crate) is_volume_unknown: bool,
    /// Whether a price of 0 stands for a missing one.
    pub(crate) zero_is_missing: bool,
}

impl Row {
    pub(crate) fn new() -> Self {
        Self {
            number: 0,
            tick: not_recorded(),
            session: None,
            recv_ts: None,
            is_recv_ts_derived: false,
            recv_time: None,
            date: None,
            moved: None,
            redated: None,
            unit_average: None,
            is_volume_blank: false,
            is_volume_unknown: false,
            zero_is_missing: false,
        }
    }

    pub(crate) fn reset(&mut self, number: u64) {
        *self = Self::new();
        self.number = number;
    }

    /// Notes a date without trading, and a time that is none.
    pub(crate) fn note_times(&self, noted: &mut OutOfOrder) {
        if let Some(moved) = self.moved {
            noted.moved(moved);
        }
        if let Some(redated) = self.redated {
            noted.redated(redated);
        }
        let time = self.tick.update_time.as_bytes();
        if self.session.is_none() && parse_ctp_time(time).is_none() {
            noted.no_time(self.number, time);
        }
    }

    pub(crate) fn set_clock(&mut self, clock: Clock) {
        // Eight bytes fit the nine of the field.
        self.tick.update_time = tickdeck_ffi::Text::new(&clock.text).unwrap_or_default();
        self.tick.update_millisec = clock.millis;
    }
}

/// A tick without data: [`RawTick::unset`], and money and interest missing as well. CTP always
/// sends those, so its 0 is a value; a dump without the column must not be published as that.
fn not_recorded() -> RawTick {
    RawTick {
        turnover: f64::MAX,
        open_interest: f64::MAX,
        pre_open_interest: f64::MAX,
        average_price: f64::MAX,
        ..RawTick::unset()
    }
}

/// Reads the rows of one input.
pub(crate) trait ReadRows: Send {
    /// Reads the next row into `row`; `false` at the end.
    fn next_row(&mut self, row: &mut Row) -> Result<bool, RowError>;

    /// Bytes of the input read so far.
    fn bytes_read(&self) -> u64;

    /// Whether a row has had a value of that name, where rows name their values themselves.
    fn has_had(&self, _name: &str) -> bool {
        false
    }
}

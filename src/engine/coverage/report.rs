//! The result of a coverage check.

use std::path::PathBuf;

use serde::{Serialize, Serializer};
use tickdeck_core::contract::Exchange;
use tickdeck_core::time::{NANOS_PER_MILLI, TradingDay, UnixNanos};
use tickdeck_recording::{Gap, Status};

/// What recordings have of their trading days.
#[derive(Debug, Clone, Default, PartialEq, Serialize)]
pub struct Coverage {
    /// The trading days that have an event, in order.
    pub days: Vec<DayCoverage>,
}

/// The two parts of a trading day.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum DayHalf {
    /// The evening before, and the hours after midnight.
    Night,
    /// The morning and the afternoon.
    Day,
}

impl DayHalf {
    /// Both, in order.
    pub const ALL: [Self; 2] = [Self::Night, Self::Day];

    /// In a word.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Night => "night",
            Self::Day => "day",
        }
    }
}

/// What recordings have of one trading day.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct DayCoverage {
    /// The trading day.
    #[serde(serialize_with = "as_text")]
    pub trading_day: TradingDay,
    /// Whether nothing was found.
    pub whole: bool,
    /// The halves of the day that were judged. None if the recordings lie outside of the trading hours.
    pub judged: Vec<DayHalf>,
    /// The halves with trading hours of the instruments that no recording reaches into.
    pub not_recorded: Vec<DayHalf>,
    /// The recordings, in the order given.
    pub sessions: Vec<SessionCoverage>,
    /// When no instrument at all had a tick, although one was trading.
    pub silent: Vec<Silence>,
    /// Instruments that should have had a tick, and had none.
    pub without_tick: Vec<String>,
    /// Instruments whose subscription the front refused.
    pub refused: Vec<String>,
    /// Every instrument with a tick, by id.
    pub instruments: Vec<InstrumentCoverage>,
}

/// What one recording has of a trading day.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct SessionCoverage {
    /// Session id.
    pub session: String,
    /// The recording.
    pub recording: PathBuf,
    /// Its state.
    pub status: Status,
    /// Whether a writer has it.
    pub being_written: bool,
    /// Its first event of the day.
    #[serde(serialize_with = "as_text")]
    pub start: UnixNanos,
    /// Its last event of the day.
    #[serde(serialize_with = "as_text")]
    pub end: UnixNanos,
    /// Ticks.
    pub ticks: u64,
    /// Connections to the front after the first one of the recording.
    pub reconnects: u64,
    /// Spans in which the recorder had no front, or lost ticks.
    pub gaps: Vec<GapCoverage>,
    /// Whether it says which instruments were to come. Those that never came are found only then.
    pub has_subscriptions: bool,
    /// Whether an earlier recovery could not read some of its events.
    pub has_lost_events: bool,
}

/// A gap of a recording.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct GapCoverage {
    /// From when to when, and why.
    #[serde(flatten)]
    pub gap: Gap,
    /// Whether an instrument was trading meanwhile. Only then it is a finding.
    pub in_trading_hours: bool,
}

/// What there is of one instrument.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct InstrumentCoverage {
    /// Its id.
    pub instrument: String,
    /// Its exchange; `None` if it is not known. Then its trading hours are not known either.
    pub exchange: Option<Exchange>,
    /// Ticks.
    pub ticks: u64,
    /// Receive time of its first tick.
    #[serde(serialize_with = "as_text")]
    pub first_tick: UnixNanos,
    /// Receive time of its last tick.
    #[serde(serialize_with = "as_text")]
    pub last_tick: UnixNanos,
    /// Whether its silence was judged.
    pub judged: bool,
    /// Its silent spans.
    pub silent: Vec<Silence>,
}

/// A span without a tick.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
pub struct Silence {
    /// The last tick before it, or the beginning of the trading hours after that.
    #[serde(serialize_with = "as_text")]
    pub from: UnixNanos,
    /// The first tick after it, or the end of the trading hours before that.
    #[serde(serialize_with = "as_text")]
    pub to: UnixNanos,
    /// Trading time in it, without breaks, in ns. The JSON has it in seconds.
    #[serde(rename = "trading_s", serialize_with = "as_seconds")]
    pub trading_ns: i64,
}

fn as_text<T: std::fmt::Display, S: Serializer>(value: &T, to: S) -> Result<S::Ok, S::Error> {
    to.collect_str(value)
}

fn as_seconds<S: Serializer>(nanos: &i64, to: S) -> Result<S::Ok, S::Error> {
    // Below 2^53 milliseconds the conversion is exact.
    #[expect(
        clippy::cast_precision_loss,
        reason = "a span of a trading day, see above"
    )]
    let millis = (nanos / NANOS_PER_MILLI) as f64;
    to.serialize_f64(millis / 1_000.0)
}

impl Coverage {
    /// Whether nothing was found.
    #[must_use]
    pub fn is_whole(&self) -> bool {
        self.days.iter().all(|day| day.whole)
    }

    /// Whether nothing was judged: there is no tick, none within trading hours, or none of an instrument
    /// that may not be silent.
    #[must_use]
    pub fn is_nothing(&self) -> bool {
        self.days.iter().all(|day| !day.is_judged())
    }
}

impl DayCoverage {
    /// Whether something of it was judged.
    #[must_use]
    pub fn is_judged(&self) -> bool {
        !self.judged.is_empty() && (!self.whole || self.instruments.iter().any(|it| it.judged))
    }

    /// Gaps within trading hours.
    pub fn gaps(&self) -> impl Iterator<Item = &Gap> {
        let gaps = self.sessions.iter().flat_map(|session| &session.gaps);
        gaps.filter(|gap| gap.in_trading_hours).map(|gap| &gap.gap)
    }

    /// The instruments that were silent.
    pub fn silent_instruments(&self) -> impl Iterator<Item = &InstrumentCoverage> {
        let instruments = self.instruments.iter();
        instruments.filter(|instrument| !instrument.silent.is_empty())
    }

    /// Whether it has nothing that is a finding.
    pub(super) fn has_no_finding(&self) -> bool {
        self.silent.is_empty()
            && self.without_tick.is_empty()
            && self.refused.is_empty()
            && self.gaps().next().is_none()
            && self.silent_instruments().next().is_none()
            && !self.sessions.iter().any(|session| session.has_lost_events)
    }
}

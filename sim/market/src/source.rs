//! The seeded market as a source: numbers the model's events and names its contracts.
//!
//! The model itself (`sim/market`) knows neither events nor calendars; here the calendar gives it
//! its days and nothing else.

use std::str::FromStr;
use std::time::Duration;

use crate::{
    GENERATOR_VERSION, InstrumentSpec, Market, MarketError, MarketEvent, MarketOptions, ProductKind,
};
use chrono::NaiveDate;

pub use crate::options::Profile;

use tickdeck_core::calendar::TradingCalendar;
use tickdeck_core::contract::{Contract, Exchange, ProductClass, SessionClass};
use tickdeck_core::event::{Event, EventKind, Seq, SessionEvent};
use tickdeck_core::source::SourceInfo;
use tickdeck_core::source::{Source, SourceError};
use tickdeck_core::time::{TradingDay, UnixNanos};

/// Which market.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SyntheticOptions {
    /// How many instruments, how long, how strange.
    pub profile: Profile,
    /// Seed of every draw.
    pub seed: u64,
    /// Trading day; `None`: [`default_trading_day`].
    pub trading_day: Option<TradingDay>,
    /// Length in market time; `None`: the profile's.
    pub duration: Option<Duration>,
    /// Exact instrument ids; empty: the profile's.
    pub symbols: Vec<String>,
}

impl Default for SyntheticOptions {
    /// `quick`, seed 1.
    fn default() -> Self {
        Self {
            profile: Profile::Quick,
            seed: 1,
            trading_day: None,
            duration: None,
            symbols: Vec::new(),
        }
    }
}

/// The text names no market.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("expected {}", SyntheticOptions::FORM)]
pub struct ParseOptionsError;

impl SyntheticOptions {
    /// The form that is parsed.
    pub const FORM: &str = "PROFILE[,seed=N][,duration=10m][,trading_day=YYYY-MM-DD] with one of the \
                            profiles quick, day, night, full-market, quirks";
}

/// [`FORM`](SyntheticOptions::FORM), with every instrument of the profile.
impl FromStr for SyntheticOptions {
    type Err = ParseOptionsError;

    fn from_str(text: &str) -> Result<Self, ParseOptionsError> {
        let mut parts = text.split(',');
        let profile = parts.next().unwrap_or_default();
        let mut options = Self {
            profile: profile.parse().map_err(|_| ParseOptionsError)?,
            ..Self::default()
        };
        for part in parts {
            match part.split_once('=').ok_or(ParseOptionsError)? {
                ("seed", value) => options.seed = value.parse().map_err(|_| ParseOptionsError)?,
                ("duration", value) => {
                    let span = humantime::parse_duration(value).map_err(|_| ParseOptionsError)?;
                    options.duration = Some(span);
                }
                ("trading_day", value) => {
                    let day = value.parse().map_err(|_| ParseOptionsError)?;
                    options.trading_day = Some(TradingDay(day));
                }
                _ => return Err(ParseOptionsError),
            }
        }
        Ok(options)
    }
}

/// The trading day of a market for which none was given: Friday 2025-09-12, and for `quirks` the
/// Monday after it, so that its night is a Friday night.
#[must_use]
pub fn default_trading_day(profile: Profile) -> TradingDay {
    let day = if profile == Profile::Quirks { 15 } else { 12 };
    TradingDay(NaiveDate::from_ymd_opt(2025, 9, day).unwrap_or_default())
}

/// Yields the events of a seeded market.
#[derive(Debug)]
pub struct SyntheticSource {
    market: Market,
    options: SyntheticOptions,
    trading_day: TradingDay,
    next_seq: u64,
}

impl SyntheticSource {
    /// Sets the market up.
    ///
    /// # Errors
    /// When the day is not a trading day, or the model cannot generate the request.
    pub fn open(
        options: SyntheticOptions,
        calendar: &TradingCalendar,
    ) -> Result<Self, SyntheticError> {
        let day = options
            .trading_day
            .unwrap_or_else(|| default_trading_day(options.profile));
        if !calendar.is_trading_day(day.0) {
            return Err(SyntheticError::NotATradingDay {
                day,
                next: calendar.next_trading_day(day.0),
            });
        }
        let previous = calendar.prev_trading_day(day.0);
        let market = Market::new(MarketOptions {
            profile: options.profile,
            seed: options.seed,
            trading_day: day.0,
            prev_trading_day: previous.0,
            has_night: calendar.has_night_session(previous.0),
            duration: options.duration,
            symbols: options.symbols.clone(),
        })?;
        Ok(Self {
            market,
            options,
            trading_day: day,
            next_seq: 0,
        })
    }

    /// Session id of a recording of this market.
    #[must_use]
    pub fn session_id(&self) -> String {
        let SyntheticOptions { profile, seed, .. } = &self.options;
        let day = self.trading_day.to_ctp();
        format!("synthetic-{profile}-{seed}-{day}")
    }

    /// How the manifest describes this market: enough to make it again.
    #[must_use]
    pub fn info(&self) -> SourceInfo {
        let options = &self.options;
        let mut detail = format!(
            "profile={} seed={} trading_day={} generator={GENERATOR_VERSION}",
            options.profile, options.seed, self.trading_day
        );
        if let Some(duration) = options.duration {
            detail.push_str(&format!(
                " duration={}",
                humantime::format_duration(duration)
            ));
        }
        if !options.symbols.is_empty() {
            detail.push_str(&format!(" symbols={}", options.symbols.join(",")));
        }
        SourceInfo {
            kind: "synthetic".into(),
            detail,
            payload_source: "synthetic".into(),
            api_version: String::new(),
            struct_layout: "C".into(),
            recv_ts: "model".into(),
        }
    }

    /// About how many events will come.
    #[must_use]
    pub fn expected_events(&self) -> u64 {
        self.market.expected_ticks() + self.market.instruments().len() as u64
    }

    /// The contracts of the market, for the contract table in force.
    pub fn contracts(&self) -> impl Iterator<Item = Contract> {
        self.market.instruments().iter().filter_map(contract)
    }
}

/// The contract of a generated instrument; `None` for one that is odd on purpose.
fn contract(spec: &InstrumentSpec) -> Option<Contract> {
    Some(Contract {
        instrument_id: spec.instrument_id.clone(),
        exchange: Exchange::parse(spec.exchange)?,
        product_id: spec.product_id.clone(),
        product_class: match spec.kind {
            ProductKind::Future => ProductClass::Future,
            ProductKind::Option => ProductClass::Option,
            ProductKind::Combination => ProductClass::Combination,
            ProductKind::SpotOption => ProductClass::SpotOption,
        },
        multiplier: Some(spec.multiplier),
        price_tick: Some(spec.price_tick),
        session: SessionClass::parse(spec.session)?,
        name: Some(spec.name.clone()),
    })
}

impl Source for SyntheticSource {
    fn next_batch(&mut self, batch: &mut Vec<Event>, max: usize) -> Result<(), SourceError> {
        for _ in 0..max {
            let Some((recv_ts, event)) = self.market.next() else {
                break;
            };
            batch.push(Event {
                seq: Seq(self.next_seq),
                recv_ts: UnixNanos(recv_ts),
                kind: event_kind(event),
            });
            self.next_seq += 1;
        }
        Ok(())
    }
}

fn event_kind(event: MarketEvent) -> EventKind {
    EventKind::Session(match event {
        MarketEvent::Tick(tick) => return EventKind::Tick(tick),
        MarketEvent::FrontConnected => SessionEvent::FrontConnected {},
        MarketEvent::LoginOk { trading_day } => SessionEvent::LoginOk { trading_day },
        MarketEvent::Subscribed { instrument } => SessionEvent::Subscribed {
            error_id: 0,
            instrument,
        },
        MarketEvent::FrontDisconnected { reason } => SessionEvent::FrontDisconnected { reason },
    })
}

/// A market cannot be made.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum SyntheticError {
    /// The exchanges are closed that day.
    #[error("{day} is not a trading day; the next one is {next}")]
    NotATradingDay {
        /// What was requested.
        day: TradingDay,
        /// The next trading day.
        next: TradingDay,
    },
    /// The model refuses.
    #[error(transparent)]
    Market(#[from] MarketError),
}

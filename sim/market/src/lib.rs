//! The seeded market model: a deterministic stream of raw CTP ticks with the structure of the real
//! feed, used by `tickdeck generate` and by the simulated front.
//!
//! ```
//! use chrono::NaiveDate;
//! use tickdeck_market::{Market, MarketEvent, MarketOptions, Profile};
//!
//! let market = Market::new(MarketOptions {
//!     profile: Profile::Quick,
//!     seed: 1,
//!     trading_day: NaiveDate::from_ymd_opt(2025, 9, 15).ok_or("a date")?,
//!     prev_trading_day: NaiveDate::from_ymd_opt(2025, 9, 12).ok_or("a date")?,
//!     has_night: true,
//!     duration: None,
//!     symbols: Vec::new(),
//! })?;
//! let ticks = market.filter(|(_, event)| matches!(event, MarketEvent::Tick(_)));
//! assert_eq!(ticks.count(), 930);
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```
//!
//! # Promise
//!
//! Equal [`MarketOptions`] and [`GENERATOR_VERSION`] give equal events and receive times, bit for
//! bit, on every platform and in every build. ChaCha8 words are mapped by this crate's own integer
//! arithmetic, and prices, sizes and values are whole ticks and lots. f64 appears only at the edge,
//! by single correctly rounded operations: a division to a price, a quotient to an average. There
//! is no clock, environment or hash map. Product data is frozen with the version in
//! `data/products-v1.csv`. Tests pin digests of every profile.
//!
//! An instrument's random path depends on the seed, its id and its own activity alone; an option
//! also follows its underlying when that is generated beside it. Receive times depend on all.
//!
//! # Model
//!
//! A future's best quotes walk by ticks around a wandering fair value and return to their usual
//! spread. Trades lift the ask or hit the bid in runs, in sizes skewed to few lots. Sizes are
//! nudged or drawn again. An option is quoted around intrinsic value plus a rational time value of
//! its underlying's middle. A tick is sent only when something changed: every half second for the
//! busiest, once in hours for the quietest, more often after an open and before a close. The front
//! adds a delay per exchange, per burst and per tick, and delivers one tick after another.
//!
//! # Compared with real recordings
//!
//! Share of rows in which a column differs from the instrument's row before, `day` profile, seed 1,
//! against one recorded trading day (2017-11-13, all recorded futures of the exchange):
//!
//! | futures | bid | bid size | ask | ask size | last | volume | open interest |
//! |---|---|---|---|---|---|---|---|
//! | SHFE recorded | 0.22 | 0.52 | 0.23 | 0.51 | 0.14 | 0.32 | 0.21 |
//! | SHFE model | 0.17 | 0.58 | 0.17 | 0.58 | 0.19 | 0.40 | 0.27 |
//! | DCE recorded | 0.09 | 0.68 | 0.09 | 0.68 | 0.20 | 0.50 | 0.30 |
//! | DCE model | 0.11 | 0.73 | 0.11 | 0.73 | 0.24 | 0.59 | 0.39 |
//! | CZCE recorded | 0.12 | 0.64 | 0.12 | 0.63 | 0.20 | 0.51 | 0.34 |
//! | CZCE model | 0.10 | 0.70 | 0.10 | 0.69 | 0.26 | 0.65 | 0.43 |
//! | CFFEX recorded | 0.34 | 0.33 | 0.33 | 0.33 | 0.15 | 0.28 | 0.18 |
//! | CFFEX model | 0.28 | 0.46 | 0.28 | 0.45 | 0.24 | 0.43 | 0.28 |
//! | CZCE options recorded | 0.23 | 0.59 | 0.23 | 0.53 | 0.01 | 0.03 | 0.02 |
//! | CZCE options model | 0.11 | 0.61 | 0.11 | 0.59 | 0.01 | 0.02 | 0.01 |
//!
//! The model's futures trade more because the profile takes liquid contracts only. The recorded
//! SHFE ru1901 (a liquid contract, 2018) has 0.06, 0.65, 0.06, 0.67, 0.24, 0.61, 0.44. For the
//! size, ticks were printed in the recordings' eight-column CSV, one instrument after another, and
//! compressed with zstd-3. In bytes a row, model against recorded: 9.1 against 8.2 (SHFE futures),
//! 11.7 against 11.4 (DCE), 9.5 against 8.1 (CZCE), 7.8 against 7.1 (CFFEX). Options: 8.4 against
//! 7.6 (DCE), 5.7 against 5.5 (CZCE). The model is 3 to 16 % harder to compress than those
//! recordings. Depth beyond the first level, turnover and receive times of many instruments could
//! be compared with nothing recorded.
//!
//! # Bounds
//!
//! Memory is under 3 kB per instrument whatever the length of the session, plus the few thousand
//! events of `quirks`. `cargo run --release -p tickdeck-market --example rate` measures the speed.

#![forbid(unsafe_code)]

mod book;
mod convention;
mod event;
mod instrument;
mod listing;
mod live;
mod market;
mod network;
mod num;
mod options;
mod product;
mod quirks;
mod quote;
mod random;
mod session;
pub mod source;
mod temper;
#[cfg(test)]
mod tests;
mod universe;

pub use event::MarketEvent;
pub use instrument::{InstrumentSpec, ProductKind};
pub use market::Market;
pub use options::{MarketError, MarketOptions, Profile};
pub use quirks::Quirk;

/// Version of the generated output: it changes whenever any event of any request would.
pub const GENERATOR_VERSION: u32 = 1;

//! When, never what or in what order: the due times of a replay.
//!
//! [`Pacer`] is pure: time is an argument, nothing sleeps, reads a clock or knows an event beyond
//! its receive time. [`PaceDriver`] is the thin loop that joins it to a [`Clock`](crate::clock::Clock)
//! and to the user's wishes ([`Control`]).
//!
//! Invariant: every due time is computed from one fixed start instant and the first event's receive
//! time, in integers, never by adding up intervals. The rounding of one due time is below one
//! nanosecond and no later one inherits it.
//!
//! ```text
//! due = start + (recv_ts - first recv_ts - shortened pauses) / rate
//! ```
//!
//! - A receive time that goes back is due together with the newest one before it: at once.
//! - A late replay releases at once until it has caught up; if it never can, it slows down in
//!   proportion. It never skips.
//! - A pause of the user moves `start` by its length.

mod control;
mod driver;
mod lateness;
mod measure;
mod pacer;
mod rate;
mod ticks;

pub use control::Control;
pub use driver::{Go, PaceDriver};
pub use lateness::{Lateness, LatenessHistogram};
#[doc(hidden)]
pub use measure::{Measured, measure};
pub use pacer::{Due, PaceOptions, PaceReport, Pacer};
pub use rate::{Rate, RateError, Ratio, RatioError};
pub use ticks::ClockTicks;

//! When events are released: the due times of a replay. Never which events, and never in what order.
//!
//! [`Pacer`] is pure: time is an argument. Nothing here sleeps, reads a clock or knows an event beyond
//! its receive time. The engine's player joins it to a clock and to the user's commands.
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
//! - A late replay releases at once until it has caught up. If it never can, it slows down in
//!   proportion. It never skips.
//! - A pause of the user moves `start` by its length. Another rate begins at a new `start`, with the
//!   recorded time that is left until the next event.

mod lateness;
mod pacer;
mod rate;
mod ticks;

pub use lateness::{Lateness, LatenessHistogram};
pub use pacer::{Due, PaceOptions, PaceReport, Pacer};
pub use rate::{Rate, RateError, Ratio, RatioError};
pub use ticks::ClockTicks;

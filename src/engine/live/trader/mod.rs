//! The contracts of the trader front.
//!
//! ```text
//!  Search ── attempt ──> TraderFront: CtpTrader ── events, time ──> Interview
//!     └── Retry                          └── requests <── actions ──┘
//! ```
//!
//! - [`Interview`] decides what to ask in one session: a state machine without I/O.
//! - [`CtpTrader`] runs an interview through the vendor's trader library.
//! - [`Search`] repeats the attempts, with the pauses of the market data front.
//!
//! Nothing is traded.

mod adapter;
mod error;
mod interview;
mod search;

pub use adapter::{CtpTrader, TraderOptions, trader_library_version};
pub use error::TraderError;
pub use interview::{
    Action, CallbackEvent, Interview, InterviewError, InterviewOptions, Request, Step,
};
pub use search::{Found, Listed, Search, SessionEnd, TraderFront};

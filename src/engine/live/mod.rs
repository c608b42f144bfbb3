//! The live source: a market data session with a CTP front, kept up for as long as it is wanted.
//!
//! ```text
//!  library's thread        bounded queue            source thread
//!  callback ─> Inlet ──────────────────────────────> LiveSource ─> pipeline
//!                 └─ notices ─> driver thread: Supervisor ─> Connector / MarketDataSession
//! ```
//!
//! - The callback copies, stamps, pushes and returns ([`Inlet`]). What does not fit is counted and
//!   becomes a row of the recording, in its place.
//! - [`Supervisor`] decides: a state machine without I/O, time is an argument. The driver is the
//!   thin loop around it, on a thread of its own.
//! - [`Connector`] and [`MarketDataSession`] are all that this module knows of CTP. The adapter to
//!   the vendor's library is [`ctp`]; tests bring their own.
//!
//! Nothing here knows what becomes of an event, and nothing here may see a credential but [`ctp`].

mod abandoned;
mod backoff;
mod choose;
mod connector;
pub mod ctp;
mod driver;
mod front;
mod front_log;
mod losses;
mod meaning;
mod queue;
mod session;
mod source;
mod stats;
mod supervisor;

pub use abandoned::LibraryHangs;
pub use backoff::Backoff;
pub use choose::{Choice, Wanted, choose};
pub use connector::{Abandoned, Attempt, Connector, MarketDataSession, OpenError, RequestError};
pub use driver::{AttemptReport, LastAttempt, LiveEnd, LiveReport};
pub use front::{FrontListError, Unreachable, parse_fronts, reach};
pub use meaning::{DisconnectReason, LoginError, disconnect_reason, login_error};
pub use queue::{DEFAULT_QUEUE_SLOTS, Inlet};
pub use session::{LiveHandle, LiveOptions, StopAsked, start};
pub use source::LiveSource;
pub use stats::{LiveState, LiveStats};
pub use supervisor::{
    Action, End, Input, RetryReport, SubscriptionProgress, Supervisor, SupervisorOptions,
};

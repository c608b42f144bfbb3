//! The live source: a market data session with a CTP front, and how it is kept up.
//!
//! ```text
//!  library's thread        bounded queue            source thread
//!  callback ─> Inlet ──────────────────────────────> LiveSource ─> pipeline
//!                 └─ notices ─> driver thread: Supervisor ─> Connector / MarketDataSession
//! ```
//!
//! - The callback copies, stamps, pushes and returns ([`Inlet`]). What does not fit is counted and
//!   becomes a row of the recording, in its place.
//! - [`Supervisor`] decides: a state machine without I/O, with time as an argument. The driver is the
//!   loop around it, on a separate thread.
//! - [`Connector`] and [`MarketDataSession`] are the source's only view of CTP. The adapter to the
//!   vendor's library is [`ctp`]; tests bring another one.
//!
//! - [`trader`] lists the contracts, [`setup`] holds the settings and the checks before a session.
//! - [`diagnose`] and [`smoke`] are what `doctor` and `smoke` run.
//!
//! Decisions are pure: supervisor, retry, `trader::interview`, [`diagnose`] and the verdict of a
//! smoke test do no I/O, start no thread and read no clock. This module does not know what becomes
//! of an event.

mod abandoned;
mod attempt;
mod backoff;
mod choose;
mod connector;
pub mod ctp;
pub mod diagnose;
mod driver;
pub mod facts;
mod fail_reason;
mod front;
mod front_kind;
mod front_log;
mod input;
mod losses;
mod meaning;
mod options;
pub mod probe;
mod queue;
mod reach;
mod refusal;
mod report;
mod retry;
mod session;
pub mod setup;
pub mod smoke;
mod source;
mod stats;
mod subscription;
mod supervisor;
pub mod trader;

pub use abandoned::LibraryHangs;
pub use attempt::Attempt;
pub use backoff::Backoff;
pub use choose::{Choice, Wanted, choose};
pub use connector::{Abandoned, Connector, MarketDataSession, OpenError, RequestError};
pub use fail_reason::FailReason;
pub use front::{FrontListError, parse_fronts};
pub use front_kind::FrontKind;
pub use input::Input;
pub use meaning::{DisconnectReason, LoginError, disconnect_reason, login_error};
pub use options::{LiveOptions, StopAsked};
pub use queue::{DEFAULT_QUEUE_SLOTS, Inlet};
pub use reach::{Unreachable, reach};
pub use refusal::{CtpError, FrontRequest, Refusal};
pub use report::{AttemptReport, LastAttempt, LiveEnd, LiveReport};
pub use session::{LiveHandle, start};
pub use source::{LiveSource, Polled};
pub use stats::{LiveState, LiveStats};
pub use subscription::{Listing, Subscription, SubscriptionError};
pub use supervisor::{
    Action, End, RetryReport, SubscriptionProgress, Supervisor, SupervisorOptions,
};

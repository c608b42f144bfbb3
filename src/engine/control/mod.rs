//! Requests to a running session: one entry point for every input, one state that all threads read,
//! one queue for what only the player can do.
//!
//! ```text
//!  signals ──┐
//!  keyboard ─┼─> Command ─> Control ─> player, sinks' drain, long verbs
//!  library ──┘
//! ```
//!
//! [`Control`] knows nothing of its inputs or its readers. `signals` and `keyboard` (with the feature `signals`) are adapters:
//! they turn what the process receives into a [`Command`] and log it. None of them prints.

mod command;
mod interruptible;
#[cfg(feature = "signals")]
pub mod keyboard;
#[cfg(feature = "signals")]
pub mod signals;
mod state;
#[cfg(feature = "signals")]
mod terminal;

pub use command::Command;
pub(crate) use command::Order;
pub use interruptible::{InterruptibleError, run_interruptible};
pub use state::{Control, ControlState};

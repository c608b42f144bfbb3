//! Stop and pause requests: one entry point for every input, one state that all threads read.
//!
//! ```text
//!  signals ──┐
//!  keyboard ─┼─> Command ─> Control ─> player, sinks' drain, long verbs
//!  library ──┘
//! ```
//!
//! [`Control`] knows neither its inputs nor its readers. [`signals`] and [`keyboard`] are adapters:
//! they turn what the process receives into a [`Command`] and log it. None of them prints.

mod command;
mod interruptible;
pub mod keyboard;
pub mod signals;
mod state;

pub use command::Command;
pub use interruptible::{InterruptibleError, run_interruptible};
pub use state::{Control, ControlState};

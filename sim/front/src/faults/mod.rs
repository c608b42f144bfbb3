//! Deliberate faults: rules, each with a moment and an action.
//!
//! Rules are tried in the order of the script; the first one whose moment has arrived and that is
//! not used up acts. Nothing here is random at run time. A drawn script is drawn before the session
//! begins ([`swarm`]) and logged whole, so that a run can be repeated.

mod corrupt;
mod rule;
mod state;
pub mod swarm;
#[cfg(test)]
mod tests;
mod words;

pub use rule::{Action, Front, Moment, Rule, Script, ScriptError};
pub use state::{ConnectionFault, Fate, Faults, Happening, RequestFault};

//! The market data front: one session of one API instance.

mod callback;
mod session;
#[cfg(test)]
mod tests;
mod tick_struct;

pub use callback::{MdEvent, SubscriptionKind};
pub use session::{LoginWords, MdRequest, MdSession};
pub use tick_struct::TickStruct;

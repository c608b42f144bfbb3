//! The vocabulary of tickdeck: what every stage speaks of, and nothing that a stage does.
//!
//! Events, time, the trading calendar, contracts, the [`Source`](source::Source) trait with its
//! wrappers, and the pacer. Here is no network, no file of a recording and no command line.

#![forbid(unsafe_code)]

pub mod calendar;
pub mod causes;
pub mod clock;
pub mod contract;
pub mod event;
pub mod pace;
pub mod select;
pub mod source;
pub mod thread;
pub mod time;
pub mod wait;

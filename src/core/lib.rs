//! The vocabulary of tickdeck: the types that every stage uses, and no stage.
//!
//! | module | purpose |
//! |---|---|
//! | [`event`] | raw ticks and session events, as a source yields them |
//! | [`block`](mod@block), [`tick_fields`] | events that are stored as what changed |
//! | [`event_window`] | consecutive events as a reader hands them out |
//! | [`time`], [`clock`] | nanoseconds and trading days; the one access to the machine's clock |
//! | [`calendar`], [`contract`] | trading days, products, contracts and their sessions |
//! | [`dating`] | which witness decides the date of a tick |
//! | [`source`] | the [`Source`](source::Source) trait, and wrappers that are sources themselves |
//! | [`select`](mod@select) | instruments and times that a run selects |
//! | [`pace`] | when an event is due, computed without a clock |
//! | [`thread`], [`wait`] | the one place each that starts threads and waits for a bounded time |
//! | [`causes`] | an error with its causes in one line |
//! | [`printable`](mod@printable) | untrusted text, safe to show |
//! | [`switch`] | words of variables that mean yes or no |
//!
//! A type belongs here when recordings, the engine and the simulated front all need it.
//!
//! Not here: files, sockets, async code, environment variables, printing, and any implementation of
//! a source. Text is parsed from memory; the callers read the files. Of the other crates this one
//! uses only `tickdeck-ffi`, for the layout of a tick.

#![forbid(unsafe_code)]

pub mod block;
pub mod calendar;
pub mod causes;
pub mod clock;
pub mod contract;
pub mod dating;
pub mod event;
pub mod event_window;
pub mod pace;
pub mod printable;
pub mod select;
pub mod source;
pub mod switch;
pub mod thread;
pub mod tick_fields;
pub mod time;
pub mod wait;

//! The command line: the only place that prints.
pub mod args;
pub mod select;
pub mod time_spec;

//! The command line, through the built binary: verbs, flags, exit codes, streams, signals.

mod catalog;
mod coverage;
mod dumps;
mod empty;
mod examples;
mod exit;
mod file_work;
mod incomplete;
mod install;
pub(crate) mod json;
mod outputs;
mod refusals;
mod ring;
mod rows;
mod selection;
mod signals;
mod terminal;

//! Flags of `sim`, which runs a client on the simulated front.

use std::ffi::OsString;
use std::path::PathBuf;

use clap::builder::OsStringValueParser;
use clap::{Args, ValueEnum};
use tickdeck_core::pace::Rate;

use super::{JsonArgs, conflict};

/// What `sim` does.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum SimAction {
    /// Run CMD on the simulated front
    Run,
    /// Print the variables that do so, and the files for clients that load a library by its path
    Env,
}

/// Flags of `sim`.
#[derive(Debug, Args)]
pub struct SimArgs {
    /// What to do
    #[arg(value_enum)]
    pub action: SimAction,
    /// The client with its arguments
    #[arg(value_name = "CMD", last = true)]
    pub client: Vec<OsString>,
    /// What is played: a recording, or synthetic:PROFILE[,seed=N][,duration=10m]
    /// [default: synthetic:quick,seed=1]
    #[arg(long, value_parser = OsStringValueParser::new())]
    pub source: Option<OsString>,
    /// How fast: a factor such as 1, 0.5 or 10, or max [default: 1]
    #[arg(short, long)]
    pub rate: Option<Rate>,
    /// A script of faults, see fixtures/faults
    #[arg(long, value_name = "FILE")]
    pub script: Option<PathBuf>,
    /// Drawn faults: seed:N or seed:N,swarm
    #[arg(long, value_name = "WORDS")]
    pub faults: Option<String>,
    /// What the front does at the end of the source: silent or disconnect [default: silent]
    #[arg(long, value_name = "WORD")]
    pub at_end: Option<String>,
    /// Append the front's log to this file
    #[arg(long, value_name = "FILE")]
    pub log: Option<PathBuf>,
    /// Share the market with the other clients of this word
    #[arg(long, value_name = "WORD")]
    pub run: Option<String>,
    /// Version of the client's CTP library [default: found in the client]
    #[arg(long, value_name = "VERSION")]
    pub api_version: Option<String>,
    /// Folder of the simulated libraries [default: beside this program]
    #[arg(
        long,
        value_name = "DIR",
        env = "TICKDECK_SIM_LIBRARY",
        hide_env_values = true
    )]
    pub library: Option<PathBuf>,
    /// Whether the result is printed as JSON. The client's stdout then goes to stderr.
    #[command(flatten)]
    pub json: JsonArgs,
}

impl SimArgs {
    /// Checks the combination of action and client.
    pub(super) fn check(&self) -> Result<(), clap::Error> {
        match (self.action, self.client.is_empty()) {
            (SimAction::Run, true) => Err(conflict(
                "sim run needs the client: tickdeck sim run -- CMD [ARGUMENTS]",
            )),
            (SimAction::Env, false) => Err(conflict(
                "sim env starts nothing: tickdeck sim run -- CMD does",
            )),
            _ => Ok(()),
        }
    }
}

//! The project's commands: `cargo xtask demo`, `test`, `fuzz`, `bench`, `recordings`,
//! `nats-server`, `s3-server`, `vendor-ctp`, `sim`, `sim-clients`, `readers`.
//!
//! Each works on a machine that has only cargo. What a command needs it fetches once into
//! `target/tools`. Nothing is installed outside the working copy, except the distribution's
//! package as a last resort. The commands know programs and files, never the library.

#![forbid(unsafe_code)]

mod against;
mod bench;
mod demo;
mod fuzz;
mod nats_server;
mod readers;
mod recordings;
mod run;
mod s3_server;
mod sim;
mod sim_clients;
mod test;
mod vendor_ctp;
mod wheel;

use std::path::PathBuf;
use std::time::Duration;

use anyhow::Result;
use clap::{Parser, Subcommand};

/// Project commands of tickdeck
#[derive(Debug, Parser)]
#[command(name = "cargo xtask", bin_name = "cargo xtask")]
struct Args {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Replay a committed recording into a real NATS server and receive it
    Demo {
        /// Arguments passed to `tickdeck demo`
        #[arg(trailing_var_arg = true, allow_hyphen_values = true)]
        rest: Vec<String>,
    },
    /// Check formatting and lints, then run every test
    Test {
        /// Leave out formatting, lints and documentation tests
        #[arg(long)]
        quick: bool,
        /// Also repeat the tests of crashes and load at full size, and run the fuzz targets: 5 hours
        #[arg(long, conflicts_with = "quick")]
        long: bool,
        /// Arguments passed to the test runner, for example a filter
        #[arg(trailing_var_arg = true, allow_hyphen_values = true)]
        rest: Vec<String>,
    },
    /// Run the fuzz targets; needs nightly Rust and cargo-fuzz
    Fuzz {
        /// Only this one, for example segment [default: all]
        target: Option<String>,
        /// How long each of them runs, for example 90s, 10m or 2h
        #[arg(long = "for", value_name = "TIME", default_value = "10m", value_parser = fuzz::parse_time)]
        each: Duration,
    },
    /// Run the benchmarks
    Bench {
        /// Take few samples: shows that the benchmarks run, not how fast
        #[arg(long)]
        quick: bool,
        /// Compare the release binaries of this revision and of the working copy, in turn
        #[arg(long, value_name = "REV", conflicts_with = "quick")]
        against: Option<String>,
        /// Measure how time and memory grow with ticks, instruments and recordings: half an hour
        #[arg(long, conflicts_with = "against")]
        growth: bool,
    },
    /// Regenerate the committed recordings and their goldens
    Recordings,
    /// Provide a nats-server and print its path
    NatsServer,
    /// Provide a server of the S3 protocol and print its path
    S3Server,
    /// Fetch the vendor's CTP libraries and headers for the conformance tests and print their
    /// folder
    VendorCtp,
    /// Build the simulated front's libraries under the vendor's names and print their folder
    Sim {
        /// Folder to put them into [default: target/sim]
        #[arg(short, long)]
        output: Option<PathBuf>,
    },
    /// Fetch the Python clients for the tests of the simulated front and print their folder
    SimClients,
    /// Fetch the Python packages for the blocks of the pages and print the interpreter
    Readers,
}

fn main() -> Result<()> {
    match Args::parse().command {
        Command::Demo { rest } => demo::run(&rest),
        Command::Test { quick, long, rest } => test::run(quick, long, &rest),
        Command::Fuzz { target, each } => fuzz::command(target.as_deref(), each),
        Command::Bench {
            against: Some(rev), ..
        } => against::command(&rev),
        Command::Bench {
            quick,
            growth: true,
            ..
        } => bench::growth(quick),
        Command::Bench { quick, .. } => bench::run(quick),
        Command::Recordings => recordings::run(),
        Command::NatsServer => {
            run::say(&nats_server::provide()?.display().to_string());
            Ok(())
        }
        Command::S3Server => {
            run::say(&s3_server::provide()?.display().to_string());
            Ok(())
        }
        Command::VendorCtp => {
            run::say(&vendor_ctp::run()?.libraries.display().to_string());
            Ok(())
        }
        Command::Sim { output } => {
            run::say(&sim::provide(output.as_deref())?.display().to_string());
            Ok(())
        }
        Command::SimClients => {
            run::say(&sim_clients::run_command()?.display().to_string());
            Ok(())
        }
        Command::Readers => {
            run::say(&readers::provide()?.display().to_string());
            Ok(())
        }
    }
}

//! The `tickdeck` binary: parse, run, exit code. Everything else is in the libraries.

#![forbid(unsafe_code)]

use std::process::ExitCode;

fn main() -> ExitCode {
    tickdeck_cli::run()
}

//! The `tickdeck` binary: parse, run, exit code. Everything else is in the libraries.

#![forbid(unsafe_code)]

use std::process::ExitCode;

use tickdeck_ffi::out_of_memory::EndsWithoutMemory;

#[global_allocator]
static ALLOCATOR: EndsWithoutMemory = EndsWithoutMemory;

fn main() -> ExitCode {
    tickdeck_cli::run()
}

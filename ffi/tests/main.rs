//! The crate through its public interface: real vendor libraries in child processes, the vendor's
//! headers through a C++ compiler, and files that are not a library at all.
//!
//! The vendor's files come from `cargo xtask vendor-ctp`; a test that does not find them reports it
//! and passes.

#![expect(
    clippy::unwrap_used,
    clippy::print_stdout,
    reason = "tests may unwrap and print; the lints' own exceptions cover test functions only"
)]
#![expect(
    clippy::disallowed_methods,
    reason = "the doors to clock, threads and waits are in a crate above this one"
)]

mod addresses;
mod allocation;
mod bad_libraries;
mod child;
mod conformance;
mod headers;
mod misuse;
mod stub;
mod support;
mod trader;

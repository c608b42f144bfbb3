//! Clients load the simulated front's libraries, each in a separate process, because a process
//! has one environment and a library one emulated version.
//!
//! | module | holds |
//! |---|---|
//! | `market_data` | tickdeck's own client: every version, acknowledgements, snapshots, errors |
//! | `conformance` | what can be seen without a front: the vendor's libraries and ours, one body |
//! | `trader` | tickdeck's own client: authentication, login, contracts |
//! | `faults` | the scripts of `fixtures/faults` |
//! | `lifecycle` | many sessions, misuse by a raw client |
//! | `cplusplus` | a C++ program compiled against the vendor's headers |
//! | `ctp2rs` | a program on the crate of that name |
//! | `tables` | slots, sizes and offsets against the vendor's binaries and headers |
//! | `python` | openctp-ctp and vn.py with the library files exchanged |

#![expect(
    clippy::unwrap_used,
    reason = "tests may unwrap; the lint's own exception covers test functions, not their helpers"
)]
#![expect(
    clippy::disallowed_methods,
    reason = "tests wait for other processes, and have threads like a program around the library"
)]

mod child;
mod conformance;
mod cplusplus;
mod ctp2rs;
mod faults;
mod lifecycle;
mod market_data;
mod python;
mod support;
mod tables;
mod trader;

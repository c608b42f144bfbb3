//! The integration tests: one binary, one module per boundary.
//!
//! - `documents`: blocks of the pages, run as printed.
//! - `promises`: determinism and the ledger, as `docs/determinism.md` states them.
//! - `recordings`: the committed recordings, byte for byte, and their goldens.
//! - `check`: goldens, comparisons and the test API.
//! - `cli`: verbs, flags, exit codes, streams and signals of the built binary.
//! - `bad_input`: one clear sentence, the right exit code, nothing half-written.
//! - `crash`: recorders that are killed, run out of disk, or want the same folder.
//! - `dates`: dates from dumps to payloads, one small input for each kind of wrong date.
//! - `disk`: recorders whose disk fills or fails, and whose folder or memory goes.
//! - `hostile`: files from strangers, fuzzing's seeds and findings, limits, escapes.
//! - `real_data`: every file of the shared folder of real recordings, through the binary.
//! - `kills`: a recorder at full rate that is killed, and what it loses.
//! - `live`: the live session, from a front (in memory, or a loaded library) to a subscriber.
//! - `nats`: delivery through a real `nats-server`, with failures on the way.
//! - `sim_run`: clients that `tickdeck sim run` puts on the simulated front.
//! - `soak`: a session whose memory, descriptors and threads are watched.
//! - `store`: recordings on an object store, by a server on loopback.
//! - `story`: an end-to-end run, from a generated market to the check of a capture.
//! - `tidy`: module edges, pure modules, circles, links and texts.
//! - `support`: the only code that starts servers and connects to them.

#![expect(
    clippy::unwrap_used,
    reason = "tests may unwrap; the lint's own exception covers test functions, not their helpers"
)]
#![expect(
    clippy::disallowed_methods,
    reason = "tests wait for other processes, and have threads like a program around the library"
)]

mod bad_input;
mod check;
mod cli;
mod crash;
mod dates;
mod disk;
mod documents;
mod hostile;
mod kills;
mod live;
mod nats;
mod promises;
mod real_data;
mod recordings;
mod sim_run;
mod soak;
mod store;
mod story;
mod support;
mod tidy;

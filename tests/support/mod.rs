//! What tests share. Each resource is built in one place, owned by the test, and removed with it.

pub(crate) mod blackhole;
pub(crate) mod cli;
pub(crate) mod ctp;
pub(crate) mod disk;
pub(crate) mod fake_front;
pub(crate) mod log;
pub(crate) mod nats_client;
pub(crate) mod nats_cluster;
pub(crate) mod nats_server;
pub(crate) mod proxy;
pub(crate) mod recordings;
pub(crate) mod ring;
pub(crate) mod s3_server;
pub(crate) mod shell;
mod skip;
pub(crate) mod socks;
pub(crate) mod stream;

use std::time::Duration;

pub(crate) use skip::{skipped, skipped_unless_required};

/// Longest wait of a test, except for the end of a process.
pub(crate) const DEADLINE: Duration = Duration::from_secs(60);

/// Longest run of a process. A million messages take a debug build on a busy machine a long time. A
/// test is killed after 300 s.
pub(crate) const PROCESS_DEADLINE: Duration = Duration::from_secs(240);

/// How often a test repeats itself: by default a few times, more often with `cargo xtask test --long`.
pub(crate) fn times(variable: &str, default: u64) -> u64 {
    std::env::var(variable).map_or(default, |times| times.parse().unwrap())
}

/// Polls `condition` until it holds.
///
/// # Panics
/// When it does not hold within [`DEADLINE`].
#[track_caller]
pub(crate) fn wait_until(what: &str, condition: impl FnMut() -> bool) {
    wait_for(what, DEADLINE, condition);
}

/// The same with another deadline.
#[track_caller]
pub(crate) fn wait_for(what: &str, at_most: Duration, mut condition: impl FnMut() -> bool) {
    let pause = Duration::from_millis(5);
    let mut left = at_most;
    while !condition() {
        left = left
            .checked_sub(pause)
            .unwrap_or_else(|| panic!("{what}: not within {at_most:?}"));
        std::thread::sleep(pause);
    }
}

//! Threads and open files of this process.

use std::time::Duration;

use tickdeck_core::clock::{Clock, MonoNanos};
use tickdeck_core::wait::nap;

/// Time for threads to finish that were already joined.
const SETTLING: Duration = Duration::from_secs(2);
const POLL_INTERVAL: Duration = Duration::from_millis(10);

/// Counts of threads and open files; `None` where the system does not report them.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(super) struct Footprint {
    /// Threads.
    pub threads: Option<usize>,
    /// Open files.
    pub files: Option<usize>,
}

impl Footprint {
    /// The current counts.
    #[must_use]
    pub(super) fn now() -> Self {
        let count = |folder: &str| std::fs::read_dir(folder).ok().map(Iterator::count);
        Self {
            threads: count("/proc/self/task"),
            files: count("/proc/self/fd"),
        }
    }

    /// Whether there are more than before.
    #[must_use]
    pub(super) fn exceeds(self, before: Self) -> bool {
        let more = |now: Option<usize>, then: Option<usize>| {
            now.zip(then).is_some_and(|(now, then)| now > then)
        };
        more(self.threads, before.threads) || more(self.files, before.files)
    }

    /// The counts once finished threads are gone: the system lists a joined thread a little longer.
    pub(super) fn settled(before: Self, clock: &dyn Clock, until: MonoNanos) -> Self {
        let until = until.min(clock.now().after(SETTLING));
        loop {
            let now = Self::now();
            if !now.exceeds(before) || clock.now() >= until {
                return now;
            }
            nap(POLL_INTERVAL);
        }
    }
}

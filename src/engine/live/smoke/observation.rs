//! What a smoke test observed, as data.

use super::footprint::Footprint;
use crate::live::report::LiveReport;

/// What the test observed.
#[derive(Debug, Clone, PartialEq)]
pub(super) enum Observation {
    /// The session ended.
    Ended {
        /// How.
        report: Box<LiveReport>,
        /// Threads and open files before it.
        before: Footprint,
        /// And after it.
        after: Footprint,
    },
    /// The session did not end in time.
    Hangs,
}

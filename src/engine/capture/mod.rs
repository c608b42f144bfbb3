//! What a subscriber received, counted, hashed and compared with what the publisher says it sent.
//!
//! Everything but the [driver](run) is pure: messages and times in, lines and a verdict out. The
//! connection is in [`nats`](crate::nats); files and flags belong to the caller.

mod driver;
mod options;
mod silence;
mod state;
mod tally;

use std::time::Duration;

pub use driver::{CaptureOutput, run};
pub use options::CaptureOptions;
pub use state::{Capture, Ended, Flaws, Note, Step};
pub use tally::{Tally, Verdict};

/// How long the driver waits for a message before it checks the time and the stop flag.
const POLL_INTERVAL: Duration = Duration::from_millis(50);

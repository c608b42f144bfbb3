//! What a subscriber received, counted, hashed and compared with what the publisher says it sent.
//!
//! A [`Capture`] is pure: messages and times in, lines and a verdict out. The [driver](run) feeds it
//! from a [`Subscriber`](crate::nats::Subscriber), and [`CaptureFiles`] writes what it yields.
//!
//! ```no_run
//! use tickdeck::Control;
//! use tickdeck::capture::{Capture, CaptureFiles, CaptureOptions, CaptureTo, run};
//! use tickdeck::clock::{Clock as _, SystemClock};
//! use tickdeck::nats::{NatsOptions, Subscriber, SubjectPattern};
//!
//! # fn main() -> Result<(), Box<dyn std::error::Error>> {
//! let options = CaptureOptions {
//!     subjects: vec![SubjectPattern::below("market.tick")?],
//!     ends_with_replay: true,
//!     ..CaptureOptions::default()
//! };
//! let mut files = CaptureFiles::create(CaptureTo::path("captured.jsonl.zst"))?;
//! let nats = NatsOptions::at("nats://127.0.0.1:4222")?;
//! let subscriber = Subscriber::start_with(&nats, options.subscription(None)?)?;
//! let clock = SystemClock::new();
//! let mut capture = Capture::new(options, clock.now());
//! run(&mut capture, &subscriber, &mut files, &clock, &Control::new())?;
//! files.finish()?;
//! assert_eq!(capture.tally().verdict().verified, Some(true));
//! # Ok(())
//! # }
//! ```

mod driver;
mod error;
mod files;
mod of_stream;
mod options;
mod ready;
mod silence;
mod state;
mod tally;

use std::time::Duration;

pub use driver::{CaptureOutput, run};
pub use error::CaptureFileError;
pub use files::{CaptureFiles, CaptureTo, StreamTo, TimesTo};
pub use of_stream::{StreamCaptureError, StreamCaptureOptions, StreamCaptured, capture_stream};
pub use options::CaptureOptions;
pub use state::{Capture, Ended, Note, Step};
pub use tally::{CaptureFinding, Flaws, Tally, Verdict};

/// How long the driver waits for a message before it checks the time and the stop flag.
const POLL_INTERVAL: Duration = Duration::from_millis(50);

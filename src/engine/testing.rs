//! Regression tests for users: what a recording publishes, in a `#[test]` of a few lines.
//!
//! It fits [insta](https://insta.rs) and depends on no test library: results are text and slices.
//! `docs/testing.md` has a complete example. The feature set may be empty.
//!
//! ```
//! use tickdeck::testing::{Replay, assert_golden};
//!
//! # fn main() -> Result<(), Box<dyn std::error::Error>> {
//! # std::env::set_current_dir(concat!(env!("CARGO_MANIFEST_DIR"), "/../.."))?;
//! // The whole stream against the golden beside it, with a readable difference on failure.
//! assert_golden("recordings/quick", "recordings/quick.golden.json");
//!
//! // A few columns of one instrument, for a snapshot to review.
//! let published = Replay::open("recordings/quick")?
//!     .instruments(&["rb2510"])
//!     .run()?;
//! assert_eq!(published.messages().len(), 115);
//! let table = published.table(&["timestamp", "last_price", "volume"]);
//! assert!(table.starts_with("2025-09-12T09:29:57.000+08:00"));
//! # Ok(())
//! # }
//! ```

use std::collections::BTreeSet;
use std::fmt;
use std::path::Path;
use std::sync::Arc;

use tickdeck_core::calendar::TradingCalendar;
use tickdeck_core::contract::ContractTable;
use tickdeck_core::event::InstrumentId;
use tickdeck_core::time::UnixNanos;
use tickdeck_recording::{EventFilter, Recording};

use crate::check::report::{Styles, text};
use crate::check::{
    CheckError, CheckOptions, Golden, Messages, PublishedMessages, check_recording,
    publisher_options, without_fields,
};
use crate::encode::PayloadKind;
use crate::normalize::Flags;
use crate::pipeline::{InstrumentLedger, PublisherOptions};

/// A replay in virtual time. Set it up with its methods, then [run](Self::run) it.
#[derive(Debug, Clone)]
pub struct Replay {
    recording: Recording,
    options: PublisherOptions,
    filter: EventFilter,
}

impl Replay {
    /// A replay of everything in the recording at `path`, with its own contracts and calendar.
    ///
    /// # Errors
    /// When there is no recording at `path`, or it cannot be read.
    pub fn open(path: impl AsRef<Path>) -> Result<Self, CheckError> {
        let recording = Recording::open(path.as_ref())?;
        Ok(Self {
            options: publisher_options(&recording)?,
            recording,
            filter: EventFilter::default(),
        })
    }

    /// Publishes another payload contract.
    #[must_use]
    pub const fn payload(mut self, payload: PayloadKind) -> Self {
        self.options.payload = payload;
        self
    }

    /// Leaves out ticks with one of these flags.
    #[must_use]
    pub const fn drop_flags(mut self, flags: Flags) -> Self {
        self.options.drop = flags;
        self
    }

    /// Uses another contract table.
    #[must_use]
    pub fn contracts(mut self, contracts: ContractTable) -> Self {
        self.options.contracts = Arc::new(contracts);
        self
    }

    /// Uses another trading calendar.
    #[must_use]
    pub fn calendar(mut self, calendar: TradingCalendar) -> Self {
        self.options.calendar = Arc::new(calendar);
        self
    }

    /// Replays these instruments only. Ids are written as the exchange writes them.
    #[must_use]
    pub fn instruments(mut self, ids: &[&str]) -> Self {
        let ids: BTreeSet<Vec<u8>> = ids.iter().map(|id| id.as_bytes().to_vec()).collect();
        let is_wanted = move |id: &InstrumentId| ids.contains(id.as_bytes());
        self.filter.instruments = Some(Arc::new(is_wanted));
        self
    }

    /// Replays only what was received at or after `start` and before `end`.
    #[must_use]
    pub const fn between(mut self, start: UnixNanos, end: UnixNanos) -> Self {
        self.filter.start = Some(start);
        self.filter.end = Some(end);
        self
    }

    /// Runs the replay and keeps all published messages in memory.
    ///
    /// # Errors
    /// When the recording is damaged or cannot be read.
    pub fn run(self) -> Result<Published, CheckError> {
        let mut source = PublishedMessages::selected(&self.recording, self.filter, self.options);
        let mut messages = Vec::new();
        let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
        while let Some(chunk) = source.next_chunk()? {
            messages.extend(chunk.messages.iter().map(|message| PublishedMessage {
                subject: text(message.subject),
                payload: text(message.payload),
            }));
        }
        let ended = source.ended();
        Ok(Published {
            messages,
            digest: ended.digest.unwrap_or_default(),
            ledger: ended.ledger.unwrap_or_default(),
        })
    }
}

/// One published message.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PublishedMessage {
    /// The NATS subject.
    pub subject: String,
    /// The payload, as it is published.
    pub payload: String,
}

impl PublishedMessage {
    /// The payload, parsed.
    ///
    /// # Errors
    /// Never for a payload of tickdeck.
    pub fn json(&self) -> serde_json::Result<serde_json::Value> {
        serde_json::from_str(&self.payload)
    }
}

impl fmt::Display for PublishedMessage {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {}", self.subject, self.payload)
    }
}

/// What a replay published. [`Display`](fmt::Display) prints the payload stream, one line per
/// message.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Published {
    messages: Vec<PublishedMessage>,
    digest: String,
    ledger: InstrumentLedger,
}

impl Published {
    /// The messages in order.
    #[must_use]
    pub fn messages(&self) -> &[PublishedMessage] {
        &self.messages
    }

    /// BLAKE3 of the payload stream, as `tickdeck replay --sink digest` prints it.
    #[must_use]
    pub fn digest(&self) -> &str {
        &self.digest
    }

    /// The ticks counted by outcome.
    #[must_use]
    pub const fn ledger(&self) -> &InstrumentLedger {
        &self.ledger
    }

    /// The payload stream without some fields, one line per message. For a snapshot that should not
    /// depend on them.
    #[must_use]
    pub fn without(&self, fields: &[&str]) -> String {
        let fields: Vec<String> = fields.iter().map(|&field| field.to_owned()).collect();
        let lines = self.messages.iter().map(|message| {
            let payload = without_fields(&message.payload, &fields);
            format!("{} {payload}\n", message.subject)
        });
        lines.collect()
    }

    /// Some fields of every message, one line per message. `-` stands for an absent field.
    #[must_use]
    pub fn table(&self, fields: &[&str]) -> String {
        let row = |message: &PublishedMessage| {
            let payload = message.json().unwrap_or_default();
            let cells = fields.iter().map(|field| match &payload[*field] {
                serde_json::Value::Null => "-".to_owned(),
                serde_json::Value::String(text) => text.clone(),
                other => other.to_string(),
            });
            let cells: Vec<String> = cells.collect();
            cells.join("  ") + "\n"
        };
        self.messages.iter().map(row).collect()
    }
}

impl fmt::Display for Published {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.messages
            .iter()
            .try_for_each(|message| writeln!(f, "{message}"))
    }
}

/// Asserts that `recording` publishes what `golden` says, as `tickdeck check` does. It writes
/// nothing. `tickdeck check RECORDING --golden GOLDEN --update` creates and accepts goldens.
///
/// # Panics
/// With the difference field by field when it does not. Also when one of the two cannot be read.
#[track_caller]
pub fn assert_golden(recording: impl AsRef<Path>, golden: impl AsRef<Path>) {
    match check_golden(recording.as_ref(), golden.as_ref()) {
        Ok(None) => {}
        Ok(Some(difference)) => panic!("{difference}"),
        Err(error) => panic!("{error}"),
    }
}

/// As [`assert_golden`], without a panic: the difference as text, or `None`.
///
/// # Errors
/// When recording or golden cannot be read, or there is no golden.
pub fn check_golden(recording: &Path, golden: &Path) -> Result<Option<String>, CheckError> {
    let recording = Recording::open(recording)?;
    let mut options = publisher_options(&recording)?;
    if let Some(known) = Golden::read(golden)? {
        known.apply(golden, &mut options)?;
    }
    let checking = CheckOptions::default();
    let checked = check_recording(&recording, options, golden, &checking, &mut |_| true)?;
    Ok((!checked.passed()).then(|| text::checked(&checked, &[], &Styles::default())))
}

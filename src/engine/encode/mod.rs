//! Payload bytes from normalized ticks. Pure: no I/O, no clock, no environment.
//!
//! The bytes are the product: goldens, digests and subscribers hold them. They equal what
//! `serde_json` prints for the same keys and values (a property test compares the two), at less
//! than a third of its cost. `docs/payload.md` is the description for consumers.

mod buffer;
pub mod control;
mod decimal;
mod message;
pub mod pattern;
pub mod subject;
#[cfg(test)]
mod tests;
mod vnpy;

use bytes::Bytes;

use self::buffer::Buffer;
use self::decimal::Decimal;
use self::vnpy::Vnpy;
use crate::normalize::{Instrument, NormalizedTick};
pub use message::{Message, MessageRef};
pub use tickdeck_core::source::PayloadSource;

/// Which payload contract is published.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum PayloadKind {
    /// vn.py's `TickData` names, the default.
    #[default]
    Vnpy,
    /// The small contract of the Python service, decimal strings.
    Decimal,
}

impl PayloadKind {
    /// Every kind.
    pub const ALL: [Self; 2] = [Self::Vnpy, Self::Decimal];

    /// The word on the command line and in goldens.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Vnpy => "vnpy",
            Self::Decimal => "decimal",
        }
    }

    /// The kind of a word.
    #[must_use]
    pub fn parse(word: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|kind| kind.as_str() == word)
    }
}

#[derive(Debug, Clone)]
enum Writer {
    Vnpy(Vnpy),
    Decimal(Decimal),
}

/// Writes payloads of one kind.
///
/// What it keeps between ticks only saves work: any encoder writes the same bytes for the same
/// tick. Memory: about 2.5 KiB per instrument.
#[derive(Debug, Clone)]
pub struct Encoder {
    writer: Writer,
    source: PayloadSource,
    buffer: Buffer,
}

impl Encoder {
    /// An encoder for one payload kind.
    #[must_use]
    pub fn new(kind: PayloadKind, source: PayloadSource) -> Self {
        Self {
            writer: match kind {
                PayloadKind::Vnpy => Writer::Vnpy(Vnpy::new()),
                PayloadKind::Decimal => Writer::Decimal(Decimal::new()),
            },
            source,
            buffer: Buffer::new(),
        }
    }

    /// Appends the payload of `tick` to `out`.
    #[inline]
    pub fn encode(&mut self, tick: &NormalizedTick<'_>, out: &mut Vec<u8>) {
        match &mut self.writer {
            Writer::Vnpy(vnpy) => vnpy.encode(tick, self.source, &mut self.buffer, out),
            Writer::Decimal(decimal) => decimal.encode(tick, &mut self.buffer, out),
        }
    }
}

/// The subjects of the instruments of one normalizer, made once each.
#[derive(Debug, Clone)]
pub struct Subjects {
    prefix: String,
    /// By [`Instrument::index`]; an empty one is not made yet.
    made: Vec<Bytes>,
}

impl Subjects {
    /// Subjects under `prefix`, which passed [`validate_prefix`](subject::validate_prefix).
    #[must_use]
    pub fn new(prefix: &str) -> Self {
        Self {
            prefix: prefix.to_owned(),
            made: Vec::new(),
        }
    }

    /// Whether the subject of `instrument` was made before.
    #[inline]
    #[must_use]
    pub fn has(&self, instrument: &Instrument) -> bool {
        let made = self.made.get(instrument.index);
        made.is_some_and(|made| !made.is_empty())
    }

    /// The subject of `instrument`. A clone of it shares the bytes.
    #[inline]
    pub fn of(&mut self, instrument: &Instrument) -> &Bytes {
        if instrument.index >= self.made.len() {
            self.made.resize(instrument.index + 1, Bytes::new());
        }
        let made = &mut self.made[instrument.index];
        if made.is_empty() {
            let contract = &instrument.contract;
            *made =
                subject::subject(&self.prefix, contract.exchange, &contract.instrument_id).into();
        }
        made
    }
}

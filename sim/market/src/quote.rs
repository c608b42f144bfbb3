//! What the front shows of one instrument: its book and the tick struct that is sent.

use tickdeck_ffi::RawTick;

use crate::book::{Book, Temper};
use crate::instrument::ProductKind;
use crate::product::{Tick, Venue};

/// The published state of one instrument, and the terms that decide how it is written.
#[derive(Debug, Clone)]
pub(crate) struct Quote {
    pub(crate) venue: Venue,
    pub(crate) kind: ProductKind,
    pub(crate) tick: Tick,
    pub(crate) multiplier: i64,
    pub(crate) temper: Temper,
    pub(crate) book: Book,
    pub(crate) raw: RawTick,
}

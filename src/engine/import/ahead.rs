//! Rows of one input that were read before their turn, by instrument too.

use std::collections::VecDeque;

use rustc_hash::FxHashMap;
use tickdeck_core::event::InstrumentId;
use tickdeck_core::time::UnixNanos;

use crate::import::row::Row;
use crate::import::row_error::RowError;
use crate::import::stamp::{KnownVolume, Placed};

/// A row, or why it could not be read. That is reported when it is its turn.
pub(crate) type Read = Result<(Row, Placed), RowError>;

/// Rows that follow the current one, in order.
#[derive(Debug, Default)]
pub(crate) struct Ahead {
    rows: VecDeque<Read>,
    /// The exchange times of each instrument's rows, in order; rows without one are left out.
    stamped: FxHashMap<InstrumentId, VecDeque<UnixNanos>>,
    /// The volumes of each instrument's rows, in order; blank ones are left out.
    volumes: FxHashMap<InstrumentId, VecDeque<KnownVolume>>,
}

impl Ahead {
    pub(crate) fn len(&self) -> usize {
        self.rows.len()
    }

    pub(crate) fn push(&mut self, read: Read) {
        if let Some((instrument, instant)) = stamp_of(&read) {
            self.stamped
                .entry(instrument)
                .or_default()
                .push_back(instant);
        }
        if let Some((instrument, volume)) = volume_of(&read) {
            self.volumes
                .entry(instrument)
                .or_default()
                .push_back(volume);
        }
        self.rows.push_back(read);
    }

    pub(crate) fn pop(&mut self) -> Option<Read> {
        let read = self.rows.pop_front()?;
        if let Some((instrument, _)) = stamp_of(&read)
            && let Some(instants) = self.stamped.get_mut(&instrument)
        {
            instants.pop_front();
            if instants.is_empty() {
                self.stamped.remove(&instrument);
            }
        }
        if let Some((instrument, _)) = volume_of(&read)
            && let Some(volumes) = self.volumes.get_mut(&instrument)
        {
            volumes.pop_front();
            if volumes.is_empty() {
                self.volumes.remove(&instrument);
            }
        }
        Some(read)
    }

    /// The exchange times of an instrument's rows, in order.
    pub(crate) fn of(&self, instrument: InstrumentId) -> impl Iterator<Item = UnixNanos> {
        self.stamped.get(&instrument).into_iter().flatten().copied()
    }

    /// The next volume of an instrument.
    pub(crate) fn next_volume(&self, instrument: InstrumentId) -> Option<KnownVolume> {
        self.volumes.get(&instrument)?.front().copied()
    }

    /// The instruments of the rows with an exchange time, in order and as often as they occur.
    pub(crate) fn instruments(&self) -> impl Iterator<Item = InstrumentId> {
        let stamps = self.rows.iter().filter_map(stamp_of);
        stamps.map(|(instrument, _)| instrument)
    }
}

fn stamp_of(read: &Read) -> Option<(InstrumentId, UnixNanos)> {
    match read {
        Ok((row, Placed::Stamped(instant))) => Some((row.tick.instrument_id, *instant)),
        _ => None,
    }
}

fn volume_of(read: &Read) -> Option<(InstrumentId, KnownVolume)> {
    let (row, _) = read.as_ref().ok()?;
    Some((row.tick.instrument_id, KnownVolume::of(row)?))
}

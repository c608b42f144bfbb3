//! What is published, apart from the events.

use std::sync::Arc;

use tickdeck_core::calendar::TradingCalendar;
use tickdeck_core::contract::ContractTable;
use tickdeck_core::event::InstrumentId;
use tickdeck_core::select::Partition;
use tickdeck_core::source::ReceiveTimes;

use crate::encode::subject::DEFAULT_PREFIX;
use crate::encode::{PayloadKind, PayloadSource};
#[cfg(test)]
use crate::normalize::NormalizedTick;
use crate::normalize::{Flags, Normalizer};
use crate::reference::Reference;

/// What is published, apart from the events.
#[derive(Debug, Clone)]
pub struct PublisherOptions {
    /// Which payload contract.
    pub payload: PayloadKind,
    /// The `source` key of the payloads.
    pub source: PayloadSource,
    /// First tokens of every subject, for example `market.tick`; passed
    /// [`validate_prefix`](crate::encode::subject::validate_prefix).
    pub subject_prefix: String,
    /// Ticks with any of these flags are filtered out.
    pub drop: Flags,
    /// Contract table in force.
    pub contracts: Arc<ContractTable>,
    /// Calendar in force.
    pub calendar: Arc<TradingCalendar>,
    /// Only these instruments are published. Ticks of the others count nowhere.
    pub partition: Option<Partition>,
    /// Whether the events' receive times are evidence of their dates.
    pub receive_times: ReceiveTimes,
}

impl PublisherOptions {
    /// The defaults with the tables of `reference`: payload `vnpy`, the default subjects, nothing
    /// dropped.
    #[must_use]
    pub fn new(reference: &Reference, source: PayloadSource) -> Self {
        Self {
            payload: PayloadKind::default(),
            source,
            subject_prefix: DEFAULT_PREFIX.to_owned(),
            drop: Flags::EMPTY,
            partition: None,
            contracts: Arc::clone(&reference.contracts),
            calendar: Arc::clone(&reference.calendar),
            receive_times: reference.receive_times,
        }
    }

    /// Whether ticks of an instrument are published.
    pub(super) fn publishes(&self, id: &InstrumentId) -> bool {
        let partition = self.partition;
        partition.is_none_or(|partition| partition.has(id.as_bytes()))
    }

    pub(super) fn normalizer(&self) -> Normalizer {
        Normalizer::new(
            Arc::clone(&self.contracts),
            Arc::clone(&self.calendar),
            self.receive_times,
        )
    }
}

/// A fault between normalizer and encoder, to prove that a check finds it. In tests only.
#[cfg(test)]
#[derive(Clone, Copy)]
pub(crate) struct Mutation {
    /// Changes a tick; false loses it.
    pub(crate) tick: fn(&mut NormalizedTick<'_>) -> bool,
    /// Changes an encoded payload.
    pub(crate) payload: fn(&mut Vec<u8>),
}

//! The default publisher options of a run.
//!
//! The method belongs to [`Reference`]. It is defined here, because reference data may not know the
//! pipeline.

use std::sync::Arc;

use super::PublisherOptions;
use crate::encode::subject::DEFAULT_PREFIX;
use crate::encode::{PayloadKind, PayloadSource};
use crate::normalize::Flags;
use crate::reference::Reference;

impl Reference {
    /// The default publisher options with these tables: payload `vnpy`, the default subjects, nothing
    /// dropped.
    #[must_use]
    pub fn publisher_options(&self, source: PayloadSource) -> PublisherOptions {
        PublisherOptions {
            payload: PayloadKind::default(),
            source,
            subject_prefix: DEFAULT_PREFIX.to_owned(),
            drop: Flags::EMPTY,
            contracts: Arc::clone(&self.contracts),
            calendar: Arc::clone(&self.calendar),
        }
    }
}

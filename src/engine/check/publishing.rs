//! How a recording is published for a comparison.

use std::path::Path;

use tickdeck_recording::Recording;

use super::error::CheckError;
use super::golden::Golden;
use crate::encode::PayloadKind;
use crate::normalize::Flags;
use crate::pipeline::PublisherOptions;
use crate::reference::{Reference, ReferenceError, ReferenceOptions};

/// What a caller decides about publishing. A golden decides the rest, else the defaults.
#[derive(Debug, Clone, Default)]
pub struct Publishing<'a> {
    /// Payload contract.
    pub payload: Option<PayloadKind>,
    /// First tokens of every subject.
    pub subject_prefix: Option<String>,
    /// Flags of ticks that are left out.
    pub drop: Option<Flags>,
    /// Tables that take precedence over the recording's.
    pub reference: ReferenceOptions<'a>,
}

impl Publishing<'_> {
    /// Whether a contract table is given.
    pub(super) const fn has_contracts(&self) -> bool {
        self.reference.contracts.is_some()
    }

    /// The options by which `recording` is published. With a `golden`, which need not exist, they are
    /// those of the comparison with it.
    ///
    /// # Errors
    /// When a table or the golden cannot be read.
    pub fn options(
        &self,
        recording: &Recording,
        golden: Option<&Path>,
    ) -> Result<PublisherOptions, CheckError> {
        let own = std::slice::from_ref(recording);
        let reference = Reference::load(&self.reference, own).map_err(|error| match error {
            ReferenceError::Recording(error) => CheckError::Recording(error),
            error => CheckError::Reference(error),
        })?;
        let mut options = PublisherOptions::new(&reference, recording.source().payload_source());
        if let Some(golden) = golden
            && let Some(known) = Golden::read(golden)?
        {
            known.apply(golden, &mut options)?;
        }
        if let Some(payload) = self.payload {
            options.payload = payload;
        }
        if let Some(prefix) = &self.subject_prefix {
            options.subject_prefix.clone_from(prefix);
        }
        if let Some(drop) = self.drop {
            options.drop = drop;
        }
        Ok(options)
    }
}

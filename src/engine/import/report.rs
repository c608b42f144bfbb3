//! What an import read, skipped and assumed: for the closing summary and the manifest.

use std::collections::BTreeSet;

use crate::import::dialect::Dialect;
use crate::import::out_of_order::OutOfOrder;
use crate::import::recv_ts_rule::RecvTsRule;
use crate::import::row_error::BadRow;

/// Skipped rows that are kept.
pub(crate) const BAD_ROWS_MAX: usize = 10;

/// The report so far.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct ImportReport {
    /// One entry a file or tar member, in the order given.
    pub inputs: Vec<InputReport>,
    /// Bytes of decompressed input that were read.
    pub bytes_read: u64,
    /// Bytes of decompressed input in all.
    pub bytes_total: u64,
    /// The first few rows that were skipped.
    pub bad_rows: Vec<BadRow>,
    /// Members of archives that hold no data, as a README; with their archive.
    pub skipped_members: Vec<String>,
}

/// The report on one file or tar member.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct InputReport {
    /// Path, with the member when it is in a tar.
    pub name: String,
    /// Its dialect; `None` for an empty file.
    pub dialect: Option<Dialect>,
    /// Rows that became events.
    pub rows: u64,
    /// Bad rows that were left out.
    pub skipped: u64,
    /// Rows with a blank `Volume`. They have the last one of their instrument in the trading day, else the
    /// next one, else 0.
    pub blank_volumes: u64,
    /// How `recv_ts` came about: no entry before the first row, two when rows differ.
    pub recv_ts_rules: Vec<RecvTsRule>,
    /// Rows whose times contradict their order.
    pub out_of_order: OutOfOrder,
}

impl InputReport {
    /// Of an input whose rows were not read yet.
    pub(crate) fn new(name: &str, dialect: Option<Dialect>) -> Self {
        Self {
            name: name.to_owned(),
            dialect,
            rows: 0,
            skipped: 0,
            blank_volumes: 0,
            recv_ts_rules: Vec::new(),
            out_of_order: OutOfOrder::default(),
        }
    }
}

impl ImportReport {
    /// Rows that became events, over all inputs.
    #[must_use]
    pub fn rows(&self) -> u64 {
        self.inputs.iter().map(|input| input.rows).sum()
    }

    /// Bad rows that were left out, over all inputs.
    #[must_use]
    pub fn skipped(&self) -> u64 {
        self.inputs.iter().map(|input| input.skipped).sum()
    }

    /// The dialects found, each once, in the order of [`Dialect::ALL`].
    #[must_use]
    pub fn dialects(&self) -> Vec<Dialect> {
        let found: BTreeSet<_> = self
            .inputs
            .iter()
            .filter_map(|input| input.dialect)
            .collect();
        found.into_iter().collect()
    }

    /// The rules by which `recv_ts` came about, each once.
    #[must_use]
    pub fn recv_ts_rules(&self) -> Vec<RecvTsRule> {
        let rules = self.inputs.iter().flat_map(|input| &input.recv_ts_rules);
        let found: BTreeSet<_> = rules.copied().collect();
        found.into_iter().collect()
    }
}

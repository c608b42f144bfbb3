//! What is said of a source in manifests and payloads.

use serde::{Deserialize, Serialize};

/// The `source` key of the payload.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum PayloadSource {
    /// Anything that came through the CTP struct: live, recorded, imported, simulated front.
    #[default]
    Ctp,
    /// The seeded generator.
    Synthetic,
}

/// Where the events of a recording came from.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct SourceInfo {
    /// `ctp`, `synthetic`, `import`, `slice` or `merge`.
    pub kind: String,
    /// How it was made, for example `profile=quick seed=42 generator=1`.
    pub detail: String,
    /// What payloads say: `ctp` or `synthetic`.
    pub payload_source: String,
    /// CTP's `GetApiVersion`, empty when no library was involved.
    pub api_version: String,
    /// Layout letter of the tick struct (guide 4.1).
    pub struct_layout: String,
    /// How `recv_ts` came about: `clock`, or the rule by which it was derived.
    pub recv_ts: String,
}

impl SourceInfo {
    /// The `source` key of the payloads.
    #[must_use]
    pub fn payload_source(&self) -> PayloadSource {
        if self.payload_source == "synthetic" {
            PayloadSource::Synthetic
        } else {
            PayloadSource::Ctp
        }
    }
}

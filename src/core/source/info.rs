//! What is said of a source in manifests and payloads.

use std::collections::BTreeSet;

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

impl PayloadSource {
    /// The value of the key.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Ctp => "ctp",
            Self::Synthetic => "synthetic",
        }
    }
}

/// Whether the receive times of a recording say when its events arrived.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum ReceiveTimes {
    /// A clock, or the market model, gave each event its own.
    #[default]
    Measured,
    /// An importer derived at least one of them from the rows. They pace a replay, and are not
    /// evidence of a tick's date.
    Derived,
}

impl ReceiveTimes {
    /// The name of the receive time where events are written as text. A reader learns from it whether
    /// the times are evidence.
    #[must_use]
    pub const fn column(self) -> &'static str {
        match self {
            Self::Measured => "recv_ts",
            Self::Derived => "recv_ts_derived",
        }
    }

    /// Those of recordings that are read together.
    #[must_use]
    pub fn of<'a>(sources: impl IntoIterator<Item = &'a SourceInfo>) -> Self {
        let mut each = sources.into_iter().map(SourceInfo::receive_times);
        if each.any(|times| times == Self::Derived) {
            Self::Derived
        } else {
            Self::Measured
        }
    }
}

/// The rule for `recv_ts` of a live session: its clock stamped each event as it arrived.
pub const CLOCK_RULE: &str = "clock";

/// The rules for `recv_ts` that take nothing from other events.
const MEASURED: [&str; 3] = [CLOCK_RULE, "model", "recorded"];

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
    /// Layout letter of the tick struct (field guide 4.1).
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

    /// Whether the receive times are evidence. A recording that names no rule was made by a clock.
    #[must_use]
    pub fn receive_times(&self) -> ReceiveTimes {
        let mut rules = self.recv_ts.split(',').filter(|rule| !rule.is_empty());
        if rules.all(|rule| MEASURED.contains(&rule)) {
            ReceiveTimes::Measured
        } else {
            ReceiveTimes::Derived
        }
    }

    /// The rules for `recv_ts` if a clock did not stamp every event.
    #[must_use]
    pub fn rules_beside_clock(&self) -> Option<&str> {
        let mut rules = self.recv_ts.split(',').filter(|rule| !rule.is_empty());
        rules
            .any(|rule| rule != CLOCK_RULE)
            .then_some(self.recv_ts.as_str())
    }

    /// The rules for `recv_ts` of all `sources`, each once: what a recording made of them names.
    #[must_use]
    pub fn recv_ts_rules_of<'a>(sources: impl IntoIterator<Item = &'a Self>) -> String {
        let rules = sources.into_iter().flat_map(|info| info.recv_ts.split(','));
        let rules: BTreeSet<&str> = rules.filter(|rule| !rule.is_empty()).collect();
        rules.into_iter().collect::<Vec<_>>().join(",")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn info(recv_ts: &str) -> SourceInfo {
        SourceInfo {
            recv_ts: recv_ts.into(),
            ..SourceInfo::default()
        }
    }

    #[test]
    fn one_derived_receive_time_makes_all_derived() {
        for (rules, expected) in [
            ("", ReceiveTimes::Measured),
            ("clock", ReceiveTimes::Measured),
            ("clock,recorded", ReceiveTimes::Measured),
            ("model", ReceiveTimes::Measured),
            ("exchange-time-monotone", ReceiveTimes::Derived),
            ("recorded,exchange-time-monotone", ReceiveTimes::Derived),
            ("a later rule", ReceiveTimes::Derived),
        ] {
            assert_eq!(info(rules).receive_times(), expected, "{rules}");
            let is_clock = ["", CLOCK_RULE].contains(&rules);
            let beside = (!is_clock).then_some(rules);
            assert_eq!(info(rules).rules_beside_clock(), beside, "{rules}");
        }
        let (clock, import) = (info("clock"), info("recorded,exchange-time-monotone"));
        let both = [&clock, &import];
        assert_eq!(ReceiveTimes::of(both), ReceiveTimes::Derived);
        assert_eq!(
            SourceInfo::recv_ts_rules_of(both),
            "clock,exchange-time-monotone,recorded"
        );
    }
}

//! Control messages of a replay, beside its ticks: `<prefix>.replay.{ready,clock,end}`.
//!
//! They are no ticks: neither the digest nor the ledger knows them, and a captured stream leaves
//! them out. No tick can be taken for one, because exchange codes are in upper case.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

/// What a control message is about.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Control {
    /// Asks who listens; whoever does, answers.
    Ready,
    /// The replay's time.
    Clock,
    /// The replay is over: an [`EndMarker`].
    End,
}

impl Control {
    const ALL: [Self; 3] = [Self::Ready, Self::Clock, Self::End];

    /// What follows the prefix.
    const fn suffix(self) -> &'static str {
        match self {
            Self::Ready => ".replay.ready",
            Self::Clock => ".replay.clock",
            Self::End => ".replay.end",
        }
    }

    /// The subject for a replay under `prefix`.
    #[must_use]
    pub fn subject(self, prefix: &str) -> String {
        format!("{prefix}{}", self.suffix())
    }

    /// The prefix and the kind of a control subject; `None` for any other subject.
    #[must_use]
    pub fn parse(subject: &str) -> Option<(&str, Self)> {
        Self::ALL.into_iter().find_map(|control| {
            let prefix = subject.strip_suffix(control.suffix())?;
            (!prefix.is_empty()).then_some((prefix, control))
        })
    }
}

/// Tells subscribers that nothing more comes, and what came. What is not known is null. The key
/// order is the order of the fields.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct EndMarker {
    /// Session id; several are joined with `+`.
    pub session: String,
    /// Whether everything that was asked for was played; false when the user or a failure ended the
    /// replay before.
    pub complete: bool,
    /// Messages published, over all passes.
    pub total: Option<u64>,
    /// BLAKE3 of the payload stream, hex.
    pub digest: Option<String>,
    /// Messages per instrument, `EXCHANGE.SYMBOL` as it stands in the subject.
    pub instruments: Option<BTreeMap<String, u64>>,
}

impl EndMarker {
    /// The payload; without the counts per instrument when it would be longer than `limit` bytes
    /// with them.
    ///
    /// # Errors
    /// Never, as the serializer is today.
    pub fn payload(&self, limit: usize) -> serde_json::Result<Vec<u8>> {
        let whole = serde_json::to_vec(self)?;
        if whole.len() <= limit {
            return Ok(whole);
        }
        serde_json::to_vec(&Self {
            instruments: None,
            ..self.clone()
        })
    }

    /// Reads a payload back; `None` for one that is not a marker.
    #[must_use]
    pub fn parse(payload: &[u8]) -> Option<Self> {
        serde_json::from_slice(payload).ok()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::encode::subject::subject;
    use tickdeck_core::contract::Exchange;

    fn marker() -> EndMarker {
        EndMarker {
            session: "a".into(),
            complete: true,
            total: Some(3),
            digest: Some("00".into()),
            instruments: Some(BTreeMap::from([
                ("SHFE.rb2601".to_owned(), 2),
                ("DCE.m2601".to_owned(), 1),
            ])),
        }
    }

    #[test]
    fn a_control_subject_reads_back_and_a_tick_is_none() {
        for control in Control::ALL {
            let subject = control.subject("market.tick");
            assert_eq!(Control::parse(&subject), Some(("market.tick", control)));
        }
        assert_eq!(Control::End.subject("a.b"), "a.b.replay.end");
        for other in [
            ".replay.end",
            "replay.end",
            "a.replay.ended",
            "a.Replay.end",
        ] {
            assert_eq!(Control::parse(other), None, "{other}");
        }
        for exchange in Exchange::ALL {
            for symbol in ["end", "replay.end", "clock"] {
                assert_eq!(Control::parse(&subject("replay", exchange, symbol)), None);
            }
        }
    }

    #[test]
    fn the_marker_has_its_keys_in_order_and_instruments_sorted() {
        let payload = marker().payload(1000).unwrap();
        assert_eq!(
            String::from_utf8_lossy(&payload),
            r#"{"session":"a","complete":true,"total":3,"digest":"00","instruments":{"DCE.m2601":1,"SHFE.rb2601":2}}"#
        );
        assert_eq!(EndMarker::parse(&payload), Some(marker()));
        assert_eq!(EndMarker::parse(b"goodbye"), None);
    }

    #[test]
    fn a_marker_that_is_too_long_leaves_out_the_instruments_only() {
        let length = marker().payload(1000).unwrap().len();
        let short = marker().payload(length - 1).unwrap();
        let expected = EndMarker {
            instruments: None,
            ..marker()
        };
        assert_eq!(EndMarker::parse(&short), Some(expected));
        assert_eq!(marker().payload(length).unwrap().len(), length);
    }
}

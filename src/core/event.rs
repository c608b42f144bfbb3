//! The vocabulary of the flow: what a [`Source`](crate::source::Source) yields and everything after
//! it consumes.
//!
//! An [`Event`] is either a raw tick, bit for bit as the CTP library delivered it, or something
//! that happened to the session. No stage may change an event; normalization makes new values from
//! it.

use serde::{Deserialize, Serialize};

pub use tickdeck_ffi::{RawTick, Text, TextTooLong};

use crate::time::UnixNanos;

/// CTP's `TThostFtdcInstrumentIDType`: up to 80 bytes and a NUL, for example `rb2601` or
/// `SPD RM601&RM605`.
pub type InstrumentId = Text<81>;

/// Position of an event in its session: gap-free from 0, and the only sort key there is.
#[derive(
    Debug, Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize,
)]
#[serde(transparent)]
pub struct Seq(pub u64);

impl std::fmt::Display for Seq {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        self.0.fmt(f)
    }
}

/// One thing that happened in a session, in arrival order.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Event {
    /// Gap-free position in the session.
    pub seq: Seq,
    /// When this machine received it (ns, UTC). Never decreases the order: `seq` does that.
    pub recv_ts: UnixNanos,
    /// What happened.
    pub kind: EventKind,
}

/// What an [`Event`] is about.
#[derive(Debug, Clone, PartialEq, Eq)]
#[expect(
    clippy::large_enum_variant,
    reason = "ticks are 99.99 % of the events: boxing them would cost an allocation each"
)]
pub enum EventKind {
    /// A market data push, every field of the CTP struct.
    Tick(RawTick),
    /// Something that happened to the session itself.
    Session(SessionEvent),
}

/// What happened to the session, as the CTP callbacks report it.
///
/// In a recording the variant is the `kind` column and the fields are the `detail` column (JSON).
/// Fields are declared in alphabetical order, so that the text does not depend on how a JSON
/// library orders keys.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "kind", content = "detail", rename_all = "snake_case")]
#[non_exhaustive]
pub enum SessionEvent {
    /// `OnFrontConnected`.
    FrontConnected {},
    /// `OnFrontDisconnected`, with CTP's `nReason` (field guide 1.6).
    FrontDisconnected {
        /// CTP's `nReason`, for example 4097 = 0x1001, network read failed.
        reason: i32,
    },
    /// `OnRspUserLogin` without an error.
    LoginOk {
        /// `TradingDay` of the answer, `YYYYMMDD`; often empty on MD fronts.
        trading_day: String,
    },
    /// `OnRspUserLogin` with an error.
    LoginFailed {
        /// CTP's `ErrorID` (field guide 1.7).
        error_id: i32,
        /// CTP's `ErrorMsg`, decoded from GB18030.
        message: String,
    },
    /// `OnRspSubMarketData` for one instrument. A later first tick of it is a snapshot.
    Subscribed {
        /// CTP's `ErrorID`, 0 for success. CTP sends 0 for unknown ids too.
        error_id: i32,
        /// The instrument of the answer.
        instrument: String,
    },
    /// `OnHeartBeatWarning`.
    HeartbeatWarning {
        /// Seconds since the last packet, CTP's `nTimeLapse`.
        elapsed_s: i32,
    },
    /// The front was silent for too long and the connection is given up.
    HeartbeatLost {},
    /// `OnRspError`, or the library misbehaved.
    LibraryError {
        /// CTP's `ErrorID`, or 0.
        error_id: i32,
        /// What was reported.
        message: String,
    },
    /// Ticks that the bounded queue could not take: received, but neither recorded nor published.
    Overflow {
        /// How many.
        dropped: u64,
    },
    /// Anything worth keeping that has no other variant.
    Note {
        /// Free text.
        text: String,
    },
}

/// The value of the `kind` column for a tick.
pub const TICK_KIND: &str = "tick";

impl SessionEvent {
    /// The value of the `kind` column.
    #[must_use]
    pub const fn kind(&self) -> &'static str {
        match self {
            Self::FrontConnected { .. } => "front_connected",
            Self::FrontDisconnected { .. } => "front_disconnected",
            Self::LoginOk { .. } => "login_ok",
            Self::LoginFailed { .. } => "login_failed",
            Self::Subscribed { .. } => "subscribed",
            Self::HeartbeatWarning { .. } => "heartbeat_warning",
            Self::HeartbeatLost { .. } => "heartbeat_lost",
            Self::LibraryError { .. } => "library_error",
            Self::Overflow { .. } => "overflow",
            Self::Note { .. } => "note",
        }
    }

    /// The `detail` column: the fields as a compact JSON object.
    #[must_use]
    pub fn detail(&self) -> String {
        #[derive(Deserialize)]
        struct Tagged {
            detail: serde_json::Value,
        }
        // Serializing a plain enum of strings and integers cannot fail.
        serde_json::to_value(self)
            .and_then(serde_json::from_value::<Tagged>)
            .map(|tagged| tagged.detail.to_string())
            .unwrap_or_default()
    }

    /// Reads the two columns back.
    ///
    /// # Errors
    /// When `kind` is not a kind of this version, or `detail` has not the fields of that kind.
    pub fn from_columns(kind: &str, detail: &str) -> Result<Self, serde_json::Error> {
        let detail: serde_json::Value = serde_json::from_str(detail)?;
        serde_json::from_value(serde_json::json!({ "kind": kind, "detail": detail }))
    }
}

impl Event {
    /// The tick, if this is one.
    #[inline]
    #[must_use]
    pub const fn as_tick(&self) -> Option<&RawTick> {
        match &self.kind {
            EventKind::Tick(tick) => Some(tick),
            EventKind::Session(_) => None,
        }
    }

    /// The value of the `kind` column.
    #[must_use]
    pub const fn kind_name(&self) -> &'static str {
        match &self.kind {
            EventKind::Tick(_) => TICK_KIND,
            EventKind::Session(event) => event.kind(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_session_event_reads_back_from_its_two_columns() {
        let all = [
            SessionEvent::FrontConnected {},
            SessionEvent::FrontDisconnected { reason: 4097 },
            SessionEvent::LoginOk {
                trading_day: "20260105".into(),
            },
            SessionEvent::LoginFailed {
                error_id: 3,
                message: "CTP:不合法的登录".into(),
            },
            SessionEvent::Subscribed {
                instrument: "rb2601".into(),
                error_id: 0,
            },
            SessionEvent::HeartbeatWarning { elapsed_s: 61 },
            SessionEvent::HeartbeatLost {},
            SessionEvent::LibraryError {
                error_id: 0,
                message: "x".into(),
            },
            SessionEvent::Overflow { dropped: 7 },
            SessionEvent::Note { text: "\"".into() },
        ];
        for event in all {
            let read = SessionEvent::from_columns(event.kind(), &event.detail()).unwrap();
            assert_eq!(read, event);
        }
    }

    #[test]
    fn an_unknown_kind_is_an_error() {
        assert!(SessionEvent::from_columns("rumour", "{}").is_err());
    }
}

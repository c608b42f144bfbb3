//! What a session with a front comes to, in the log: the same events with the same fields for market
//! data and for the trader front, which alone has a `kind`.

use super::meaning::{disconnect_reason, login_error};

/// Whose session it is.
#[derive(Debug, Clone, Copy)]
pub(super) struct Whose<'a> {
    /// Name of the session.
    pub(super) session: &'a str,
    /// Kind of the front, where it is not the one for market data.
    pub(super) kind: Option<&'static str>,
}

impl Whose<'_> {
    pub(super) fn front_connected(self) {
        let Self { session, kind } = self;
        tracing::info!(event = "ctp_front_connected", session, kind);
    }

    pub(super) fn login_ok(self) {
        let Self { session, kind } = self;
        tracing::info!(event = "ctp_login_ok", session, kind);
    }

    /// The front says no, with CTP's `ErrorID` and words of its own.
    pub(super) fn login_failed(self, error_id: i32, message: &str) {
        let Self { session, kind } = self;
        let known = login_error(error_id);
        tracing::error!(
            event = "ctp_login_failed",
            error_id,
            error_name = known.map_or("", |known| known.name),
            message,
            meaning = known.map_or("an error that is not documented", |k| k.english),
            meaning_zh = known.map_or("", |known| known.chinese),
            permanent = known.is_some_and(|known| known.is_permanent),
            session,
            kind
        );
    }

    /// The connection is gone, with CTP's `nReason`.
    pub(super) fn disconnected(self, reason: i32) {
        let Self { session, kind } = self;
        let meaning = disconnect_reason(reason);
        tracing::warn!(
            event = "ctp_disconnected",
            reason,
            reason_hex = format!("{reason:#06x}"),
            meaning = meaning.english,
            meaning_zh = meaning.chinese,
            session,
            kind
        );
    }
}

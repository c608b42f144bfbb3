//! Log lines about a session with a front. Both kinds of front log the same events with the same
//! fields; lines about the trader front carry a `kind` as well.

use super::front_kind::FrontKind;
use super::meaning::{disconnect_reason, login_error};

/// Logs what happens to one session.
#[derive(Debug, Clone, Copy)]
pub(super) struct SessionLog<'a> {
    /// Name of the session.
    pub(super) session: &'a str,
    /// Kind of its front.
    pub(super) front: FrontKind,
}

impl SessionLog<'_> {
    pub(super) fn front_connected(self) {
        let (session, kind) = (self.session, self.front.log_field());
        tracing::info!(event = "ctp_front_connected", session, kind);
    }

    pub(super) fn login_ok(self) {
        let (session, kind) = (self.session, self.front.log_field());
        tracing::info!(event = "ctp_login_ok", session, kind);
    }

    /// The front refused the login, with CTP's `ErrorID` and `ErrorMsg`.
    pub(super) fn login_failed(self, error_id: i32, message: &str) {
        let (session, kind) = (self.session, self.front.log_field());
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

    /// The connection was lost, with CTP's `nReason`.
    pub(super) fn disconnected(self, reason: i32) {
        let (session, kind) = (self.session, self.front.log_field());
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

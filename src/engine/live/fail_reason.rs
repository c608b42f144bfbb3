//! Why an attempt or a whole session failed. Code decides by the variant; the text goes to the log,
//! the recording and the gate file.

use super::abandoned::LibraryHangs;
use super::front_kind::FrontKind;
use super::refusal::Refusal;

/// Why an attempt or a session failed.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum FailReason {
    /// No front answered in time.
    #[error("connect_timeout")]
    ConnectTimeout,
    /// The login was not answered in time.
    #[error("login_timeout")]
    LoginTimeout,
    /// A front refused a request.
    #[error("{0}")]
    Refused(Refusal),
    /// The connection was lost, and the library did not restore it in time.
    #[error("front_lost")]
    FrontLost,
    /// The connection was lost repeatedly.
    #[error("reconnect_loop")]
    ReconnectLoop,
    /// The session delivers no more callbacks.
    #[error("{0}")]
    Broken(&'static str),
    /// The session could not be opened; another attempt may succeed.
    #[error("open_failed: {0}")]
    OpenFailed(String),
    /// The library cannot open a session.
    #[error("{0}")]
    Library(String),
    /// The library does not release its sessions.
    #[error("{}{hangs}", match front { FrontKind::MarketData => "", FrontKind::Trader => "the trader library hangs: " })]
    Hangs {
        /// Which kind of library.
        front: FrontKind,
        /// How many sessions.
        hangs: LibraryHangs,
    },
    /// The supervising thread panicked.
    #[error("the supervising thread ended early; its panic was reported above")]
    SupervisorPanicked,
}

#[cfg(test)]
mod tests {
    use super::super::refusal::{CtpError, FrontRequest};
    use super::*;

    fn refused(front: FrontKind, request: FrontRequest, error_id: i32) -> String {
        let error = CtpError {
            error_id,
            message: "said".into(),
        };
        FailReason::Refused(Refusal {
            front,
            request,
            error,
        })
        .to_string()
    }

    #[test]
    fn the_text_of_a_refusal_names_front_and_request() {
        use FrontKind::{MarketData, Trader};
        use FrontRequest::{Authentication, Login};
        assert_eq!(refused(MarketData, Login, 7), "login_failed: 7 NOT_INITED");
        assert_eq!(refused(MarketData, Login, 4711), "login_failed: 4711 said");
        let text = refused(MarketData, Login, 3);
        let start = "the front refuses the login permanently: CTP error 3 INVALID_LOGIN";
        assert!(text.starts_with(start), "{text}");
        let text = refused(Trader, Authentication, 63);
        let start = "the trader front refuses the authentication: CTP error 63 AUTH_FAILED";
        assert!(text.starts_with(start), "{text}");
        let text = refused(Trader, Login, 4711);
        assert_eq!(
            text,
            "the trader front refuses the login: CTP error 4711 said"
        );
    }
}

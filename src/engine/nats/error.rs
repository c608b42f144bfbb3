//! What can go wrong with a NATS server: one sentence each, never with a credential.

use std::error::Error;
use std::time::Duration;

use async_nats::rustls;
use async_nats::{ConnectError, ConnectErrorKind};

/// A NATS operation could not be done.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum NatsError {
    /// The options contradict each other, or name a file that cannot be used.
    #[error("nats options: {0}")]
    Config(String),
    /// The server failed or cannot be reached.
    #[error("nats server {server}: {failure}")]
    Server {
        /// Address without credentials.
        server: String,
        /// What went wrong.
        failure: NatsFailure,
    },
}

/// What went wrong with a server.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum NatsFailure {
    /// The address does not answer (yet).
    #[error("not reachable: {cause}; is nats-server running there, and is the address right?")]
    Unreachable {
        /// What the system said.
        cause: String,
    },
    /// The address did not answer within the time allowed.
    #[error(
        "not reachable for {} s: {cause}; is nats-server running there, and is the address right?",
        waited.as_secs_f64()
    )]
    StillUnreachable {
        /// How long the client waited.
        waited: Duration,
        /// What the system said last.
        cause: String,
    },
    /// The server does not accept these credentials, or requires some.
    #[error(
        "login refused; check user and password, token, credentials file or nkey, and that only the intended one is set"
    )]
    LoginRefused,
    /// The encrypted connection could not be made.
    #[error("TLS failed: {cause}; check the CA, the certificate with its key, and the host name")]
    Tls {
        /// What the TLS library said.
        cause: String,
    },
    /// The account lacks a permission.
    #[error("refused by the account's permissions: {cause}")]
    Permission {
        /// What the server said.
        cause: String,
    },
    /// The requested subject has no subscriber.
    #[error("no responder on `{subject}`; is a tickdeck session with a health responder running?")]
    NoResponders {
        /// The subject asked.
        subject: String,
    },
    /// An answer did not come in time.
    #[error("no answer on `{subject}` within {} s", waited.as_secs_f64())]
    TimedOut {
        /// The subject asked.
        subject: String,
        /// How long the client waited.
        waited: Duration,
    },
    /// A message that the server or the protocol cannot carry.
    #[error("cannot publish to `{subject}` ({bytes} bytes): {cause}")]
    Unpublishable {
        /// The subject of the message, escaped where it is not printable.
        subject: String,
        /// Payload length in bytes.
        bytes: usize,
        /// Why.
        cause: String,
    },
    /// Anything else.
    #[error("{cause}")]
    Other {
        /// What was said.
        cause: String,
    },
}

impl NatsFailure {
    /// Whether retrying may help: an absent server may start, a refused login stays refused.
    #[must_use]
    pub const fn is_retryable(&self) -> bool {
        matches!(self, Self::Unreachable { .. })
    }

    /// Classifies a failed connection attempt.
    pub(crate) fn from_connect(error: &ConnectError) -> Self {
        if let Some(cause) = tls_cause(error) {
            return Self::Tls { cause };
        }
        let cause = innermost(error);
        match error.kind() {
            ConnectErrorKind::AuthorizationViolation | ConnectErrorKind::Authentication => {
                Self::LoginRefused
            }
            ConnectErrorKind::Tls => Self::Tls { cause },
            ConnectErrorKind::ServerParse => Self::Other { cause },
            _ if speaks_of_login(&cause) => Self::LoginRefused,
            _ => Self::Unreachable { cause },
        }
    }
}

/// The server sends some refusals as plain errors, for example `user authentication expired`.
/// `Authentication Timeout` is no refusal: the login arrived too late.
fn speaks_of_login(text: &str) -> bool {
    let text = text.to_ascii_lowercase();
    (text.contains("authentication") || text.contains("authorization")) && !text.contains("timeout")
}

/// The TLS library's message, if TLS failed. The client reports a failed
/// handshake as an I/O error, and `io::Error::source` skips the error it wraps.
fn tls_cause(error: &(dyn Error + 'static)) -> Option<String> {
    let mut next = Some(error);
    while let Some(error) = next {
        if let Some(tls) = error.downcast_ref::<rustls::Error>() {
            return Some(tls.to_string());
        }
        next = wrapped(error);
    }
    None
}

fn innermost(error: &(dyn Error + 'static)) -> String {
    let mut last = error;
    while let Some(inner) = wrapped(last) {
        last = inner;
    }
    last.to_string()
}

fn wrapped<'e>(error: &'e (dyn Error + 'static)) -> Option<&'e (dyn Error + 'static)> {
    match error.downcast_ref::<std::io::Error>() {
        Some(io) => io.get_ref().map(|inner| inner as &(dyn Error + 'static)),
        None => error.source(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_login_that_came_too_late_is_not_refused() {
        for (said, is_refused) in [
            ("nats: User Authentication Expired", true),
            ("nats: account authentication expired", true),
            ("nats: User Authentication Revoked", true),
            ("nats: Authorization Violation", true),
            ("nats: Authentication Timeout", false),
            ("nats: maximum connections exceeded", false),
        ] {
            assert_eq!(speaks_of_login(said), is_refused, "{said}");
        }
    }
}

//! What can go wrong with a NATS server: one sentence each, never with a credential.

use std::error::Error;
use std::io;
use std::time::Duration;

use async_nats::rustls;
use async_nats::{ConnectError, ConnectErrorKind};

use super::stream_problem::StreamProblem;

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
    /// TLS was requested, and the server answers in plain text.
    #[error("the server answers in plain text where TLS was expected; {fix}")]
    PlainServer {
        /// What to change.
        fix: &'static str,
    },
    /// The server, or the account, has as many connections as it may have.
    #[error("no further connection: {cause}; close another client, or raise the limit")]
    ConnectionLimit {
        /// What the server said.
        cause: String,
    },
    /// The account lacks a permission.
    #[error(
        "refused by the account's permissions: {cause}; the account needs the permission to {permission}"
    )]
    Permission {
        /// What the server said.
        cause: String,
        /// What to add: `publish` or `subscribe`, and the subject.
        permission: String,
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
    /// A JetStream stream cannot be used.
    #[error(transparent)]
    Stream(#[from] StreamProblem),
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

    /// Whether the account lacks permission for a subject or for another connection. Optional
    /// features then stay off.
    #[must_use]
    pub const fn is_missing_right(&self) -> bool {
        matches!(self, Self::Permission { .. } | Self::ConnectionLimit { .. })
    }

    /// What the system or the server said, without the advice.
    pub(crate) fn cause(&self) -> String {
        match self {
            Self::Unreachable { cause } | Self::ConnectionLimit { cause } => cause.clone(),
            other => other.to_string(),
        }
    }

    /// A message that no connection carries.
    pub(crate) fn unpublishable(subject: &[u8], payload: &[u8], cause: &str) -> Self {
        Self::Unpublishable {
            subject: subject.escape_ascii().to_string(),
            bytes: payload.len(),
            cause: cause.to_owned(),
        }
    }

    /// A message that this server does not take.
    pub(crate) fn too_large(subject: &[u8], payload: &[u8]) -> Self {
        let cause = "the payload is larger than the server's max_payload";
        Self::unpublishable(subject, payload, cause)
    }

    /// Classifies a failed attempt of the client library.
    pub(crate) fn from_connect(error: &ConnectError, tls_first: bool) -> Self {
        if let Some(tls) = tls_error(error) {
            return Self::from_tls(tls, tls_first);
        }
        let cause = innermost(error);
        match error.kind() {
            _ if is_about_a_full_server(&cause) => Self::ConnectionLimit { cause },
            ConnectErrorKind::AuthorizationViolation | ConnectErrorKind::Authentication => {
                Self::LoginRefused
            }
            ConnectErrorKind::Tls => Self::Tls { cause },
            ConnectErrorKind::ServerParse => Self::Other { cause },
            ConnectErrorKind::TimedOut => Self::timed_out(tls_first),
            _ if cause == SILENT => Self::silent(tls_first),
            _ => Self::from_refusal(&cause),
        }
    }

    /// Classifies a failure of the system or of TLS.
    pub(crate) fn from_io(error: &io::Error, tls_first: bool) -> Self {
        match tls_error(error) {
            Some(tls) => Self::from_tls(tls, tls_first),
            None => Self::Unreachable {
                cause: innermost(error),
            },
        }
    }

    /// Classifies what a server said instead of accepting the login.
    pub(crate) fn from_refusal(said: &str) -> Self {
        let cause = said.to_owned();
        if is_about_a_full_server(said) {
            Self::ConnectionLimit { cause }
        } else if is_about_login(said) {
            Self::LoginRefused
        } else {
            Self::Unreachable { cause }
        }
    }

    /// No answer to an attempt. A server with `handshake_first` waits for the client to begin.
    pub(crate) fn timed_out(tls_first: bool) -> Self {
        Self::waiting("no answer in time", tls_first)
    }

    /// The server closed the connection without a greeting: it waited for the client to begin.
    pub(crate) fn silent(tls_first: bool) -> Self {
        Self::waiting("it sends no greeting", tls_first)
    }

    fn waiting(what: &str, tls_first: bool) -> Self {
        let cause = if tls_first {
            what.to_owned()
        } else {
            format!("{what}; {NEEDS_TLS_FIRST}")
        };
        Self::Unreachable { cause }
    }

    fn from_tls(tls: &rustls::Error, tls_first: bool) -> Self {
        match tls {
            // The first bytes were not a TLS record: a plain server's greeting, or its complaint.
            rustls::Error::InvalidMessage(rustls::InvalidMessage::InvalidContentType) => {
                Self::PlainServer {
                    fix: if tls_first {
                        "only a server with `handshake_first` needs TLS first: omit it"
                    } else {
                        "omit the CA, the client certificate and tls://, or enable TLS there"
                    },
                }
            }
            _ => Self::Tls {
                cause: tls.to_string(),
            },
        }
    }
}

/// Why a server may wait for the client.
const NEEDS_TLS_FIRST: &str = "a server with `handshake_first` needs TLS first";

/// What the client library says of a server that closes without an answer.
const SILENT: &str = "expected INFO, got nothing";

/// The server sends some refusals as plain errors, for example `user authentication expired`.
/// `Authentication Timeout` is not a refusal: the login arrived too late.
fn is_about_login(text: &str) -> bool {
    let text = text.to_ascii_lowercase();
    (text.contains("authentication") || text.contains("authorization")) && !text.contains("timeout")
}

/// The server closes such a connection, so that its message arrives only as text.
fn is_about_a_full_server(text: &str) -> bool {
    let text = text.to_ascii_lowercase();
    text.contains("maximum") && text.contains("connections exceeded")
}

/// The TLS library's error, if TLS failed. The client reports a failed
/// handshake as an I/O error, and `io::Error::source` skips the error it wraps.
fn tls_error<'e>(error: &'e (dyn Error + 'static)) -> Option<&'e rustls::Error> {
    let mut next = Some(error);
    while let Some(error) = next {
        if let Some(tls) = error.downcast_ref::<rustls::Error>() {
            return Some(tls);
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
    match error.downcast_ref::<io::Error>() {
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
            assert_eq!(is_about_login(said), is_refused, "{said}");
        }
    }

    #[test]
    fn a_full_server_is_recognised_by_its_message() {
        for (said, is_full) in [
            ("nats: maximum connections exceeded", true),
            ("maximum account active connections exceeded", true),
            ("nats: maximum subscriptions exceeded", false),
        ] {
            assert_eq!(is_about_a_full_server(said), is_full, "{said}");
        }
    }
}

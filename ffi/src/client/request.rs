//! Whether the library accepted a request, before any answer.

/// Why a request was not sent.
///
/// Success means only that it was queued for sending (field guide 1.7).
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum RequestError {
    /// The library returned -1.
    #[error("{request}: not connected to the front; wait for the connection")]
    NotConnected {
        /// The vendor's name of the request.
        request: &'static str,
    },
    /// The library returned -2.
    #[error("{request}: too many requests are waiting for an answer; try again later")]
    TooManyOutstanding {
        /// The vendor's name of the request.
        request: &'static str,
    },
    /// The library returned -3.
    #[error("{request}: too many requests in this second; try again later")]
    TooManyPerSecond {
        /// The vendor's name of the request.
        request: &'static str,
    },
    /// The library returned an undocumented code.
    #[error("{request}: the library refused with {code}")]
    Refused {
        /// The vendor's name of the request.
        request: &'static str,
        /// The code.
        code: i32,
    },
    /// The session is over, or about to be.
    #[error("{request}: the session was released")]
    Released {
        /// The vendor's name of the request.
        request: &'static str,
    },
    /// Made while the library reports a lost connection. It holds the lock that the request needs
    /// on the same thread, and would spin forever.
    #[error(
        "{request}: not possible while a lost connection is being reported; use another thread"
    )]
    WouldDeadlock {
        /// The vendor's name of the request.
        request: &'static str,
    },
    /// A text that does not fit the vendor's struct, or that contains a NUL. It is not repeated,
    /// because it may be a password.
    #[error("{request}: the {field} must be at most {max} bytes without a NUL, it has {len}")]
    BadText {
        /// The vendor's name of the request.
        request: &'static str,
        /// Name of the text.
        field: &'static str,
        /// Bytes given.
        len: usize,
        /// Bytes that fit.
        max: usize,
    },
}

impl RequestError {
    /// Whether the same request may succeed later in this session.
    #[must_use]
    pub const fn is_retryable(&self) -> bool {
        matches!(
            self,
            Self::NotConnected { .. }
                | Self::TooManyOutstanding { .. }
                | Self::TooManyPerSecond { .. }
        )
    }
}

/// Reads the library's return code.
pub(crate) fn outcome(request: &'static str, code: i32) -> Result<(), RequestError> {
    match code {
        0 => Ok(()),
        -1 => Err(RequestError::NotConnected { request }),
        -2 => Err(RequestError::TooManyOutstanding { request }),
        -3 => Err(RequestError::TooManyPerSecond { request }),
        code => Err(RequestError::Refused { request, code }),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_return_code_has_its_error() {
        assert_eq!(outcome("R", 0), Ok(()));
        let retryable = [-1, -2, -3, -4].map(|code| outcome("R", code).unwrap_err().is_retryable());
        assert_eq!(retryable, [true, true, true, false]);
        assert!(
            outcome("R", 7)
                .unwrap_err()
                .to_string()
                .contains("refused with 7")
        );
    }
}

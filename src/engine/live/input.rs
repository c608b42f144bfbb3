//! What the library reported about one session: input of the supervisor.

/// A callback of the library that may change what to do next.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Input {
    /// The connection is up.
    FrontConnected,
    /// The connection was lost.
    FrontDisconnected {
        /// CTP's `nReason`.
        reason: i32,
    },
    /// The front has been silent.
    HeartbeatWarning {
        /// For this long, s.
        elapsed_s: i32,
    },
    /// The login was accepted.
    LoginOk,
    /// The login was refused.
    LoginFailed {
        /// CTP's `ErrorID`.
        error_id: i32,
        /// CTP's `ErrorMsg`, decoded.
        message: String,
    },
    /// The subscription of one instrument was refused.
    SubscriptionRefused {
        /// The instrument.
        id: String,
        /// CTP's `ErrorID`.
        error_id: i32,
    },
    /// Another error.
    LibraryError {
        /// CTP's `ErrorID`, or 0.
        error_id: i32,
        /// The reported text.
        message: String,
    },
}

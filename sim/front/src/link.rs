//! State of the connection of a session: the same for both APIs.

use tickdeck_core::clock::MonoNanos;

/// State of a connection.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Link {
    /// Just lost. The next attempt follows this many ns after the client's callback has returned.
    Lost(i64),
    /// The next attempt comes at this instant.
    Down(MonoNanos),
    /// The connecting thread is working on it.
    Opening,
    /// Connected; the client is not informed yet.
    Opened,
    /// Connected.
    Up,
    /// Closed permanently.
    Closed,
}

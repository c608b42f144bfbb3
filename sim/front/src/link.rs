//! How far the connection of a session has got: the same for both APIs.

use tickdeck_core::clock::MonoNanos;

/// State of a connection.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Link {
    /// Just lost. The next attempt comes so many ns after the client's callback has returned.
    Lost(i64),
    /// The next attempt comes at this instant.
    Down(MonoNanos),
    /// The connecting thread is at it.
    Opening,
    /// Connected, which the client does not know yet.
    Opened,
    /// Connected.
    Up,
    /// Nothing will come any more.
    Closed,
}

//! The one place that waits for a bounded time, apart from the clock's own sleeps.
//!
//! A wait that ends by itself hides in a channel or a sleep; here every one of them is found.

use std::time::Duration;

use crossbeam_channel::{Receiver, RecvTimeoutError};

/// What came of waiting on a channel.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Received<T> {
    /// A message.
    Message(T),
    /// Nothing within the time allowed.
    Timeout,
    /// Nothing, and nothing can come: every sender is gone.
    Closed,
}

/// Waits for the next message, for at most `at_most`.
pub fn receive<T>(from: &Receiver<T>, at_most: Duration) -> Received<T> {
    match from.recv_timeout(at_most) {
        Ok(message) => Received::Message(message),
        Err(RecvTimeoutError::Timeout) => Received::Timeout,
        Err(RecvTimeoutError::Disconnected) => Received::Closed,
    }
}

/// Waits until every sender of `done` is gone, for at most `at_most`; whether they are.
///
/// For a channel that carries nothing: its sender is dropped when the work is done.
#[must_use]
pub fn is_closed_within(done: &Receiver<()>, at_most: Duration) -> bool {
    receive(done, at_most) != Received::Timeout
}

/// Waits until another thread unparks this one, for at most `at_most`. May return early.
pub fn park(at_most: Duration) {
    std::thread::park_timeout(at_most);
}

/// Sleeps. For polling where no event can be waited for, such as in a vendor library.
#[expect(
    clippy::disallowed_methods,
    reason = "the door to waiting is this function"
)]
pub fn nap(span: Duration) {
    std::thread::sleep(span);
}

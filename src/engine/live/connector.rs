//! What the live source needs of a CTP library: open a session, log in, subscribe, close. Answers
//! come through the [`Inlet`].

use std::time::Duration;

use tickdeck_core::event::InstrumentId;

use super::attempt::Attempt;
use super::queue::Inlet;

/// Opens sessions. The supervisor has at most one open at a time.
pub trait Connector: Send {
    /// Finds out why no front answered, and logs it. Called after a session that never connected.
    /// Returns at once: names and addresses may take long to try.
    fn explain_silence(&self) {}

    /// How many [`Abandoned`] sessions the library has released since the last call. Called before
    /// a session is opened or counted as abandoned.
    fn reclaimed(&mut self) -> u32 {
        0
    }

    /// Opens a session with a new instance and a new flow folder. It connects in the background.
    ///
    /// # Errors
    /// When it cannot be opened.
    fn open(
        &mut self,
        attempt: &Attempt,
        inlet: Inlet,
    ) -> Result<Box<dyn MarketDataSession>, OpenError>;
}

/// A session with a front. Requests return at once; answers come through the [`Inlet`].
pub trait MarketDataSession: Send {
    /// Requests the login.
    ///
    /// # Errors
    /// When the library does not accept the request.
    fn login(&mut self) -> Result<(), RequestError>;

    /// A fault after which the session delivers no more callbacks. Checked regularly.
    fn fault(&self) -> Option<&'static str> {
        None
    }

    /// Requests the market data of `instruments`.
    ///
    /// # Errors
    /// When the library does not accept the request. Then none of them is subscribed.
    fn subscribe(&mut self, instruments: &[InstrumentId]) -> Result<(), RequestError>;

    /// Ends the session and waits for the library to release it, for at most `at_most`.
    ///
    /// # Errors
    /// When the library hangs. The instance is abandoned, and may be
    /// [`reclaimed`](Connector::reclaimed) later.
    fn close(self: Box<Self>, at_most: Duration) -> Result<(), Abandoned>;
}

/// The library did not accept a request (field guide 1.7).
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum RequestError {
    /// -1.
    #[error("the front is not connected (-1)")]
    NotConnected,
    /// -2.
    #[error("too many requests wait for an answer (-2)")]
    TooManyOutstanding,
    /// -3.
    #[error("too many requests this second (-3)")]
    TooManyPerSecond,
    /// Anything else.
    #[error("the library answered {0}; expected 0, -1, -2 or -3")]
    Other(i32),
}

/// A session could not be opened.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{reason}")]
pub struct OpenError {
    /// What went wrong and how to fix it.
    pub reason: String,
    /// Whether another attempt cannot help.
    pub is_permanent: bool,
}

/// The library did not release a session in time.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error(
    "the library did not release the session within {at_most:?}; its threads are still running"
)]
pub struct Abandoned {
    /// The time limit.
    pub at_most: Duration,
}

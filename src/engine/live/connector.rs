//! What the live source asks of a CTP library, and nothing more: open a session, log in, subscribe,
//! close. Answers come through the [`Inlet`].

use std::time::Duration;

use tickdeck_core::event::InstrumentId;

use super::queue::Inlet;

/// One try to get a session up. Numbers and names are never used twice.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Attempt {
    /// 1 for the first.
    pub number: u32,
    /// Session name, also the name of the flow folder.
    pub session: String,
}

/// Makes sessions. The supervisor has at most one open at a time.
pub trait Connector: Send {
    /// Finds out why no front answered, and tells it in the log; called after a session that was
    /// never connected. Returns at once: names and addresses may take long to try.
    fn explain_silence(&self) {}

    /// How many of the sessions that were [`Abandoned`] the library has let go of since this was asked
    /// last. Asked before a session is opened or counted as abandoned.
    fn reclaimed(&mut self) -> u32 {
        0
    }

    /// Makes a session of its own instance and flow folder, and lets it connect in the background.
    ///
    /// # Errors
    /// When it cannot be made.
    fn open(
        &mut self,
        attempt: &Attempt,
        inlet: Inlet,
    ) -> Result<Box<dyn MarketDataSession>, OpenError>;
}

/// A session with a front. Requests return at once; answers come through the [`Inlet`].
pub trait MarketDataSession: Send {
    /// Asks to log in.
    ///
    /// # Errors
    /// When the library does not take the request.
    fn login(&mut self) -> Result<(), RequestError>;

    /// What has gone wrong inside the session so that it hears nothing any more; asked now and then.
    fn fault(&self) -> Option<&'static str> {
        None
    }

    /// Asks for the market data of `instruments`.
    ///
    /// # Errors
    /// When the library does not take the request; then none of them is subscribed.
    fn subscribe(&mut self, instruments: &[InstrumentId]) -> Result<(), RequestError>;

    /// Ends the session and waits until the library has let go, at most `at_most`.
    ///
    /// # Errors
    /// When the library hangs: the instance is left behind, and may be
    /// [`reclaimed`](Connector::reclaimed).
    fn close(self: Box<Self>, at_most: Duration) -> Result<(), Abandoned>;
}

/// The library did not take a request (guide 1.7).
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

/// A session could not be made.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{reason}")]
pub struct OpenError {
    /// What went wrong and what would mend it.
    pub reason: String,
    /// Whether another attempt cannot do better.
    pub is_permanent: bool,
}

/// The library did not let go of a session in time.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("the library did not release the session within {at_most:?}; its threads are left behind")]
pub struct Abandoned {
    /// How long was waited.
    pub at_most: Duration,
}

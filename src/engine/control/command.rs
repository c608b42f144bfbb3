//! What a user can ask of a running session.

use tickdeck_core::pace::Rate;

/// One request of a user. Every input (signal, key press, caller of the library) makes these.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum Command {
    /// End in an orderly way: release nothing new and finish what was released. Final.
    Stop,
    /// Hold a replay before its next event. A live session cannot be held.
    Pause,
    /// Continue a paused replay.
    Resume,
    /// Pause a running replay, or continue a paused one.
    TogglePause,
    /// Play at another rate from now on. Without a replay that is under way it changes nothing.
    SetRate(Rate),
}

/// A command that only the player can carry out. It waits in the queue of the
/// [`Control`](super::Control) until the player takes it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Order {
    /// See [`Command::SetRate`].
    SetRate(Rate),
}

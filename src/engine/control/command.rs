//! What a user can ask of a running session.

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
}

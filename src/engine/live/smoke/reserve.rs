//! The time that a smoke test keeps for its end.

use std::time::Duration;

/// Time reserved for the end of the session and the gate file.
///
/// Two thirds of it are for the library's Release, which may wait for a connection attempt of 5 s. A
/// short test reserves a third of its time.
pub(super) const RESERVE: Duration = Duration::from_secs(9);
/// Time reserved by a test that lasts `duration`.
pub(super) fn reserve(duration: Duration) -> Duration {
    RESERVE.min(duration / 3)
}

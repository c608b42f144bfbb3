//! What a market data session tells.

use crate::RawTick;
use crate::abi::{LoginResponse, RspInfo};

/// Receives the callbacks of one session, all of them on one thread of the library.
///
/// That thread also reads the socket: a method that blocks stalls the front until it cuts the
/// session. Copy, hand over, return. References are valid during the call only. A panic does not
/// reach the library; it is kept back, no further callback is delivered, and
/// [`MdApi::panicked`](super::MdApi::panicked) says so.
///
/// A request may be made from within a callback, but for the one of a lost connection; a release
/// may not. Take no lock in a method that another thread holds while it makes a request: the
/// library has a lock of its own around both.
#[expect(
    unused_variables,
    reason = "the names are for whoever implements a method"
)]
pub trait MdHandler: Send + Sync + 'static {
    /// The front answered the handshake: time to log in, on every connection anew.
    fn on_front_connected(&self) {}

    /// The connection is lost, see guide 1.6 for the reasons; others occur. The library connects
    /// again by itself: libraries up to 6.7.8 at once, hundreds of times a second if need be.
    /// Requests are refused during this call.
    fn on_front_disconnected(&self, reason: i32) {}

    /// Nothing was received for so many seconds.
    fn on_heartbeat_warning(&self, lapse_s: i32) {}

    /// The answer to a login; a failure when `info` is an error.
    fn on_login(&self, response: &LoginResponse, info: &RspInfo) {}

    /// The answer to a logout, or the front's own.
    fn on_logout(&self, info: &RspInfo) {}

    /// An error that belongs to no other answer.
    fn on_error(&self, info: &RspInfo) {}

    /// The answer to the subscription of one instrument, no proof of data.
    fn on_subscribed(&self, instrument_id: &[u8], info: &RspInfo) {}

    /// The answer to the end of the subscription of one instrument.
    fn on_unsubscribed(&self, instrument_id: &[u8], info: &RspInfo) {}

    /// Market data.
    fn on_tick(&self, tick: &RawTick) {}

    /// The library called a function that tickdeck does not know or never asked for: slot number
    /// in its table.
    fn on_unexpected_slot(&self, slot: usize) {}
}

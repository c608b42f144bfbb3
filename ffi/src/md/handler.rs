//! Callbacks of a market data session.

use crate::RawTick;
use crate::abi::{LoginResponse, RspInfo};

/// Receives the callbacks of one session, all of them on one thread of the library.
///
/// That thread also reads the socket. A method that blocks stalls the front, which then closes the
/// session: copy, hand over, return. References are valid during the call only. A panic does not
/// reach the library: it is caught, no further callback is delivered, and
/// [`MdApi::panicked`](super::MdApi::panicked) is true.
///
/// A callback may make a request, except the callback of a lost connection. It must not release the
/// session. A method must not take a lock that another thread holds while it makes a request: the
/// library holds its own lock around both.
#[expect(unused_variables, reason = "the names help implementors")]
pub trait MdHandler: Send + Sync + 'static {
    /// The connection is up: log in, after every connection.
    fn on_front_connected(&self) {}

    /// The connection was lost, see field guide 1.6 for the reasons; others occur. The library
    /// reconnects by itself: libraries up to 6.7.8 at once, up to hundreds of times a second.
    /// Requests are refused during this call.
    fn on_front_disconnected(&self, reason: i32) {}

    /// Nothing was received for this many seconds.
    fn on_heartbeat_warning(&self, lapse_s: i32) {}

    /// The answer to a login; a refusal when `info` is an error.
    fn on_login(&self, response: &LoginResponse, info: &RspInfo) {}

    /// The answer to a logout, or a logout by the front.
    fn on_logout(&self, info: &RspInfo) {}

    /// An error that belongs to no other answer.
    fn on_error(&self, info: &RspInfo) {}

    /// The answer to the subscription of one instrument. It does not prove that there is data.
    fn on_subscribed(&self, instrument_id: &[u8], info: &RspInfo) {}

    /// The answer to the end of the subscription of one instrument.
    fn on_unsubscribed(&self, instrument_id: &[u8], info: &RspInfo) {}

    /// Market data.
    fn on_tick(&self, tick: &RawTick) {}

    /// The library called a function that tickdeck does not know or did not request: slot number in its
    /// table.
    fn on_unexpected_slot(&self, slot: usize) {}
}

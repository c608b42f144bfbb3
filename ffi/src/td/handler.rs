//! Callbacks of a trader session.

use crate::abi::{Instrument, LoginResponse, RspInfo};

/// Receives the callbacks of one session, all of them on one thread of the library.
///
/// The rules are those of [`MdHandler`](crate::md::MdHandler).
#[expect(unused_variables, reason = "the names help implementors")]
pub trait TdHandler: Send + Sync + 'static {
    /// The connection is up: authenticate, after every connection.
    fn on_front_connected(&self) {}

    /// The connection was lost; the library reconnects by itself.
    fn on_front_disconnected(&self, reason: i32) {}

    /// Nothing was received for this many seconds.
    fn on_heartbeat_warning(&self, lapse_s: i32) {}

    /// The answer to an authentication.
    fn on_authenticated(&self, info: &RspInfo) {}

    /// The answer to a login; a refusal when `info` is an error.
    fn on_login(&self, response: &LoginResponse, info: &RspInfo) {}

    /// The answer to a confirmation of the settlement.
    fn on_settlement_confirmed(&self, info: &RspInfo) {}

    /// One contract of a query, or none if there is none. `is_last` ends the answer to the request of
    /// this number.
    fn on_instrument(
        &self,
        instrument: Option<&Instrument>,
        info: &RspInfo,
        request_id: i32,
        is_last: bool,
    ) {
    }

    /// An error that belongs to no other answer.
    fn on_error(&self, info: &RspInfo, request_id: i32) {}

    /// The library called a function beyond the table of its version: slot number.
    fn on_unexpected_slot(&self, slot: usize) {}
}

//! A request of a trader client, and the context that its answer is made from.

use super::tables::Method;
use crate::market::Market;
use crate::settings::Account;
use crate::version::Emulated;

/// A request of the client.
#[derive(Debug, Clone)]
pub struct TdRequest {
    /// Which.
    pub method: &'static Method,
    /// The client's struct.
    pub bytes: Vec<u8>,
    /// The request's number.
    pub request_id: i32,
}

/// The context that an answer is made from.
pub(super) struct Context<'a> {
    pub(super) version: &'static Emulated,
    pub(super) market: &'a Market,
    pub(super) account: &'a Account,
    pub(super) is_confirmed: bool,
}

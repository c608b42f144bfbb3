//! The object that a market data library calls.
//!
//! Each function copies its arguments out of the library's memory, passes the gate and calls the
//! handler. Nothing else happens on the library's thread.

use std::ffi::{c_int, c_void};
use std::sync::{Arc, OnceLock};

use super::handler::MdHandler;
use crate::abi::signature::{ErrorResponse, Plain, Response, TakesInt, TakesPointer, This};
use crate::abi::{
    ApiVersion, LoginResponse, MdCallback, RspInfo, SpiTable, TickLayout, specific_instrument_id,
};
use crate::client::{Entry, Gate, SpiObject, VTable};

/// A `CThostFtdcMdSpi` of one version in front of a handler. Never freed.
#[derive(Debug, Clone, Copy)]
pub struct MdSpi(&'static Object);

type Object = SpiObject<dyn MdHandler, Context>;

/// What the callbacks need of the library's version.
#[derive(Debug)]
struct Context {
    layout: TickLayout,
    version: ApiVersion,
}

impl MdSpi {
    /// Makes the object for a library of this version that calls through this table.
    #[must_use]
    pub fn new(version: &ApiVersion, table: SpiTable, handler: Arc<dyn MdHandler>) -> Self {
        let context = Context {
            layout: TickLayout::of(version),
            version: version.clone(),
        };
        Self(SpiObject::leak(vtable(table), context, handler))
    }

    /// The object as a library takes it. The library may call it through its table at any time.
    #[must_use]
    pub fn as_ptr(self) -> *mut c_void {
        self.0.as_ptr()
    }

    pub(super) fn gate(self) -> &'static Gate<dyn MdHandler> {
        &self.0.gate
    }
}

/// The object that `this` points to.
///
/// # Safety
/// `this` was returned by [`MdSpi::as_ptr`].
unsafe fn spi(this: This) -> &'static Object {
    // SAFETY: the caller's promise.
    unsafe { Object::from_this(this) }
}

unsafe extern "C" fn on_front_connected(this: This) {
    // SAFETY: the library passes the object that it was given.
    let spi = unsafe { spi(this) };
    spi.gate.pass(MdHandler::on_front_connected);
}

unsafe extern "C" fn on_front_disconnected(this: This, reason: c_int) {
    // SAFETY: the library passes the object that it was given.
    let spi = unsafe { spi(this) };
    // The library holds the lock that requests take (seen with seven versions, 6.3.15 to 6.7.13).
    spi.gate
        .pass_locked(|handler| handler.on_front_disconnected(reason));
}

unsafe extern "C" fn on_heart_beat_warning(this: This, lapse_s: c_int) {
    // SAFETY: the library passes the object that it was given.
    let spi = unsafe { spi(this) };
    spi.gate
        .pass(|handler| handler.on_heartbeat_warning(lapse_s));
}

unsafe extern "C" fn on_rsp_user_login(
    this: This,
    login: *mut c_void,
    info: *mut c_void,
    _request_id: c_int,
    _is_last: u8,
) {
    // SAFETY: the library passes the object that it was given.
    let spi = unsafe { spi(this) };
    // SAFETY: null or the login answer of the library's version, alive during the call.
    let login = unsafe { LoginResponse::read(login, &spi.context.version) }.unwrap_or_default();
    // SAFETY: null or an error struct, alive during the call.
    let info = unsafe { RspInfo::read(info) };
    spi.gate.pass(|handler| handler.on_login(&login, &info));
}

unsafe extern "C" fn on_rsp_user_logout(
    this: This,
    _logout: *mut c_void,
    info: *mut c_void,
    _request_id: c_int,
    _is_last: u8,
) {
    // SAFETY: the library passes the object that it was given.
    let spi = unsafe { spi(this) };
    // SAFETY: null or an error struct, alive during the call.
    let info = unsafe { RspInfo::read(info) };
    spi.gate.pass(|handler| handler.on_logout(&info));
}

unsafe extern "C" fn on_rsp_error(this: This, info: *mut c_void, _request_id: c_int, _is_last: u8) {
    // SAFETY: the library passes the object that it was given.
    let spi = unsafe { spi(this) };
    // SAFETY: null or an error struct, alive during the call.
    let info = unsafe { RspInfo::read(info) };
    spi.gate.pass(|handler| handler.on_error(&info));
}

/// Common part of the answers to a subscription and to its end.
///
/// # Safety
/// The arguments are those of such a callback.
unsafe fn acknowledge(
    this: This,
    instrument: *mut c_void,
    info: *mut c_void,
    call: impl FnOnce(&dyn MdHandler, &[u8], &RspInfo),
) {
    // SAFETY: the caller's promise.
    let spi = unsafe { spi(this) };
    // SAFETY: null or the instrument struct of the library's version, alive during the call.
    let id =
        unsafe { specific_instrument_id(instrument, &spi.context.version) }.unwrap_or_default();
    // SAFETY: null or an error struct, alive during the call.
    let info = unsafe { RspInfo::read(info) };
    spi.gate.pass(|handler| call(handler, id.as_bytes(), &info));
}

unsafe extern "C" fn on_rsp_sub_market_data(
    this: This,
    instrument: *mut c_void,
    info: *mut c_void,
    _request_id: c_int,
    _is_last: u8,
) {
    // SAFETY: the arguments are passed on as they came.
    unsafe {
        acknowledge(this, instrument, info, MdHandler::on_subscribed);
    }
}

unsafe extern "C" fn on_rsp_un_sub_market_data(
    this: This,
    instrument: *mut c_void,
    info: *mut c_void,
    _request_id: c_int,
    _is_last: u8,
) {
    // SAFETY: the arguments are passed on as they came.
    unsafe {
        acknowledge(this, instrument, info, MdHandler::on_unsubscribed);
    }
}

unsafe extern "C" fn on_rtn_depth_market_data(this: This, tick: *mut c_void) {
    // SAFETY: the library passes the object that it was given.
    let spi = unsafe { spi(this) };
    if tick.is_null() {
        return;
    }
    // SAFETY: not null: a tick in the layout of the library's version, alive during the call.
    let tick = unsafe { spi.context.layout.read(tick) };
    spi.gate.pass(|handler| handler.on_tick(&tick));
}

/// Fills every slot that the library should not call. Its arguments do not matter: they are in
/// registers that it does not read.
unsafe extern "C" fn unexpected<const SLOT: usize>(this: This) {
    // SAFETY: the library passes the object that it was given.
    let spi = unsafe { spi(this) };
    spi.gate.pass(|handler| handler.on_unexpected_slot(SLOT));
}

macro_rules! unexpected_entries {
    ($($slot:literal)*) => {
        [$(($slot, Entry(unexpected::<$slot> as Plain as *const c_void))),*]
    };
}

/// Slots 0 to 20: thirteen functions and eight spare ones.
fn unexpected_entries() -> [(usize, Entry); 21] {
    unexpected_entries!(0 1 2 3 4 5 6 7 8 9 10 11 12 13 14 15 16 17 18 19 20)
}

fn known_entries() -> [(MdCallback, Entry); 9] {
    let plain = |function: Plain| Entry(function as *const c_void);
    let int = |function: TakesInt| Entry(function as *const c_void);
    let push = |function: TakesPointer| Entry(function as *const c_void);
    let answer = |function: Response| Entry(function as *const c_void);
    let error = |function: ErrorResponse| Entry(function as *const c_void);
    [
        (MdCallback::OnFrontConnected, plain(on_front_connected)),
        (MdCallback::OnFrontDisconnected, int(on_front_disconnected)),
        (MdCallback::OnHeartBeatWarning, int(on_heart_beat_warning)),
        (MdCallback::OnRspUserLogin, answer(on_rsp_user_login)),
        (MdCallback::OnRspUserLogout, answer(on_rsp_user_logout)),
        (MdCallback::OnRspError, error(on_rsp_error)),
        (
            MdCallback::OnRspSubMarketData,
            answer(on_rsp_sub_market_data),
        ),
        (
            MdCallback::OnRspUnSubMarketData,
            answer(on_rsp_un_sub_market_data),
        ),
        (
            MdCallback::OnRtnDepthMarketData,
            push(on_rtn_depth_market_data),
        ),
    ]
}

/// The table; built once.
fn vtable(table: SpiTable) -> VTable {
    static TABLES: [OnceLock<VTable>; 2] = [OnceLock::new(), OnceLock::new()];
    let index = match table {
        SpiTable::Twelve => 0,
        SpiTable::Thirteen => 1,
    };
    *TABLES[index].get_or_init(|| {
        let unexpected = unexpected_entries();
        // Later table entries replace earlier ones.
        let slots = table.slots();
        let fits = unexpected
            .into_iter()
            .filter(|(slot, _)| *slot < slots + VTable::SPARE);
        let known = known_entries()
            .into_iter()
            .filter_map(|(callback, entry)| Some((callback.slot(table)?, entry)));
        VTable::build(slots, unexpected[0].1, fits.chain(known))
    })
}

#[cfg(test)]
mod tests;

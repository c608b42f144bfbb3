//! The object that a trader library calls.
//!
//! Its table has up to 178 functions. A few of them answer requests of this client. The others are
//! reports about orders, transfers and market states; they are dropped.

use std::ffi::{c_int, c_void};
use std::sync::Arc;

use super::handler::TdHandler;
use crate::abi::signature::{ErrorResponse, Plain, Response, TakesInt, This};
use crate::abi::{ApiVersion, Instrument, LoginResponse, RspInfo, TraderSpiSlots};
use crate::client::{Entry, Gate, SpiObject, VTable};

/// A `CThostFtdcTraderSpi` of one version in front of a handler. Never freed.
#[derive(Debug, Clone, Copy)]
pub(super) struct TdSpi(&'static Object);

type Object = SpiObject<dyn TdHandler, Context>;

/// What the callbacks need of the library's version.
#[derive(Debug)]
struct Context {
    version: ApiVersion,
    /// Number of functions in the version's table; the spare ones follow.
    slots: usize,
}

impl TdSpi {
    /// Makes the object; `table` was made by [`vtable`] from the slots of this version.
    pub(super) fn new(
        version: &ApiVersion,
        slots: &TraderSpiSlots,
        table: VTable,
        handler: Arc<dyn TdHandler>,
    ) -> Self {
        let context = Context {
            version: version.clone(),
            slots: slots.count,
        };
        Self(SpiObject::leak(table, context, handler))
    }

    /// The object as a library takes it.
    pub(super) fn as_ptr(self) -> *mut c_void {
        self.0.as_ptr()
    }

    pub(super) fn gate(self) -> &'static Gate<dyn TdHandler> {
        &self.0.gate
    }
}

/// The object that `this` points to.
///
/// # Safety
/// `this` was returned by [`TdSpi::as_ptr`].
unsafe fn spi(this: This) -> &'static Object {
    // SAFETY: the caller's promise.
    unsafe { Object::from_this(this) }
}

unsafe extern "C" fn on_front_connected(this: This) {
    // SAFETY: the library passes the object that it was given.
    let spi = unsafe { spi(this) };
    spi.gate.pass(TdHandler::on_front_connected);
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

unsafe extern "C" fn on_rsp_authenticate(
    this: This,
    _authenticate: *mut c_void,
    info: *mut c_void,
    _request_id: c_int,
    _is_last: u8,
) {
    // SAFETY: the library passes the object that it was given.
    let spi = unsafe { spi(this) };
    // SAFETY: null or an error struct, alive during the call.
    let info = unsafe { RspInfo::read(info) };
    spi.gate.pass(|handler| handler.on_authenticated(&info));
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

unsafe extern "C" fn on_rsp_settlement_info_confirm(
    this: This,
    _confirm: *mut c_void,
    info: *mut c_void,
    _request_id: c_int,
    _is_last: u8,
) {
    // SAFETY: the library passes the object that it was given.
    let spi = unsafe { spi(this) };
    // SAFETY: null or an error struct, alive during the call.
    let info = unsafe { RspInfo::read(info) };
    spi.gate
        .pass(|handler| handler.on_settlement_confirmed(&info));
}

unsafe extern "C" fn on_rsp_qry_instrument(
    this: This,
    instrument: *mut c_void,
    info: *mut c_void,
    request_id: c_int,
    is_last: u8,
) {
    // SAFETY: the library passes the object that it was given.
    let spi = unsafe { spi(this) };
    // SAFETY: null or the instrument of the library's version, alive during the call.
    let instrument = unsafe { Instrument::read(instrument, &spi.context.version) };
    // SAFETY: null or an error struct, alive during the call.
    let info = unsafe { RspInfo::read(info) };
    spi.gate.pass(|handler| {
        handler.on_instrument(instrument.as_ref(), &info, request_id, is_last != 0);
    });
}

unsafe extern "C" fn on_rsp_error(this: This, info: *mut c_void, request_id: c_int, _is_last: u8) {
    // SAFETY: the library passes the object that it was given.
    let spi = unsafe { spi(this) };
    // SAFETY: null or an error struct, alive during the call.
    let info = unsafe { RspInfo::read(info) };
    spi.gate.pass(|handler| handler.on_error(&info, request_id));
}

/// Fills every slot that this client does not use, whatever its arguments are.
unsafe extern "C" fn ignored(_this: This) {}

/// Fills the slots beyond the table of the version.
unsafe extern "C" fn unexpected<const SPARE: usize>(this: This) {
    // SAFETY: the library passes the object that it was given.
    let spi = unsafe { spi(this) };
    spi.gate
        .pass(|handler| handler.on_unexpected_slot(spi.context.slots + SPARE));
}

macro_rules! spare_entries {
    ($count:expr; $($number:literal)*) => {
        [$(($count + $number, Entry(unexpected::<$number> as Plain as *const c_void))),*]
    };
}

/// The table of a version; built once per library and never freed.
pub(super) fn vtable(slots: &TraderSpiSlots) -> VTable {
    let plain = |function: Plain| Entry(function as *const c_void);
    let int = |function: TakesInt| Entry(function as *const c_void);
    let answer = |function: Response| Entry(function as *const c_void);
    let error = |function: ErrorResponse| Entry(function as *const c_void);
    let known = [
        (slots.on_front_connected, plain(on_front_connected)),
        (slots.on_front_disconnected, int(on_front_disconnected)),
        (slots.on_heart_beat_warning, int(on_heart_beat_warning)),
        (slots.on_rsp_authenticate, answer(on_rsp_authenticate)),
        (slots.on_rsp_user_login, answer(on_rsp_user_login)),
        (
            slots.on_rsp_settlement_info_confirm,
            answer(on_rsp_settlement_info_confirm),
        ),
        (slots.on_rsp_qry_instrument, answer(on_rsp_qry_instrument)),
        (slots.on_rsp_error, error(on_rsp_error)),
    ];
    let spare: [_; VTable::SPARE] = spare_entries!(slots.count; 0 1 2 3 4 5 6 7);
    VTable::build(slots.count, plain(ignored), known.into_iter().chain(spare))
}

#[cfg(test)]
mod tests;

//! The object that a trader library calls.
//!
//! Its table has up to 178 functions, of which a handful answer what this client asks. The others
//! are news about orders, transfers and market states; they are dropped.

use std::ffi::{c_int, c_void};
use std::sync::Arc;

use super::handler::TdHandler;
use crate::abi::signature::{ErrorResponse, Plain, Response, TakesInt, This};
use crate::abi::{ApiVersion, Instrument, LoginResponse, RspInfo, TraderSpiSlots};
use crate::client::{Entry, Gate, VTable};

/// A `CThostFtdcTraderSpi` of one version in front of a handler. Never freed, see
/// [`MdSpi`](crate::md::MdSpi).
#[derive(Debug, Clone, Copy)]
pub(super) struct TdSpi(&'static SpiObject);

#[repr(C)]
#[derive(Debug)]
struct SpiObject {
    /// First, as in every C++ object that has virtual functions.
    table: *const c_void,
    version: ApiVersion,
    /// How many functions the version's table has; the spare ones follow.
    slots: usize,
    gate: Gate<dyn TdHandler>,
}

// SAFETY: only `table` is not Send by itself, a pointer to functions that are leaked once and never
// written again; the handler behind the gate is Send + Sync by its trait.
unsafe impl Send for SpiObject {}
// SAFETY: nothing in it is changed through a shared reference but the gate's own lock and atomics,
// and the table is read only; the library's thread and ours may look at the same time.
unsafe impl Sync for SpiObject {}

impl TdSpi {
    /// Makes the object; `table` was made by [`vtable`] from the slots of this version.
    pub(super) fn new(
        version: &ApiVersion,
        slots: &TraderSpiSlots,
        table: VTable,
        handler: Arc<dyn TdHandler>,
    ) -> Self {
        Self(Box::leak(Box::new(SpiObject {
            table: table.pointer(),
            version: version.clone(),
            slots: slots.count,
            gate: Gate::new(handler),
        })))
    }

    /// The object as a library takes it.
    pub(super) fn as_ptr(self) -> *mut c_void {
        std::ptr::from_ref(self.0).cast_mut().cast()
    }

    pub(super) fn gate(self) -> &'static Gate<dyn TdHandler> {
        &self.0.gate
    }
}

/// The object behind `this`.
///
/// # Safety
/// `this` is what [`TdSpi::as_ptr`] gave.
unsafe fn spi(this: This) -> &'static SpiObject {
    // SAFETY: the caller's promise; the object is never freed and never changed.
    unsafe { &*this.cast::<SpiObject>() }
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
    let login = unsafe { LoginResponse::read(login, &spi.version) }.unwrap_or_default();
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
    let instrument = unsafe { Instrument::read(instrument, &spi.version) };
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

/// Stands in every slot that is of no interest, whatever its arguments are.
unsafe extern "C" fn ignored(_this: This) {}

/// Stands behind the table of the version.
unsafe extern "C" fn unexpected<const SPARE: usize>(this: This) {
    // SAFETY: the library passes the object that it was given.
    let spi = unsafe { spi(this) };
    spi.gate
        .pass(|handler| handler.on_unexpected_slot(spi.slots + SPARE));
}

macro_rules! spare_entries {
    ($count:expr; $($number:literal)*) => {
        [$(($count + $number, Entry(unexpected::<$number> as Plain as *const c_void))),*]
    };
}

/// The table of a version; made once a library, for ever.
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

//! The symbols that a client links to or looks up: the vendor's mangled names, and one of tickdeck.

use std::ffi::{c_char, c_int, c_void};
use std::panic::catch_unwind;

use tickdeck_front::environment;
use tickdeck_front::faults::Front;
use tickdeck_front::log;

use crate::arguments;
use crate::object;

fn create(flow: *const c_char, asked: &'static str) -> *mut c_void {
    let created = catch_unwind(|| {
        // SAFETY: the API demands a NUL-terminated flow path, or null.
        let flow = unsafe { arguments::text(flow) };
        let version = environment::version(Front::MarketData);
        log::info(
            "sim_created",
            &[("api", "md".into()), ("version", version.name.into())],
        );
        if asked == "with mode" && !version.has_production_mode() {
            let text = format!(
                "the client was built for 6.7.11 or later, and {} is emulated: callbacks will \
                 reach the wrong functions if it is older than 6.6.1; set TICKDECK_SIM_API_VERSION",
                version.name
            );
            log::misuse("md", "CreateFtdcMdApi", &text);
        }
        object::create(flow)
    });
    created.unwrap_or(std::ptr::null_mut())
}

/// `CThostFtdcMdApi::CreateFtdcMdApi(const char*, bool, bool)`, up to 6.7.10.
///
/// # Safety
/// The path is null or NUL-terminated.
#[unsafe(export_name = "_ZN15CThostFtdcMdApi15CreateFtdcMdApiEPKcbb")]
pub unsafe extern "C" fn create_md(flow: *const c_char, _udp: u8, _multicast: u8) -> *mut c_void {
    create(flow, "without mode")
}

/// `CThostFtdcMdApi::CreateFtdcMdApi(const char*, bool, bool, bool)`, since 6.7.11.
///
/// # Safety
/// The path is null or NUL-terminated.
#[unsafe(export_name = "_ZN15CThostFtdcMdApi15CreateFtdcMdApiEPKcbbb")]
pub unsafe extern "C" fn create_md_with_mode(
    flow: *const c_char,
    _udp: u8,
    _multicast: u8,
    _production: u8,
) -> *mut c_void {
    create(flow, "with mode")
}

/// `CThostFtdcMdApi::GetApiVersion()`: the text of the emulated version, as the vendor prints it.
#[unsafe(export_name = "_ZN15CThostFtdcMdApi13GetApiVersionEv")]
pub extern "C" fn get_api_version() -> *const c_char {
    let text = catch_unwind(|| environment::version(Front::MarketData).text.as_ptr());
    text.unwrap_or(c"".as_ptr())
}

/// The mark of the simulated front: one file is every version, so a loader must go by the version
/// text and by no other symbol. Returns the same text.
#[unsafe(export_name = "tickdeck_sim_api_version")]
pub extern "C" fn simulated_front() -> *const c_char {
    get_api_version()
}

/// `CFtdcMdApiImpl::ReqQryMulticastInstrument`: loaders recognize the callback table by its
/// presence.
///
/// # Safety
/// As a call through the object's table.
#[unsafe(export_name = "_ZN14CFtdcMdApiImpl25ReqQryMulticastInstrumentEP37CThostFtdcQryMulticastInstrumentFieldi")]
pub unsafe extern "C" fn query_multicast(
    this: *mut c_void,
    query: *mut c_void,
    request_id: c_int,
) -> c_int {
    // SAFETY: the same contract.
    unsafe { object::query_multicast(this, query, request_id) }
}

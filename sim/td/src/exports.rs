//! The symbols that a client links to or looks up: the vendor's mangled names, and one of tickdeck.

use std::ffi::{c_char, c_void};
use std::panic::catch_unwind;

use tickdeck_front::environment;
use tickdeck_front::faults::Front;
use tickdeck_front::log;

use crate::methods;
use crate::object;

fn create(flow: *const c_char, is_newer: bool) -> *mut c_void {
    let created = catch_unwind(|| {
        // SAFETY: the API demands a NUL-terminated flow path, or null.
        let flow = unsafe { object::text(flow) };
        let version = environment::version(Front::Trader);
        let is_known = environment::chosen(Front::Trader).is_ok();
        if is_known && version.has_production_mode() != is_newer {
            // The tables differ for certain: any call would reach another function.
            let built = if is_newer {
                "6.7.11 or later"
            } else {
                "6.7.10 or earlier"
            };
            let text = format!(
                "the client was built for {built}, and {} is emulated: set \
                 TICKDECK_SIM_API_VERSION to the client's version. It gets a null pointer",
                version.name
            );
            log::misuse("td", "CreateFtdcTraderApi", &text);
            return std::ptr::null_mut();
        }
        log::info(
            "sim_created",
            &[("api", "td".into()), ("version", version.name.into())],
        );
        object::create(methods::table(), flow)
    });
    created.unwrap_or(std::ptr::null_mut())
}

/// `CThostFtdcTraderApi::CreateFtdcTraderApi(const char*)`, up to 6.7.10.
///
/// # Safety
/// The path is null or NUL-terminated.
#[unsafe(export_name = "_ZN19CThostFtdcTraderApi19CreateFtdcTraderApiEPKc")]
pub unsafe extern "C" fn create_trader(flow: *const c_char) -> *mut c_void {
    create(flow, false)
}

/// `CThostFtdcTraderApi::CreateFtdcTraderApi(const char*, bool)`, since 6.7.11.
///
/// # Safety
/// The path is null or NUL-terminated.
#[unsafe(export_name = "_ZN19CThostFtdcTraderApi19CreateFtdcTraderApiEPKcb")]
pub unsafe extern "C" fn create_trader_with_mode(
    flow: *const c_char,
    _production: u8,
) -> *mut c_void {
    create(flow, true)
}

/// `CThostFtdcTraderApi::GetApiVersion()`: the text of the emulated version, as the vendor prints
/// it.
#[unsafe(export_name = "_ZN19CThostFtdcTraderApi13GetApiVersionEv")]
pub extern "C" fn get_api_version() -> *const c_char {
    let text = catch_unwind(|| environment::version(Front::Trader).text.as_ptr());
    text.unwrap_or(c"".as_ptr())
}

/// The mark of the simulated front: one file is every version, so a loader must go by the version
/// text and by no other symbol. Returns the same text.
#[unsafe(export_name = "tickdeck_sim_api_version")]
pub extern "C" fn simulated_front() -> *const c_char {
    get_api_version()
}

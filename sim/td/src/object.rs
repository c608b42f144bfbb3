//! The API object and its functions that are not requests.
//! It is never freed, see [`tickdeck_front::objects`].

use std::ffi::{CStr, c_char, c_int, c_void};
use std::sync::atomic::{AtomicPtr, Ordering};

use tickdeck_ffi::abi::signature::Plain;
use tickdeck_front::environment;
use tickdeck_front::faults::{Faults, Front};
use tickdeck_front::fields::CStruct;
use tickdeck_front::instance::Instance;
use tickdeck_front::log;
use tickdeck_front::objects::{ApiObject, Objects};
use tickdeck_front::reactor::now;
use tickdeck_front::settings::Settings;
use tickdeck_front::td::TdSession;

use crate::spi;

/// What a request function returns when it could do nothing.
pub(crate) const FAILED: c_int = -1;

/// `int f(T*)`.
pub(crate) type TakesPointerInt = unsafe extern "C" fn(*mut c_void, *mut c_void) -> c_int;

/// An entry of a table of virtual functions. Every function is called through the signature of the
/// slot, never through this one.
pub(crate) type Entry = Plain;

/// A `CThostFtdcTraderApi`.
#[repr(C)]
pub(crate) struct TdApi {
    /// The table of the emulated version; never changed.
    methods: AtomicPtr<Entry>,
    spi: AtomicPtr<c_void>,
    pub(crate) instance: Instance<TdSession>,
}

impl ApiObject for TdApi {
    type Session = TdSession;
    const API: &'static str = "td";

    fn instance(&self) -> &Instance<TdSession> {
        &self.instance
    }
}

static OBJECTS: Objects<TdApi> = Objects::new();

/// Makes an object for the client, with the table of the emulated version.
pub(crate) fn create(methods: *const Entry, flow: String) -> *mut c_void {
    OBJECTS.add(TdApi {
        methods: AtomicPtr::new(methods.cast_mut()),
        spi: AtomicPtr::new(std::ptr::null_mut()),
        instance: Instance::new("td", flow),
    })
}

/// Runs `body` on the object; `fallback` when there is none, it was released, or `body` panicked.
pub(crate) fn enter<T>(
    this: *mut c_void,
    call: &str,
    fallback: T,
    body: impl FnOnce(&'static TdApi) -> T,
) -> T {
    OBJECTS.enter(this, call, fallback, body)
}

/// A C string as text; empty for a null pointer.
///
/// # Safety
/// A pointer that is not null points to a NUL-terminated string.
pub(crate) unsafe fn text(pointer: *const c_char) -> String {
    if pointer.is_null() {
        return String::new();
    }
    // SAFETY: not null, and the caller guarantees the NUL.
    let text = unsafe { CStr::from_ptr(pointer) };
    text.to_string_lossy().into_owned()
}

pub(crate) unsafe extern "C" fn release(this: *mut c_void) {
    enter(this, "Release", (), |api| api.instance.release());
}

pub(crate) unsafe extern "C" fn init(this: *mut c_void) {
    enter(this, "Init", (), |api| {
        if api.spi.load(Ordering::Acquire).is_null() {
            log::misuse("td", "Init", "no callback object was registered before it");
        }
        let caller = spi::Caller::new(environment::version(Front::Trader));
        api.instance
            .init(session, move |event| caller.call(&api.spi, &event));
    });
}

fn session(settings: Option<Settings>, fronts: Vec<String>) -> TdSession {
    let (settings, faults) = Faults::for_session(settings, Front::Trader, fronts);
    TdSession::new(environment::version(Front::Trader), settings, faults, now())
}

pub(crate) unsafe extern "C" fn join(this: *mut c_void) -> c_int {
    enter(this, "Join", FAILED, |api| api.instance.join())
}

pub(crate) unsafe extern "C" fn get_trading_day(this: *mut c_void) -> *const c_char {
    enter(this, "GetTradingDay", c"".as_ptr(), |api| {
        api.instance.trading_day(TdSession::trading_day)
    })
}

/// Describes the front: the simulated one has no address and allows one query a second.
pub(crate) unsafe extern "C" fn get_front_info(this: *mut c_void, info: *mut c_void) {
    /// `sizeof(CThostFtdcFrontInfoField)`.
    const SIZE: usize = 112;
    enter(this, "GetFrontInfo", (), |_| {
        if info.is_null() {
            return;
        }
        let made = CStruct::new("FrontInfo", environment::version(Front::Trader))
            .text("FrontAddr", b"tcp://simulated")
            .int("QryFreq", 1);
        let words = made.words().as_ptr().cast::<u8>();
        // SAFETY: the client passes a struct of this size to be filled, ours is larger.
        unsafe { std::ptr::copy_nonoverlapping(words, info.cast::<u8>(), SIZE) };
    });
}

pub(crate) unsafe extern "C" fn register_front(this: *mut c_void, address: *mut c_char) {
    enter(this, "RegisterFront", (), |api| {
        // SAFETY: the API demands a NUL-terminated address.
        let address = unsafe { text(address) };
        api.instance.register_front(address);
    });
}

pub(crate) unsafe extern "C" fn register_fens_user_info(this: *mut c_void, _info: *mut c_void) {
    enter(this, "RegisterFensUserInfo", (), |_| ());
}

pub(crate) unsafe extern "C" fn register_spi(this: *mut c_void, spi: *mut c_void) {
    enter(this, "RegisterSpi", (), |api| {
        api.instance.note_spi(spi.is_null());
        api.spi.store(spi, Ordering::Release);
    });
}

/// The private and public streams carry orders and trades, of which there are none.
pub(crate) unsafe extern "C" fn subscribe_topic(this: *mut c_void, _resume: c_int) {
    enter(this, "Subscribe…Topic", (), |_| ());
}

/// Ignores what a client reports about its machine.
pub(crate) unsafe extern "C" fn take_system_info(this: *mut c_void, _info: *mut c_void) -> c_int {
    enter(this, "…SystemInfo", FAILED, |_| 0)
}

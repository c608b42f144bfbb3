//! The API object and its functions that are no requests.
//!
//! An object is never freed. `Release` ends its thread and its session; the shell stays (some
//! hundred bytes each), known to [`OBJECTS`], so that whatever a client calls on it later finds
//! memory that says "released".

use std::ffi::{CStr, c_char, c_int, c_void};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::atomic::{AtomicPtr, Ordering};
use std::sync::{Mutex, PoisonError};

use tickdeck_front::environment;
use tickdeck_front::fields::CStruct;
use tickdeck_front::instance::Instance;
use tickdeck_front::log;
use tickdeck_front::reactor::now;
use tickdeck_front::td::TdSession;

use crate::methods;
use crate::spi;

/// What a request function returns when it could do nothing.
pub(crate) const FAILED: c_int = -1;

/// `int f(T*)`.
pub(crate) type TakesPointerInt = unsafe extern "C" fn(*mut c_void, *mut c_void) -> c_int;

/// A `CThostFtdcTraderApi`.
#[repr(C)]
pub(crate) struct TdApi {
    /// The table of the emulated version; never changed.
    methods: AtomicPtr<methods::Entry>,
    spi: AtomicPtr<c_void>,
    pub(crate) instance: Instance<TdSession>,
}

/// Every object there ever was.
static OBJECTS: Mutex<Vec<&'static TdApi>> = Mutex::new(Vec::new());

/// Makes an object for the client.
pub(crate) fn create(flow: String) -> *mut c_void {
    let api: &'static TdApi = Box::leak(Box::new(TdApi {
        methods: AtomicPtr::new(methods::table().cast_mut()),
        spi: AtomicPtr::new(std::ptr::null_mut()),
        instance: Instance::new("td", flow),
    }));
    OBJECTS
        .lock()
        .unwrap_or_else(PoisonError::into_inner)
        .push(api);
    std::ptr::from_ref(api).cast_mut().cast()
}

/// Runs `body` on the object; `fallback` when there is none, it was released, or `body` panicked.
pub(crate) fn enter<T>(
    this: *mut c_void,
    call: &str,
    fallback: T,
    body: impl FnOnce(&'static TdApi) -> T,
) -> T {
    let guarded = AssertUnwindSafe(|| {
        let known = OBJECTS.lock().unwrap_or_else(PoisonError::into_inner);
        // Looked up instead of followed: a wild pointer is told, too. The newest one comes first.
        let api = known
            .iter()
            .rev()
            .copied()
            .find(|api| std::ptr::eq(std::ptr::from_ref(*api).cast(), this));
        drop(known);
        match api {
            Some(api) if call == "Release" || api.instance.is_usable(call) => Some(body(api)),
            Some(_) => None,
            None => {
                log::misuse("td", call, "called on a pointer that is no API object");
                None
            }
        }
    });
    match catch_unwind(guarded) {
        Ok(Some(value)) => value,
        Ok(None) => fallback,
        Err(_) => {
            log::warn("sim_panic", &[("api", "td".into()), ("call", call.into())]);
            fallback
        }
    }
}

/// A C string as text; empty for a null pointer.
///
/// # Safety
/// A pointer that is not null points to a NUL-terminated string.
pub(crate) unsafe fn text(pointer: *const c_char) -> String {
    if pointer.is_null() {
        return String::new();
    }
    // SAFETY: not null, and the caller answers for the NUL.
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
        let version = environment::version();
        let caller = spi::Caller::new(version);
        api.instance.init(
            |settings| TdSession::new(version, settings, now()),
            move |event| caller.call(&api.spi, &event),
        );
    });
}

pub(crate) unsafe extern "C" fn join(this: *mut c_void) -> c_int {
    enter(this, "Join", FAILED, |api| api.instance.join())
}

pub(crate) unsafe extern "C" fn get_trading_day(this: *mut c_void) -> *const c_char {
    enter(this, "GetTradingDay", c"".as_ptr(), |api| {
        api.instance.trading_day(TdSession::trading_day)
    })
}

/// Tells which front answered: the simulated one has no address, and allows one query a second.
pub(crate) unsafe extern "C" fn get_front_info(this: *mut c_void, info: *mut c_void) {
    /// `sizeof(CThostFtdcFrontInfoField)`.
    const SIZE: usize = 112;
    enter(this, "GetFrontInfo", (), |_| {
        if info.is_null() {
            return;
        }
        let made = CStruct::new("FrontInfo", environment::version())
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

/// What a client tells of its machine is of no interest.
pub(crate) unsafe extern "C" fn take_system_info(this: *mut c_void, _info: *mut c_void) -> c_int {
    enter(this, "…SystemInfo", FAILED, |_| 0)
}

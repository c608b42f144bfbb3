//! The API object: a pointer to its table of virtual functions, as a C++ client expects it, and the
//! state behind it.
//! It is never freed, see [`tickdeck_front::objects`].

use std::ffi::{c_char, c_int, c_void};
use std::sync::atomic::{AtomicPtr, Ordering};

use tickdeck_ffi::abi::signature::{
    Plain, PlainInt, PlainText, Request, Subscribe, TakesPointer, TakesText,
};
use tickdeck_front::environment;
use tickdeck_front::faults::{Faults, Front};
use tickdeck_front::instance::Instance;
use tickdeck_front::log;
use tickdeck_front::md::{MdEvent, MdRequest, MdSession, SubscriptionKind};
use tickdeck_front::objects::{ApiObject, Objects};
use tickdeck_front::reactor::now;
use tickdeck_front::report::DeliveredTicks;
use tickdeck_front::settings::Settings;

use crate::arguments;
use crate::spi;

/// What a request function returns when it could do nothing.
const FAILED: c_int = -1;

/// The virtual functions in slot order (field guide 3.1). The last one is not in 6.3.15, whose
/// clients never call it; so one table serves all versions.
#[repr(C)]
pub(crate) struct Methods {
    release: Plain,
    init: Plain,
    join: PlainInt,
    get_trading_day: PlainText,
    register_front: TakesText,
    register_name_server: TakesText,
    register_fens_user_info: TakesPointer,
    register_spi: TakesPointer,
    subscribe: Subscribe,
    unsubscribe: Subscribe,
    subscribe_quote: Subscribe,
    unsubscribe_quote: Subscribe,
    login: Request,
    logout: Request,
    query_multicast: Request,
}

/// A C++ table: the words before its first function are for RTTI, which no client of this class
/// uses (field guide 3.2).
#[repr(C)]
struct Table {
    offset_to_top: isize,
    type_info: Option<&'static ()>,
    methods: Methods,
}

static TABLE: Table = Table {
    offset_to_top: 0,
    type_info: None,
    methods: Methods {
        release,
        init,
        join,
        get_trading_day,
        register_front,
        register_name_server,
        register_fens_user_info,
        register_spi,
        subscribe,
        unsubscribe,
        subscribe_quote,
        unsubscribe_quote,
        login,
        logout,
        query_multicast,
    },
};

/// A `CThostFtdcMdApi`.
#[repr(C)]
pub(crate) struct MdApi {
    methods: &'static Methods,
    pub(crate) spi: AtomicPtr<c_void>,
    instance: Instance<MdSession>,
}

impl ApiObject for MdApi {
    type Session = MdSession;
    const API: &'static str = "md";

    fn instance(&self) -> &Instance<MdSession> {
        &self.instance
    }
}

static OBJECTS: Objects<MdApi> = Objects::new();

/// Makes an object for the client.
pub(crate) fn create(flow: String) -> *mut c_void {
    OBJECTS.add(MdApi {
        methods: &TABLE.methods,
        spi: AtomicPtr::new(std::ptr::null_mut()),
        instance: Instance::new("md", flow),
    })
}

/// Runs `body` on the object; `fallback` when there is none, it was released, or `body` panicked.
fn enter<T>(
    this: *mut c_void,
    call: &str,
    fallback: T,
    body: impl FnOnce(&'static MdApi) -> T,
) -> T {
    OBJECTS.enter(this, call, fallback, body)
}

unsafe extern "C" fn release(this: *mut c_void) {
    enter(this, "Release", (), |api| api.instance.release());
}

unsafe extern "C" fn init(this: *mut c_void) {
    enter(this, "Init", (), |api| {
        if api.spi.load(Ordering::Acquire).is_null() {
            log::misuse("md", "Init", "no callback object was registered before it");
        }
        let mut caller = spi::Caller::new(environment::version(Front::MarketData));
        let mut ticks = DeliveredTicks::new();
        let deliver = move |event| {
            if matches!(event, MdEvent::Tick(_)) {
                ticks.add();
            }
            caller.call(&api.spi, &event);
        };
        api.instance.init(session, deliver);
    });
}

fn session(settings: Option<Settings>, fronts: Vec<String>) -> MdSession {
    let (settings, faults) = Faults::for_session(settings, Front::MarketData, fronts);
    MdSession::new(
        environment::version(Front::MarketData),
        settings,
        faults,
        now(),
    )
}

unsafe extern "C" fn join(this: *mut c_void) -> c_int {
    enter(this, "Join", FAILED, |api| api.instance.join())
}

unsafe extern "C" fn get_trading_day(this: *mut c_void) -> *const c_char {
    enter(this, "GetTradingDay", c"".as_ptr(), |api| {
        api.instance.trading_day(MdSession::trading_day)
    })
}

unsafe extern "C" fn register_front(this: *mut c_void, address: *mut c_char) {
    enter(this, "RegisterFront", (), |api| {
        // SAFETY: the API demands a NUL-terminated address.
        let address = unsafe { arguments::text(address) };
        api.instance.register_front(address);
    });
}

unsafe extern "C" fn register_name_server(this: *mut c_void, address: *mut c_char) {
    enter(this, "RegisterNameServer", (), |api| {
        // SAFETY: the API demands a NUL-terminated address.
        let address = unsafe { arguments::text(address) };
        api.instance.register_front(address);
    });
}

unsafe extern "C" fn register_fens_user_info(this: *mut c_void, _info: *mut c_void) {
    enter(this, "RegisterFensUserInfo", (), |_| ());
}

unsafe extern "C" fn register_spi(this: *mut c_void, spi: *mut c_void) {
    enter(this, "RegisterSpi", (), |api| {
        api.instance.note_spi(spi.is_null());
        api.spi.store(spi, Ordering::Release);
    });
}

fn subscription(
    this: *mut c_void,
    call: &str,
    kind: SubscriptionKind,
    ids: *mut *mut c_char,
    count: c_int,
) -> c_int {
    enter(this, call, FAILED, |api| {
        // SAFETY: the API demands `count` pointers to NUL-terminated ids.
        let ids = unsafe { arguments::instruments(ids, count) };
        api.instance.request(MdRequest::Subscription(kind, ids))
    })
}

unsafe extern "C" fn subscribe(this: *mut c_void, ids: *mut *mut c_char, count: c_int) -> c_int {
    subscription(
        this,
        "SubscribeMarketData",
        SubscriptionKind::Subscribe,
        ids,
        count,
    )
}

unsafe extern "C" fn unsubscribe(this: *mut c_void, ids: *mut *mut c_char, count: c_int) -> c_int {
    subscription(
        this,
        "UnSubscribeMarketData",
        SubscriptionKind::Unsubscribe,
        ids,
        count,
    )
}

unsafe extern "C" fn subscribe_quote(
    this: *mut c_void,
    ids: *mut *mut c_char,
    count: c_int,
) -> c_int {
    subscription(
        this,
        "SubscribeForQuoteRsp",
        SubscriptionKind::SubscribeForQuote,
        ids,
        count,
    )
}

unsafe extern "C" fn unsubscribe_quote(
    this: *mut c_void,
    ids: *mut *mut c_char,
    count: c_int,
) -> c_int {
    subscription(
        this,
        "UnSubscribeForQuoteRsp",
        SubscriptionKind::UnsubscribeForQuote,
        ids,
        count,
    )
}

unsafe extern "C" fn login(this: *mut c_void, request: *mut c_void, request_id: c_int) -> c_int {
    enter(this, "ReqUserLogin", FAILED, |api| {
        // SAFETY: the API demands a login struct, or null.
        let words = unsafe { arguments::login(request) };
        api.instance.request(MdRequest::Login(words, request_id))
    })
}

unsafe extern "C" fn logout(this: *mut c_void, request: *mut c_void, request_id: c_int) -> c_int {
    enter(this, "ReqUserLogout", FAILED, |api| {
        // SAFETY: the API demands a logout struct, or null.
        let (broker, user) = unsafe { arguments::logout(request) };
        api.instance
            .request(MdRequest::Logout(broker, user, request_id))
    })
}

pub(crate) unsafe extern "C" fn query_multicast(
    this: *mut c_void,
    _query: *mut c_void,
    request_id: c_int,
) -> c_int {
    enter(this, "ReqQryMulticastInstrument", FAILED, |api| {
        api.instance.request(MdRequest::QueryMulticast(request_id))
    })
}

//! The table is driven as a library drives it: load the pointer, load the slot, call.

use std::sync::Mutex;

use super::*;
use crate::RawTick;
use crate::abi::specific_instrument;
use crate::text::Text;

/// Writes down every call.
#[derive(Default)]
struct Log(Mutex<Vec<String>>);

impl Log {
    fn add(&self, line: String) {
        self.0.lock().unwrap().push(line);
    }
}

impl MdHandler for Log {
    fn on_front_connected(&self) {
        self.add("connected".to_owned());
    }
    fn on_front_disconnected(&self, reason: i32) {
        self.add(format!("disconnected {reason:#x}"));
    }
    fn on_heartbeat_warning(&self, lapse_s: i32) {
        self.add(format!("heartbeat {lapse_s}"));
    }
    fn on_login(&self, response: &LoginResponse, info: &RspInfo) {
        self.add(format!("login {} {}", response.trading_day, info.error_id));
    }
    fn on_logout(&self, info: &RspInfo) {
        self.add(format!("logout {}", info.error_id));
    }
    fn on_error(&self, info: &RspInfo) {
        self.add(format!("error {} {}", info.error_id, info.message));
    }
    fn on_subscribed(&self, instrument_id: &[u8], info: &RspInfo) {
        self.add(format!(
            "subscribed {} {}",
            instrument_id.escape_ascii(),
            info.error_id
        ));
    }
    fn on_unsubscribed(&self, instrument_id: &[u8], info: &RspInfo) {
        self.add(format!(
            "unsubscribed {} {}",
            instrument_id.escape_ascii(),
            info.error_id
        ));
    }
    fn on_tick(&self, tick: &RawTick) {
        self.add(format!("tick {} {}", tick.instrument_id, tick.last_price));
    }
    fn on_unexpected_slot(&self, slot: usize) {
        self.add(format!("unexpected {slot}"));
    }
}

struct Fixture {
    spi: MdSpi,
    version: ApiVersion,
    table: SpiTable,
    log: Arc<Log>,
}

impl Fixture {
    fn new(major: u16, minor: u16, patch: u16) -> Self {
        let version = ApiVersion::new(major, minor, patch);
        let table = SpiTable::of(&version);
        let log = Arc::new(Log::default());
        Self {
            spi: MdSpi::new(&version, table, Arc::clone(&log) as Arc<dyn MdHandler>),
            version,
            table,
            log,
        }
    }

    fn slot(&self, callback: MdCallback) -> usize {
        callback.slot(self.table).unwrap()
    }

    fn function<F: Copy>(&self, slot: usize) -> F {
        // SAFETY: the object is never freed; the pointer is only looked through here.
        let object = unsafe { crate::client::ApiObject::new(self.spi.as_ptr()) }.unwrap();
        // SAFETY: the tests ask for slots of the table and its spare ones.
        let function = unsafe { object.function(slot) };
        // SAFETY: each test names the type that belongs to the slot.
        unsafe { std::mem::transmute_copy(&function) }
    }

    fn answer(&self, callback: MdCallback, body: *mut c_void, info: *mut c_void) {
        let function: Response = self.function(self.slot(callback));
        // SAFETY: the slot of an answer, and structs of this version.
        unsafe { function(self.spi.as_ptr(), body, info, 1, 1) };
    }

    fn push(&self, tick: *mut c_void) {
        let function: TakesPointer = self.function(self.slot(MdCallback::OnRtnDepthMarketData));
        // SAFETY: the slot of ticks, and a tick of this version or null.
        unsafe { function(self.spi.as_ptr(), tick) };
    }

    fn lines(&self) -> Vec<String> {
        std::mem::take(&mut self.log.0.lock().unwrap())
    }
}

#[test]
fn every_callback_reaches_its_method_in_both_tables() {
    for (major, minor, patch) in [(6, 3, 15), (6, 3, 19), (6, 5, 1), (6, 7, 13)] {
        let it = Fixture::new(major, minor, patch);
        let this = it.spi.as_ptr();
        let plain: Plain = it.function(it.slot(MdCallback::OnFrontConnected));
        // SAFETY: the slot of a function without arguments.
        unsafe { plain(this) };
        let int: TakesInt = it.function(it.slot(MdCallback::OnHeartBeatWarning));
        // SAFETY: the slot of a function with an int.
        unsafe { int(this, 61) };
        let int: TakesInt = it.function(it.slot(MdCallback::OnFrontDisconnected));
        // SAFETY: as above.
        unsafe { int(this, 0x1001) };
        let mut login = LoginResponse {
            trading_day: Text::new(b"20260105").unwrap(),
            ..LoginResponse::default()
        }
        .write();
        let mut info = RspInfo {
            error_id: 3,
            message: "不合法的登录".to_owned(),
        }
        .write();
        it.answer(
            MdCallback::OnRspUserLogin,
            login.as_mut_ptr(),
            std::ptr::null_mut(),
        );
        it.answer(
            MdCallback::OnRspUserLogout,
            std::ptr::null_mut(),
            info.as_mut_ptr(),
        );
        let error: ErrorResponse = it.function(it.slot(MdCallback::OnRspError));
        // SAFETY: the slot of the error.
        unsafe { error(this, info.as_mut_ptr(), 1, 1) };
        let mut id = specific_instrument(b"rb2601", &it.version).unwrap();
        it.answer(
            MdCallback::OnRspSubMarketData,
            id.as_mut_ptr(),
            std::ptr::null_mut(),
        );
        it.answer(
            MdCallback::OnRspUnSubMarketData,
            id.as_mut_ptr(),
            info.as_mut_ptr(),
        );
        let mut tick = TickLayout::of(&it.version)
            .write(&RawTick {
                instrument_id: Text::new(b"rb2601").unwrap(),
                last_price: 3500.5,
                ..RawTick::unset()
            })
            .unwrap();
        it.push((&raw mut tick).cast());
        assert_eq!(
            it.lines(),
            [
                "connected",
                "heartbeat 61",
                "disconnected 0x1001",
                "login 20260105 0",
                "logout 3",
                "error 3 不合法的登录",
                "subscribed rb2601 0",
                "unsubscribed rb2601 3",
                "tick rb2601 3500.5",
            ],
            "{major}.{minor}.{patch}"
        );
    }
}

#[test]
fn null_pointers_are_no_data_and_no_crash() {
    let it = Fixture::new(6, 7, 11);
    let null = std::ptr::null_mut();
    it.answer(MdCallback::OnRspUserLogin, null, null);
    it.answer(MdCallback::OnRspSubMarketData, null, null);
    it.push(null);
    assert_eq!(it.lines(), ["login  0", "subscribed  0"]);
}

#[test]
fn a_call_of_a_later_slot_is_reported() {
    for (it, first_spare) in [(Fixture::new(6, 3, 15), 12), (Fixture::new(6, 7, 13), 13)] {
        let push: TakesPointer = it.function(first_spare);
        // SAFETY: a spare slot takes anything.
        unsafe { push(it.spi.as_ptr(), std::ptr::null_mut()) };
        let answer: Response = it.function(first_spare + VTable::SPARE - 1);
        let null = std::ptr::null_mut();
        // SAFETY: as above.
        unsafe { answer(it.spi.as_ptr(), null, null, 1, 1) };
        let last = first_spare + VTable::SPARE - 1;
        assert_eq!(
            it.lines(),
            [
                format!("unexpected {first_spare}"),
                format!("unexpected {last}")
            ]
        );
    }
}

#[test]
fn a_panic_in_a_handler_does_not_reach_the_library() {
    struct Panics;
    impl MdHandler for Panics {
        fn on_tick(&self, _: &RawTick) {
            panic!("a handler panicked, as this test wants");
        }
    }
    let version = ApiVersion::new(6, 7, 11);
    let spi = MdSpi::new(&version, SpiTable::of(&version), Arc::new(Panics));
    let it = Fixture {
        spi,
        ..Fixture::new(6, 7, 11)
    };
    let mut tick = TickLayout::C.write(&RawTick::unset()).unwrap();
    it.push((&raw mut tick).cast());
    assert!(spi.gate().panicked());
}

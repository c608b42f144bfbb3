//! The table is driven as a library drives it: load the pointer, load the slot, call.

use std::sync::Mutex;

use super::*;
use crate::abi::{StructBuf, TraderTable};
use crate::text::Text;

#[derive(Default)]
struct Log(Mutex<Vec<String>>);

impl Log {
    fn add(&self, line: String) {
        self.0.lock().unwrap().push(line);
    }
}

impl TdHandler for Log {
    fn on_front_connected(&self) {
        self.add("connected".to_owned());
    }
    fn on_front_disconnected(&self, reason: i32) {
        self.add(format!("disconnected {reason:#x}"));
    }
    fn on_authenticated(&self, info: &RspInfo) {
        self.add(format!("authenticated {}", info.error_id));
    }
    fn on_login(&self, response: &LoginResponse, info: &RspInfo) {
        self.add(format!("login {} {}", response.trading_day, info.error_id));
    }
    fn on_settlement_confirmed(&self, info: &RspInfo) {
        self.add(format!("confirmed {}", info.error_id));
    }
    fn on_instrument(
        &self,
        instrument: Option<&Instrument>,
        _: &RspInfo,
        request_id: i32,
        is_last: bool,
    ) {
        let id = instrument.map(|instrument| instrument.instrument_id);
        self.add(format!("instrument {id:?} {request_id} {is_last}"));
    }
    fn on_error(&self, info: &RspInfo, request_id: i32) {
        self.add(format!("error {} {request_id}", info.error_id));
    }
    fn on_unexpected_slot(&self, slot: usize) {
        self.add(format!("unexpected {slot}"));
    }
}

struct Fixture {
    spi: TdSpi,
    slots: TraderSpiSlots,
    log: Arc<Log>,
}

impl Fixture {
    fn new(version: &ApiVersion) -> Self {
        let slots = TraderTable::of(version).unwrap().spi;
        let log = Arc::new(Log::default());
        let handler: Arc<dyn TdHandler> = Arc::clone(&log) as _;
        Self {
            spi: TdSpi::new(version, &slots, vtable(&slots), handler),
            slots,
            log,
        }
    }

    fn function<F: Copy>(&self, slot: usize) -> F {
        // SAFETY: the object is never freed; the pointer is only looked through here.
        let object = unsafe { crate::client::ApiObject::new(self.spi.as_ptr()) }.unwrap();
        // SAFETY: the tests ask for slots of the table and its spare ones.
        let function = unsafe { object.function(slot) };
        // SAFETY: each test names the type that belongs to the slot.
        unsafe { std::mem::transmute_copy(&function) }
    }

    fn answer(&self, slot: usize, body: Option<&mut StructBuf>, info: &mut StructBuf) {
        let function: Response = self.function(slot);
        let body = body.map_or(std::ptr::null_mut(), StructBuf::as_mut_ptr);
        // SAFETY: the slot of an answer, and structs of this version.
        unsafe { function(self.spi.as_ptr(), body, info.as_mut_ptr(), 7, 1) };
    }

    fn lines(&self) -> Vec<String> {
        std::mem::take(&mut self.log.0.lock().unwrap())
    }
}

#[test]
fn every_answer_reaches_its_method() {
    for (major, minor, patch) in ApiVersion::LISTED {
        let version = ApiVersion::new(major, minor, patch);
        let it = Fixture::new(&version);
        let plain: Plain = it.function(it.slots.on_front_connected);
        // SAFETY: the slot of a function without arguments.
        unsafe { plain(it.spi.as_ptr()) };
        let mut fine = RspInfo::default().write();
        let mut wrong = RspInfo {
            error_id: 63,
            message: String::new(),
        }
        .write();
        let mut login = LoginResponse {
            trading_day: Text::new(b"20260105").unwrap(),
            ..LoginResponse::default()
        }
        .write();
        let mut instrument = Instrument {
            instrument_id: Text::new(b"rb2601").unwrap(),
            ..Instrument::default()
        }
        .write(&version)
        .unwrap();
        it.answer(it.slots.on_rsp_authenticate, None, &mut wrong);
        it.answer(it.slots.on_rsp_user_login, Some(&mut login), &mut fine);
        it.answer(it.slots.on_rsp_settlement_info_confirm, None, &mut fine);
        it.answer(
            it.slots.on_rsp_qry_instrument,
            Some(&mut instrument),
            &mut fine,
        );
        it.answer(it.slots.on_rsp_qry_instrument, None, &mut fine);
        let error: ErrorResponse = it.function(it.slots.on_rsp_error);
        // SAFETY: the slot of the error.
        unsafe { error(it.spi.as_ptr(), wrong.as_mut_ptr(), 7, 1) };
        assert_eq!(
            it.lines(),
            [
                "connected",
                "authenticated 63",
                "login 20260105 0",
                "confirmed 0",
                "instrument Some(\"rb2601\") 7 true",
                "instrument None 7 true",
                "error 63 7",
            ],
            "{version}"
        );
    }
}

#[test]
fn unrequested_calls_are_dropped_or_reported() {
    let it = Fixture::new(&ApiVersion::new(6, 7, 13));
    let order: Response = it.function(74);
    let null = std::ptr::null_mut();
    // SAFETY: a slot that ignores its arguments.
    unsafe { order(it.spi.as_ptr(), null, null, 0, 0) };
    assert!(it.lines().is_empty());
    let later: Response = it.function(178 + VTable::SPARE - 1);
    // SAFETY: a spare slot takes anything.
    unsafe { later(it.spi.as_ptr(), null, null, 0, 0) };
    assert_eq!(it.lines(), ["unexpected 185"]);
}

//! Calls to the client's callback object: load its table, load the slot, call with the C view of a
//! C++ member function.

use std::ffi::{c_int, c_void};
use std::mem::transmute_copy;
use std::sync::atomic::{AtomicPtr, Ordering};

use tickdeck_ffi::abi::signature::{ErrorResponse, Plain, Response, TakesInt, TakesPointer};
use tickdeck_ffi::abi::{MdCallback, SpiTable, TickLayout};
use tickdeck_front::errors::RspInfo;
use tickdeck_front::fields::CStruct;
use tickdeck_front::log;
use tickdeck_front::md::{MdEvent, SubscriptionKind, TickStruct};
use tickdeck_front::version::Emulated;

/// Calls callbacks in the form of one version.
pub(crate) struct Caller {
    version: &'static Emulated,
    table: SpiTable,
    layout: TickLayout,
}

/// The pointer that a struct is handed out by. Callbacks take it without `const`, as the vendor's
/// do; a client that writes there writes into memory that is never read again.
fn pointer(made: Option<&CStruct>) -> *mut c_void {
    made.map_or(std::ptr::null_mut(), |made| {
        made.words().as_ptr().cast_mut().cast()
    })
}

impl Caller {
    pub(crate) fn new(version: &'static Emulated) -> Self {
        Self {
            version,
            table: version.spi_table(),
            layout: version.tick_layout(),
        }
    }

    fn info(&self, info: &RspInfo) -> CStruct {
        CStruct::new("RspInfo", self.version)
            .int("ErrorID", info.error_id)
            .text("ErrorMsg", &info.message)
    }

    /// Calls the client back; nothing when it has taken its object back.
    pub(crate) fn call(&mut self, spi: &AtomicPtr<c_void>, event: &MdEvent) {
        let spi = spi.load(Ordering::Acquire);
        if spi.is_null() {
            return;
        }
        match event {
            MdEvent::FrontConnected => self.plain(spi, MdCallback::OnFrontConnected),
            MdEvent::FrontDisconnected { reason } => {
                self.number(spi, MdCallback::OnFrontDisconnected, *reason);
            }
            MdEvent::HeartBeatWarning { lapse_s } => {
                self.number(spi, MdCallback::OnHeartBeatWarning, *lapse_s);
            }
            MdEvent::Login {
                answer,
                info,
                request_id,
            } => {
                let info = self.info(info);
                let callback = MdCallback::OnRspUserLogin;
                self.response(spi, callback, Some(answer), Some(&info), *request_id, true);
            }
            MdEvent::Logout { answer, request_id } => {
                let info = self.info(&RspInfo::success());
                let callback = MdCallback::OnRspUserLogout;
                self.response(spi, callback, Some(answer), Some(&info), *request_id, true);
            }
            MdEvent::NoMulticastInstrument { request_id } => {
                let callback = MdCallback::OnRspQryMulticastInstrument;
                self.response(spi, callback, None, None, *request_id, true);
            }
            MdEvent::Error { info, request_id } => self.error(spi, info, *request_id),
            MdEvent::Subscription {
                kind,
                id,
                info,
                is_last,
            } => {
                let callback = match kind {
                    SubscriptionKind::Subscribe => MdCallback::OnRspSubMarketData,
                    SubscriptionKind::Unsubscribe => MdCallback::OnRspUnSubMarketData,
                    SubscriptionKind::SubscribeForQuote => MdCallback::OnRspSubForQuoteRsp,
                    SubscriptionKind::UnsubscribeForQuote => MdCallback::OnRspUnSubForQuoteRsp,
                };
                let instrument = CStruct::new("SpecificInstrument", self.version)
                    .text("InstrumentID", id.as_bytes());
                let info = self.info(info);
                self.response(spi, callback, Some(&instrument), Some(&info), 0, *is_last);
            }
            MdEvent::Tick(tick) => match TickStruct::new(self.layout, tick) {
                Ok(mut made) => {
                    let struct_ptr = made.words_mut().as_mut_ptr().cast();
                    self.pointer_call(spi, MdCallback::OnRtnDepthMarketData, struct_ptr);
                }
                Err(error) => {
                    let id = tick.instrument_id.to_string();
                    let text = format!("{error}: layout A of the emulated version has no room");
                    let fields = [("instrument", id.into()), ("text", text.into())];
                    log::warn("sim_tick_not_sent", &fields);
                }
            },
        }
    }

    /// The client's function in the slot of a callback; `None` when the version has none.
    fn function<F: Copy>(&self, spi: *mut c_void, callback: MdCallback) -> Option<F> {
        let slot = callback.slot(self.table)?;
        debug_assert_eq!(size_of::<F>(), size_of::<*const c_void>());
        // SAFETY: the client registered a C++ object; its first word is the pointer to its table.
        // It stays alive until Release has returned, which waits for this thread.
        let table = unsafe { *spi.cast::<*const *const c_void>() };
        // SAFETY: a client of the emulated version has a table with this number of slots.
        let entry = unsafe { table.add(slot) };
        // SAFETY: the entry is inside that table.
        let function = unsafe { *entry };
        // SAFETY: the entry is a function of this callback's signature, which `F` is.
        Some(unsafe { transmute_copy::<*const c_void, F>(&function) })
    }

    fn plain(&self, spi: *mut c_void, callback: MdCallback) {
        if let Some(function) = self.function::<Plain>(spi, callback) {
            // SAFETY: the slot's function, called as C++ calls it.
            unsafe { function(spi) };
        }
    }

    fn number(&self, spi: *mut c_void, callback: MdCallback, number: c_int) {
        if let Some(function) = self.function::<TakesInt>(spi, callback) {
            // SAFETY: the slot's function, called as C++ calls it.
            unsafe { function(spi, number) };
        }
    }

    fn pointer_call(&self, spi: *mut c_void, callback: MdCallback, struct_ptr: *mut c_void) {
        if let Some(function) = self.function::<TakesPointer>(spi, callback) {
            // SAFETY: the slot's function; the struct is in the version's layout and lives longer.
            unsafe { function(spi, struct_ptr) };
        }
    }

    fn response(
        &self,
        spi: *mut c_void,
        callback: MdCallback,
        answer: Option<&CStruct>,
        info: Option<&CStruct>,
        request_id: c_int,
        is_last: bool,
    ) {
        if let Some(function) = self.function::<Response>(spi, callback) {
            let (answer, info) = (pointer(answer), pointer(info));
            // SAFETY: the slot's function; the structs are the version's and live longer.
            unsafe { function(spi, answer, info, request_id, u8::from(is_last)) };
        }
    }

    fn error(&self, spi: *mut c_void, info: &RspInfo, request_id: c_int) {
        if let Some(function) = self.function::<ErrorResponse>(spi, MdCallback::OnRspError) {
            let info = self.info(info);
            // SAFETY: the slot's function; the struct is the version's and lives longer.
            unsafe { function(spi, pointer(Some(&info)), request_id, 1) };
        }
    }
}

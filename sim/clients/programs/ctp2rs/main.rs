//! ctp2rs, unmodified: logs in, subscribes, and writes all callbacks to a file.
//!
//! `ctp2rs-client LIBRARY FLOW OUT COUNT ID...`

use std::fs::File;
use std::io::Write;
use std::sync::mpsc::{channel, Sender};
use std::sync::Arc;

use ctp2rs::v1alpha1::{
    CThostFtdcDepthMarketDataField, CThostFtdcReqUserLoginField, CThostFtdcRspInfoField,
    CThostFtdcRspUserLoginField, CThostFtdcSpecificInstrumentField, MdApi, MdSpi,
};

struct Spi {
    api: Arc<MdApi>,
    ids: Vec<String>,
    lines: Sender<String>,
}

impl Spi {
    fn line(&self, text: String) {
        let _ = self.lines.send(text);
    }
}

impl MdSpi for Spi {
    fn on_front_connected(&mut self) {
        self.line("connected".into());
        let mut login = CThostFtdcReqUserLoginField::default();
        self.api.req_user_login(&mut login, 1);
    }

    fn on_rsp_user_login(
        &mut self,
        _login: Option<&CThostFtdcRspUserLoginField>,
        info: Option<&CThostFtdcRspInfoField>,
        request: i32,
        last: bool,
    ) {
        self.line(format!("login {} {request} {last}", info.map_or(0, |info| info.ErrorID)));
        self.api.subscribe_market_data(&self.ids);
    }

    fn on_rsp_sub_market_data(
        &mut self,
        instrument: Option<&CThostFtdcSpecificInstrumentField>,
        info: Option<&CThostFtdcRspInfoField>,
        _request: i32,
        _last: bool,
    ) {
        let is_there = instrument.is_some();
        self.line(format!("subscribed {is_there} {}", info.map_or(0, |info| info.ErrorID)));
    }

    fn on_rtn_depth_market_data(&mut self, tick: Option<&CThostFtdcDepthMarketDataField>) {
        let Some(tick) = tick else { return };
        let start = (tick as *const CThostFtdcDepthMarketDataField).cast::<u8>();
        let size = std::mem::size_of::<CThostFtdcDepthMarketDataField>();
        // SAFETY: the reference is to one whole struct of that size, alive during this call. Its
        // padding may be read because the library wrote every byte of it: the simulated front sends
        // structs whose padding is zero.
        let bytes = unsafe { std::slice::from_raw_parts(start, size) };
        let hex: String = bytes.iter().map(|byte| format!("{byte:02x}")).collect();
        self.line(format!("tick {hex}"));
    }
}

fn main() {
    let words: Vec<String> = std::env::args().collect();
    let count: usize = words[4].parse().unwrap();
    let mut out = File::create(&words[3]).unwrap();
    let api = Arc::new(MdApi::create_api(&words[1], &words[2], false, false, true));
    let (lines, told) = channel();
    let spi = Spi {
        api: Arc::clone(&api),
        ids: words[5..].to_vec(),
        lines,
    };
    api.register_spi(Box::into_raw(Box::new(spi)) as *mut dyn MdSpi);
    api.register_front("tcp://127.0.0.1:1");
    api.init();
    let mut ticks = 0;
    while ticks < count {
        let Ok(line) = told.recv_timeout(std::time::Duration::from_secs(30)) else {
            break;
        };
        ticks += usize::from(line.starts_with("tick "));
        writeln!(out, "{line}").unwrap();
    }
    writeln!(out, "day {}", api.get_trading_day()).unwrap();
    api.release();
    // The wrapper's own teardown is not what is tested.
    std::process::exit(i32::from(ticks < count));
}

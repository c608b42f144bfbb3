//! The tables of this crate against the vendor's headers, as a C++ compiler understands them.
//!
//! A small program is written. Each of its lines has the answer that this crate's tables give:
//! field offsets and sizes, slots, and structs that this crate wrote, read back field by field. A
//! pointer to a virtual member function is its table offset plus one (Itanium C++ ABI 2.3).

use std::fmt::Write as _;
use std::path::Path;
use std::process::Command;

use tickdeck_ffi::abi::{
    ApiVersion, AuthenticateRequest, Instrument, LoginRequest, LoginResponse, MdCallback, MdMethod,
    RspInfo, SpiTable, StructBuf, TickLayout, TraderTable, instrument_query, settlement_confirm,
    specific_instrument,
};
use tickdeck_ffi::{Secret, Text, for_each_tick_field};

use crate::support::{skipped, vendor, without};

/// Statements of the program, and what each must print.
#[derive(Default)]
struct Questions {
    statements: String,
    expected: Vec<String>,
}

impl Questions {
    fn ask(&mut self, statement: &str, expected: impl ToString) {
        writeln!(self.statements, "    {statement}").unwrap();
        self.expected.push(expected.to_string());
    }

    fn slot(&mut self, class: &str, method: &str, expected: usize) {
        self.ask(&format!("number(slot(&{class}::{method}));"), expected);
    }

    /// Loads a struct that this crate wrote; questions about its fields follow.
    fn load(&mut self, class: &str, folder: &Path, buffer: &StructBuf) {
        let file = folder.join(class);
        // SAFETY: a buffer is 768 bytes long; this is more than any of the structs.
        let bytes = unsafe { std::slice::from_raw_parts(buffer.as_ptr().cast::<u8>(), 640) };
        std::fs::write(&file, bytes).unwrap();
        writeln!(
            self.statements,
            "    {class} {class}_ = load<{class}>(\"{}\");",
            file.display()
        )
        .unwrap();
    }

    fn text(&mut self, class: &str, field: &str, expected: &str) {
        self.ask(
            &format!("text({class}_.{field}, sizeof {class}_.{field});"),
            expected,
        );
    }

    fn number(&mut self, class: &str, field: &str, expected: impl ToString) {
        self.ask(&format!("number({class}_.{field});"), expected);
    }
}

const HEAD: &str = r#"
#include <cstddef>
#include <cstdio>
#include <cstring>
#include "ThostFtdcMdApi.h"
#include "ThostFtdcTraderApi.h"

template <class Member> long slot(Member member) {
    size_t word;
    std::memcpy(&word, &member, sizeof word);
    return long((word - 1) / sizeof(void *));
}
template <class Struct> Struct load(const char *path) {
    Struct value;
    std::FILE *file = std::fopen(path, "rb");
    if (!file || std::fread(&value, sizeof value, 1, file) != 1) std::perror(path);
    if (file) std::fclose(file);
    return value;
}
void number(long value) { std::printf("%ld\n", value); }
void number(double value) { std::printf("%.17g\n", value); }
void number(int value) { number(long(value)); }
void number(size_t value) { number(long(value)); }
void number(char value) { number(long(value)); }
void text(const char *value, size_t size) { std::printf("%.*s\n", int(size), value); }

int main() {
"#;

/// Compiles and runs the program and compares its lines.
fn check(folder: &Path, headers: &Path, questions: &Questions) {
    let source = folder.join("questions.cpp");
    std::fs::write(&source, format!("{HEAD}{}}}\n", questions.statements)).unwrap();
    let program = folder.join("questions");
    let compiled = Command::new("g++")
        .args(["-w", "-O0", "-I"])
        .arg(headers)
        .arg("-o")
        .arg(&program)
        .arg(&source)
        .output()
        .unwrap();
    let errors = String::from_utf8_lossy(&compiled.stderr);
    assert!(
        compiled.status.success(),
        "{errors}\n{}",
        questions.statements
    );
    let output = Command::new(&program).output().unwrap();
    assert!(output.status.success());
    let answers = String::from_utf8_lossy(&output.stdout);
    let answers: Vec<&str> = answers.lines().collect();
    let asked = questions
        .statements
        .lines()
        .filter(|line| !line.contains("load<"));
    for ((statement, answer), expected) in asked.zip(&answers).zip(&questions.expected) {
        assert_eq!(answer, expected, "{}", statement.trim());
    }
    assert_eq!(answers.len(), questions.expected.len());
    println!("{} answers of the vendor's headers agree", answers.len());
}

fn headers_and_compiler() -> Option<std::path::PathBuf> {
    let Some(headers) = vendor::headers() else {
        without("no vendor headers");
        return None;
    };
    if Command::new("g++").arg("--version").output().is_err() {
        skipped("no g++");
        return None;
    }
    Some(headers)
}

/// The version of the headers.
fn version() -> ApiVersion {
    ApiVersion::new(6, 7, 11)
}

macro_rules! ask_tick_fields {
    (($questions:ident) $($(#[$doc:meta])* $kind:ident $name:ident $vendor:ident $size:literal @ $offset:literal;)*) => {
        $(
            let field = concat!("CThostFtdcDepthMarketDataField, ", stringify!($vendor));
            $questions.ask(&format!("number(offsetof({field}));"), $offset);
            let field = concat!("CThostFtdcDepthMarketDataField::", stringify!($vendor));
            $questions.ask(&format!("number(sizeof({field}));"), $size);
        )*
    };
}

#[test]
fn the_tick_has_the_headers_fields_and_size() {
    let Some(headers) = headers_and_compiler() else {
        return;
    };
    let mut questions = Questions::default();
    for_each_tick_field!(ask_tick_fields, questions);
    questions.ask(
        "number(sizeof(CThostFtdcDepthMarketDataField));",
        TickLayout::C.size(),
    );
    check(tempfile::tempdir().unwrap().path(), &headers, &questions);
}

#[test]
fn the_slots_are_those_of_the_headers_tables() {
    let Some(headers) = headers_and_compiler() else {
        return;
    };
    let mut ask = Questions::default();
    for method in [
        MdMethod::Release,
        MdMethod::Init,
        MdMethod::Join,
        MdMethod::GetTradingDay,
        MdMethod::RegisterFront,
        MdMethod::RegisterNameServer,
        MdMethod::RegisterFensUserInfo,
        MdMethod::RegisterSpi,
        MdMethod::SubscribeMarketData,
        MdMethod::UnSubscribeMarketData,
        MdMethod::SubscribeForQuoteRsp,
        MdMethod::UnSubscribeForQuoteRsp,
        MdMethod::ReqUserLogin,
        MdMethod::ReqUserLogout,
        MdMethod::ReqQryMulticastInstrument,
    ] {
        ask.slot("CThostFtdcMdApi", &format!("{method:?}"), method.slot());
    }
    let table = SpiTable::of(&version());
    for callback in MdCallback::ALL {
        ask.slot(
            "CThostFtdcMdSpi",
            &format!("{callback:?}"),
            callback.slot(table).unwrap(),
        );
    }
    let table = TraderTable::of(&version()).unwrap();
    for (method, slot) in [
        ("Release", table.api.release),
        ("Init", table.api.init),
        ("Join", table.api.join),
        ("GetTradingDay", table.api.get_trading_day),
        ("RegisterFront", table.api.register_front),
        ("RegisterSpi", table.api.register_spi),
        ("SubscribePrivateTopic", table.api.subscribe_private_topic),
        ("SubscribePublicTopic", table.api.subscribe_public_topic),
        ("ReqAuthenticate", table.api.req_authenticate),
        ("ReqUserLogin", table.api.req_user_login),
        (
            "ReqSettlementInfoConfirm",
            table.api.req_settlement_info_confirm,
        ),
        ("ReqQryInstrument", table.api.req_qry_instrument),
        (
            "ReqQrySettlementInfoConfirm",
            table.api.req_qry_settlement_info_confirm,
        ),
    ] {
        ask.slot("CThostFtdcTraderApi", method, slot);
    }
    for (method, slot) in [
        ("OnFrontConnected", table.spi.on_front_connected),
        ("OnFrontDisconnected", table.spi.on_front_disconnected),
        ("OnHeartBeatWarning", table.spi.on_heart_beat_warning),
        ("OnRspAuthenticate", table.spi.on_rsp_authenticate),
        ("OnRspUserLogin", table.spi.on_rsp_user_login),
        (
            "OnRspSettlementInfoConfirm",
            table.spi.on_rsp_settlement_info_confirm,
        ),
        ("OnRspQryInstrument", table.spi.on_rsp_qry_instrument),
        (
            "OnRspQrySettlementInfoConfirm",
            table.spi.on_rsp_qry_settlement_info_confirm,
        ),
        ("OnRspError", table.spi.on_rsp_error),
    ] {
        ask.slot("CThostFtdcTraderSpi", method, slot);
    }
    check(tempfile::tempdir().unwrap().path(), &headers, &ask);
}

fn text<const N: usize>(text: &str) -> Text<N> {
    Text::new(text.as_bytes()).unwrap()
}

#[test]
fn requests_arrive_in_the_headers_fields() {
    let Some(headers) = headers_and_compiler() else {
        return;
    };
    let folder = tempfile::tempdir().unwrap();
    let mut ask = Questions::default();

    let class = "CThostFtdcReqUserLoginField";
    let login = LoginRequest {
        broker_id: text("9999"),
        user_id: text("000001"),
        password: Secret::new("a password"),
        user_product_info: text("tickdeck"),
    };
    ask.load(class, folder.path(), &login.write().unwrap());
    ask.text(class, "TradingDay", "");
    ask.text(class, "BrokerID", "9999");
    ask.text(class, "UserID", "000001");
    ask.text(class, "Password", "a password");
    ask.text(class, "UserProductInfo", "tickdeck");
    ask.text(class, "ClientIPAddress", "");

    let class = "CThostFtdcReqAuthenticateField";
    let authenticate = AuthenticateRequest {
        broker_id: text("9999"),
        user_id: text("000001"),
        auth_code: Secret::new("0123456789abcdef"),
        app_id: text("simnow_client_test"),
    };
    ask.load(class, folder.path(), &authenticate.write().unwrap());
    ask.text(class, "BrokerID", "9999");
    ask.text(class, "UserID", "000001");
    ask.text(class, "UserProductInfo", "");
    ask.text(class, "AuthCode", "0123456789abcdef");
    ask.text(class, "AppID", "simnow_client_test");

    let class = "CThostFtdcSettlementInfoConfirmField";
    ask.load(
        class,
        folder.path(),
        &settlement_confirm(&text("9999"), &text("000001")),
    );
    ask.text(class, "BrokerID", "9999");
    ask.text(class, "InvestorID", "000001");
    ask.text(class, "ConfirmDate", "");

    let class = "CThostFtdcQryInstrumentField";
    ask.load(class, folder.path(), &instrument_query(&text("SHFE")));
    ask.text(class, "ExchangeID", "SHFE");
    ask.text(class, "InstrumentID", "");

    check(folder.path(), &headers, &ask);
}

#[test]
fn answers_have_the_headers_fields() {
    let Some(headers) = headers_and_compiler() else {
        return;
    };
    let folder = tempfile::tempdir().unwrap();
    let mut ask = Questions::default();

    let class = "CThostFtdcRspUserLoginField";
    let login = LoginResponse {
        trading_day: text("20260105"),
        login_time: text("20:59:00"),
        broker_id: text("9999"),
        user_id: text("000001"),
        system_name: text("TradingHosting"),
        front_id: 7,
        session_id: -8,
        max_order_ref: text("12"),
        shfe_time: text("20:59:01"),
        dce_time: text("20:59:02"),
        czce_time: text("20:59:03"),
        ffex_time: text("20:59:04"),
        ine_time: text("20:59:05"),
        sys_version: text("v6.7"),
        gfex_time: text("20:59:06"),
        login_dr_identity_id: 1,
        user_dr_identity_id: 2,
        last_login_time: text("20260104 20:59:0"),
        reserve_info: text("reserved"),
    };
    ask.load(class, folder.path(), &login.write());
    for (field, expected) in [
        ("TradingDay", "20260105"),
        ("LoginTime", "20:59:00"),
        ("BrokerID", "9999"),
        ("UserID", "000001"),
        ("SystemName", "TradingHosting"),
        ("MaxOrderRef", "12"),
        ("SHFETime", "20:59:01"),
        ("DCETime", "20:59:02"),
        ("CZCETime", "20:59:03"),
        ("FFEXTime", "20:59:04"),
        ("INETime", "20:59:05"),
        ("SysVersion", "v6.7"),
        ("GFEXTime", "20:59:06"),
        ("LastLoginTime", "20260104 20:59:0"),
        ("ReserveInfo", "reserved"),
    ] {
        ask.text(class, field, expected);
    }
    ask.number(class, "FrontID", 7);
    ask.number(class, "SessionID", -8);
    ask.number(class, "LoginDRIdentityID", 1);
    ask.number(class, "UserDRIdentityID", 2);

    let class = "CThostFtdcRspInfoField";
    let info = RspInfo {
        error_id: 3,
        message: "CTP:invalid login".to_owned(),
    };
    ask.load(class, folder.path(), &info.write());
    ask.number(class, "ErrorID", 3);
    ask.text(class, "ErrorMsg", "CTP:invalid login");
    ask.ask("number(sizeof(CThostFtdcRspInfoField));", RspInfo::SIZE);

    let class = "CThostFtdcSpecificInstrumentField";
    let id = specific_instrument(b"SPD RM601&RM605", &version()).unwrap();
    ask.load(class, folder.path(), &id);
    ask.text(class, "InstrumentID", "SPD RM601&RM605");

    let class = "CThostFtdcInstrumentField";
    let instrument = Instrument {
        instrument_id: text("rb2601C3000"),
        exchange_id: text("SHFE"),
        product_id: text("rb_o"),
        underlying_instr_id: text("rb2601"),
        instrument_name: text("rb2601C3000"),
        product_class: b'2',
        delivery_year: 2026,
        delivery_month: 1,
        volume_multiple: 10,
        price_tick: 0.5,
        open_date: text("20250117"),
        expire_date: text("20251225"),
        strike_price: 3000.25,
        options_type: b'1',
        is_trading: 1,
    };
    ask.load(class, folder.path(), &instrument.write(&version()).unwrap());
    for (field, expected) in [
        ("InstrumentID", "rb2601C3000"),
        ("ExchangeID", "SHFE"),
        ("ProductID", "rb_o"),
        ("UnderlyingInstrID", "rb2601"),
        ("InstrumentName", "rb2601C3000"),
        ("OpenDate", "20250117"),
        ("ExpireDate", "20251225"),
    ] {
        ask.text(class, field, expected);
    }
    ask.number(class, "ProductClass", b'2');
    ask.number(class, "DeliveryYear", 2026);
    ask.number(class, "DeliveryMonth", 1);
    ask.number(class, "VolumeMultiple", 10);
    ask.number(class, "PriceTick", 0.5);
    ask.number(class, "StrikePrice", 3000.25);
    ask.number(class, "OptionsType", b'1');
    ask.number(class, "IsTrading", 1);

    check(folder.path(), &headers, &ask);
}

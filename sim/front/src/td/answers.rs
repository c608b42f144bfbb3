//! The rows that answer queries. Any other query finds nothing, which is a valid answer.

use super::contracts::{instrument, month_start};
use super::request::{Context, TdRequest};
use crate::errors::gb18030;
use crate::fields::{CStruct, RequestView};

/// Money on the made-up account, CNY.
const BALANCE: f64 = 1_000_000.0;

/// The rows of a query.
pub(super) fn rows(context: &Context<'_>, request: &TdRequest) -> Vec<CStruct> {
    match request.method.name {
        "ReqQryInstrument" => instruments(context, request),
        "ReqQryTradingAccount" => vec![trading_account(context)],
        "ReqQryInvestor" => vec![investor(context)],
        "ReqQrySettlementInfoConfirm" if context.is_confirmed => vec![confirmation(context)],
        "ReqQryInstrumentCommissionRate" => commission_rate(context, request),
        "ReqQryInstrumentMarginRate" => margin_rate(context, request),
        _ => Vec::new(),
    }
}

fn instruments(context: &Context<'_>, request: &TdRequest) -> Vec<CStruct> {
    let view = RequestView::new("QryInstrument", context.version, &request.bytes);
    let header = context.market.header();
    let wants = |field: &'static str, value: &str| {
        let asked = view.text(field);
        asked.is_empty() || asked == value.as_bytes()
    };
    header
        .contracts
        .iter()
        .filter(|contract| {
            wants("InstrumentID", &contract.instrument_id)
                && wants("ExchangeID", contract.exchange.as_str())
                && wants("ProductID", &contract.product_id)
        })
        .map(|contract| instrument(contract, header.trading_day, context.version))
        .collect()
}

fn trading_account(context: &Context<'_>) -> CStruct {
    let day = context.market.header().trading_day.to_ctp();
    CStruct::new("TradingAccount", context.version)
        .text("BrokerID", context.account.broker.as_bytes())
        .text("AccountID", context.account.user.as_bytes())
        .text("CurrencyID", b"CNY")
        .text("TradingDay", day.as_bytes())
        .int("SettlementID", 1)
        .double("PreBalance", BALANCE)
        .double("Balance", BALANCE)
        .double("Available", BALANCE)
        .double("WithdrawQuota", BALANCE)
}

fn investor(context: &Context<'_>) -> CStruct {
    let start = month_start(context.market.header().trading_day);
    CStruct::new("Investor", context.version)
        .text("BrokerID", context.account.broker.as_bytes())
        .text("InvestorID", context.account.user.as_bytes())
        .text("InvestorName", &gb18030("模拟投资者"))
        .text("OpenDate", start.as_bytes())
        .char("IdentifiedCardType", b'1')
        .int("IsActive", 1)
}

fn confirmation(context: &Context<'_>) -> CStruct {
    let header = context.market.header();
    let time = header.first.to_shanghai().format("%H:%M:%S").to_string();
    CStruct::new("SettlementInfoConfirm", context.version)
        .text("BrokerID", context.account.broker.as_bytes())
        .text("InvestorID", context.account.user.as_bytes())
        .text("ConfirmDate", header.trading_day.to_ctp().as_bytes())
        .text("ConfirmTime", time.as_bytes())
}

/// Whether the instrument of a rate query exists.
fn is_listed(context: &Context<'_>, id: &[u8]) -> bool {
    let contracts = &context.market.header().contracts;
    contracts
        .iter()
        .any(|contract| contract.instrument_id.as_bytes() == id)
}

fn commission_rate(context: &Context<'_>, request: &TdRequest) -> Vec<CStruct> {
    let view = RequestView::new(
        "QryInstrumentCommissionRate",
        context.version,
        &request.bytes,
    );
    let id = view.text("InstrumentID");
    if !is_listed(context, id) {
        return Vec::new();
    }
    let row = CStruct::new("InstrumentCommissionRate", context.version)
        .text("InstrumentID", id)
        .text("BrokerID", context.account.broker.as_bytes())
        .text("InvestorID", context.account.user.as_bytes())
        .char("InvestorRange", b'1')
        .double("OpenRatioByMoney", 0.0001)
        .double("CloseRatioByMoney", 0.0001)
        .double("CloseTodayRatioByMoney", 0.0001);
    vec![row]
}

fn margin_rate(context: &Context<'_>, request: &TdRequest) -> Vec<CStruct> {
    let view = RequestView::new("QryInstrumentMarginRate", context.version, &request.bytes);
    let id = view.text("InstrumentID");
    if !is_listed(context, id) {
        return Vec::new();
    }
    let row = CStruct::new("InstrumentMarginRate", context.version)
        .text("InstrumentID", id)
        .text("BrokerID", context.account.broker.as_bytes())
        .text("InvestorID", context.account.user.as_bytes())
        .char("InvestorRange", b'1')
        .char("HedgeFlag", b'1')
        .double("LongMarginRatioByMoney", 0.1)
        .double("ShortMarginRatioByMoney", 0.1);
    vec![row]
}

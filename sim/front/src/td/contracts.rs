//! A contract as a `CThostFtdcInstrumentField`.
//!
//! Facts that a contract table lacks are invented in a fixed way and are evidence of nothing. A
//! contract is listed a year before the delivery month and last traded on its 15th. Margins are one
//! tenth, order sizes 1 to 500 lots. An unknown multiplier or price tick is 0.

use chrono::Datelike;
use tickdeck_core::contract::{
    Contract, DeliveryMonth, Exchange, InstrumentKind, Leg, OptionRight, ParsedId, ProductClass,
    parse_instrument_id,
};
use tickdeck_core::time::TradingDay;

use crate::errors::gb18030;
use crate::fields::CStruct;
use crate::version::Emulated;

/// The struct of one contract.
pub(super) fn instrument(
    contract: &Contract,
    trading_day: TradingDay,
    version: &'static Emulated,
) -> CStruct {
    let id = contract.instrument_id.as_bytes();
    let parsed = parse_instrument_id(id);
    let leg = parsed
        .as_ref()
        .and_then(|parsed| parsed.legs().first().copied());
    let month = leg.and_then(|leg| leg.delivery.resolve(Some(trading_day)));
    let name = contract.name.as_deref().unwrap_or(&contract.instrument_id);
    let is_shanghai = matches!(contract.exchange, Exchange::Shfe | Exchange::Ine);
    let class = u8::try_from(u32::from(contract.product_class.ctp_code())).unwrap_or(b'1');
    let multiplier = contract
        .multiplier
        .and_then(|lots| i32::try_from(lots).ok());
    let made = CStruct::new("Instrument", version)
        .text("InstrumentID", id)
        .text("ExchangeInstID", id)
        .text("ExchangeID", contract.exchange.as_str().as_bytes())
        .text("InstrumentName", &gb18030(name))
        .text("ProductID", product_id(contract, leg.as_ref()).as_bytes())
        .char("ProductClass", class)
        .int("VolumeMultiple", multiplier.unwrap_or(0))
        .double("PriceTick", contract.price_tick.unwrap_or(0.0))
        .int("MaxMarketOrderVolume", 500)
        .int("MinMarketOrderVolume", 1)
        .int("MaxLimitOrderVolume", 500)
        .int("MinLimitOrderVolume", 1)
        .char("InstLifePhase", b'1')
        .int("IsTrading", 1)
        .char("PositionType", b'2')
        .char("PositionDateType", if is_shanghai { b'1' } else { b'2' })
        .double("LongMarginRatio", 0.1)
        .double("ShortMarginRatio", 0.1)
        .char("MaxMarginSideAlgorithm", b'1')
        .double("UnderlyingMultiple", 1.0)
        .char("CombinationType", b'0');
    let made = match month {
        Some(month) => dates(made, month),
        None => made,
    };
    match (parsed, leg) {
        (Some(ParsedId::Single(_)), Some(leg)) => option_terms(made, contract, &leg),
        _ => made,
    }
}

fn dates(made: CStruct, month: DeliveryMonth) -> CStruct {
    let listed = format!("{:04}{:02}01", month.year - 1, month.month);
    let last = format!("{:04}{:02}15", month.year, month.month);
    made.int("DeliveryYear", month.year)
        .int("DeliveryMonth", i32::try_from(month.month).unwrap_or(0))
        .text("CreateDate", listed.as_bytes())
        .text("OpenDate", listed.as_bytes())
        .text("ExpireDate", last.as_bytes())
        .text("StartDelivDate", last.as_bytes())
        .text("EndDelivDate", last.as_bytes())
}

fn option_terms(made: CStruct, contract: &Contract, leg: &Leg<'_>) -> CStruct {
    let InstrumentKind::Option(terms) = leg.kind else {
        return made;
    };
    let right = match terms.right {
        OptionRight::Call => b'1',
        OptionRight::Put => b'2',
    };
    made.char("OptionsType", right)
        .double("StrikePrice", f64::from(terms.strike))
        .text("UnderlyingInstrID", underlying(contract, leg).as_bytes())
}

/// The id's part before the right: `rb2510` of `rb2510C3000`, `m2509` of `m2509-C-2800`. CFFEX lists
/// its options on an index that has futures of another name.
fn underlying(contract: &Contract, leg: &Leg<'_>) -> String {
    let id = &contract.instrument_id;
    let digits = id[leg.root.len()..]
        .bytes()
        .take_while(u8::is_ascii_digit)
        .count();
    let month = &id[leg.root.len()..leg.root.len() + digits];
    let root = match (contract.exchange, leg.root) {
        (Exchange::Cffex, "IO") => "IF",
        (Exchange::Cffex, "HO") => "IH",
        (Exchange::Cffex, "MO") => "IM",
        (_, root) => root,
    };
    format!("{root}{month}")
}

/// CTP's product id of an option differs from its future's (field guide 5.8).
fn product_id(contract: &Contract, leg: Option<&Leg<'_>>) -> String {
    let root = &contract.product_id;
    let Some(InstrumentKind::Option(terms)) = leg.map(|leg| leg.kind) else {
        return root.clone();
    };
    match (contract.product_class, contract.exchange) {
        (ProductClass::Option, Exchange::Czce) => match terms.right {
            OptionRight::Call => format!("{root}C"),
            OptionRight::Put => format!("{root}P"),
        },
        (ProductClass::Option, exchange) if exchange != Exchange::Cffex => format!("{root}_o"),
        _ => root.clone(),
    }
}

/// First day of the trading day's month, in place of an unknown date.
pub(super) fn month_start(day: TradingDay) -> String {
    format!("{:04}{:02}01", day.0.year(), day.0.month())
}

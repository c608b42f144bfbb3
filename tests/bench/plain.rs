//! The payload as serde and chrono write it: the other side of the encode benchmarks, byte for byte
//! the same text.

use chrono::SecondsFormat;
use serde::Serialize;
use tickdeck::normalize::{Flag, NormalizedTick};
use tickdeck::time::TradingDay;

/// The payload in straightforward serde.
#[derive(Serialize)]
pub(crate) struct Plain<'a> {
    vt_symbol: &'a str,
    symbol: &'a str,
    exchange: &'a str,
    timestamp: String,
    trading_day: String,
    action_day: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    last_price: Option<f64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    last_volume: Option<i32>,
    volume: i32,
    #[serde(skip_serializing_if = "Option::is_none")]
    turnover: Option<f64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    open_interest: Option<f64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    open_price: Option<f64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    high_price: Option<f64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    low_price: Option<f64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pre_close: Option<f64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pre_settlement_price: Option<f64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pre_open_interest: Option<f64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    close_price: Option<f64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    settlement_price: Option<f64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    average_price: Option<f64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    limit_up: Option<f64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    limit_down: Option<f64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    bid_price_1: Option<f64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    bid_volume_1: Option<i32>,
    #[serde(skip_serializing_if = "Option::is_none")]
    ask_price_1: Option<f64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    ask_volume_1: Option<i32>,
    #[serde(skip_serializing_if = "Option::is_none")]
    bid_price_2: Option<f64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    bid_volume_2: Option<i32>,
    #[serde(skip_serializing_if = "Option::is_none")]
    ask_price_2: Option<f64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    ask_volume_2: Option<i32>,
    #[serde(skip_serializing_if = "Option::is_none")]
    bid_price_3: Option<f64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    bid_volume_3: Option<i32>,
    #[serde(skip_serializing_if = "Option::is_none")]
    ask_price_3: Option<f64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    ask_volume_3: Option<i32>,
    #[serde(skip_serializing_if = "Option::is_none")]
    bid_price_4: Option<f64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    bid_volume_4: Option<i32>,
    #[serde(skip_serializing_if = "Option::is_none")]
    ask_price_4: Option<f64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    ask_volume_4: Option<i32>,
    #[serde(skip_serializing_if = "Option::is_none")]
    bid_price_5: Option<f64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    bid_volume_5: Option<i32>,
    #[serde(skip_serializing_if = "Option::is_none")]
    ask_price_5: Option<f64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    ask_volume_5: Option<i32>,
    local_time: String,
    seq: u64,
    source: &'a str,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    flags: Vec<&'a str>,
}

impl<'a> Plain<'a> {
    pub(crate) fn of(tick: &'a NormalizedTick<'_>) -> Self {
        Self {
            vt_symbol: &tick.instrument.vt_symbol,
            symbol: &tick.instrument.contract.instrument_id,
            exchange: tick.instrument.contract.exchange.as_str(),
            timestamp: tick
                .exchange_ts
                .to_shanghai()
                .to_rfc3339_opts(SecondsFormat::Millis, false),
            trading_day: tick.trading_day.to_ctp(),
            action_day: TradingDay(tick.action_day).to_ctp(),
            last_price: tick.last_price,
            last_volume: tick.last_volume,
            volume: tick.volume,
            turnover: tick.turnover,
            open_interest: tick.open_interest,
            open_price: tick.open_price,
            high_price: tick.high_price,
            low_price: tick.low_price,
            pre_close: tick.pre_close,
            pre_settlement_price: tick.pre_settlement_price,
            pre_open_interest: tick.pre_open_interest,
            close_price: tick.close_price,
            settlement_price: tick.settlement_price,
            average_price: tick.average_price,
            limit_up: tick.limit_up,
            limit_down: tick.limit_down,
            bid_price_1: tick.bids[0].price,
            bid_volume_1: tick.bids[0].volume,
            ask_price_1: tick.asks[0].price,
            ask_volume_1: tick.asks[0].volume,
            bid_price_2: tick.bids[1].price,
            bid_volume_2: tick.bids[1].volume,
            ask_price_2: tick.asks[1].price,
            ask_volume_2: tick.asks[1].volume,
            bid_price_3: tick.bids[2].price,
            bid_volume_3: tick.bids[2].volume,
            ask_price_3: tick.asks[2].price,
            ask_volume_3: tick.asks[2].volume,
            bid_price_4: tick.bids[3].price,
            bid_volume_4: tick.bids[3].volume,
            ask_price_4: tick.asks[3].price,
            ask_volume_4: tick.asks[3].volume,
            bid_price_5: tick.bids[4].price,
            bid_volume_5: tick.bids[4].volume,
            ask_price_5: tick.asks[4].price,
            ask_volume_5: tick.asks[4].volume,
            local_time: tick
                .recv_ts
                .to_shanghai()
                .to_rfc3339_opts(SecondsFormat::Nanos, false),
            seq: tick.seq.0,
            source: "ctp",
            flags: tick.flags.iter().map(Flag::as_str).collect(),
        }
    }
}

//! The `decimal` payload: the small contract of the Python service, numbers as decimal strings.
//!
//! It is not on the fast path of a replay and keeps nothing but the last second's text.

use super::buffer::{Buffer, Timestamps};
use crate::normalize::NormalizedTick;

/// Writes `decimal` payloads.
#[derive(Debug, Clone)]
pub(super) struct Decimal {
    exchange_times: Timestamps,
}

impl Decimal {
    pub(super) fn new() -> Self {
        Self {
            exchange_times: Timestamps::new(),
        }
    }

    /// Appends the payload of `tick` to `out`; `buffer` is scratch.
    pub(super) fn encode(
        &mut self,
        tick: &NormalizedTick<'_>,
        buffer: &mut Buffer,
        out: &mut Vec<u8>,
    ) {
        let contract = &tick.instrument.contract;
        let head = format!(
            "{{\"symbol\":{},\"exchange\":\"{}\",\"vt_symbol\":{},\"timestamp\":\"",
            serde_json::Value::from(contract.instrument_id.as_str()),
            contract.exchange,
            serde_json::Value::from(&*tick.instrument.vt_symbol),
        );
        buffer.clear();
        self.exchange_times.millis(tick.exchange_ts, buffer);
        buffer.literal(b"\"");
        price(buffer, b",\"price\":\"", tick.last_price);
        buffer.literal(b",\"volume\":\"");
        buffer.integer(tick.volume);
        buffer.literal(b"\"");
        price(buffer, b",\"bid\":\"", tick.bids[0].price);
        price(buffer, b",\"ask\":\"", tick.asks[0].price);
        buffer.literal(b"}");
        out.extend_from_slice(head.as_bytes());
        out.extend_from_slice(buffer.as_bytes());
    }
}

fn price<const N: usize>(out: &mut Buffer, key: &[u8; N], price: Option<f64>) {
    if let Some(price) = price {
        out.literal(key);
        out.decimal(price);
        out.literal(b"\"");
    }
}

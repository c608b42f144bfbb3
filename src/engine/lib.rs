//! tickdeck: deterministic record/replay for CTP (Chinese futures) market data.

#![forbid(unsafe_code)]

pub mod capture;
pub mod check;
pub mod control;
pub mod encode;
pub mod export;
pub mod import;
pub mod inputs;
pub mod live;
pub mod nats;
pub mod normalize;
pub mod pipeline;
pub mod progress;
pub mod reference;
pub mod session;
pub mod sink;
pub mod testing;

pub use tickdeck_core::{calendar, causes, clock, contract, event, pace, select, source, time};
pub use tickdeck_market::source as synthetic;
pub use tickdeck_recording as recording;

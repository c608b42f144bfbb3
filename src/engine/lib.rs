//! tickdeck: deterministic record/replay for CTP (Chinese futures) market data.

#![forbid(unsafe_code)]

#[cfg(feature = "nats")]
pub mod capture;
pub mod check;
pub mod control;
pub mod encode;
pub mod export;
#[cfg(feature = "import")]
pub mod import;
#[cfg(feature = "live")]
pub mod live;
#[cfg(feature = "nats")]
pub mod nats;
pub mod normalize;
pub mod pipeline;
pub mod progress;
pub mod reference;
pub mod session;
pub mod sink;
pub mod testing;

pub use tickdeck_core::{calendar, causes, clock, contract, event, pace, source, time};
pub use tickdeck_market::source as synthetic;
pub use tickdeck_recording as recording;

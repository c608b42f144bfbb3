//! tickdeck: deterministic record/replay for CTP (Chinese futures) market data.

#![forbid(unsafe_code)]

pub mod calendar;
pub mod capture;
pub mod causes;
pub mod check;
pub mod cli;
pub mod clock;
pub mod contract;
pub mod encode;
pub mod event;
pub mod export;
pub mod import;
pub mod live;
pub mod nats;
pub mod normalize;
pub mod pace;
pub mod pipeline;
pub mod progress;
pub mod recording;
pub mod sink;
pub mod source;
pub mod testing;
mod thread;
pub mod time;

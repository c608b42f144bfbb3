//! The seeded market model.
mod book;
mod convention;
mod instrument;
mod live;
mod market;
mod network;
mod num;
mod options;
mod product;
mod quirks;
mod random;
mod session;
mod temper;
mod universe;

pub use instrument::{InstrumentSpec, ProductKind};
pub use market::{Market, MarketEvent};
pub use options::{MarketError, MarketOptions, Profile};
pub use quirks::Quirk;

/// Version of the generated output.
pub const GENERATOR_VERSION: u32 = 1;

//! The vendor's binary interface as data: which version has which struct layout, which callback
//! sits in which slot, which symbol makes an object.
//!
//! Every number here is from field guide 1, 3 and 4, was checked against the vendor's headers and
//! binaries, and is checked again by the conformance tests. This module calls nothing and opens
//! nothing: the client in [`crate::md`] and [`crate::td`] and the simulated front read the same
//! tables from their two sides.

mod bytes;
mod instrument;
mod login;
mod md_api;
mod md_spi;
mod response;
pub mod signature;
pub mod symbol;
mod tick;
mod trader;
mod trader_request;
mod version;

pub use bytes::{StructBuf, StructView};
pub use instrument::Instrument;
pub use login::{LoginRequest, LoginResponse};
pub use md_api::MdMethod;
pub use md_spi::{MdCallback, SpiTable};
pub use response::{RspInfo, specific_instrument, specific_instrument_id};
pub use tick::{DepthMarketDataFieldC, TickLayout};
pub use trader::{TraderApiSlots, TraderSpiSlots, TraderTable, UnknownTraderTable};
pub use trader_request::{
    AuthenticateRequest, AuthenticateResponse, instrument_query, settlement_confirm,
};
pub use version::{ApiVersion, Knowledge, UnreadableVersion};

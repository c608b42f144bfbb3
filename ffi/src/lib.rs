//! The CTP boundary: struct layouts of the vendor's headers, the loader of the vendor's libraries,
//! and the owned values that the rest of tickdeck uses instead of them.
//!
//! [`RawTick`] is a `CThostFtdcDepthMarketDataField` by value: every field of layout C (API 6.6.1
//! and later), numbers bit for bit, text cut at its first NUL. Nothing here knows what a field
//! *means*; that is the normalizer's business. Nothing outside this crate and `sim/` knows an
//! offset.
//!
//! It also has what else needs `unsafe`: the [allocator](out_of_memory) of the program.

pub mod abi;
mod client;
pub mod gb18030;
mod library;
pub mod md;
pub mod object_file;
pub mod out_of_memory;
mod secret;
pub mod td;
mod text;
mod tick;

pub use client::{
    BadFront, DROP_TIMEOUT, FlowError, FlowFolder, FrontAddress, FrontNotTaken, LoginField,
    ReleaseError, RequestError, StartError,
};
pub use library::{LoadError, NotLoadable};
pub use secret::Secret;
pub use text::{Text, TextTooLong};
pub use tick::RawTick;

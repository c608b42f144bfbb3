//! The trader client, as far as the list of contracts needs it: authenticate, log in, confirm the
//! settlement if the broker requires it, query instruments. It cannot trade.

mod api;
mod handler;
mod library;
mod spi;

pub use api::{TdApi, TdLogin, TdOptions};
pub use handler::TdHandler;
pub use library::TdLibrary;

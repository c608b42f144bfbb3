//! The adapter to the vendor's market data library, through `tickdeck-ffi`.
//!
//! Credentials appear only here and in the trader adapter. Text from the library or the front is
//! searched for credentials before any other use. An error message that quotes one therefore
//! cannot carry it into a log or a recording.

pub(in crate::live) mod connection;
pub(in crate::live) mod left_behind;
mod library;
mod login;
mod market_data;
mod scrub;
mod silence;

pub use library::CtpLibrary;
pub use login::{CtpLogin, LoginTooLong};
pub use market_data::CtpConnector;
pub use scrub::Scrubber;
pub use silence::explain_silence;
pub use tickdeck_ffi::{LoginField, Secret};

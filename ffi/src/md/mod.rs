//! The market data client: loads `thostmduserapi_se.so` and runs sessions with it.
//!
//! ```no_run
//! use std::path::Path;
//! use std::sync::Arc;
//! use std::time::Duration;
//! use tickdeck_ffi::md::{MdApi, MdHandler, MdLibrary, MdOptions};
//! use tickdeck_ffi::{FlowFolder, RawTick};
//!
//! struct Print;
//! impl MdHandler for Print {
//!     fn on_tick(&self, tick: &RawTick) {
//!         println!("{} {}", tick.instrument_id, tick.last_price);
//!     }
//! }
//!
//! # fn main() -> Result<(), Box<dyn std::error::Error>> {
//! let library = MdLibrary::open(Path::new("/opt/ctp/thostmduserapi_se.so"))?;
//! let options = MdOptions {
//!     flow: FlowFolder::open(Path::new("/var/lib/tickdeck/flow/1"))?,
//!     production: true,
//!     fronts: vec!["tcp://182.254.243.31:30011".parse()?],
//! };
//! let session = MdApi::start(&library, options, Arc::new(Print))?;
//! // After `on_front_connected`: session.login(…), after `on_login`: session.subscribe(…).
//! session.release(Duration::from_secs(5))?;
//! # Ok(())
//! # }
//! ```

mod api;
mod handler;
mod library;
mod spi;

pub use api::{MdApi, MdLogin, MdOptions};
pub use handler::MdHandler;
pub use library::MdLibrary;
pub use spi::MdSpi;

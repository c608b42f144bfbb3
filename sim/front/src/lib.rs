//! The simulated CTP front, without the ABI: what it answers, when it sends, and how its library
//! thread runs.
//!
//! `sim/md` and `sim/td` export this under the vendor's mangled names and tables of virtual
//! functions. Everything here is safe Rust on owned values. The sessions ([`md::MdSession`],
//! [`td::TdSession`]) are state machines that get the time as an argument; [`reactor`] runs one of
//! them on the library thread of an API instance.
//!
//! ```text
//! environment -> settings -> market (shared clock) -> md session ─┐
//!                         -> contracts              -> td session ─┴> reactor -> client's callbacks
//! ```
//!
//! Nothing here may know a pointer or a slot number's use; the tables of slots and offsets are data
//! ([`td::tables`], [`fields`]).

#![forbid(unsafe_code)]

mod connection;
pub mod environment;
pub mod errors;
pub mod faults;
pub mod fields;
pub mod instance;
mod link;
pub mod log;
pub mod market;
pub mod md;
pub mod objects;
pub mod reactor;
pub mod report;
pub mod settings;
pub mod shared;
pub mod source;
pub mod td;
pub mod vendor;
pub mod version;

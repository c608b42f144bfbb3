//! `thosttraderapi_se.so` of the simulated front: the vendor's mangled names and its tables of
//! virtual functions in front of [`tickdeck_front::td::TdSession`].
//!
//! Everything unsafe of the trader side is here, and nothing else is. Unlike the market data API
//! the trader API has another table in nearly every version, so the tables are built at run time
//! for the emulated one. Rules that hold for every function: no panic leaves it, a null pointer is
//! never followed, and the object lives until the process ends.
//!
//! | file | what |
//! |---|---|
//! | `exports.rs` | the symbols that a client links to |
//! | `object.rs` | the API object and the functions that are not requests |
//! | `methods.rs` | the table of a version, and the requests, which are one function |
//! | `spi.rs` | calls to the client's callbacks |

pub mod exports;
mod methods;
mod object;
mod spi;

//! `thostmduserapi_se.so` of the simulated front: the vendor's mangled names and its table of
//! virtual functions in front of [`tickdeck_front::md::MdSession`].
//!
//! Everything unsafe of the market data side is here, and nothing else is: pointers of the client
//! in, calls of its functions out. Rules that hold for every function: no panic leaves it, and a
//! null pointer is never followed. The object lives until the process ends, so that a call after
//! `Release` is logged instead of crashing.
//!
//! | file | what |
//! |---|---|
//! | `exports.rs` | the symbols that a client links to |
//! | `object.rs` | the API object and its virtual functions |
//! | `spi.rs` | calls to the client's callbacks |
//! | `arguments.rs` | what the client's pointers point to, as values |
//! | `preload.rs` | what happens when it is loaded, and what keeps the vendor's library from the network |

mod arguments;
pub mod exports;
mod object;
mod preload;
mod spi;

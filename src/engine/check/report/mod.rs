//! Reports: text, JUnit XML and HTML.
//!
//! Each report is built in memory from finished results and depends on nothing else.

mod entry;
pub mod html;
pub mod junit;
pub mod text;

pub use entry::Entry;
pub use tickdeck_core::printable::printable;

//! Reports: text, and with the feature `reports` JUnit XML and HTML.
//!
//! Each report is built in memory from finished results and depends on nothing else.

mod delta;
mod entry;
#[cfg(feature = "reports")]
pub mod html;
#[cfg(feature = "reports")]
pub mod junit;
mod style;
pub mod text;
mod words;

pub use entry::Entry;
pub use style::{Style, Styles};
pub use tickdeck_core::printable::printable;

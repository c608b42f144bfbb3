//! Events as text that other tools read: CSV ([`csv`]) and JSON lines ([`jsonl`]). Normalized ticks as a
//! Parquet table (`table`).
//!
//! Invariant: tickdeck's two texts read back bit for bit (every NaN, `-0.0`, `DBL_MAX`, text that
//! is not UTF-8) through the import dialects `tickdeck` and `ctp-jsonl`. The writers know no
//! recordings and no files: events in, bytes out. An [`Export`] runs them over a source.

pub mod csv;
pub mod jsonl;
mod run;
#[cfg(feature = "import")]
pub mod table;
#[cfg(test)]
#[cfg(feature = "import")]
mod tests;
mod value;

pub use run::{EventForm, Export, ExportError, Exported};

//! Events as text that other tools read: CSV ([`csv`]) and JSON lines ([`jsonl`]).
//!
//! Invariant: tickdeck's two forms read back bit for bit (every NaN, `-0.0`, `DBL_MAX`, text that
//! is not UTF-8) through the import dialects `tickdeck` and `ctp-jsonl`. The writers know no
//! recordings and no files: events in, bytes out.

pub mod csv;
pub mod jsonl;
#[cfg(test)]
#[cfg(feature = "import")]
mod tests;
mod value;

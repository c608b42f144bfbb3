//! The journal: everything that is recorded and not yet in a sealed segment.
//!
//! A recorder appends each event here first, in arrival order and delta-coded. A crash loses only
//! what was not written by then. A sealed segment releases the files that it covers.
//!
//! - One file for each row group, `journal-NNNNN.tdj`. Each is decoded without the others.
//! - A file is a header and blocks. Each block has a checksum over itself and everything before it,
//!   so that no other block passes for it.
//! - A reader stops at the first block that is not whole. What it has read is a prefix of what was
//!   recorded.
//!
//! `docs/recording-format.md` specifies the bytes.

mod block;
mod entry;
mod fields;
mod files;
mod reader;
mod resync;
mod stream;
mod writer;

pub(super) use files::{JournalDamage, JournalFiles, OpenFiles, ReadJournal};
pub(super) use reader::{JournalReader, Next};
pub(super) use stream::JournalStream;
pub(super) use writer::JournalWriter;

#[cfg(test)]
mod tests;

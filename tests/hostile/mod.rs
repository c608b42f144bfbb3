//! Files from strangers: refused with a sentence, within bounds, and never acting on a terminal.
//! `docs/security.md` states what these tests hold.

mod corpus;
mod limits;
mod paths;
mod terminal;

/// The functions of the fuzz targets.
#[path = "../../fuzz/lib.rs"]
#[expect(unreachable_pub, reason = "the library of the fuzz crate")]
mod targets;

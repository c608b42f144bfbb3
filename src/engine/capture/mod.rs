//! What a subscriber received, counted, hashed and held against what the publisher says it sent.
//!
//! Pure: messages in, a verdict out. The connection is in [`nats`](crate::nats), files and flags are
//! the command line's affair.

mod tally;

pub use tally::{Tally, Verdict};

//! Encodes the columns of a row group: from values in memory to the bytes of a Parquet column chunk.
//!
//! The Parquet library writes page headers and the footer. The pages are made here, because only
//! this crate knows that rows are sorted by instrument and that texts already have keys.
//!
//! ```text
//! encoder ── dictionary ── hybrid    (values of a column -> the bytes of its pages)
//!    │    ── numbers ── delta
//!    └────── pages                   (compressed, with header and statistics)
//! ```

mod bits;
mod delta;
mod dictionary;
mod encoder;
mod hybrid;
mod numbers;
mod pages;

pub(super) use encoder::{Column, Encoder};

pub(super) use pages::EncodedChunk;

#[cfg(test)]
mod tests;

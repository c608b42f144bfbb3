//! Compares two payload streams without a golden.

use super::aligner::Aligner;
use super::error::CheckError;
use super::examine::Watch;
use super::marks::Alignment;
use super::messages::{Messages, Without};
use super::tally::Comparison;

/// Compares two streams. Fields in `ignored` are omitted on both sides; the first `differences` are
/// kept in full.
///
/// # Errors
/// When one of them fails.
pub fn compare(
    first: impl Messages,
    second: impl Messages,
    alignment: Alignment,
    ignored: &[String],
    differences: usize,
    watch: Watch<'_>,
) -> Result<Comparison, CheckError> {
    let mut second = Without::new(second, ignored.to_vec());
    let first = Without::new(first, ignored.to_vec());
    let mut aligner = Aligner::new(first, alignment, differences);
    let mut messages = 0;
    while let Some(chunk) = second.next_chunk()? {
        aligner.take(&chunk.messages)?;
        messages += chunk.messages.len() as u64;
        if !watch(messages) {
            return Err(CheckError::Interrupted { messages });
        }
    }
    let (comparison, _) = aligner.finish()?;
    Ok(comparison)
}

//! Compares two payload streams without a golden.

use super::aligner::Aligner;
use super::comparison::Comparison;
use super::error::CheckError;
use super::marks::Alignment;
use super::messages::{Messages, Watch, Without};
use super::previous::add_previous;

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
    let (comparison, _) = compare_without(first, second, alignment, ignored, differences, watch)?;
    Ok(comparison)
}

/// The same, with the `ignored` fields that no message of either side has.
pub(super) fn compare_without(
    first: impl Messages,
    second: impl Messages,
    alignment: Alignment,
    ignored: &[String],
    differences: usize,
    watch: Watch<'_>,
) -> Result<(Comparison, Vec<String>), CheckError> {
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
    let (mut comparison, first) = aligner.finish()?;
    let mut unknown = second.unseen();
    let unseen = first.unseen();
    unknown.retain(|name| unseen.contains(name));
    add_previous(&mut comparison, &first, &second, watch)?;
    Ok((comparison, unknown))
}

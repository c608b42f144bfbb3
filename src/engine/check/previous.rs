//! Finds the message before each shown difference that has the same subject.
//!
//! The streams are read a second time for that, up to the last difference that is shown. A
//! comparison of equal streams pays nothing, and memory is one message per subject that is looked
//! for.

use rustc_hash::FxHashMap;
use tracing::subscriber::{NoSubscriber, with_default};

use super::comparison::{Comparison, Difference};
use super::error::CheckError;
use super::glance::Glance;
use super::messages::{Messages, Watch};

/// Longer payloads are not kept while they may become a previous one.
const KEPT_BYTES: usize = 64 << 10;

/// The last message of a subject so far.
#[derive(Default)]
struct Last {
    position: u64,
    payload: Vec<u8>,
    is_known: bool,
}

/// Adds the previous message to each difference of `found`: from the first side, or from the second
/// one for messages that only that has. Streams that can be read only once have none.
///
/// # Errors
/// When the user stops.
pub(super) fn add_previous(
    found: &mut Comparison,
    first: &impl Messages,
    second: &impl Messages,
    watch: Watch<'_>,
) -> Result<(), CheckError> {
    let total = found.messages_after;
    let mut goes_on = || match watch(total) {
        true => Ok(()),
        false => Err(CheckError::Interrupted { messages: total }),
    };
    let (of_first, of_second): (Vec<_>, Vec<_>) = found
        .first
        .iter_mut()
        .partition(|difference| difference.position_before.is_some());
    for (side, differences) in [
        (&(|| first.again()) as Again<'_>, of_first),
        (&(|| second.again()), of_second),
    ] {
        // What the first reading logged is not logged again.
        let silent = NoSubscriber::default();
        let searched = with_default(silent, || search(side, differences, &mut goes_on));
        match searched {
            // The comparison is complete. A file that changed meanwhile only has no context.
            Ok(()) => {}
            Err(stopped @ CheckError::Interrupted { .. }) => return Err(stopped),
            Err(error) => tracing::debug!(%error, "the previous messages are not shown"),
        }
    }
    Ok(())
}

type Again<'a> = &'a dyn Fn() -> Result<Option<Box<dyn Messages>>, CheckError>;

fn search(
    again: Again<'_>,
    mut differences: Vec<&mut Difference>,
    goes_on: &mut dyn FnMut() -> Result<(), CheckError>,
) -> Result<(), CheckError> {
    differences.sort_by_key(|difference| place(difference));
    let mut last: FxHashMap<Vec<u8>, Last> = differences
        .iter()
        .map(|difference| (difference.subject.clone().into_bytes(), Last::default()))
        .collect();
    let mut wanted = differences.into_iter().peekable();
    if wanted.peek().is_none() {
        return Ok(());
    }
    let Some(mut messages) = again()? else {
        return Ok(());
    };
    let mut position = 0;
    while let Some(chunk) = messages.next_chunk()? {
        for message in chunk.messages.iter() {
            if let Some(last) = last.get_mut(message.subject) {
                while let Some(difference) = wanted.next_if(|next| place(next) == position) {
                    if last.is_known && is_at_place(difference, message.payload) {
                        let previous = Glance::of(last.position, &last.payload);
                        difference.previous = Some(previous);
                    }
                }
                last.is_known = message.payload.len() <= KEPT_BYTES;
                if last.is_known {
                    last.position = position;
                    last.payload.clear();
                    last.payload.extend_from_slice(message.payload);
                }
            }
            position += 1;
        }
        if wanted.peek().is_none() {
            return Ok(());
        }
        goes_on()?;
    }
    Ok(())
}

/// Where the difference is on the side that is searched.
fn place(difference: &Difference) -> u64 {
    let position = difference.position_before.or(difference.position_after);
    position.unwrap_or_default()
}

/// Whether the file still has the message that differs.
fn is_at_place(difference: &Difference, payload: &[u8]) -> bool {
    let known = &difference.payload_before;
    let known = known.as_ref().or(difference.payload_after.as_ref());
    known.is_some_and(|known| *known == String::from_utf8_lossy(payload))
}

#[cfg(test)]
mod tests {
    use super::super::compare::compare;
    use super::super::marks::Alignment;
    use super::super::stream::MessagesInMemory;
    use super::*;

    fn line(subject: &str, second: usize) -> String {
        format!(
            "m.SHFE.{subject} {{\"timestamp\":\"2026-01-05T09:00:{second:02}.000+08:00\",\
             \"last_price\":{second}.0,\"volume\":{second}}}\n"
        )
    }

    fn compared(first: &[String], second: &[String], most: usize) -> Comparison {
        let [first, second] =
            [first, second].map(|lines| MessagesInMemory::of_text(&lines.concat()).unwrap());
        let ignored = [];
        let alignment = Alignment::Content;
        compare(first, second, alignment, &ignored, most, &mut |_| true).unwrap()
    }

    fn previous(found: &Comparison) -> Vec<Option<(u64, String)>> {
        let previous = found.first.iter().map(|one| one.previous.as_ref());
        let previous = previous.map(|one| one.map(|one| (one.position, one.price.clone())));
        previous
            .map(|one| one.map(|(position, price)| (position, price.unwrap_or_default())))
            .collect()
    }

    #[test]
    fn previous_is_of_the_same_subject_at_any_distance() {
        let mut lines = vec![line("rb", 1), line("au", 2)];
        for second in 0..3_000 {
            lines.push(line("cu", second % 60));
        }
        lines.push(line("rb", 30));
        lines.push(line("au", 40));
        let rest: Vec<String> = lines[..lines.len() - 2].to_vec();
        let found = compared(&lines, &rest, 5);
        let expected = [Some((0, "1.0".into())), Some((1, "2.0".into()))];
        assert_eq!((found.missing, previous(&found)), (2, expected.to_vec()));
        // The second side has them: it is searched.
        let found = compared(&rest, &lines, 5);
        assert_eq!((found.extra, previous(&found)), (2, expected.to_vec()));
    }

    #[test]
    fn the_first_of_a_subject_has_no_previous() {
        let lines = [line("rb", 1), line("au", 2), line("rb", 3)];
        let found = compared(&lines, &lines[1..], 5);
        assert_eq!(previous(&found), [None]);
        let changed = [line("rb", 1), line("au", 5), line("rb", 3)];
        let found = compared(&lines, &changed, 5);
        assert_eq!(previous(&found), [None]);
    }

    #[test]
    fn consecutive_differences_are_previous_to_each_other() {
        let lines = [line("rb", 1), line("rb", 2), line("rb", 3)];
        let found = compared(&lines, &lines[..1], 5);
        let expected = [Some((0, "1.0".into())), Some((1, "2.0".into()))];
        assert_eq!(previous(&found), expected);
    }

    #[test]
    fn a_stop_ends_the_search() {
        let lines = [line("rb", 1), line("rb", 2)];
        let [first, second] =
            [&lines[..], &lines[..1]].map(|l| MessagesInMemory::of_text(&l.concat()).unwrap());
        let mut calls = 0;
        let mut found = Comparison::default();
        let watch: Watch<'_> = &mut |_| {
            calls += 1;
            false
        };
        assert!(add_previous(&mut found, &first, &second, watch).is_ok());
        assert_eq!(calls, 0, "nothing to look for");
    }
}

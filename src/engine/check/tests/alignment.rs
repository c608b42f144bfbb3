//! Which message is compared with which, and what is counted.

use proptest::prelude::*;

use super::super::payload::WHOLE_PAYLOAD;
use super::super::tally::OTHER_FIELDS;
use super::*;

#[track_caller]
fn both(first: &[Tick], second: &[Tick], counts: [u64; 6]) -> Comparison {
    let (first, second) = (text(first), text(second));
    let [by_seq, by_content] = [Alignment::Seq, Alignment::Content]
        .map(|alignment| compare_text(&first, &second, alignment));
    for found in [&by_seq, &by_content] {
        let found = [
            found.equal,
            found.changed,
            found.timing_only,
            found.missing,
            found.extra,
            found.reordered,
        ];
        assert_eq!(
            found, counts,
            "equal changed timing missing extra reordered"
        );
    }
    by_seq
}

#[test]
fn a_stream_equals_itself() {
    let ticks = ticks(2000);
    let found = both(&ticks, &ticks, [2000, 0, 0, 0, 0, 0]);
    assert!(found.is_equal() && found.first.is_empty() && found.before.is_empty());
    both(&[], &[], [0; 6]);
}

#[test]
fn one_lost_message_is_one_difference() {
    let all = ticks(1000);
    for lost in [0, 1, 500, 999] {
        let mut rest = all.clone();
        rest.remove(lost);
        let found = both(&all, &rest, [999, 0, 0, 1, 0, 0]);
        let first = &found.first[0];
        assert_eq!(first.kind, DifferenceKind::Missing);
        assert_eq!(first.seq, Some(lost as u64));
        assert_eq!(found.before.len(), lost.min(3));
        both(&rest, &all, [999, 0, 0, 0, 1, 0]);
    }
}

#[test]
fn a_hole_of_any_size_shifts_no_later_message() {
    let all = ticks(20_000);
    let rest = [&all[..2_000], &all[15_000..]].concat();
    both(&all, &rest, [7_000, 0, 0, 13_000, 0, 0]);
    both(&rest, &all, [7_000, 0, 0, 0, 13_000, 0]);
    both(&all, &all[..1], [1, 0, 0, 19_999, 0, 0]);
}

#[test]
fn swapped_messages_are_reordered_and_not_lost() {
    let all = ticks(1000);
    for (left, right) in [(10, 11), (10, 13), (500, 600), (0, 3)] {
        let mut swapped = all.clone();
        swapped.swap(left, right);
        let (first, second) = (text(&all), text(&swapped));
        for alignment in [Alignment::Seq, Alignment::Content] {
            let found = compare_text(&first, &second, alignment);
            assert_eq!(found.equal, 1000, "{left} {right}");
            assert!((1..=2).contains(&found.reordered), "{found:?}");
            assert_eq!(found.differences(), 0);
            assert!(!found.is_equal());
        }
    }
}

#[test]
fn a_changed_field_is_counted_by_exchange_and_instrument() {
    let all = ticks(300);
    let mut changed = all.clone();
    for tick in changed.iter_mut().filter(|tick| tick.instrument == 1) {
        tick.price += 1;
    }
    let found = both(&all, &changed, [200, 100, 0, 0, 0, 0]);
    let [group] = &found.fields[..] else {
        panic!("{found:?}");
    };
    assert_eq!(group.name, "last_price");
    assert_eq!(
        group.exchanges.iter().collect::<Vec<_>>(),
        [(&"CZCE".to_owned(), &100)]
    );
    assert_eq!(group.most, [("TA601".to_owned(), 100)]);
    let first = &found.first[0];
    assert_eq!((first.seq, first.position_before), (Some(1), Some(1)));
    assert_eq!(first.fields[0].before.as_deref(), Some("5000.0"));
    assert_eq!(first.fields[0].after.as_deref(), Some("5001.0"));
}

#[test]
fn what_was_received_at_another_time_differs_in_timing_only() {
    let all = ticks(300);
    let first = text(&all);
    // Another machine, 3 ms later, that counts from 7 on and lost one message.
    let mut later = String::new();
    for (line, seq) in first.lines().zip(7..) {
        let line = line.replace("000000+08:00", "003000+08:00");
        let (head, _) = line.rsplit_once(':').unwrap();
        if seq != 107 {
            later.push_str(&format!("{head}:{seq}}}\n"));
        }
    }
    let found = compare_text(&first, &later, Alignment::Content);
    assert_eq!((found.timing_only, found.missing), (299, 1), "{found:?}");
    assert_eq!(
        (found.equal, found.changed, found.extra, found.reordered),
        (0, 0, 0, 0)
    );
}

#[test]
fn a_loss_and_an_unlike_message_are_two_differences() {
    let line = |second: u64, volume: u64| {
        format!(
            "m.SHFE.rb {{\"timestamp\":\"2026-01-05T09:00:{second:02}.000+08:00\",\"volume\":{volume},\
             \"local_time\":\"2026-01-05T09:00:{second:02}.000000007+08:00\"}}\n"
        )
    };
    let first: Vec<String> = (0..30).map(|second| line(second, second)).collect();
    let mut second = first.clone();
    second.remove(10);
    // Another time, volume and moment of receipt: it has nothing in common with the lost one.
    second.insert(20, line(40, 99));
    let found = compare_text(&first.concat(), &second.concat(), Alignment::Content);
    let counts = (found.equal, found.changed, found.missing, found.extra);
    assert_eq!(counts, (29, 0, 1, 1), "{found:?}");
}

#[test]
fn payloads_that_are_no_objects_are_paired_in_their_order() {
    let found = compare_text("a 1\na 2\nb 3\n", "a 1\na 5\nb 3\n", Alignment::Content);
    assert_eq!((found.equal, found.changed), (2, 1), "{found:?}");
    assert_eq!(found.fields[0].name, WHOLE_PAYLOAD);
}

proptest! {
    #[test]
    fn prop_what_was_done_to_a_stream_is_what_is_found(
        count in 1_u64..400,
        edits in proptest::collection::btree_map(0_usize..400, 0_u8..3, 0..40),
    ) {
        let all = ticks(count);
        let mut edited = Vec::new();
        let (mut lost, mut changed) = (0, 0);
        for (position, tick) in all.iter().enumerate() {
            match edits.get(&position) {
                Some(0) => lost += 1,
                Some(1) => {
                    changed += 1;
                    edited.push(Tick { price: 1, ..tick.clone() });
                }
                _ => edited.push(tick.clone()),
            }
        }
        let (first, second) = (text(&all), text(&edited));
        for alignment in [Alignment::Seq, Alignment::Content] {
            let found = compare_text(&first, &second, alignment);
            prop_assert_eq!((found.missing, found.changed), (lost, changed));
            prop_assert_eq!((found.extra, found.reordered, found.timing_only), (0, 0, 0));
            let back = compare_text(&second, &first, alignment);
            prop_assert_eq!((back.extra, back.changed, back.missing), (lost, changed, 0));
        }
    }

    #[test]
    fn prop_every_message_is_accounted_for_whatever_the_streams(
        first in proptest::collection::vec((0_usize..3, 0_u64..60, 0_u32..3), 0..150),
        second in proptest::collection::vec((0_usize..3, 0_u64..60, 0_u32..3), 0..150),
    ) {
        let stream = |parts: &[(usize, u64, u32)]| -> String {
            let tick = |&(instrument, seq, price): &_| Tick { instrument, seq, price }.line();
            parts.iter().map(tick).collect()
        };
        let (first_text, second_text) = (stream(&first), stream(&second));
        for alignment in [Alignment::Seq, Alignment::Content] {
            let found = compare_text(&first_text, &second_text, alignment);
            let paired = found.equal + found.changed + found.timing_only;
            prop_assert_eq!(paired + found.missing, first.len() as u64);
            prop_assert_eq!(paired + found.extra, second.len() as u64);
            prop_assert_eq!(found.is_equal(), first_text == second_text);
        }
    }
}

/// A stream of a few instruments, received `shift_s` later than the first one of its kind.
fn received(shift_s: u64) -> String {
    let mut text = String::new();
    for number in 0..2_000_u64 {
        let (time, subject) = (72_000 + number / 4, number % 7);
        let clock = |seconds: u64| {
            let (hours, minutes) = (seconds / 3_600 % 24, seconds / 60 % 60);
            format!("{hours:02}:{minutes:02}:{:02}", seconds % 60)
        };
        text.push_str(&format!(
            "m.SHFE.rb{subject} {{\"timestamp\":\"2026-01-05T{}.000+08:00\",\"volume\":{number},\
             \"local_time\":\"2026-01-05T{}.{number:09}+08:00\",\"seq\":{number}}}\n",
            clock(time),
            clock(time + shift_s)
        ));
    }
    text
}

#[test]
fn other_receive_times_are_timing_differences_only() {
    let first = received(0);
    for shift_s in [1, 60, 3_600, 20_000] {
        let found = compare_text(&first, &received(shift_s), Alignment::Content);
        let counts = (found.timing_only, found.changed, found.missing, found.extra);
        assert_eq!(counts, (2_000, 0, 0, 0), "{shift_s}");
    }
    // And one that is lost on the way is one.
    let later = received(3_600);
    let lost: Vec<&str> = later
        .lines()
        .enumerate()
        .filter(|(n, _)| *n != 700)
        .map(|(_, l)| l)
        .collect();
    let found = compare_text(&first, &(lost.join("\n") + "\n"), Alignment::Content);
    assert_eq!(
        (found.timing_only, found.missing, found.extra),
        (1_999, 1, 0)
    );
}

#[test]
fn another_form_of_equal_values_is_a_change_of_no_field() {
    let first = "a {\"p\":1,\"q\":2}\n";
    for second in [
        "a {\"q\":2,\"p\":1}\n",
        "a {\"p\":1, \"q\":2}\n",
        "a {\"q\":2,\"p\":1,\"p\":99}\n",
    ] {
        for alignment in [Alignment::Seq, Alignment::Content] {
            let found = compare_text(first, second, alignment);
            assert_eq!((found.changed, found.timing_only), (1, 0), "{second}");
            assert_eq!(found.fields[0].name, FORM, "{second}");
            assert!(!found.is_only_in(&["bogus".into()]));
        }
    }
}

#[test]
fn fields_beyond_count_are_counted_together() {
    let object = |value: u32| {
        let members: Vec<String> = (0..2_000).map(|n| format!("\"k{n}\":{value}")).collect();
        format!("a {{{}}}\n", members.join(","))
    };
    let found = compare_text(&object(1), &object(2), Alignment::Content);
    assert_eq!(found.changed, 1);
    assert_eq!(found.fields.len(), 501);
    let others = found.fields.iter().find(|field| field.name == OTHER_FIELDS);
    assert_eq!(others.unwrap().messages, 1_500);
}

//! Alignment of the committed streams, changed in ways that mislead a simple comparison.

use super::*;

/// The stream of a committed golden.
fn committed(name: &str) -> String {
    let path = format!(
        "{}/recordings/{name}.golden.jsonl.zst",
        concat!(env!("CARGO_MANIFEST_DIR"), "/../..")
    );
    let packed = std::fs::File::open(path).unwrap();
    String::from_utf8(zstd::decode_all(packed).unwrap()).unwrap()
}

/// The lines with their payloads changed.
fn each_payload(text: &str, change: impl Fn(&str) -> String) -> String {
    let lines = text.lines().map(|line| {
        let (subject, payload) = line.split_once(' ').unwrap();
        format!("{subject} {}\n", change(payload))
    });
    lines.collect()
}

/// Replaces the value of `member` by what `change` makes of it.
fn with_value(payload: &str, member: &str, change: impl Fn(&str) -> String) -> String {
    let (head, tail) = payload.split_once(member).unwrap();
    let (value, rest) = tail.split_at(tail.find([',', '}']).unwrap());
    format!("{head}{member}{}{rest}", change(value))
}

/// Received a day later, at other nanoseconds.
fn a_day_later(payload: &str) -> String {
    with_value(payload, "\"local_time\":", |value| {
        let day: u32 = value[9..11].parse().unwrap();
        format!(
            "{}{:02}{}7{}",
            &value[..9],
            day + 1,
            &value[11..28],
            &value[29..]
        )
    })
}

fn one_more(payload: &str, member: &str) -> String {
    with_value(payload, member, |value| {
        let number: f64 = value.parse().unwrap();
        format!("{}", number + 1.0)
    })
}

fn counts_of(found: &Comparison) -> [u64; 6] {
    [
        found.equal,
        found.changed,
        found.timing_only,
        found.missing,
        found.extra,
        found.reordered,
    ]
}

fn fields_of(found: &Comparison) -> Vec<&str> {
    found.fields.iter().map(|group| &group.name[..]).collect()
}

#[test]
fn without_receive_times_exchange_times_are_compared() {
    let gone = ["local_time".to_owned()];
    let with_seq = ["local_time".to_owned(), "seq".to_owned()];
    for name in ["quick", "quirks"] {
        let first = committed(name);
        let messages = first.lines().count() as u64;
        let without = each_payload(&first, |payload| without_fields(payload, &gone));
        for (a, b) in [(&first, &without), (&without, &first)] {
            let found = compare_text(a, b, Alignment::Content);
            assert_eq!(counts_of(&found), [0, 0, messages, 0, 0, 0], "{name}");
            assert_eq!(fields_of(&found), ["local_time"]);
        }
        let without = each_payload(&first, |payload| without_fields(payload, &with_seq));
        let found = compare_text(&first, &without, Alignment::Content);
        assert_eq!(counts_of(&found), [0, 0, messages, 0, 0, 0], "{name}");
        assert_eq!(fields_of(&found), ["local_time", "seq"]);
        let renamed = first.replace("\"local_time\":", "\"received\":");
        let found = compare_text(&first, &renamed, Alignment::Content);
        assert_eq!(counts_of(&found), [0, messages, 0, 0, 0, 0], "{name}");
        assert_eq!(fields_of(&found), ["local_time", "received"]);
        // And what was lost besides is still one difference each.
        let lost = without.lines().enumerate();
        let lost = lost.filter(|(position, _)| position % 100 != 50);
        let rest: String = lost.map(|(_, line)| format!("{line}\n")).collect();
        let lost = messages - rest.lines().count() as u64;
        let found = compare_text(&first, &rest, Alignment::Content);
        assert_eq!(
            counts_of(&found),
            [0, 0, messages - lost, lost, 0, 0],
            "{name}"
        );
    }
}

#[test]
fn a_change_everywhere_hides_no_partner_of_another_day() {
    // The gap of the second one is after the messages that its front sends twice.
    for (name, hole_at) in [("quick", 100), ("quirks", 2000)] {
        let first = committed(name);
        let messages = first.lines().count() as u64;
        for field in ["turnover", "open_interest", "volume"] {
            let later = each_payload(&first, |payload| {
                one_more(&a_day_later(payload), &format!("\"{field}\":"))
            });
            let found = compare_text(&first, &later, Alignment::Content);
            let counts = [0, messages, 0, 0, 0, 0];
            assert_eq!(counts_of(&found), counts, "{name} {field}");
            let mut expected = [field, "local_time"];
            expected.sort_unstable();
            assert_eq!(fields_of(&found), expected, "{name} {field}");
            if field == "volume" {
                // In a second with several ticks, nothing shows which one was lost.
                continue;
            }
            let hole: Vec<&str> = later.lines().collect();
            let hole = [&hole[..hole_at], &hole[hole_at + 300..]]
                .concat()
                .join("\n");
            let found = compare_text(&first, &hole, Alignment::Content);
            let counts = [0, messages - 300, 0, 300, 0, 0];
            assert_eq!(counts_of(&found), counts, "{name} {field}");
        }
    }
}

#[test]
fn times_in_another_zone_or_form_still_tell_the_order() {
    let first = committed("quirks");
    let messages = first.lines().count() as u64;
    for (from, to) in [("+08:00\"", "\""), ("000+08:00\"", "+08:00\"")] {
        let second = first.replace(from, to);
        let found = compare_text(&first, &second, Alignment::Content);
        assert_eq!(
            (found.missing, found.extra, found.reordered),
            (0, 0, 0),
            "{to}"
        );
        assert_eq!(found.changed + found.timing_only + found.equal, messages);
    }
}

#[test]
fn a_changed_volume_leads_no_message_to_a_neighbour() {
    let first = committed("quirks");
    let messages = first.lines().count() as u64;
    let second = each_payload(&first, |payload| one_more(payload, "\"volume\":"));
    let found = compare_text(&first, &second, Alignment::Content);
    assert_eq!(counts_of(&found), [0, messages, 0, 0, 0, 0]);
    assert_eq!(fields_of(&found), ["volume"]);
    let renamed = first.replace("\"timestamp\":", "\"exchange_time\":");
    let found = compare_text(&first, &renamed, Alignment::Content);
    assert_eq!(counts_of(&found), [0, messages, 0, 0, 0, 0]);
    assert_eq!(fields_of(&found), ["exchange_time", "timestamp"]);
}

#[test]
fn differently_numbered_events_are_paired_by_content() {
    let all = ticks(1000);
    let first = text(&all);
    let without = each_payload(&first, |payload| without_fields(payload, &["seq".into()]));
    let found = compare_text(&first, &without, Alignment::Seq);
    assert_eq!(counts_of(&found), [0, 0, 1000, 0, 0, 0]);
    assert_eq!(fields_of(&found), ["seq"]);
    let renumbered = each_payload(&first, |payload| one_more(payload, "\"seq\":"));
    let found = compare_text(&first, &renumbered, Alignment::Seq);
    assert_eq!(counts_of(&found), [0, 0, 1000, 0, 0, 0]);
}

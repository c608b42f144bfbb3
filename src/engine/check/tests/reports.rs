//! What a reader sees of two small streams.

use super::super::report::text::{self, Sides};
use super::super::report::{Entry, Style, Styles, html, junit};
use super::*;

/// Styles that can be seen in a snapshot.
fn visible() -> Styles {
    let style = |name: &str| Style {
        start: format!("<{name}>"),
        end: format!("</{name}>"),
    };
    Styles {
        good: style("good"),
        bad: style("bad"),
        heading: style("b"),
        before: style("red"),
        after: style("green"),
        context: style("dim"),
    }
}

const SIDES: Sides<'static> = Sides {
    before: "a",
    after: "b",
};

fn shown(first: &str, second: &str, styles: &Styles) -> String {
    let found = compare_text(first, second, Alignment::Content);
    text::comparison(&found, SIDES, styles)
}

/// A price is changed, one tick is lost, one is doubled, and two are swapped.
fn edited() -> (String, String) {
    let all = ticks(60);
    let mut edited = all.clone();
    edited[10].price = 4999;
    edited.remove(20);
    edited.insert(30, edited[29].clone());
    edited.swap(50, 51);
    (text(&all), text(&edited))
}

fn compare_all(first: &str, second: &str) -> Comparison {
    let [first, second] = [first, second].map(|text| MessagesInMemory::of_text(text).unwrap());
    let alignment = Alignment::Content;
    compare(first, second, alignment, &[], 100, &mut |_| true).unwrap()
}

#[test]
fn each_kind_of_difference_reads_as_reviewed() {
    let (first, second) = edited();
    let found = compare_all(&first, &second);
    insta::assert_snapshot!(text::comparison(&found, SIDES, &Styles::default()));
}

#[test]
fn styles_mark_both_sides() {
    let (first, second) = edited();
    insta::assert_snapshot!(shown(&first, &second, &visible()));
    assert_eq!(shown(&first, &first, &visible()), "");
}

#[test]
fn no_payload_acts_on_a_terminal() {
    let line = |value: &str| format!("a.b {{\"k\u{1b}[2J\":\"{value}\"}}\n");
    let shown = shown(&line("\u{1b}[31mx"), &line("\u{7}y"), &visible());
    assert!(!shown.contains(['\u{1b}', '\u{7}']), "{shown:?}");
    assert!(shown.contains("<green>\"\\u0007y\"</green>"), "{shown}");
    assert!(shown.contains("  k\\u001b[2J  <red>"), "{shown}");
}

#[test]
fn what_is_changed_and_moved_is_shown_once() {
    let all = ticks(30);
    let mut edited = all.clone();
    edited[10].price = 4999;
    edited.swap(10, 14);
    let found = compare_all(&text(&all), &text(&edited));
    assert_eq!((found.changed, found.reordered), (1, 2), "{found:?}");
    assert_eq!(found.first.len(), 2);
    assert!(found.first[0].reordered);
    assert_eq!(found.not_shown, NotShown::default());
    let shown = text::comparison(&found, SIDES, &Styles::default());
    assert!(shown.contains("\nchanged, reordered  "), "{shown}");
    assert!(!shown.contains("more"), "{shown}");
}

#[test]
fn what_is_not_shown_is_counted() {
    let all = ticks(300);
    let mut edited = all.clone();
    for tick in &mut edited[100..200] {
        tick.price += 1;
    }
    edited.remove(250);
    let found = compare_text(&text(&all), &text(&edited), Alignment::Content);
    let rest = NotShown {
        messages: 98,
        instruments: 3,
        counts: vec![("last_price".into(), 97), ("missing".into(), 1)],
    };
    assert_eq!((found.first.len(), &found.not_shown), (3, &rest));
    assert_eq!((found.instruments, found.by_instrument.len()), (3, 3));
    let differing: u64 = found.by_instrument.iter().map(|group| group.messages).sum();
    assert_eq!(differing, found.differences());
    let shown = text::comparison(&found, SIDES, &Styles::default());
    let rest = "\n... and 98 more in 3 instruments: last_price 97, missing 1\n";
    assert!(shown.contains(rest), "{shown}");
    assert!(shown.contains("a -> b, the first 3 of 101\n"), "{shown}");
}

#[test]
fn messages_of_any_publisher_are_shown() {
    let first = "bars.1m.rb a,1\nbars.1m.rb b,2\norders.new {\"id\":7,\"state\":\"new\"}\n";
    let second = "bars.1m.rb a,1\nbars.1m.rb c,3\norders.new {\"id\":7,\"state\":\"done\"}\n\
                  orders.new {\"id\":8}\n";
    let found = compare_all(first, second);
    insta::assert_snapshot!(text::comparison(&found, SIDES, &Styles::default()));
}

/// One entry of each kind, whose input and payloads hold what XML and HTML reserve.
fn entries() -> Vec<Entry> {
    let folder = tempfile::tempdir().unwrap();
    let (input, golden) = ("live.jsonl", "live.golden.json");
    let path = folder.path().join(input);
    let line = |text: &str| format!("a.<b>&\"c\" {{\"text\":\"{text}\"}}\n{}", text_of_two());
    let accept = CheckOptions {
        accept: Accept::Everything,
        ..CheckOptions::default()
    };
    std::fs::write(&path, line("before ]]>")).unwrap();
    let golden_path = folder.path().join(golden);
    let check = |options: &CheckOptions| {
        let stream = StreamFile::open(&path).unwrap();
        let mut checked = check_stream(stream, &golden_path, options, &mut |_| true).unwrap();
        checked.input = "<live> & \u{1b}.jsonl".into();
        checked.golden = golden.into();
        checked.versions.tickdeck = "VERSION".into();
        checked.versions.golden_tickdeck = Some("VERSION".into());
        checked
    };
    let made = check(&accept);
    std::fs::write(&path, line("<script>\u{1b}[31m\u{0}</script>")).unwrap();
    let differing = check(&CheckOptions::default());
    let entry = |checked: Checked, accept: &[&str]| Entry::Checked {
        checked: Box::new(checked),
        accept: accept.iter().map(|&way| way.to_owned()).collect(),
    };
    vec![
        entry(differing, &["accept '<live> & it'"]),
        entry(made, &[]),
        Entry::Failed {
            input: "gone".into(),
            reason: "gone does not exist".into(),
        },
    ]
}

fn text_of_two() -> String {
    text(&ticks(2))
}

#[test]
fn a_page_reads_as_reviewed() {
    let page = html::page(&entries());
    assert_eq!(page, html::page(&entries()), "deterministic");
    assert!(!page.contains("<script"), "{page}");
    assert!(page.contains("a.&lt;b&gt;&amp;&quot;c&quot;"), "{page}");
    assert!(!page.contains(['\u{1b}', '\0']), "{page}");
    // One element a line.
    insta::assert_snapshot!(page.replace("><", ">\n<"));
}

#[test]
fn junit_has_the_text_without_colour() {
    let entries = entries();
    let xml = junit::xml(&entries).unwrap();
    let is_hidden = |c: char| c.is_control() && !matches!(c, '\n' | '\t');
    assert!(!xml.contains(is_hidden), "{xml}");
    let report = quick_junit::Report::deserialize_from_str(&xml).unwrap();
    let cases = &report.test_suites[0].test_cases;
    let quick_junit::TestCaseStatus::NonSuccess {
        message,
        description,
        ..
    } = &cases[0].status
    else {
        panic!("{cases:?}");
    };
    let Entry::Checked { checked, accept } = &entries[0] else {
        panic!("{entries:?}");
    };
    let expected = text::checked(checked, accept, &Styles::default());
    let described = description.as_ref().unwrap().as_str();
    assert_eq!(described.trim_end(), expected.trim_end());
    assert_eq!(
        message.as_ref().unwrap().as_str(),
        "differs from live.golden.json: 1 changed"
    );
    assert!(
        expected.contains("to accept this\n  accept '<live> & it'\n"),
        "{expected}"
    );
    assert_eq!(cases[0].name.as_str(), "<live> & \\u001b.jsonl");
    insta::assert_snapshot!(xml);
}

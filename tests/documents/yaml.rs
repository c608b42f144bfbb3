//! YAML as JSON values. Every scalar is a text.

use saphyr_parser::{Event, Parser};
use serde_json::{Map, Value};

/// The only document of `text`.
pub(super) fn load(text: &str) -> Value {
    let mut events = Parser::new_from_str(text).map(|event| event.unwrap().0);
    assert_eq!(events.next(), Some(Event::StreamStart));
    assert!(matches!(events.next(), Some(Event::DocumentStart(_))));
    let first = events.next().unwrap();
    let value = value(first, &mut events);
    assert_eq!(events.next(), Some(Event::DocumentEnd));
    assert_eq!(events.next(), Some(Event::StreamEnd));
    value
}

fn value<'t>(event: Event<'t>, events: &mut impl Iterator<Item = Event<'t>>) -> Value {
    match event {
        Event::Scalar(text, ..) => Value::from(text.into_owned()),
        Event::SequenceStart(..) => {
            let mut list = Vec::new();
            loop {
                match events.next().unwrap() {
                    Event::SequenceEnd => return Value::from(list),
                    item => list.push(value(item, events)),
                }
            }
        }
        Event::MappingStart(..) => {
            let mut map = Map::new();
            loop {
                match events.next().unwrap() {
                    Event::MappingEnd => return Value::from(map),
                    Event::Scalar(key, ..) => {
                        let item = events.next().unwrap();
                        let item = value(item, events);
                        assert_eq!(map.insert(key.into_owned(), item), None, "a key twice");
                    }
                    other => panic!("{other:?} as a key"),
                }
            }
        }
        other => panic!("{other:?}"),
    }
}

#[test]
fn yaml_is_loaded() {
    let text = "a: [x, \"1:2\"]\nb:\n  - c: |\n      two\n      lines\n    d: no # comment\n";
    let expected = serde_json::json!({"a": ["x", "1:2"], "b": [{"c": "two\nlines\n", "d": "no"}]});
    assert_eq!(load(text), expected);
}

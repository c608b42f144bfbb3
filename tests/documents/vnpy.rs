//! The section on vn.py in `docs/payload.md`, with vn.py itself.

use std::collections::{BTreeMap, BTreeSet};

use regex::Regex;
use serde_json::{Map, Value, json};

use super::blocks::block;
use super::{Clone, python};
use crate::support::cli::finish;
use crate::support::recordings::{quirks, repository, split, stream};

const PAGE: &str = "docs/payload.md";

/// Prints every attribute of every tick.
const ATTRIBUTES: &str = r#"
import sys

for line in sys.stdin:
    tick = tick_data(line.split(" ", 1)[1].encode())
    values = {**vars(tick), "exchange": tick.exchange.value}
    for name in ["datetime", "localtime"]:
        values[name] = [values[name].isoformat("T", "microseconds"), str(values[name].tzinfo)]
    print(json.dumps(values))
"#;

/// What the printed program makes of each line of a payload stream.
fn tick_data(python: &std::path::Path, lines: &str) -> Vec<Map<String, Value>> {
    let clone = Clone::new();
    let program = clone.join("program.py");
    std::fs::write(&program, block(PAGE, "vn.py", "python") + ATTRIBUTES).unwrap();
    std::fs::write(clone.join("stream"), lines).unwrap();
    let mut command = clone.command(python);
    let input = std::fs::File::open(clone.join("stream")).unwrap();
    command.arg(program).stdin(input);
    let text = finish(command).done().stdout;
    text.lines()
        .map(|line| serde_json::from_str(line).unwrap())
        .collect()
}

/// The rows of the table: payload keys, attributes.
fn rows() -> Vec<(Vec<String>, Vec<String>)> {
    let page = std::fs::read_to_string(repository(PAGE)).unwrap();
    let (_, section) = page.split_once("\n## vn.py\n").unwrap();
    let table = section.lines().filter(|line| line.starts_with("| "));
    let mut rows = Vec::new();
    for line in table.skip(1) {
        let cells: Vec<&str> = line.split('|').collect();
        let keys = names(cells[1]);
        let attributes = match cells[2].trim() {
            "the same" => keys.clone(),
            other => names(other),
        };
        rows.push((keys, attributes));
    }
    assert!(rows.len() > 10);
    rows
}

/// The names in a cell; `a_1` to `a_5` are five.
fn names(cell: &str) -> Vec<String> {
    let span = Regex::new(r"`([a-z_]+_)1` to `([a-z_]+_)5`|`([a-z_0-9]+)`").unwrap();
    let mut found = Vec::new();
    for name in span.captures_iter(cell) {
        match (name.get(1), name.get(3)) {
            (Some(first), _) => {
                assert_eq!(first.as_str(), &name[2]);
                found.extend((1..=5).map(|level| format!("{}{level}", first.as_str())));
            }
            (_, Some(one)) => found.push(one.as_str().to_owned()),
            (None, None) => {}
        }
    }
    found
}

#[test]
fn the_table_has_every_key_and_attribute() {
    let Some(python) = python("the table of vn.py's names") else {
        return;
    };
    let lines = stream(&quirks(), "");
    let mut keys = BTreeSet::new();
    for line in lines.lines() {
        let payload: Map<String, Value> = serde_json::from_str(split(line).1).unwrap();
        keys.extend(payload.into_iter().map(|(key, _)| key));
    }
    let first = lines.lines().next().unwrap();
    let attributes: BTreeSet<String> = tick_data(&python, first)[0].keys().cloned().collect();

    let mut listed = (BTreeSet::new(), BTreeSet::new());
    for (row_keys, row_attributes) in rows() {
        for key in &row_keys {
            // A key of the same name is listed as such.
            let is_attribute = attributes.contains(key);
            assert_eq!(row_attributes.contains(key), is_attribute, "{key}");
            assert!(listed.0.insert(key.clone()), "{key} is listed twice");
        }
        listed.1.extend(row_attributes);
    }
    assert_eq!(listed, (keys, attributes));
}

#[test]
fn every_value_reaches_its_attribute() {
    let Some(python) = python("payloads as vn.py's TickData") else {
        return;
    };
    let lines = stream(&quirks(), "");
    let made = tick_data(&python, &lines);
    assert_eq!(made.len(), lines.lines().count());
    let renamed = BTreeMap::from([("timestamp", "datetime"), ("local_time", "localtime")]);
    let table: BTreeMap<String, bool> = rows()
        .into_iter()
        .flat_map(|(keys, attributes)| {
            let is_there = !attributes.is_empty();
            keys.into_iter().map(move |key| (key, is_there))
        })
        .collect();
    for (line, tick) in lines.lines().zip(made) {
        let payload: Map<String, Value> = serde_json::from_str(split(line).1).unwrap();
        for (key, value) in &payload {
            if let Some(name) = renamed.get(key.as_str()) {
                // Microseconds, and the zone's name.
                let text = value.as_str().unwrap();
                let (time, fraction) = text
                    .strip_suffix("+08:00")
                    .unwrap()
                    .split_once('.')
                    .unwrap();
                let expected = format!("{time}.{fraction:0<6.6}+08:00");
                assert_eq!(tick[*name], json!([expected, "Asia/Shanghai"]), "{line}");
            } else if table[key] {
                assert_eq!(&tick[key], value, "{key} of {line}");
            } else {
                assert_eq!(&tick["extra"][key], value, "{key} of {line}");
            }
        }
        // What the payload does not have is vn.py's 0, and nothing else is extra.
        for (name, value) in &tick {
            if name.contains("price") && !payload.contains_key(name) {
                assert_eq!(value, 0, "{name} of {line}");
            }
        }
        let extra = tick["extra"].as_object().unwrap();
        assert!(extra.keys().all(|key| !table[key]), "{extra:?}");
    }
}

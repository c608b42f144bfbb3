//! The section on vn.py in `docs/payload.md`, with vn.py itself.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

use regex::Regex;
use serde_json::{Map, Value, json};

use super::blocks::block;
use super::{Clone, python};
use crate::support::cli::{finish, run};
use crate::support::recordings::{quirks, repository, split, stream};
use crate::support::skipped;

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
fn tick_data(python: &Path, lines: &str) -> Vec<Map<String, Value>> {
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

/// A row of the table.
struct Row {
    /// Payload keys.
    keys: Vec<String>,
    /// Attributes of `TickData`.
    attributes: Vec<String>,
    /// Whether their values are said to be equal.
    is_equal: bool,
}

/// The rows of the table.
fn rows() -> Vec<Row> {
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
        rows.push(Row {
            keys,
            attributes,
            is_equal: cells[3].trim() == "equal",
        });
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
    for row in rows() {
        for key in &row.keys {
            // A key of the same name is listed as such.
            let is_attribute = attributes.contains(key);
            assert_eq!(row.attributes.contains(key), is_attribute, "{key}");
            assert!(listed.0.insert(key.clone()), "{key} is listed twice");
        }
        listed.1.extend(row.attributes);
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
        .flat_map(|row| {
            let is_there = !row.attributes.is_empty();
            row.keys.into_iter().map(move |key| (key, is_there))
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

/// Prints what vn.py's CTP gateway makes of each raw tick in `raw` that is published in `stream`. A
/// number that is none is a text.
const GATEWAY: &str = r#"
import json
from types import SimpleNamespace
from vnpy.trader.constant import Exchange
from vnpy_ctp.gateway.ctp_gateway import CtpMdApi, symbol_contract_map

made = []
gateway = SimpleNamespace(
    current_date="20250101", gateway_name="CTP", gateway=SimpleNamespace(on_tick=made.append)
)
ticks = {}
for line in open("raw"):
    event = json.loads(line)
    words = ["NaN", "inf", "-inf"]
    ticks[event["seq"]] = {key: float(v) if v in words else v for key, v in event.items()}
for line in open("stream"):
    payload = json.loads(line.split(" ", 1)[1])
    contract = SimpleNamespace(exchange=Exchange(payload["exchange"]), name="")
    symbol_contract_map[payload["symbol"]] = contract
    CtpMdApi.onRtnDepthMarketData(gateway, ticks[payload["seq"]])
    values = vars(made.pop())
    values["exchange"] = values["exchange"].value
    values["datetime"] = values["datetime"].isoformat("T", "milliseconds")
    for name, value in values.items():
        if isinstance(value, float) and not abs(value) < 1e300:
            values[name] = "missing"
    print(json.dumps(values))
"#;

/// The folder of vn.py with its gateway, which `cargo xtask sim-clients` leaves; `None` after a
/// visible skip.
fn clients(test: &str) -> Option<PathBuf> {
    let named = std::env::var_os("TICKDECK_SIM_CLIENTS").map(PathBuf::from);
    let folder = named.unwrap_or_else(|| repository("target/tools/sim-clients"));
    if folder.join("vnpy/vnpy_ctp").is_dir() {
        return Some(folder);
    }
    skipped(test, "no vnpy_ctp: cargo xtask sim-clients fetches it");
    None
}

/// What vn.py makes of each published tick of `quirks`.
fn gateway_ticks(clients: &Path, stream: &str, raw: &str) -> Vec<Map<String, Value>> {
    let clone = Clone::new();
    std::fs::write(clone.join("stream"), stream).unwrap();
    std::fs::write(clone.join("raw"), raw).unwrap();
    // vn.py keeps its files here.
    std::fs::create_dir(clone.join(".vntrader")).unwrap();
    let mut command = clone.command(clients.join("python/bin/python"));
    command
        .args(["-c", GATEWAY])
        .env("PYTHONPATH", clients.join("vnpy"))
        .env("LOCPATH", clients.join("locale"));
    let text = finish(command).done().stdout;
    text.lines()
        .map(|line| serde_json::from_str(line).unwrap())
        .collect()
}

#[test]
fn equal_names_have_equal_values() {
    let Some(clients) = clients("payloads against vn.py's gateway") else {
        return;
    };
    let quirks = quirks();
    let lines = stream(&quirks, "");
    let args = ["cat".as_ref(), quirks.as_os_str(), "--json".as_ref()];
    let raw = run(args).done().stdout;
    let events: BTreeMap<u64, Value> = raw
        .lines()
        .map(|line| {
            let event: Value = serde_json::from_str(line).unwrap();
            (event["seq"].as_u64().unwrap(), event)
        })
        .collect();
    let equal: Vec<String> = rows()
        .into_iter()
        .filter(|row| row.is_equal)
        .flat_map(|row| row.keys)
        .collect();
    assert_eq!(equal.len(), 2 + 3 + 6 + 10 + 10);
    let (mut missing, mut misread, mut lacking) = (0, 0, 0);
    let made = gateway_ticks(&clients, &lines, &raw);
    for (line, tick) in lines.lines().zip(&made) {
        let payload: Map<String, Value> = serde_json::from_str(split(line).1).unwrap();
        for key in &equal {
            match (payload.get(key), &tick[key]) {
                (Some(value), of_vnpy) if value.is_number() => {
                    assert_eq!(value.as_f64(), of_vnpy.as_f64(), "{key} of {line}");
                }
                (Some(value), of_vnpy) => assert_eq!(value, of_vnpy, "{key} of {line}"),
                (None, of_vnpy) if of_vnpy == "missing" => missing += 1,
                (None, of_vnpy) => assert_eq!(of_vnpy.as_f64(), Some(0.0), "{key} of {line}"),
            }
        }
        // What the table says about the others.
        assert_eq!(
            (&tick["last_volume"], &tick["localtime"]),
            (&json!(0), &Value::Null)
        );
        let raw = &events[&payload["seq"].as_u64().unwrap()];
        assert_eq!(tick["turnover"], raw["Turnover"], "{line}");
        lacking += usize::from(tick["turnover"] != payload["turnover"]);
        let day = match raw["ActionDay"].as_str().unwrap() {
            "" => "20250101",
            _ if payload["exchange"] == "DCE" => "20250101",
            day => day,
        };
        let (year, month, day) = (&day[..4], &day[4..6], &day[6..]);
        let millis = raw["UpdateMillisec"].to_string();
        misread += usize::from(millis.len() == 2);
        let time = raw["UpdateTime"].as_str().unwrap();
        let expected = format!("{year}-{month}-{day}T{time}.{millis:0<3}+08:00");
        assert_eq!(tick["datetime"], expected.as_str(), "{line}");
    }
    assert_eq!(made.len(), lines.lines().count());
    assert!(
        missing > 100 && misread > 10 && lacking > 1000,
        "{missing} {misread} {lacking}"
    );
}

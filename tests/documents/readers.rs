//! `docs/analysis.md`: other tools read a recording as its blocks say.

use std::collections::BTreeMap;
use std::path::Path;

use serde_json::{Value, json};

use super::blocks::block;
use super::{Clone, python};
use crate::support::cli::{finish, run};
use crate::support::recordings::{payload, quirks, repository, split, stream};

const PAGE: &str = "docs/analysis.md";

/// Separates what a block prints from what the test adds.
const MARK: &str = "-- rows --";

/// A clone whose `recordings/quick` has every oddity, in several segments.
fn clone_with_segments() -> Clone {
    let clone = Clone::new();
    let quick = clone.join("recordings/quick");
    std::fs::remove_dir_all(&quick).unwrap();
    let words = "slice --max-rows 700 -q -o";
    let args = words.split(' ').map(AsRef::as_ref);
    run(args.chain([quick.as_os_str(), quirks().as_os_str()])).done();
    assert!(quick.join("part-00008.parquet").is_file(), "many segments");
    clone
}

/// Runs a Python block as printed, followed by `rows`, and returns the JSON that `rows` prints.
fn rows_of(clone: &Clone, python: &Path, text: &str, rows: &str) -> Value {
    let program = format!("{text}\nimport json\nprint({MARK:?})\n{rows}\n");
    let path = clone.join("program.py");
    std::fs::write(&path, program).unwrap();
    let mut command = clone.command(python);
    command.arg(path);
    let ended = finish(command).done();
    let (_, json) = ended.stdout.split_once(MARK).unwrap();
    serde_json::from_str(json).unwrap()
}

/// A price as the pages leave it: null where CTP has none.
fn known(value: &Value) -> Value {
    let price = value.as_f64().filter(|price| price.abs() < 1e300);
    price.map_or(Value::Null, Value::from)
}

/// Every tick of the recording: `seq`, receive time, id, two prices, volume.
fn expected() -> Value {
    let quirks = quirks();
    let args = ["cat".as_ref(), quirks.as_os_str(), "--json".as_ref()];
    let text = run(args).done().stdout;
    let events = text
        .lines()
        .map(|line| serde_json::from_str::<Value>(line).unwrap());
    let rows: Vec<Value> = events
        .filter(|event| event["kind"] == "tick")
        .map(|tick| {
            json!([
                tick["seq"],
                tick["recv_ts"],
                tick["InstrumentID"],
                known(&tick["LastPrice"]),
                known(&tick["ClosePrice"]),
                tick["Volume"],
            ])
        })
        .collect();
    let missing = |column: usize| rows.iter().filter(|row| row[column].is_null()).count();
    assert!(missing(3) > 0 && missing(4) > 1000, "prices are missing");
    json!({ "zone": "Asia/Shanghai", "rows": rows })
}

/// The block under `heading` makes the recording's ticks; `rows` prints them as JSON.
fn reads_every_tick(heading: &str, rows: &str) {
    let Some(python) = python(heading) else {
        return;
    };
    let clone = clone_with_segments();
    let found = rows_of(&clone, &python, &block(PAGE, heading, "python"), rows);
    let expected = expected();
    let (found_rows, expected_rows) = (&found["rows"], &expected["rows"]);
    for (found, expected) in found_rows
        .as_array()
        .unwrap()
        .iter()
        .zip(expected_rows.as_array().unwrap())
    {
        assert_eq!(found, expected);
    }
    assert_eq!(found, expected);
}

#[test]
fn duckdb_reads_every_tick_in_order() {
    reads_every_tick(
        "DuckDB",
        r#"
zone = duckdb.sql("SELECT current_setting('TimeZone')").fetchall()[0][0]
columns = "seq, epoch_ns(recv_ts), instrument_id, last_price, close_price, volume"
rows = [[None if x != x else x for x in row] for row in ticks.project(columns).fetchall()]
print(json.dumps({"zone": zone, "rows": rows}))"#,
    );
}

#[test]
fn pandas_reads_every_tick_in_order() {
    reads_every_tick(
        "pandas",
        r#"
columns = ["seq", "recv_ts", "instrument_id", "last_price", "close_price", "volume"]
zone = str(ticks["recv_ts"].dt.tz)
ticks["recv_ts"] = ticks["recv_ts"].map(lambda time: time.value)
rows = [[None if x != x else x for x in row] for row in ticks[columns].values.tolist()]
print(json.dumps({"zone": zone, "rows": rows}))"#,
    );
}

#[test]
fn polars_reads_every_tick_in_order() {
    reads_every_tick(
        "polars",
        r#"
columns = ["seq", "recv_ts", "instrument_id", "last_price", "close_price", "volume"]
zone = ticks["recv_ts"].dtype.time_zone
ticks = ticks.with_columns(pl.col("recv_ts").dt.timestamp("ns")).select(columns)
print(json.dumps({"zone": zone, "rows": [list(row) for row in ticks.iter_rows()]}))"#,
    );
}

#[test]
fn pyarrow_reads_every_tick_in_order() {
    reads_every_tick(
        "pyarrow",
        r#"
columns = ["seq", "recv_ts", "instrument_id", "last_price", "close_price", "volume"]
zone = ticks.schema.field("recv_ts").type.tz
ticks = ticks.set_column(1, "recv_ts", ticks["recv_ts"].cast(pa.int64())).select(columns)
rows = [list(row) for row in zip(*(ticks[name].to_pylist() for name in columns))]
print(json.dumps({"zone": zone, "rows": rows}))"#,
    );
}

/// Readers that are given the root find the segments, and trip over no other file. One session is still
/// being written.
#[test]
fn a_catalogue_is_one_table() {
    let Some(python) = python("a catalogue") else {
        return;
    };
    let clone = clone_with_segments();
    let sessions = clone.join("sessions");
    for (day, seed) in [("2026-01-05", 1), ("2026-01-05", 2), ("2026-01-06", 1)] {
        let source = format!("synthetic:quick,seed={seed},trading_day={day}");
        let words = ["record", "-q", "--source", &source, "--record-under"];
        let args = words.map(AsRef::as_ref);
        run(args.into_iter().chain([sessions.as_os_str()])).done();
    }
    // Goldens lie beside the sessions.
    let args = ["check", "--update", "-q"].map(AsRef::as_ref);
    run(args.into_iter().chain([sessions.as_os_str()])).done();
    // What a writer has beside its segments, as it was killed or is at work.
    let session = sessions.join("trading_day=2026-01-06/session=quick-1");
    for name in ["_journal-00000.tdj", ".part-00001.parquet.partial", ".lock"] {
        std::fs::write(session.join(name), "no Parquet").unwrap();
    }
    let found = rows_of(
        &clone,
        &python,
        &block(PAGE, "A catalogue", "python"),
        r#"
import pandas as pd
import polars as pl
import pyarrow.dataset as ds

data = ds.dataset("sessions", partitioning="hive")
day = data.count_rows(filter=(ds.field("trading_day") == "2026-01-06") & (ds.field("kind") == "tick"))
frame = pd.read_parquet("sessions", partitioning=None)
lazy = pl.scan_parquet("sessions/**/part-*.parquet", hive_partitioning=True)
lazy = lazy.filter((pl.col("kind") == "tick") & (pl.col("session") == "quick-2"))
print(json.dumps({
    "duckdb": [[str(day), session, ticks] for day, session, ticks in ticks_by_day],
    "pyarrow": [len(data.files), day],
    "pandas": sorted(frame["trading_day"].dropna().unique()),
    "polars": len(lazy.collect()),
}))"#,
    );
    let ticks = |seed: u64| -> u64 {
        let listed = run(["ls".as_ref(), sessions.as_os_str(), "--json".as_ref()]).done();
        let id = format!("quick-{seed}");
        let listed = listed.json();
        let mut listed = listed.as_array().unwrap().iter();
        let one = listed.find(|one| one["session"] == id.as_str()).unwrap();
        one["ticks"].as_u64().unwrap()
    };
    assert_eq!(
        found,
        json!({
            "duckdb": [
                ["2026-01-05", "quick-1", ticks(1)],
                ["2026-01-05", "quick-2", ticks(2)],
                ["2026-01-06", "quick-1", ticks(1)],
            ],
            "pyarrow": [3, ticks(1)],
            "pandas": ["20260105", "20260106"],
            "polars": ticks(2),
        })
    );
}

#[test]
fn contracts_join_as_published() {
    let Some(python) = python("the join with the contract table") else {
        return;
    };
    let clone = clone_with_segments();
    let text = block(PAGE, "With the contract table", "python");
    let found = rows_of(
        &clone,
        &python,
        &text,
        "print(json.dumps(ticks_by_exchange))",
    );

    // The exchange of an instrument is the one under which it is published.
    let mut exchanges = BTreeMap::new();
    for line in stream(&quirks(), "").lines() {
        let payload = payload(line);
        let text = |key: &str| payload[key].as_str().unwrap().to_owned();
        exchanges.insert(text("symbol"), text("exchange"));
    }
    let mut counts: BTreeMap<Option<&String>, u64> = BTreeMap::new();
    let expected = expected();
    for row in expected["rows"].as_array().unwrap() {
        let exchange = exchanges.get(row[2].as_str().unwrap());
        *counts.entry(exchange).or_default() += 1;
    }
    let unlisted = counts.remove(&None).unwrap();
    let mut expected: Vec<Value> = counts.into_iter().map(|pair| json!(pair)).collect();
    expected.push(json!([null, unlisted]));
    assert_eq!(found, Value::from(expected));
}

#[test]
fn published_values_are_read_as_exported() {
    let Some(python) = python("published values in pandas") else {
        return;
    };
    let clone = clone_with_segments();
    let commands = block(PAGE, "What is published", "sh");
    finish(clone.shell(&commands)).done();
    let found = rows_of(
        &clone,
        &python,
        &block(PAGE, "What is published", "python"),
        r#"
published["timestamp"] = published["timestamp"].map(lambda time: time.isoformat("T", "milliseconds"))
columns = ["seq", "timestamp", "vt_symbol", "last_price", "volume"]
rows = published[columns].values.tolist()
print(json.dumps([[None if x != x else x for x in row] for row in rows]))"#,
    );
    let expected: Vec<Value> = stream(&quirks(), "")
        .lines()
        .map(|line| {
            let tick: Value = serde_json::from_str(split(line).1).unwrap();
            let keys = ["seq", "timestamp", "vt_symbol", "last_price", "volume"];
            Value::from(keys.map(|key| tick[key].clone()).to_vec())
        })
        .collect();
    assert!(expected.len() > 5000);
    assert_eq!(found, Value::from(expected));
}

/// Prints the table of every reader as rows of plain values: times in ns, days as texts, missing values null.
const TABLES: &str = r#"
import duckdb
import polars as pl
import pyarrow.parquet as pq

file = "quick.parquet"
arrow = pq.read_table(file)
names = arrow.schema.names
zones = {name: str(arrow.schema.field(name).type) for name in ("timestamp", "local_time", "trading_day")}
zones["pandas"] = str(published["timestamp"].dt.tz)
lazy = pl.read_parquet(file)
zones["polars"] = lazy.schema["timestamp"].time_zone

def plain(value):
    return str(value) if hasattr(value, "isoformat") else value

def rows(table):
    for name in ("timestamp", "local_time"):
        place = table.schema.get_field_index(name)
        table = table.set_column(place, name, table[name].cast("int64"))
    columns = [[plain(value) for value in table[name].to_pylist()] for name in names]
    return [dict(zip(names, row)) for row in zip(*columns)]

def times(name):
    return f"epoch_ns({name}) AS {name}" if name in ("timestamp", "local_time") else name

found = duckdb.sql(f"SELECT {', '.join(map(times, names))} FROM '{file}'").fetchall()
counts = published.isna().sum()
print(json.dumps({
    "zones": zones,
    "names": names,
    "pyarrow": rows(arrow),
    "duckdb": [dict(zip(names, map(plain, row))) for row in found],
    "polars": rows(lazy.to_arrow()),
    "pandas": {name: int(counts[name]) for name in names},
}))"#;

/// A payload as a row of the table.
fn as_row(payload: &Value, names: &[String]) -> Value {
    let time = |text: &str| {
        let at = chrono::DateTime::parse_from_rfc3339(text).unwrap();
        Value::from(at.timestamp_nanos_opt().unwrap())
    };
    let day = |text: &str| Value::from([&text[..4], &text[4..6], &text[6..]].join("-"));
    let cell = |name: &String| match (name.as_str(), &payload[name]) {
        ("timestamp" | "local_time", Value::String(text)) => time(text),
        ("trading_day" | "action_day", Value::String(text)) => day(text),
        ("flags", Value::Array(flags)) => {
            let words: Vec<&str> = flags.iter().map(|flag| flag.as_str().unwrap()).collect();
            Value::from(words.join(","))
        }
        (_, value) => value.clone(),
    };
    let cells = names.iter().map(|name| (name.clone(), cell(name)));
    cells.collect::<serde_json::Map<_, _>>().into()
}

/// Numbers that are equal may be written as 3 or 3.0.
fn assert_same_rows(found: &Value, expected: &[Value], reader: &str) {
    let found = found.as_array().unwrap();
    assert_eq!(found.len(), expected.len(), "{reader}");
    for (found, expected) in found.iter().zip(expected) {
        for (name, expected) in expected.as_object().unwrap() {
            let found = &found[name];
            let is_same = match (found.as_f64(), expected.as_f64()) {
                (Some(found), Some(expected)) => found.to_bits() == expected.to_bits(),
                _ => found == expected,
            };
            assert!(is_same, "{reader}, {name}: {found} is not {expected}");
        }
    }
}

#[test]
fn the_table_of_published_values_is_what_the_payloads_say() {
    const HEADING: &str = "One table of published values";
    let Some(python) = python("the table of published values") else {
        return;
    };
    let clone = clone_with_segments();
    finish(clone.shell(&block(PAGE, HEADING, "sh"))).done();
    let found = rows_of(&clone, &python, &block(PAGE, HEADING, "python"), TABLES);
    let names: Vec<String> = serde_json::from_value(found["names"].clone()).unwrap();
    let payloads: Vec<Value> = stream(&quirks(), "").lines().map(payload).collect();
    let keys = |it: &Value| it.as_object().unwrap().keys().cloned().collect::<Vec<_>>();
    for key in payloads.iter().flat_map(keys) {
        assert!(names.contains(&key), "{key} has no column");
    }
    let expected: Vec<Value> = payloads.iter().map(|it| as_row(it, &names)).collect();
    assert!(expected.len() > 5000);
    let shanghai = "timestamp[ns, tz=Asia/Shanghai]";
    assert_eq!(
        found["zones"],
        json!({
            "timestamp": shanghai,
            "local_time": shanghai,
            "trading_day": "date32[day]",
            "pandas": "Asia/Shanghai",
            "polars": "Asia/Shanghai",
        })
    );
    for reader in ["pyarrow", "duckdb", "polars"] {
        assert_same_rows(&found[reader], &expected, reader);
    }
    for name in &names {
        let missing = expected.iter().filter(|row| row[name].is_null()).count();
        assert_eq!(found["pandas"][name], missing, "{name}");
    }
}

#[test]
fn the_page_names_the_versions_in_use() {
    let provided = std::fs::read_to_string(repository(".cargo/xtask/src/readers.rs")).unwrap();
    let page = std::fs::read_to_string(repository(PAGE)).unwrap();
    for (name, package) in [
        ("DuckDB", "duckdb"),
        ("pandas", "pandas"),
        ("polars", "polars"),
        ("pyarrow", "pyarrow"),
    ] {
        let (_, version) = provided.split_once(&format!("\"{package}==")).unwrap();
        let version: Vec<&str> = version.split('.').take(2).collect();
        let named = format!("{name} {}", version.join("."));
        assert!(page.contains(&named), "{named}");
    }
}

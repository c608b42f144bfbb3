//! The commands in README.md and on the pages: each block is run by a test, or listed here with the
//! reason why not.

use std::os::unix::fs::PermissionsExt as _;

use serde_json::Value;

use super::blocks::{block, blocks};
use super::{Clone, python};
use crate::support::cli::{Ended, finish};
use crate::support::ctp::{logged, simulated_library};
use crate::support::nats_server::{self, NatsServer};
use crate::support::recordings::{info, quick, replay, repository, stream};
use crate::support::stream::JETSTREAM;
use crate::tidy::documents::pages;

/// Who runs the blocks of a page under a heading.
const BLOCKS: [(&str, &str, &str); 43] = [
    ("README.md", "Try it", "not run: it runs the tests"),
    ("README.md", "See messages arrive", "here"),
    ("README.md", "Record and replay", "here"),
    (
        "README.md",
        "The simulated front",
        "sim/clients/tests/python.rs",
    ),
    ("docs/analysis.md", "DuckDB", "readers"),
    ("docs/analysis.md", "pandas", "readers"),
    ("docs/analysis.md", "polars", "readers"),
    ("docs/analysis.md", "pyarrow", "readers"),
    ("docs/analysis.md", "A catalogue", "readers"),
    ("docs/analysis.md", "With the contract table", "readers"),
    ("docs/analysis.md", "What is published", "readers"),
    (
        "docs/analysis.md",
        "One table of published values",
        "readers",
    ),
    ("docs/capture.md", "Capturing what is published", "here"),
    ("docs/ci.md", "tickdeck as a submodule", "ci"),
    ("docs/ci.md", "A recording of your own", "ci"),
    ("docs/ci.md", "Your service", "ci"),
    (
        "docs/contributing.md",
        "Commands, in order",
        "not run: it runs the tests",
    ),
    (
        "docs/contributing.md",
        "Practice without an account",
        "here",
    ),
    ("docs/contributing.md", "The check", "here"),
    ("docs/import.md", "Headers", "here"),
    ("docs/jetstream.md", "Publishing to JetStream", "here"),
    ("docs/object-store.md", "Copying", "tests/store/verbs.rs"),
    (
        "docs/operations.md",
        "Practice with the simulated front",
        "here",
    ),
    ("docs/operations.md", "Before the first session", "here"),
    ("docs/operations.md", "The login test", "here"),
    ("docs/operations.md", "Running", "here"),
    ("docs/operations.md", "A catalogue of sessions", "here"),
    ("docs/operations.md", "Is the day whole?", "here"),
    ("docs/operations.md", "A black box", "here"),
    ("docs/operations.md", "Retention", "here"),
    (
        "docs/operations.md",
        "Container",
        "not run: it downloads images",
    ),
    ("docs/payload.md", "vn.py", "vnpy"),
    ("docs/recording-format.md", "A recording", "here"),
    ("docs/reference-data.md", "Contracts", "reference_data"),
    (
        "docs/reference-data.md",
        "Where to get a list",
        "reference_data",
    ),
    ("docs/reference-data.md", "Products", "reference_data"),
    ("docs/reference-data.md", "Calendar", "reference_data"),
    ("docs/scale.md", "Partitions", "here"),
    (
        "docs/scale.md",
        "A cluster",
        "tests/nats/jetstream_cluster.rs",
    ),
    (
        "docs/security.md",
        "Fuzzing",
        "not run: it needs nightly Rust, and takes long",
    ),
    (
        "docs/simulated-front.md",
        "The simulated front",
        "tests/sim_run/linked.rs",
    ),
    (
        "docs/simulated-front.md",
        "One command for every client",
        "tests/sim_run/linked.rs",
    ),
    (
        "docs/simulated-front.md",
        "One market for several processes",
        "tests/sim_run/shared.rs",
    ),
];

/// Its commands are those of `tests/check/`.
const ELSEWHERE: &str = "docs/regression.md";

#[test]
fn every_block_of_commands_is_listed() {
    let mut found: Vec<(String, String)> = Vec::new();
    for page in pages() {
        let page = page.strip_prefix(repository(".")).unwrap();
        let page = page.to_str().unwrap();
        for block in blocks(page) {
            let is_run = ["sh", "console", "python", "sql"].contains(&block.language.as_str());
            let place = (page.to_owned(), block.heading);
            if is_run && page != ELSEWHERE && !found.contains(&place) {
                found.push(place);
            }
        }
    }
    let listed = BLOCKS.map(|(page, heading, _)| (page.to_owned(), heading.to_owned()));
    let missing = |places: &[(String, String)], among: &[(String, String)]| {
        let is_missing = |place: &&(String, String)| !among.contains(place);
        places
            .iter()
            .filter(is_missing)
            .cloned()
            .collect::<Vec<_>>()
    };
    let unlisted = missing(&found, &listed);
    assert!(
        unlisted.is_empty(),
        "run these blocks in a test, and list them: {unlisted:#?}"
    );
    let gone = missing(&listed, &found);
    assert!(gone.is_empty(), "these are not in the pages: {gone:#?}");
}

/// Writes a program into the clone's `bin`.
fn program(clone: &Clone, name: &str, text: &str) {
    let path = clone.join("bin").join(name);
    std::fs::write(&path, text).unwrap();
    std::fs::set_permissions(path, std::fs::Permissions::from_mode(0o755)).unwrap();
}

/// How many lines of a payload stream are in `text`.
fn messages(text: &str) -> usize {
    text.lines()
        .filter(|line| line.starts_with("market.tick."))
        .count()
}

/// Ends the server that the blocks of README.md leave running.
const STOP: &str = "trap 'kill \"$server\"' EXIT\n";

/// A clone whose `cargo xtask nats-server` names a server, and the address where that listens.
fn clone_with_server(test: &str) -> Option<(Clone, String)> {
    let (binary, mut server) = (nats_server::binary(test)?, NatsServer::start(test)?);
    // The block starts the server, on the port that this one leaves: 4222 may be taken.
    server.kill();
    let clone = Clone::new();
    let text = format!(
        "#!/bin/sh\nexec {} -p {} \"$@\"\n",
        binary.display(),
        server.port()
    );
    program(&clone, "nats-server", &text);
    let place = clone.join("bin/nats-server").display().to_string();
    // cargo may build first: that time must not be part of what the block waits for the server.
    let text = format!("#!/bin/sh\ntest \"$*\" = 'xtask nats-server' && sleep 2 && echo {place}\n");
    program(&clone, "cargo", &text);
    Some((clone, server.url()))
}

#[test]
fn a_newcomer_sees_messages_arrive() {
    let Some((clone, url)) = clone_with_server("the block that shows messages") else {
        return;
    };
    let text = block("README.md", "See messages arrive", "sh");
    let mut command = clone.shell(&format!("{STOP}{text}"));
    command.env("NATS_URL", url);
    let ended = finish(command).done();
    assert_eq!(messages(&ended.stdout), 20, "{ended:?}");
    assert!(!ended.stderr.contains("nats_retry"), "{ended:?}");
    let verified = "yes, all 20 messages arrived, byte for byte and in order";
    assert!(
        ended.stdout.contains(verified) || ended.stderr.contains(verified),
        "{ended:?}"
    );
}

#[test]
fn the_readme_works_in_order() {
    let Some((clone, url)) = clone_with_server("the tour of README.md") else {
        return;
    };
    let blocks = ["See messages arrive", "Record and replay"];
    let blocks = blocks.map(|heading| block("README.md", heading, "sh"));
    let mut command = clone.shell(&format!("{STOP}{}", blocks.concat()));
    command.env("NATS_URL", url);
    let ended = finish(command).done();
    assert!(clone.join("generated.golden.json").is_file());
    assert!(
        ended
            .stdout
            .contains("as generated.golden.json says, 928 messages")
    );
    assert_eq!(info(&clone.join("imported"))["ticks"], 3);
    assert_eq!(info(&clone.join("recorded"))["status"], "complete");
}

#[test]
fn the_partitions_of_the_page_are_the_replay() {
    let clone = Clone::new();
    let text = block("docs/scale.md", "Partitions", "sh");
    let ended = finish(clone.shell(&text)).done();
    let whole = stream(&repository("recordings/quirks"), "");
    let counted = ended.stdout.lines().last().unwrap().trim();
    assert_eq!(counted, whole.lines().count().to_string());
    if let Some(python) = python("the rule of the partitions") {
        let mut command = std::process::Command::new(python);
        command
            .arg("-c")
            .arg(block("docs/scale.md", "Partitions", "python"));
        finish(command).done();
    }
}

#[test]
fn a_capture_ends_with_the_replay() {
    let Some(server) = NatsServer::start("the first block of the page on captures") else {
        return;
    };
    let clone = Clone::new();
    let text = block("docs/capture.md", "Capturing what is published", "sh");
    let mut command = clone.shell(&text);
    command.env("NATS_URL", server.url());
    let ended = finish(command).done();
    assert!(ended.stdout.contains("verified   yes"), "{ended:?}");
    let captured = std::fs::File::open(clone.join("got.jsonl.zst")).unwrap();
    let captured = String::from_utf8(zstd::decode_all(captured).unwrap()).unwrap();
    assert_eq!(captured, stream(&quick(), ""));
}

#[test]
fn a_stream_is_written_captured_and_checked() {
    let Some(server) = NatsServer::with_config("the block of the page on streams", JETSTREAM)
    else {
        return;
    };
    let clone = Clone::new();
    let text = block("docs/jetstream.md", "Publishing to JetStream", "sh");
    let mut command = clone.shell(&text);
    command.env("NATS_URL", server.url());
    let ended = finish(command).done();
    for said in [
        "every message once, in order",
        "jetstream:TICKS: as recordings/quick.golden.json says, 918 messages",
        "918 of sequences 1 to 918",
        "jetstream:TICKS and ticks.jsonl.zst: equal, 918 messages",
    ] {
        assert!(ended.stdout.contains(said), "no {said:?} in {ended:?}");
    }
}

#[test]
fn a_window_has_a_golden_of_its_own() {
    let clone = Clone::new();
    let text = block("docs/regression.md", "A window of a recording", "sh");
    let ended = finish(clone.shell(&text)).done();
    for same in ["opening", "window"] {
        let same = format!("{same}.jsonl: as ");
        assert!(ended.stdout.contains(&same), "{same}: {ended:?}");
    }
    // What the page says about the golden of the whole recording, and of the slice.
    let compared = |golden: &str| {
        let check = format!("tickdeck check window.jsonl --golden {golden} --json");
        let ended = finish(clone.shell(&check));
        assert_eq!(ended.code, Some(1), "{ended:?}");
        ended.json()["checks"][0]["comparison"].clone()
    };
    let whole = compared("recordings/quick.golden.json");
    assert_eq!(whole["missing"], 866, "{whole}");
    assert_eq!(whole["fields"][0]["name"], "last_volume", "{whole}");
    let slice = compared("opening.golden.json");
    assert_eq!(slice["timing_only"], 52, "{slice}");
}

/// What `import` is given for each row of the page's table of exit codes; `None`: see
/// `tests/cli/dumps.rs`.
const IMPORTS: [(&str, Option<&str>); 14] = [
    ("every row was read", Some("good.csv -o made")),
    ("a file that does not exist", Some("missing.csv -o made")),
    (
        "a folder, or a format that is refused by name",
        Some("recordings -o made"),
    ),
    ("only empty files", Some("empty.csv -o made")),
    ("a header that no dialect fits", None),
    (
        "a dialect, day or instrument that a flag has to give",
        Some("undated.csv -o made"),
    ),
    (
        "a column of `--map` or `--ignore` that no input has",
        Some("good.csv -o made --map x=Volume"),
    ),
    (
        "a `--trading-day` on which the exchanges are closed",
        Some("good.csv -o made --trading-day 20260101"),
    ),
    (
        "an output that exists, without `--force`",
        Some("good.csv -o recordings/quick"),
    ),
    (
        "rows were left out with `--skip-bad`",
        Some("bad.csv -o made --skip-bad"),
    ),
    ("no input has a tick", Some("no_rows.csv -o made")),
    (
        "no input has a tick, with `--allow-empty`",
        Some("no_rows.csv -o made --allow-empty"),
    ),
    (
        "a row that cannot be read, without `--skip-bad`",
        Some("bad.csv -o made"),
    ),
    ("a damaged container", Some("cut.gz -o made")),
];

#[test]
fn imports_end_with_the_listed_exit_codes() {
    let row = "rb2605,20260105,09:00:00,500,3110,1\n";
    let header = "InstrumentID,TradingDay,UpdateTime,UpdateMillisec,LastPrice,Volume\n";
    let bad = "rb2605,20260105,x,0,1,1\n";
    let clone = Clone::new();
    let files = [
        ("good.csv", format!("{header}{row}")),
        ("bad.csv", format!("{header}{row}{bad}")),
        ("no_rows.csv", header.to_owned()),
        ("empty.csv", String::new()),
        (
            "undated.csv",
            "InstrumentID,UpdateTime,LastPrice\nrb2605,09:00:00,1\n".to_owned(),
        ),
    ];
    for (name, text) in files {
        std::fs::write(clone.join(name), text).unwrap();
    }
    std::fs::write(clone.join("cut.gz"), b"\x1f\x8b\x08\x00").unwrap();
    let page = std::fs::read_to_string(repository("docs/import.md")).unwrap();
    let (_, section) = page.split_once("\n### Exit codes\n").unwrap();
    let rows = section.lines().skip_while(|line| line.is_empty());
    let rows = rows.take_while(|line| line.starts_with('|')).skip(2);
    let rows: Vec<Vec<&str>> = rows
        .map(|row| row.trim_matches('|').split('|').map(str::trim).collect())
        .collect();
    let listed: Vec<&str> = rows.iter().map(|row| row[0]).collect();
    assert_eq!(listed, IMPORTS.map(|(what, _)| what));
    for (row, (what, words)) in rows.iter().zip(IMPORTS) {
        let Some(words) = words else { continue };
        let made = clone.join("made");
        let _ = std::fs::remove_dir_all(&made);
        let ended = finish(clone.shell(&format!("tickdeck import {words}")));
        let code = Some(row[1].parse().unwrap());
        assert_eq!(ended.code, code, "{what}: {ended:?}");
        assert_eq!(made.exists(), row[2].starts_with("written"), "{what}");
    }
}

#[test]
fn a_dump_with_an_unknown_header_is_mapped() {
    let clone = Clone::new();
    let dump = "InstrumentID,when,px,Volume,mood\nrb2601,2025-09-12 09:30:00.500,3151,10,good\n";
    std::fs::write(clone.join("ticks.csv"), dump).unwrap();
    finish(clone.shell(&block("docs/import.md", "Headers", "sh"))).done();
    let published = stream(&clone.join("ticks"), "");
    assert!(published.contains("\"last_price\":3151.0"), "{published}");
    assert!(published.contains("T09:30:00.500+08:00"), "{published}");
}

#[test]
fn the_sql_of_the_format_page_reads_in_order() {
    let Some(python) = python("the SQL of the format page") else {
        return;
    };
    let clone = Clone::new();
    let sql = block("docs/recording-format.md", "A recording", "sql");
    let program =
        format!("import duckdb\nfor row in duckdb.sql({sql:?}).fetchall(): print(row[1:])");
    let mut command = clone.command(python);
    command
        .current_dir(clone.join("recordings/quick"))
        .args(["-c", &program]);
    let rows = finish(command).done().stdout;
    let expected: String = stream(&quick(), "")
        .lines()
        .map(|line| {
            let tick = crate::support::recordings::payload(line);
            let (id, price) = (tick["symbol"].as_str().unwrap(), &tick["last_price"]);
            format!("('{id}', {price})\n")
        })
        .collect();
    assert_eq!(rows, expected);
}

/// A clone with `live.env` for the simulated front; the same file in its `HOME`.
struct LiveClone {
    clone: Clone,
    server: NatsServer,
}

impl LiveClone {
    /// `None` after a visible skip.
    fn new(test: &str, more: &str) -> Option<Self> {
        let library = simulated_library(test)?;
        let server = NatsServer::start(test)?;
        let clone = Clone::new();
        let target = clone.join("target/sim");
        std::fs::create_dir_all(&target).unwrap();
        for name in ["thostmduserapi_se.so", "thosttraderapi_se.so"] {
            std::fs::copy(library.join(name), target.join(name)).unwrap();
        }
        let environment = format!(
            "CTP_GATEWAY_CONNECT=target/sim\nCTP_MD_ADDRESS=tcp://127.0.0.1:1\n\
             CTP_BROKER_ID=b\nCTP_USER_ID=u\nCTP_PASSWORD=password\nMD_RUN_INGEST=1\n{more}"
        );
        std::fs::write(clone.join("live.env"), environment).unwrap();
        Some(Self { clone, server })
    }

    fn run(&self, text: &str) -> Ended {
        let mut command = self.clone.shell(text);
        command
            .env("HOME", self.clone.join(""))
            .env("NATS_URL", self.server.url())
            .env("TICKDECK_SIM_SOURCE", "recording:recordings/quick")
            .env("TICKDECK_SIM_RATE", "max");
        finish(command)
    }
}

const GATE: &str = "docs/qa/gates/2.1a-ctp-real-connectivity.yml";

#[test]
fn doctor_and_smoke_pass_as_printed() {
    let Some(live) = LiveClone::new("doctor and smoke", "CTP_SYMBOL=rb2510.SHFE\n") else {
        return;
    };
    for (page, heading) in [
        ("docs/operations.md", "Before the first session"),
        ("docs/contributing.md", "The check"),
    ] {
        let _ = std::fs::remove_file(live.clone.join(GATE));
        let ended = live.run(&block(page, heading, "sh")).done();
        assert!(ended.stdout.contains("live can run"), "{ended:?}");
        let gate = std::fs::read_to_string(live.clone.join(GATE)).unwrap();
        assert!(gate.contains("\ngate: PASS\n"), "{gate}");
    }
    let log = std::fs::read_to_string(live.clone.join("smoke.log")).unwrap();
    assert_eq!(logged(&log, "ctp_login_ok").len(), 1, "{log}");
}

#[test]
fn a_refused_login_does_not_pass_the_login_test() {
    let Some(live) = LiveClone::new("the verdict of a login test", "") else {
        return;
    };
    let text = block("docs/operations.md", "The login test", "sh");
    let passed = live.run(&text).done();
    assert!(passed.stdout.contains("\ngate: PASS\n"), "{passed:?}");
    let refusing = "export TICKDECK_SIM_ACCOUNT=b:u:other";
    let refused = live.run(&format!("{refusing}\n{text}"));
    assert_eq!(refused.code, Some(1), "{refused:?}");
    // The exit code of `smoke` is that of the page, and the reason too.
    let smoke = "tickdeck smoke --env-file live.env --gate gate.yml";
    let smoked = live.run(&format!("{refusing}\n{smoke}")).done();
    let reason = "CONCERNS: on the simulated front: no login: the front refuses";
    assert!(smoked.stdout.contains(reason), "{smoked:?}");
    assert_eq!(logged(&smoked.stderr, "ctp_retry").len(), 0, "{smoked:?}");
}

#[test]
fn the_page_has_every_key_of_a_gate_file() {
    let Some(live) = LiveClone::new("the keys of a gate file", "") else {
        return;
    };
    live.run("tickdeck smoke --env-file live.env --gate gate.yml -q")
        .done();
    let gate = std::fs::read_to_string(live.clone.join("gate.yml")).unwrap();
    let gate = super::yaml::load(&gate);
    // What names the file itself.
    let form = ["schema", "story", "story_title", "reviewer", "evidence"];
    let page = std::fs::read_to_string(repository("docs/contributing.md")).unwrap();
    let listed = |name: &str| page.contains(&format!("`{name}`"));
    for name in gate.as_object().unwrap().keys() {
        assert!(form.contains(&name.as_str()) || listed(name), "{name}");
    }
    for name in gate["evidence"].as_object().unwrap().keys() {
        assert!(listed(&format!("evidence.{name}")), "{name}");
    }
}

#[test]
fn the_practice_needs_no_account() {
    let Some(live) = LiveClone::new("the practice of a check", "") else {
        return;
    };
    std::fs::remove_file(live.clone.join("live.env")).unwrap();
    let heading = "Practice without an account";
    let ended = live
        .run(&block("docs/contributing.md", heading, "sh"))
        .done();
    assert!(ended.stdout.contains("\ngate: PASS\n"), "{ended:?}");
    assert!(ended.stdout.contains("ctp_login_ok"), "{ended:?}");
}

#[test]
fn a_live_session_records_as_printed() {
    let more = "CTP_TD_ADDRESS=tcp://127.0.0.1:1\nMD_DURATION_SECONDS=20\n";
    let Some(live) = LiveClone::new("the session of the page on operations", more) else {
        return;
    };
    let ended = live
        .run(&block("docs/operations.md", "Running", "sh"))
        .done();
    let shutdown: Vec<Value> = logged(&ended.stderr, "live_ingest_shutdown");
    assert_eq!(shutdown[0]["published"], 115 + 112, "rb2510 and IF2509");
    let recording = live.clone.join("recordings/2026-01-05-day");
    let digest = replay(&recording, "--sink digest").done().digest();
    assert_eq!(shutdown[0]["digest"], digest.as_str());
}

#[test]
fn a_session_in_a_catalogue_runs_as_printed() {
    let more = "CTP_SYMBOL=rb2510.SHFE\nMD_DURATION_SECONDS=15\n";
    let Some(live) = LiveClone::new("the catalogue of the page on operations", more) else {
        return;
    };
    let page = "docs/operations.md";
    let ended = live
        .run(&block(page, "A catalogue of sessions", "sh"))
        .done();
    let shutdown: Vec<Value> = logged(&ended.stderr, "live_ingest_shutdown");
    let session = shutdown[0]["session"].as_str().unwrap();
    assert!(session.starts_with("live-"), "{session}");
    // The folder of the day does not matter: the session is found by its id.
    let sessions = live.clone.join("sessions");
    let digest = replay(&sessions, &format!("--sink digest --session {session}*"));
    assert_eq!(shutdown[0]["digest"], digest.done().digest().as_str());
    // A session of some seconds is not a day. Outside trading hours nothing is judged.
    let judged = live.run(&block(page, "Is the day whole?", "sh"));
    assert!(matches!(judged.code, Some(1 | 3)), "{judged:?}");
    // A ring without a trigger leaves nothing behind.
    live.run(&block(page, "A black box", "sh")).done();
    let pruned = live.run(&block(page, "Retention", "sh")).done();
    assert!(
        pruned.stdout.contains("0 removed, 0 spared, 1 kept"),
        "{pruned:?}"
    );
}

#[test]
fn the_practice_of_a_session_needs_no_account() {
    let Some(live) = LiveClone::new("the practice of a session", "") else {
        return;
    };
    let text = block(
        "docs/operations.md",
        "Practice with the simulated front",
        "sh",
    );
    let ended = live.run(&text).done();
    assert!(ended.stdout.contains("live can run"), "{ended:?}");
    let recording = info(&live.clone.join("practice"));
    assert_eq!(recording["instruments"]["rb2510"], 115, "{recording}");
    assert_eq!(recording["instruments"]["IF2509"], 112, "{recording}");
}

#[test]
fn the_printed_environment_file_is_complete() {
    let Some(live) = LiveClone::new("the printed environment file", "") else {
        return;
    };
    let page = "docs/operations.md";
    let printed = block(page, "The environment file", "ini");
    let here = printed.replace(
        "CTP_GATEWAY_CONNECT=/opt/ctp\n",
        "CTP_GATEWAY_CONNECT=target/sim\n",
    );
    assert_ne!(here, printed);
    std::fs::write(live.clone.join("live.env"), &here).unwrap();
    // Nothing in it is missing or malformed for a login, and for the session after that.
    let ended = live
        .run("tickdeck live --env-file live.env --duration 15s --log-format json")
        .done();
    assert_eq!(logged(&ended.stderr, "ctp_login_ok").len(), 2, "{ended:?}");
    assert_eq!(
        logged(&ended.stderr, "ctp_subscribed").len(),
        1,
        "{ended:?}"
    );
    // It has every variable of the page's table.
    let page = std::fs::read_to_string(repository(page)).unwrap();
    let table = page.split("\n## What it needs\n").nth(1).unwrap();
    let rows = table.lines().skip_while(|line| line.is_empty());
    let rows = rows.take_while(|line| line.starts_with('|')).skip(2);
    let cells = rows.filter_map(|row| row.split('|').nth(1));
    let names: Vec<&str> = cells
        .flat_map(|cell| cell.split('`').skip(1).step_by(2))
        .collect();
    assert!(names.contains(&"CTP_AUTH_CODE"), "{names:?}");
    for name in names {
        let has = |line: &str| {
            line.trim_start_matches('#')
                .starts_with(&format!("{name}="))
        };
        assert!(printed.lines().any(has), "{name}");
    }
    // systemd and `sh` take a comment only at the beginning of a line.
    let is_plain = |line: &str| line.starts_with('#') || !line.contains('#');
    assert!(printed.lines().all(is_plain), "{printed}");
}

#[test]
fn the_printed_fault_script_acts() {
    let more = "CTP_SYMBOL=rb2510.SHFE,au2512.SHFE,m2601.DCE,i2601.DCE\n";
    let Some(live) = LiveClone::new("the printed fault script", more) else {
        return;
    };
    let script = block("docs/simulated-front.md", "Faults", "toml");
    std::fs::write(live.clone.join("faults.toml"), script).unwrap();
    let ended = live
        .run(
            "export TICKDECK_SIM_SCRIPT=faults.toml TICKDECK_SIM_LOG=front.log\n\
             tickdeck live --env-file live.env --duration 12s --backoff 100ms --log-format json",
        )
        .done();
    let log = std::fs::read_to_string(live.clone.join("front.log")).unwrap();
    let faults = logged(&log, "sim_fault");
    assert_eq!(faults.len(), 1, "{log}");
    assert_eq!(faults[0]["rule"], "front restarts");
    assert_eq!(faults[0]["tick"], 300);
    assert_eq!(
        logged(&ended.stderr, "ctp_disconnected").len(),
        1,
        "{ended:?}"
    );
    assert_eq!(logged(&ended.stderr, "ctp_login_ok").len(), 2, "{ended:?}");
}

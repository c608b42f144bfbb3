//! `docs/reference-data.md`: the files that it prints have the effect that it states.

use serde_json::Value;

use super::blocks::block;
use super::{Clone, python};
use crate::support::cli::{Ended, finish};
use crate::support::recordings::{info, payload, quick, replay, replay_digest};

const PAGE: &str = "docs/reference-data.md";

/// The printed shell commands under `heading`, run in `clone`.
fn run_block(clone: &Clone, heading: &str) -> Ended {
    finish(clone.shell(&block(PAGE, heading, "sh"))).done()
}

/// How many ticks a payload stream has. All are of the instrument that no table has.
fn zz_ticks(stream: &str) -> usize {
    for line in stream.lines() {
        let tick = payload(line);
        assert_eq!(tick["vt_symbol"], "zz2609.GFEX", "{line}");
        // The multiplier is known.
        assert!(!line.contains("raw_turnover"), "{line}");
    }
    stream.lines().count()
}

#[test]
fn a_contract_file_publishes_an_unknown_instrument() {
    let clone = Clone::new();
    let ended = run_block(&clone, "Contracts");
    assert_eq!(zz_ticks(&ended.stdout), 3);
}

#[test]
fn a_product_file_publishes_an_unknown_product() {
    let clone = Clone::new();
    let ended = run_block(&clone, "Products");
    assert_eq!(zz_ticks(&ended.stdout), 3);
}

#[test]
fn a_product_file_leaves_listed_instruments_alone() {
    let clone = Clone::new();
    let products = clone.join("src/core/contract/products.csv");
    let text = std::fs::read_to_string(&products).unwrap();
    let changed = text.replace("\nrb,SHFE,N2300,future,10,", "\nrb,SHFE,N2300,future,77,");
    assert_ne!(changed, text);
    std::fs::write(&products, changed).unwrap();
    let words = format!("--sink digest --products {}", products.display());
    let digest = replay(&quick(), &words).done().digest();
    assert_eq!(
        digest,
        replay_digest(&quick()),
        "rb is in contracts.parquet"
    );
}

#[test]
fn a_calendar_file_closes_and_opens_days() {
    let clone = Clone::new();
    let ended = run_block(&clone, "Calendar");
    assert!(!ended.stderr.contains("calendar_not_covered"), "{ended:?}");
    let made = info(&clone.join("new-year"));
    assert_eq!(made["trading_days"], Value::from(["2028-01-04"].to_vec()));
    // The day that the file closes.
    let words = "generate --profile quick --trading-day 2028-01-03 --calendar calendar.txt -o no";
    let mut command = clone.command("tickdeck");
    command.args(words.split(' '));
    let ended = finish(command);
    assert_eq!(ended.code, Some(2), "{ended:?}");
    assert!(ended.stderr.contains("2028-01-03 is not a trading day"));
}

#[test]
fn a_contract_list_of_a_recording_changes_nothing() {
    let Some(python) = python("the contract list of a recording") else {
        return;
    };
    let clone = Clone::new();
    let heading = "Where to get a list";
    let mut command = clone.command(&python);
    command.args(["-c", &block(PAGE, heading, "python")]);
    finish(command).done();
    let list = std::fs::read_to_string(clone.join("quick-contracts.csv")).unwrap();
    assert!(list.starts_with("instrument_id,exchange,"), "{list}");
    assert_eq!(list.lines().count(), 9, "{list}");
    let ended = run_block(&clone, heading);
    let digest = replay_digest(&quick());
    assert!(ended.stdout.contains(&digest), "{ended:?}");
}

/// Flags of `verb` that name one of the files.
fn flags(clone: &Clone, verb: &str) -> Vec<&'static str> {
    let mut command = clone.command("tickdeck");
    command.args([verb, "--help"]);
    let help = finish(command).done().stdout;
    let takes = |flag: &&str| help.contains(&format!(" {flag} <FILE>"));
    let all = ["--contracts", "--products", "--calendar"];
    all.into_iter().filter(takes).collect()
}

#[test]
fn the_page_lists_the_verbs_of_each_flag() {
    let clone = Clone::new();
    let publishing = ["live", "record", "replay", "export", "check", "diff"];
    for verb in publishing {
        assert_eq!(
            flags(&clone, verb),
            ["--contracts", "--products", "--calendar"],
            "{verb}"
        );
    }
    assert_eq!(flags(&clone, "import"), ["--contracts", "--calendar"]);
    assert_eq!(flags(&clone, "generate"), ["--calendar"]);
    assert_eq!(flags(&clone, "doctor"), ["--calendar"]);
    for verb in [
        "info", "cat", "slice", "merge", "verify", "capture", "smoke",
    ] {
        assert_eq!(flags(&clone, verb), [""; 0], "{verb}");
    }
}

#[test]
fn a_wrong_file_is_refused_with_its_place() {
    let clone = Clone::new();
    let wrong = [
        (
            "--contracts",
            "instrument_id,exchange\nrb2601,XXXX\n",
            "row 2, column exchange: found `XXXX`, expected SHFE, INE, DCE, CZCE, GFEX or CFFEX",
        ),
        (
            "--products",
            "product_id,exchange\nrb,SHFE\n",
            "line 1, column session",
        ),
        (
            "--calendar",
            "tickdeck-calendar 2\n2028 0230\n",
            "line 2: `0230`: expected MMDD or MMDD-MMDD, dates of 2028",
        ),
    ];
    for (flag, text, message) in wrong {
        std::fs::write(clone.join("wrong"), text).unwrap();
        let mut command = clone.command("tickdeck");
        command.args([
            "replay",
            "recordings/quick",
            "--sink",
            "null",
            flag,
            "wrong",
        ]);
        let ended = finish(command);
        assert_eq!(ended.code, Some(2), "{flag}: {ended:?}");
        assert!(ended.stderr.contains(message), "{flag}: {ended:?}");
    }
}

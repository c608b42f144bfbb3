//! Dumps of other recorders from the command line: what `import` makes of them is published.

use std::ffi::OsStr;
use std::path::Path;

use serde_json::Value;

use crate::support::cli::{Ended, finish, tickdeck};
use crate::support::ctp::logged;
use crate::support::recordings::{Folder, repository, stream};

/// `import FILE words -o folder/rec`.
fn import(folder: &Folder, file: &str, words: &[&str]) -> Ended {
    let mut command = tickdeck([OsStr::new("import"), repository(file).as_os_str()]);
    command.args(words).arg("-o").arg(folder.join("rec"));
    finish(command)
}

/// The payloads of an imported fixture.
fn published(file: &str, words: &[&str]) -> (Vec<Value>, Ended) {
    let folder = Folder::new();
    let imported = import(&folder, &format!("fixtures/dumps/{file}"), words).done();
    (payloads(&folder.join("rec")), imported)
}

fn payloads(recording: &Path) -> Vec<Value> {
    let stream = stream(recording, "--allow-empty");
    let lines = stream.lines().map(|line| {
        let (subject, payload) = line.split_once(' ').unwrap();
        let mut payload: Value = serde_json::from_str(payload).unwrap();
        payload["subject"] = subject.into();
        payload
    });
    lines.collect()
}

#[test]
fn chinese_dumps_are_published() {
    let (ticks, _) = published("chinese_header_gbk_ag2602_20260106.csv", &[]);
    let tick = &ticks[0];
    assert_eq!(tick["vt_symbol"], "ag2602.SHFE");
    assert_eq!(tick["timestamp"], "2026-01-05T21:00:00.500+08:00");
    assert_eq!(
        (&tick["bid_price_1"], &tick["average_price"]),
        (&17999.0.into(), &18000.0.into())
    );
    for absent in [
        "bid_price_2",
        "ask_volume_5",
        "close_price",
        "settlement_price",
    ] {
        assert_eq!(tick.get(absent), None, "{absent}");
    }
}

#[test]
fn dumps_of_every_kind_are_published() {
    let evening = "2026-01-05T21:00:00.500+08:00";
    let morning = "2026-01-05T09:00:00.500+08:00";
    for (file, symbol, timestamp, day) in [
        ("ctp13_no_actionday.csv", "ag2602.SHFE", evening, "20260106"),
        ("localtime_first.csv", "ag2602.SHFE", evening, "20260106"),
        ("vnpy_dbtick.csv", "rb2605.SHFE", evening, "20260106"),
        ("localtime.csv", "rb2605.SHFE", morning, "20260105"),
        ("gz.csv.gz", "rb2605.SHFE", morning, "20260105"),
        ("z.zip", "rb2605.SHFE", morning, "20260105"),
        ("floatvol.csv", "rb2605.SHFE", morning, "20260105"),
        ("index.csv", "rb2605.SHFE", morning, "20260105"),
    ] {
        let (ticks, _) = published(file, &[]);
        assert_eq!(ticks.len(), 1, "{file}");
        let tick = &ticks[0];
        let found = (&tick["vt_symbol"], &tick["timestamp"], &tick["trading_day"]);
        let expected = (&symbol.into(), &timestamp.into(), &day.into());
        assert_eq!(found, expected, "{file}");
    }
    // The recorder's clock is the receive time.
    let (ticks, _) = published("localtime.csv", &[]);
    let received = ticks[0]["local_time"].as_str().unwrap();
    assert!(
        received.starts_with("2026-01-05T09:00:00.523411"),
        "{received}"
    );
}

#[test]
fn blank_prices_have_no_key() {
    let (ticks, _) = published("blank.csv", &[]);
    assert_eq!(ticks.len(), 3);
    assert_eq!(ticks[0].get("ask_price_1"), None);
    assert_eq!(ticks[2]["ask_price_1"], 3300.0);
    let (ticks, _) = published("vnpy_nan.csv", &[]);
    assert_eq!(ticks[0].get("bid_price_1"), None);
    assert_eq!(ticks[0]["ask_price_1"], 3110.0);
}

#[test]
fn czce_ids_are_published_as_ctps() {
    let (ticks, imported) = published("wt_czce4.csv", &[]);
    let symbols: Vec<&Value> = ticks.iter().map(|tick| &tick["vt_symbol"]).collect();
    assert_eq!(symbols, ["TA309.CZCE", "TA309.CZCE"]);
    assert!(
        imported.stderr.contains("such as TA2309 to TA309"),
        "{imported:?}"
    );
}

#[test]
fn tqsdk_money_is_published_as_it_is() {
    let (ticks, _) = published("tqsdk.csv", &[]);
    assert_eq!(ticks[0]["timestamp"], "2026-01-05T21:00:00.500+08:00");
    assert_eq!(ticks[0]["average_price"], 3110.0);
    assert_eq!(ticks[0]["turnover"], 373_200.0);
}

#[test]
fn an_unknown_exchange_is_told_at_import() {
    let (ticks, imported) = published("vnpy_rb888.csv", &[]);
    assert_eq!(ticks.len(), 0);
    let fix = "import it with --trust-exchange to publish rb888.SHFE";
    assert!(imported.stderr.contains(fix), "{imported:?}");
    let (ticks, imported) = published("vnpy_rb888.csv", &["--trust-exchange"]);
    assert!(
        imported.stderr.contains("a replay publishes rb888.SHFE"),
        "{imported:?}"
    );
    assert_eq!(ticks[0]["subject"], "market.tick.SHFE.rb888");
    assert_eq!(ticks[0]["timestamp"], "2026-01-05T21:00:00.500+08:00");
    // The terms are those of the product: nothing marks the turnover as raw.
    assert_eq!(
        (&ticks[0]["turnover"], ticks[0].get("flags")),
        (&373_200.0.into(), None)
    );
}

/// Imports a dump of these lines.
fn import_lines(folder: &Folder, lines: &[&str], words: &[&str]) -> Ended {
    std::fs::write(folder.join("x.csv"), lines.join("\n")).unwrap();
    let mut command = tickdeck(["import", "x.csv", "-o", "rec", "--force"]);
    command.args(words).current_dir(folder.path());
    finish(command)
}

#[test]
fn impossible_times_are_told_at_import() {
    let folder = Folder::new();
    let lines = [
        "TradingDay,InstrumentID,LastPrice,UpdateTime,UpdateMillisec,LocalTime",
        "20260105,rb2605,3110,09:00:00,500,2026-01-05 09:00:00.523411",
        "20260105,rb2605,3110,09:61:01,500,2026-01-05 09:01:01.523411",
        "20260105,rb2605,3110,\u{1b}[31m,500,2026-01-05 09:01:01.623411",
    ];
    let ended = import_lines(&folder, &lines, &["--log-format", "json"]).done();
    let told = logged(&ended.stderr, "time_impossible");
    assert_eq!(told.len(), 1, "{ended:?}");
    assert_eq!(
        (&told[0]["rows"], &told[0]["row"], &told[0]["text"]),
        (&2.into(), &3.into(), &"09:61:01".into())
    );
    assert_eq!(payloads(&folder.join("rec")).len(), 1);
    let ended = import_lines(&folder, &[lines[0], lines[3]], &[]).done();
    assert!(ended.stderr.contains(r"\x1b[31m"), "{ended:?}");
    let ended = import_lines(&folder, &lines[..2], &[]).done();
    assert!(!ended.stderr.contains("time_impossible"), "{ended:?}");
}

#[test]
fn a_row_of_a_closed_day_has_its_own_line() {
    let folder = Folder::new();
    let lines = [
        "symbol,exchange,datetime,last_price,volume",
        "rb2605,SHFE,2026-01-09 14:59:59+08:00,3110,7",
        // A Saturday.
        "rb2605,SHFE,2026-01-10 09:00:00+08:00,3110,7",
        "rb2605,SHFE,2026-01-12 09:00:00+08:00,3110,8",
    ];
    let ended = import_lines(&folder, &lines, &[]).done();
    for line in [
        "moved      1 row of x.csv: dated on a day without trading",
        "           row 3 is dated 2026-01-10, which becomes 2026-01-09",
    ] {
        assert!(ended.stdout.contains(line), "{ended:?}");
    }
    assert!(!ended.stdout.contains("held back"), "{ended:?}");
    let ended = import_lines(&folder, &lines, &["--json"]).done().json();
    let input = &ended["inputs"][0];
    assert_eq!(input["held_back"], 0);
    assert!(
        input["examples"][0].as_str().unwrap().starts_with("row 3"),
        "{input}"
    );
}

#[test]
fn ctp_rows_of_a_closed_day_are_named() {
    let folder = Folder::new();
    let lines = [
        "InstrumentID,TradingDay,ActionDay,UpdateTime,UpdateMillisec,LastPrice,Volume",
        "rb2605,20260109,20260109,14:59:59,0,3110,7",
        // A Sunday, the night of a Saturday, a holiday.
        "rb2605,20260111,20260111,09:00:00,0,3110,7",
        "rb2605,20260112,20260110,21:00:00,0,3110,7",
        "rb2605,20260112,20260112,09:00:00,0,3110,8",
        "SR605,20251001,20251001,09:00:00,0,5300,8",
        // The night from Friday to Saturday is one.
        "ag2602,20260112,20260110,00:30:00,0,7000,8",
    ];
    let ended = import_lines(&folder, &lines, &["--log-format", "json"]).done();
    for line in [
        "moved      3 rows of x.csv: dated on a day without trading, so of another day\n",
        "           row 3 is dated 2026-01-11, which becomes 2026-01-09\n",
        "           row 4 is dated 2026-01-10, which becomes 2026-01-09 in the night of trading \
         day 2026-01-12\n",
        "           row 6 is dated 2025-10-01, which becomes 2025-09-30\n",
    ] {
        assert!(ended.stdout.contains(line), "{line}: {ended:?}");
    }
    let told = logged(&ended.stderr, "date_without_trading");
    assert_eq!(told.len(), 1, "{ended:?}");
    assert_eq!(
        (&told[0]["rows"], &told[0]["row"], &told[0]["date"]),
        (&3.into(), &3.into(), &"2026-01-11".into())
    );
    // What is published is what the report says.
    let ticks = payloads(&folder.join("rec"));
    let dates: Vec<&str> = ticks
        .iter()
        .map(|tick| &tick["timestamp"].as_str().unwrap()[..10])
        .collect();
    let night = "2026-01-10";
    let expected = [
        "2026-01-09",
        "2026-01-09",
        "2026-01-09",
        "2026-01-12",
        "2025-09-30",
        night,
    ];
    assert_eq!(dates, expected);
    // A file's name is a day like any other, and a flag may correct it.
    let dump = folder.join("rb2605_20260111.csv");
    std::fs::write(&dump, "UpdateTime,LastPrice\n09:00:00,3110\n").unwrap();
    let named = import(&folder, dump.to_str().unwrap(), &["--force"]).done();
    let advice = "so of another day; --trading-day says which day it is";
    assert!(named.stdout.contains(advice), "{named:?}");
    let words = ["--force", "--trading-day", "20260112"];
    let given = import(&folder, dump.to_str().unwrap(), &words).done();
    assert!(!given.stdout.contains("moved"), "{given:?}");
    assert!(!given.stderr.contains("option_without_effect"), "{given:?}");
}

#[test]
fn a_given_day_that_replaces_dates_is_named() {
    let folder = Folder::new();
    let header = "symbol,exchange,datetime,last_price,volume";
    let rows = [
        "rb2605,SHFE,2026-01-05 09:00:00.500,3110,12",
        "rb2605,SHFE,2026-01-05 21:00:00.500,3110,12",
        "rb2605,SHFE,2026-01-06 09:00:00.500,3111,13",
    ];
    let dump = [&[header][..], &rows].concat().join("\n");
    let told = |name: &str, words: &[&str]| {
        std::fs::write(folder.join(name), &dump).unwrap();
        let file = folder.join(name);
        let words = [&["--force", "--log-format", "json"], words].concat();
        let ended = import(&folder, file.to_str().unwrap(), &words).done();
        logged(&ended.stderr, "date_replaced")
    };
    assert_eq!(told("ticks.csv", &[]).len(), 0);
    for (name, words) in [
        ("ticks.csv", &["--trading-day", "20260109"][..]),
        ("rb2605_20260109.csv", &[]),
    ] {
        let told = told(name, words);
        assert_eq!(told.len(), 1, "{told:?}");
        assert_eq!(told[0]["rows"], 3, "{told:?}");
        assert_eq!(told[0]["date"], "2026-01-05", "{told:?}");
        assert_eq!(told[0]["becomes"], "2026-01-09", "{told:?}");
    }
    // The night before belongs to the day, and only the first row does not.
    let of_day = told("rb2605_20260106.csv", &[]);
    assert_eq!(of_day[0]["rows"], 1, "{of_day:?}");
}

/// A measured receive time decides, so the report says what it makes of the row.
#[test]
fn a_received_row_of_a_closed_day_is_named() {
    let folder = Folder::new();
    let lines = [
        "InstrumentID,TradingDay,ActionDay,UpdateTime,LastPrice,LocalTime",
        "rb2605,20260111,20260111,09:00:00,3110,2026-01-12 09:00:00.5",
        "rb2605,20260112,20260112,09:00:01,3110,2026-01-12 09:00:01.5",
    ];
    let ended = import_lines(&folder, &lines, &[]).done();
    let line = "row 2 is dated 2026-01-11, which becomes 2026-01-12";
    assert!(ended.stdout.contains(line), "{ended:?}");
    let ticks = payloads(&folder.join("rec"));
    assert_eq!(ticks[0]["timestamp"], "2026-01-12T09:00:00.000+08:00");
}

#[test]
fn a_flag_that_changes_nothing_is_named() {
    let folder = Folder::new();
    let header = "InstrumentID,TradingDay,UpdateTime,LastPrice,ExchangeID";
    let lines = [header, "rb2605,20260109,14:59:59,3110,SHFE"];
    let words = [
        "--symbol",
        "ag2602",
        "--trading-day",
        "20260112",
        "--trust-exchange",
        "--log-format",
        "json",
    ];
    let without_effect = |lines: &[&str]| {
        let ended = import_lines(&folder, lines, &words).done();
        let told = logged(&ended.stderr, "option_without_effect");
        let option = |line: &Value| {
            assert!(!line["reason"].as_str().unwrap().is_empty(), "{line}");
            line["option"].as_str().unwrap().to_owned()
        };
        told.iter().map(option).collect::<Vec<_>>()
    };
    assert_eq!(
        without_effect(&lines),
        ["--trading-day", "--symbol", "--trust-exchange"]
    );
    // One row that needs a flag is enough.
    let lines = [header, lines[1], ",20260109,14:59:59,3110,SHFE"];
    assert_eq!(
        without_effect(&lines),
        ["--trading-day", "--trust-exchange"]
    );
    let lines = [header, lines[1], "rb888,20260109,14:59:59,3110,SHFE"];
    assert_eq!(without_effect(&lines), ["--trading-day", "--symbol"]);
    let lines = ["InstrumentID,UpdateTime,LastPrice", "rb2605,14:59:59,3110"];
    assert_eq!(without_effect(&lines), ["--symbol", "--trust-exchange"]);
    let ended = import_lines(&folder, &lines, &["--trading-day", "20260112"]).done();
    assert!(!ended.stderr.contains("option_without_effect"), "{ended:?}");
}

#[test]
fn early_rows_question_the_given_day() {
    let folder = Folder::new();
    let lines = [
        "symbol,exchange,datetime,last_price,volume,localtime",
        "rb2605,SHFE,2026-01-05 09:00:00+08:00,3110,7,2026-01-05 09:00:00.523411",
    ];
    let early = |day| {
        let said = import_lines(&folder, &lines, &["--trading-day", day]).done();
        said.stdout
            .lines()
            .find(|line| line.starts_with("early"))
            .map(str::to_owned)
    };
    assert_eq!(early("20260105"), None);
    let said = early("20260106").unwrap();
    assert!(said.starts_with("early      1 row of x.csv: "), "{said}");
    assert!(
        said.contains("is 2026-01-06 of --trading-day the day"),
        "{said}"
    );
}

#[test]
fn a_receive_clock_may_lack_its_date() {
    let folder = Folder::new();
    let dump = folder.join("x.csv");
    let header = "localtime,InstrumentID,TradingDay,UpdateTime,UpdateMillisec,LastPrice\n";
    let rows = "20:59:00.250,rb2605,20260105,20:59:00,0,3110\n\
                00:00:00.100,ag2602,20260105,23:59:59,900,3110\n\
                09:00:00.7,rb2605,20260105,09:00:00,500,3111\n";
    std::fs::write(&dump, format!("{header}{rows}")).unwrap();
    let file = dump.to_str().unwrap();
    import(&folder, file, &["--map", "localtime=recv_ts"]).done();
    let recording = folder.join("rec");
    let ticks = payloads(&recording);
    let received: Vec<&Value> = ticks.iter().map(|tick| &tick["local_time"]).collect();
    // The evening of Monday's trading day is Wednesday's: Thursday and Friday are holidays.
    let expected = [
        "2025-12-31T20:59:00.250000000+08:00",
        "2026-01-01T00:00:00.100000000+08:00",
        "2026-01-05T09:00:00.700000000+08:00",
    ];
    assert_eq!(received, expected);
    assert_eq!(
        crate::support::recordings::info(&recording)["recv_ts"],
        "recorded-time-of-day"
    );
    // The close of a day may be received on its evening, or be sent again on the next morning.
    let unclear = "20:35:21,rb2605,20260105,15:00:00,0,3110\n";
    std::fs::write(&dump, format!("{header}{unclear}{rows}")).unwrap();
    let refused = import(&folder, file, &["--map", "localtime=recv_ts", "--force"]);
    assert_eq!(refused.code, Some(4), "{refused:?}");
    for part in ["row 2", "20:35:21", "a date too", "--skip-bad"] {
        assert!(refused.stderr.contains(part), "{part}: {refused:?}");
    }
    let words = ["--map", "localtime=recv_ts", "--force", "--skip-bad"];
    assert_eq!(import(&folder, file, &words).code, Some(3));
    assert_eq!(payloads(&recording), ticks);
}

/// The keys of JSON lines differ from row to row, so this is known at the end.
#[test]
fn a_mapped_key_of_no_row_is_bad_usage() {
    let folder = Folder::new();
    let dump = folder.join("x.jsonl");
    let tick = r#""InstrumentID":"rb2605","TradingDay":"20260105","UpdateTime":"09:00:00""#;
    std::fs::write(
        &dump,
        format!("{{{tick},\"LastPrice\":3109}}\n{{{tick},\"px\":3110}}\n"),
    )
    .unwrap();
    let file = dump.to_str().unwrap();
    for (words, name) in [
        (
            &["--map", "px=LastPrice", "--map", "bid=BidPrice1"][..],
            "bid",
        ),
        (&["--map", "px=LastPrice", "--ignore", "mood"], "mood"),
    ] {
        let bad = import(&folder, file, words);
        assert_eq!(bad.code, Some(2), "{bad:?}");
        let told = format!("no input has a column \"{name}\"");
        assert!(bad.stderr.contains(&told), "{bad:?}");
        assert_eq!(folder.names(), ["x.jsonl"]);
    }
    import(&folder, file, &["--map", "px=LastPrice"]).done();
    assert_eq!(payloads(&folder.join("rec"))[1]["last_price"], 3110.0);
    // Another input may have it.
    std::fs::write(
        folder.join("y.csv"),
        "InstrumentID,TradingDay,UpdateTime,UpdateMillisec,LastPrice,bid\nrb2605,20260105,09:00:01,0,3110,3109\n",
    )
    .unwrap();
    let other = folder.join("y.csv").display().to_string();
    let words = "--map px=LastPrice --map bid=BidPrice1 --force";
    let words: Vec<&str> = words.split(' ').chain([other.as_str()]).collect();
    import(&folder, file, &words).done();
    assert_eq!(payloads(&folder.join("rec"))[2]["bid_price_1"], 3109.0);
}

#[test]
fn a_mapped_dump_is_published() {
    let folder = Folder::new();
    let dump = folder.join("x.csv");
    std::fs::write(
        &dump,
        "when;code;px;mood\n2026-01-05 09:00:00.5;rb2605;3110;good\n",
    )
    .unwrap();
    let file = dump.to_str().unwrap();
    let map = [
        "--map",
        "when=datetime",
        "--map",
        "code=InstrumentID",
        "--map",
        "px=LastPrice",
    ];
    let refused = import(&folder, file, &map);
    assert_eq!(refused.code, Some(2), "{refused:?}");
    assert!(
        refused.stderr.contains("unknown column \"mood\""),
        "{refused:?}"
    );
    let words = [&map[..], &["--ignore", "mood"]].concat();
    import(&folder, file, &words).done();
    let ticks = payloads(&folder.join("rec"));
    assert_eq!(ticks[0]["last_price"], 3110.0);
    assert_eq!(ticks[0]["timestamp"], "2026-01-05T09:00:00.500+08:00");
    for wrong in ["px=Price", "price=LastPrice"] {
        let words = [&words[..], &["--map", wrong, "--force"]].concat();
        let bad = import(&folder, file, &words);
        assert_eq!(bad.code, Some(2), "{bad:?}");
        assert!(
            bad.stderr.contains(wrong.split('=').next().unwrap()),
            "{bad:?}"
        );
    }
}

#[test]
fn a_blank_volume_before_the_first_is_the_next_one() {
    let folder = Folder::new();
    let head = "TradingDay,InstrumentID,LastPrice,Volume,UpdateTime,UpdateMillisec";
    let mut lines: Vec<String> = vec![
        head.into(),
        "20260105,rb2605,3300,640000,14:59:58,0".into(),
        "20260106,rb2605,3300,,09:30:00,0".into(),
        "20260106,rb2605,3300,,09:30:00,500".into(),
    ];
    // The next volume is beyond what is read ahead at first.
    lines.extend((1..=200).map(|volume| format!("20260106,ag2606,7000,{volume},09:30:01,0")));
    lines.push("20260106,rb2605,3301,650000,09:30:01,0".into());
    lines.push("20260106,rb2605,3301,650003,09:30:01,500".into());
    // Of another day: it says nothing of this one.
    lines.push("20260106,cu2603,80000,,14:59:00,0".into());
    lines.push("20260107,cu2603,80000,500,09:00:00,0".into());
    let lines: Vec<&str> = lines.iter().map(String::as_str).collect();
    let ended = import_lines(&folder, &lines, &[]).done();
    let said = "filled     3 rows of x.csv with a blank volume";
    assert!(ended.stdout.contains(said), "{ended:?}");
    let ticks = payloads(&folder.join("rec"));
    let of = |symbol: &str| -> Vec<(Option<i64>, Option<i64>)> {
        let of = ticks.iter().filter(|tick| tick["vt_symbol"] == symbol);
        of.map(|tick| {
            let flags = tick["flags"].to_string();
            assert!(
                !flags.contains("volume_fell") && !flags.contains("preopen"),
                "{tick}"
            );
            (tick["volume"].as_i64(), tick["last_volume"].as_i64())
        })
        .collect()
    };
    let full = Some(650_000);
    let expected = [
        (Some(640_000), None),
        (full, full),
        (full, Some(0)),
        (full, Some(0)),
        (Some(650_003), Some(3)),
    ];
    assert_eq!(of("rb2605.SHFE"), expected);
    assert_eq!(of("cu2603.SHFE"), [(Some(0), None), (Some(500), Some(500))]);
}

#[test]
fn a_blank_volume_is_the_last_one_of_its_day() {
    let folder = Folder::new();
    let lines = [
        "TradingDay,InstrumentID,LastPrice,Volume,UpdateTime,UpdateMillisec",
        "20260105,SR605,5300,,21:00:00,0",
        "20260105,SR605,5300,900,21:00:01,0",
        "20260106,SR605,5301,,09:00:00,0",
        "20260106,SR605,5301,nan,09:00:01,0",
        "20260106,SR605,5301,907,09:00:02,0",
        "20260106,rb2605,3300,5,09:00:03,0",
        "20260107,SR605,5301,,09:00:00,0",
    ];
    let ended = import_lines(&folder, &lines, &[]).done();
    let said = "filled     4 rows of x.csv with a blank volume";
    assert!(ended.stdout.contains(said), "{ended:?}");
    let ticks = payloads(&folder.join("rec"));
    let seen = ticks.iter().map(|tick| {
        let flags = tick["flags"].to_string();
        assert!(!flags.contains("volume_fell"), "{tick}");
        (tick["volume"].as_i64(), tick["last_volume"].as_i64())
    });
    let expected = [
        (Some(900), None),
        (Some(900), Some(0)),
        (Some(900), Some(0)),
        (Some(900), Some(0)),
        (Some(907), Some(7)),
        (Some(5), None),
        (Some(0), Some(0)),
    ];
    assert_eq!(seen.collect::<Vec<_>>(), expected);
    // The same in JSON lines, where it is null, and in the JSON of the result.
    let lines = [
        r#"{"TradingDay":"20260106","InstrumentID":"rb2605","LastPrice":1,"Volume":7,"UpdateTime":"09:00:00"}"#,
        r#"{"TradingDay":"20260106","InstrumentID":"rb2605","LastPrice":2,"Volume":null,"UpdateTime":"09:00:01"}"#,
    ];
    let result = import_lines(&folder, &lines, &["--json"]).done().json();
    assert_eq!(result["inputs"][0]["blank_volumes"], 1, "{result}");
    assert_eq!(payloads(&folder.join("rec"))[1]["volume"], 7);
}

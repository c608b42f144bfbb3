//! Compression, tar members, merging, options.

use tickdeck_core::time::TradingDay;

use super::*;
use crate::import::Dialect;

const A: &str = "09:00:00.0,1,1,2,1,1,1,10\n09:00:01.0,1,1,2,1,1,2,10\n";
const B: &str = "09:00:00.500,1,1,2,1,1,3,10\n09:00:01.0,1,1,2,1,1,4,10\n";

fn tar_of(members: &[(&str, &[u8])]) -> Vec<u8> {
    let mut tar = tar::Builder::new(Vec::new());
    for (name, content) in members {
        let mut header = tar::Header::new_gnu();
        header.set_size(u64::try_from(content.len()).unwrap());
        header.set_mode(0o644);
        tar.append_data(&mut header, name, *content).unwrap();
    }
    tar.into_inner().unwrap()
}

/// Volumes tell the rows of [`A`] (1, 2) and [`B`] (3, 4) apart.
fn volumes(events: &[Event]) -> Vec<i32> {
    ticks(events).iter().map(|tick| tick.volume).collect()
}

#[test]
fn members_merge_by_time_then_by_their_place_in_the_tar() {
    let members: &[(&str, &[u8])] = &[
        ("day/zz1801_20171113.csv", A.as_bytes()),
        ("day/zz1805_20171113.csv", B.as_bytes()),
    ];
    let plain = tar_of(members);
    let packed = zstd::encode_all(&plain[..], 3).unwrap();
    let inner = zstd::encode_all(A.as_bytes(), 3).unwrap();
    let inner = tar_of(&[
        ("zz1801_20171113.csv.zst", &inner),
        ("zz1805_20171113.csv", B.as_bytes()),
    ]);
    for (name, content) in [
        ("x.tar", &plain),
        ("x.tar.zst", &packed),
        ("by_magic", &packed),
        ("inner.tar", &inner),
    ] {
        let (_folder, path) = file(name, content);
        let (events, report) = import(path);
        assert_eq!(volumes(&events), [1, 3, 2, 4], "{name}");
        assert_ordered(&events);
        assert_eq!(report.inputs.len(), 2);
        assert!(report.inputs[1].name.ends_with("zz1805_20171113.csv)"));
        assert_eq!(ticks(&events)[1].instrument_id.as_bytes(), b"zz1805");
    }
}

#[test]
fn more_members_than_file_descriptors_are_no_problem() {
    let names: Vec<String> = (0..3000)
        .map(|n| format!("zz{n:04}_20171113.csv"))
        .collect();
    let members: Vec<_> = names
        .iter()
        .map(|name| (name.as_str(), A.as_bytes()))
        .collect();
    let (_folder, path) = file(
        "many.tar.zst",
        zstd::encode_all(&tar_of(&members)[..], 1).unwrap(),
    );
    let (events, report) = import(path);
    assert_eq!(report.rows(), 6000);
    assert_ordered(&events);
    assert_eq!(ticks(&events)[2999].instrument_id.as_bytes(), b"zz2999");
}

#[test]
fn the_order_of_paths_breaks_ties_and_batches_change_nothing() {
    let (_a, a) = file("zz1801_20171113.csv", A);
    let (_b, b) = file("zz1805_20171113.csv", B);
    let (events, _) = import_with(&[b.clone(), a.clone()], ImportOptions::default()).unwrap();
    assert_eq!(volumes(&events), [1, 3, 4, 2]);
    let mut source = open(&[b, a], ImportOptions::default()).unwrap();
    let mut one_by_one = Vec::new();
    for _ in 0..10 {
        source.next_batch(&mut one_by_one, 1).unwrap();
    }
    assert_eq!(one_by_one, events);
}

#[test]
fn options_stand_in_for_the_file_name_and_go_before_it() {
    let options = ImportOptions {
        trading_day: TradingDay::parse_ctp(b"20171114"),
        symbol: Some("rb1801.SHFE".into()),
        ..ImportOptions::default()
    };
    for name in ["ticks.csv", "zz1801_20171113.csv"] {
        let (_folder, path) = file(name, A);
        let (events, _) = import_with(&[path], options.clone()).unwrap();
        assert_eq!(ticks(&events)[0].instrument_id.as_bytes(), b"rb1801");
        assert_eq!(ticks(&events)[0].trading_day.as_bytes(), b"20171114");
        assert_eq!(recv(&events[0]), "20171114 09:00:00.000");
    }
}

#[test]
fn crlf_byte_order_mark_and_empty_lines_are_no_rows() {
    let text = "\u{feff}symbol,date,time,lastPrice\r\n\r\nRM705,20170320,09:00:00,1\r\n";
    let (_folder, path) = file("x.csv", text);
    let (events, report) = import(path);
    assert_eq!(report.rows(), 1);
    assert_eq!(ticks(&events)[0].last_price, 1.0);
}

#[test]
fn notes_beside_the_data_are_skipped() {
    const NOTES: &[u8] = b"Ticks of SHFE, one file a day.\n";
    let member = |name: &str| format!("x.tar (member {name})");
    let shown = |report: &ImportReport, path: &Path| {
        let folder = format!("{}/", path.parent().unwrap().display());
        let names = report.skipped_members.iter();
        names
            .map(|name| name.replace(&folder, ""))
            .collect::<Vec<_>>()
    };
    let tar = tar_of(&[
        ("README.txt", NOTES),
        ("zz1801_20171113.csv", A.as_bytes()),
        ("manifest.json", b"{\n  \"files\": [\"a\"]\n}\n"),
        ("logo", b"\x89PNG\r\n\x1a\n\0"),
    ]);
    let (_folder, path) = file("x.tar", tar);
    let (events, report) = import(&path);
    assert_eq!((events.len(), report.inputs.len()), (2, 1));
    let skipped = ["README.txt", "manifest.json", "logo"].map(member);
    assert_eq!(shown(&report, &path), skipped);
    // A forced dialect changes nothing about it.
    let options = ImportOptions {
        dialect: Some(Dialect::TickDataClean),
        ..ImportOptions::default()
    };
    let (_, report) = import_with(std::slice::from_ref(&path), options).unwrap();
    assert_eq!(shown(&report, &path), skipped);
}

#[test]
fn a_member_that_looks_like_data_is_an_error() {
    let unknown: &[u8] = b"px,qty\n3110,7\n";
    for (name, content) in [
        ("other.txt", unknown),
        ("other.csv", b"\0\0\0\0"),
        (
            "x.json",
            br#"[{"InstrumentID":1,"LastPrice":2,"Volume":3}]"#,
        ),
    ] {
        let tar = tar_of(&[(name, content), ("zz1801_20171113.csv", A.as_bytes())]);
        let (_folder, path) = file("x.tar", tar);
        let error = import_with(&[path], ImportOptions::default()).unwrap_err();
        assert!(error.to_string().contains(name), "{error}");
    }
    // Notes alone are not data, and neither are those of another archive.
    let notes = tar_of(&[("README.md", b"Ticks.\n")]);
    let (_folder, notes) = file("notes.tar", notes);
    let (_other, data) = file("x.tar", tar_of(&[("zz1801_20171113.csv", A.as_bytes())]));
    for paths in [vec![notes.clone()], vec![data, notes]] {
        let error = import_with(&paths, ImportOptions::default()).unwrap_err();
        assert!(error.to_string().contains("README.md"), "{error}");
    }
}

#[test]
fn an_empty_member_among_others_is_no_rows_and_no_error() {
    let tar = tar_of(&[
        ("zz1801_20171113.csv", b""),
        ("zz1805_20171113.csv", B.as_bytes()),
    ]);
    let (_folder, path) = file("x.tar", tar);
    let (events, report) = import(path);
    assert_eq!(events.len(), 2);
    assert_eq!(report.inputs[0].dialect, None);
}

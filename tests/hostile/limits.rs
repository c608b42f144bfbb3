//! Files that ask for too much: refused with a sentence, in a process whose memory is limited.

use std::ffi::OsStr;
use std::fs::File;
use std::io::Write as _;
use std::path::Path;
use std::process::Command;

use tickdeck::recording::Recording;

use crate::support::cli::{Ended, binary, command_of, finish};
use crate::support::recordings::{Folder, quick, repository};

/// Address space of a limited process in kB: the binary, its threads and a few buffers.
const SPACE_KB: u64 = 1_500_000;

/// Runs the binary with little memory. One that asks for more is killed by a signal.
fn limited<A: AsRef<OsStr>>(args: impl IntoIterator<Item = A>) -> Ended {
    let mut command: Command = command_of("sh");
    let script = format!("ulimit -v {SPACE_KB} && exec \"$@\"");
    command.args(["-c", &script, "sh"]).arg(binary()).args(args);
    finish(command)
}

#[track_caller]
fn refused(ended: &Ended, code: i32, sentence: &str) {
    assert_eq!(ended.code, Some(code), "{ended:?}");
    assert!(ended.stderr.contains(sentence), "{ended:?}");
}

fn import(folder: &Folder, dump: &Path) -> Ended {
    let output = folder.join("imported");
    let ended = limited([
        "import".as_ref(),
        dump.as_os_str(),
        "-o".as_ref(),
        output.as_os_str(),
    ]);
    assert!(!output.exists(), "{ended:?}");
    ended
}

/// A sparse file of that size that begins with `head`.
fn sparse(path: &Path, head: &[u8], bytes: u64) {
    let mut file = File::create(path).unwrap();
    file.write_all(head).unwrap();
    file.set_len(bytes).unwrap();
}

#[test]
fn a_dump_of_one_endless_row_is_refused() {
    let folder = Folder::new();
    let header = "symbol,exchange,datetime,last_price,volume\n";
    let sentence = "a row of more than 1048576 bytes";
    for (name, head) in [
        ("row.csv", format!("{header}rb2605,")),
        ("quote.csv", format!("{header}\"")),
        (
            "row.jsonl",
            "{\"seq\":0,\"recv_ts\":1,\"kind\":\"tick\"}\n{\"seq\":".to_owned(),
        ),
    ] {
        let path = folder.join(name);
        sparse(&path, head.as_bytes(), 1 << 30);
        refused(&import(&folder, &path), 4, sentence);
    }
    // The first line decides the dialect: it is read in part.
    let path = folder.join("header.csv");
    sparse(&path, b"symbol,", 1 << 30);
    let ended = import(&folder, &path);
    assert!(matches!(ended.code, Some(2 | 4)), "{ended:?}");
}

#[test]
fn a_manifest_of_a_gigabyte_is_refused() {
    let folder = Folder::new();
    let recording = folder.copy_of(&quick(), "rec");
    sparse(&recording.join("manifest.json"), b"{", 1 << 30);
    let sentence = "it has 1073741824 bytes, at most 67108864 are read";
    for verb in ["info", "cat"] {
        let ended = limited([verb.as_ref(), recording.as_os_str()]);
        refused(&ended, 4, sentence);
    }
}

#[test]
fn a_manifest_of_too_many_segments_is_refused() {
    let folder = Folder::new();
    let recording = folder.copy_of(&quick(), "rec");
    let path = recording.join("manifest.json");
    let mut manifest: serde_json::Value =
        serde_json::from_slice(&std::fs::read(&path).unwrap()).unwrap();
    let entry = manifest["segments"][0].clone();
    manifest["segments"] = vec![entry; 100_001].into();
    std::fs::write(&path, manifest.to_string()).unwrap();
    let ended = limited(["info".as_ref(), recording.as_os_str()]);
    refused(&ended, 4, "100001 segments, at most 100000 are read");
}

#[test]
fn deep_json_is_refused() {
    let folder = Folder::new();
    let recording = folder.copy_of(&quick(), "rec");
    let deep = "[".repeat(2_000_000);
    std::fs::write(recording.join("manifest.json"), &deep).unwrap();
    let ended = limited(["info".as_ref(), recording.as_os_str()]);
    assert_eq!(ended.code, Some(4), "{ended:?}");
    let dump = folder.join("deep.jsonl");
    std::fs::write(
        &dump,
        format!("{{\"seq\":0,\"kind\":{}\n", &deep[..500_000]),
    )
    .unwrap();
    let ended = import(&folder, &dump);
    assert!(matches!(ended.code, Some(2 | 4)), "{ended:?}");
    let golden = folder.join("deep.golden.json");
    std::fs::write(&golden, format!("{{\"format\":{deep}")).unwrap();
    let ended = limited([
        "check".as_ref(),
        quick().as_os_str(),
        "--golden".as_ref(),
        golden.as_os_str(),
    ]);
    assert!(matches!(ended.code, Some(2 | 4)), "{ended:?}");
}

#[test]
fn a_golden_of_a_gigabyte_is_refused() {
    let folder = Folder::new();
    let golden = folder.join("a.golden.json");
    sparse(&golden, b"{", 1 << 30);
    let ended = limited([
        "check".as_ref(),
        quick().as_os_str(),
        "--golden".as_ref(),
        golden.as_os_str(),
    ]);
    assert!(matches!(ended.code, Some(2 | 4)), "{ended:?}");
    assert!(
        ended.stderr.contains("more than 67108864 bytes"),
        "{ended:?}"
    );
}

/// A gigabyte of zeros takes some 100 kB.
#[test]
fn a_dump_that_unpacks_to_gigabytes_is_refused() {
    let folder = Folder::new();
    let path = folder.join("bomb.csv.zst");
    let file = File::create(&path).unwrap();
    let mut packed = zstd::stream::write::Encoder::new(file, 1).unwrap();
    let zeros = vec![0_u8; 1 << 20];
    for _ in 0..1100 {
        packed.write_all(&zeros).unwrap();
    }
    packed.finish().unwrap();
    assert!(path.metadata().unwrap().len() < 1 << 20);
    let ended = import(&folder, &path);
    refused(&ended, 4, "unpacks to more than 1073741824 bytes");
}

/// A payload stream whose line does not end within what NATS carries.
#[test]
fn a_stream_of_one_endless_line_is_refused() {
    let folder = Folder::new();
    let path = folder.join("a.jsonl");
    sparse(&path, b"market.tick.SHFE.rb2601 {", 1 << 30);
    let ended = limited(["diff".as_ref(), path.as_os_str(), path.as_os_str()]);
    assert!(matches!(ended.code, Some(2 | 4)), "{ended:?}");
    assert!(
        ended
            .stderr
            .contains("more than 65 MB without a line's end"),
        "{ended:?}"
    );
}

#[test]
fn a_contract_file_of_a_gigabyte_is_refused() {
    let folder = Folder::new();
    let recording = folder.copy_of(&quick(), "rec");
    sparse(&recording.join("contracts.parquet"), b"PAR1", 1 << 30);
    let ended = limited([
        "replay".as_ref(),
        recording.as_os_str(),
        "--sink=null".as_ref(),
        "--rate=max".as_ref(),
    ]);
    assert_eq!(ended.code, Some(4), "{ended:?}");
    let csv = folder.join("contracts.csv");
    sparse(&csv, b"InstrumentID,ExchangeID\n", 1 << 30);
    let ended = limited([
        "replay".as_ref(),
        quick().as_os_str(),
        "--sink=null".as_ref(),
        "--contracts".as_ref(),
        csv.as_os_str(),
    ]);
    refused(&ended, 2, "is larger than 268435456 bytes");
}

/// The first page of a segment states two gigabytes: the library would reserve them.
#[test]
fn a_page_of_gigabytes_is_refused() {
    let folder = Folder::new();
    let path = folder.join("part-00000.parquet");
    let mut segment = std::fs::read(repository("fuzz/corpus/segment/plain.parquet")).unwrap();
    // After the magic: the type of the page, and its size as a number of 7-bit groups.
    assert_eq!([segment[4], segment[6]], [0x15, 0x15]);
    let end = segment[7..]
        .iter()
        .position(|byte| byte & 0x80 == 0)
        .unwrap()
        + 8;
    let two_gigabytes = [0x80, 0xd0, 0xac, 0xf3, 0x0e];
    segment.splice(7..end, two_gigabytes);
    std::fs::write(&path, segment).unwrap();
    let ended = limited(["cat".as_ref(), path.as_os_str()]);
    refused(
        &ended,
        4,
        "a page of 2000000000 bytes, at most 268435456 are read",
    );
}

/// The first page of a segment has lists of two billion booleans in its header, which take no bytes: the
/// library would pass over each of them for seconds.
#[test]
fn a_page_header_that_takes_hours_is_refused() {
    let folder = Folder::new();
    let mut segment = std::fs::read(repository("fuzz/corpus/segment/plain.parquet")).unwrap();
    assert_eq!(segment[4], 0x15);
    // Field 9, and after the lists field 1, by their full numbers.
    let list = [0x09, 18, 0xf2, 0xff, 0xff, 0xff, 0xff, 0x07];
    segment.splice(4..5, [&list.repeat(500)[..], &[0x05, 0x02]].concat());
    let path = folder.join("part-00000.parquet");
    std::fs::write(&path, segment).unwrap();
    let ended = limited(["cat".as_ref(), path.as_os_str()]);
    refused(&ended, 4, "the header of a page has a list of booleans");
}

/// A file that is nothing but this footer.
fn file_of(footer: &[u8]) -> Vec<u8> {
    let length = u32::try_from(footer.len()).unwrap().to_le_bytes();
    [b"PAR1", footer, &length, b"PAR1"].concat()
}

/// The footer of a segment, with these bytes in place of its end.
fn footer_of(segment: &str, more: &[u8]) -> Vec<u8> {
    let segment = std::fs::read(repository(segment)).unwrap();
    let (rest, tail) = segment.split_last_chunk::<8>().unwrap();
    let length = u32::from_le_bytes(*tail.first_chunk().unwrap());
    let start = rest.len() - usize::try_from(length).unwrap();
    [&rest[start..rest.len() - 1], more].concat()
}

/// A list of two billion booleans takes no bytes. Each footer has one where only the library looks for it.
#[test]
fn a_footer_that_takes_hours_is_refused() {
    let folder = Folder::new();
    let path = folder.join("part-00000.parquet");
    let plain = "fuzz/corpus/segment/plain.parquet";
    // Field 200 by its full number.
    let list = [0x09, 0x90, 0x03, 0xf2, 0xff, 0xff, 0xff, 0xff, 0x07];
    // The number of rows as a text: the library takes its length for that, and what is in it for fields.
    let text = [&[0x08, 6, 12][..], &list, &[0x06, 6, 48, 0]].concat();
    // A number of eleven bytes.
    let long = [&[0x06, 0x92, 0x03][..], &[0x80; 10], &[0], &list, &[0]].concat();
    for more in [text, long] {
        let file = file_of(&footer_of(plain, &more));
        std::fs::write(&path, file).unwrap();
        let error = Recording::open(&path).unwrap_err();
        assert!(error.is_damage(), "{error}");
        let sentence = "the footer cannot be read";
        assert!(error.to_string().contains(sentence), "{error}");
        refused(&import(&folder, &path), 4, sentence);
    }
    // Without such fields, it is one that is read.
    std::fs::write(&path, file_of(&footer_of(plain, &[0]))).unwrap();
    assert_eq!(Recording::open(&path).unwrap().segments().len(), 1);
}

/// The library calls itself for each level of a schema, and reserves as many fields as an element states: both
/// ended the process.
#[test]
fn a_schema_of_any_depth_or_size_is_refused() {
    let folder = Folder::new();
    let path = folder.join("part-00000.parquet");
    let element = |children: &[u8]| [&[0x35, 0, 0x18, 1, b'a', 0x15][..], children, &[0]].concat();
    // A hundred thousand levels, and two billion fields.
    let count = [0xa0, 0x8d, 0x06];
    let deep = [&count[..], &element(&[2]).repeat(100_000)].concat();
    let wide = [&[1][..], &element(&[0xfe, 0xff, 0xff, 0xff, 0x0f])].concat();
    for schema in [deep, wide] {
        let footer = [&[0x29, 0xfc][..], &schema, &[0]].concat();
        std::fs::write(&path, file_of(&footer)).unwrap();
        let sentence =
            "the footer has a schema that is too deep, or states more fields than it has";
        refused(&limited(["cat".as_ref(), path.as_os_str()]), 4, sentence);
        refused(&import(&folder, &path), 4, sentence);
    }
}

//! Input from a pipe: read once, from the first byte to the last, and interruptible while waiting.

use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use nix::sys::stat::Mode;

use super::{ends, falsify, folder, published, write_lines};
use crate::support::cli::{Ended, Running, finish, tickdeck};
use crate::support::recordings::Folder;

/// The bytes of `lines`, optionally compressed.
fn bytes(lines: &[String], is_packed: bool) -> Vec<u8> {
    let text: String = lines.iter().map(|line| format!("{line}\n")).collect();
    match is_packed {
        true => zstd::encode_all(text.as_bytes(), 1).unwrap(),
        false => text.into_bytes(),
    }
}

fn command(folder: &Folder, words: &str) -> Command {
    let mut command = tickdeck(words.split(' '));
    command.arg("-q").current_dir(folder.path());
    command
}

/// `words` with `bytes` on standard input; the first few arrive one by one.
#[track_caller]
fn ends_with(folder: &Folder, code: i32, words: &str, bytes: Vec<u8>) -> Ended {
    let (reader, mut writer) = std::io::pipe().unwrap();
    let feed = std::thread::spawn(move || {
        let (first, rest) = bytes.split_at(bytes.len().min(6));
        // A reader that needs no more closes the pipe.
        let one_by_one = first.iter().try_for_each(|byte| writer.write_all(&[*byte]));
        let _ = one_by_one.and_then(|()| writer.write_all(rest));
    });
    let mut command = command(folder, words);
    command.stdin(Stdio::from(reader));
    let ended = finish(command);
    feed.join().unwrap();
    assert_eq!(ended.code, Some(code), "{words}: {ended:?}");
    ended
}

fn fifo(folder: &Folder, name: &str) -> PathBuf {
    let path = folder.join(name);
    nix::unistd::mkfifo(&path, Mode::S_IRWXU).unwrap();
    path
}

/// Writes `bytes` into a FIFO as soon as it has a reader.
fn feed(path: &Path, bytes: Vec<u8>) -> std::thread::JoinHandle<()> {
    let path = path.to_owned();
    std::thread::spawn(move || {
        let mut pipe = std::fs::File::options().write(true).open(path).unwrap();
        pipe.write_all(&bytes).unwrap();
    })
}

#[test]
fn pipes_are_judged_from_the_first_byte() {
    let folder = folder();
    ends(&folder, 0, "check rec --update");
    let mut lines = published();
    write_lines(&folder.join("a.jsonl"), &lines);
    for is_packed in [false, true] {
        let whole = || bytes(&lines, is_packed);
        ends_with(
            &folder,
            0,
            "check /dev/stdin --golden rec.golden.json",
            whole(),
        );
        ends_with(&folder, 0, "diff a.jsonl /dev/stdin", whole());
        ends_with(&folder, 0, "diff /dev/stdin a.jsonl", whole());
    }
    let made = "check /dev/stdin --golden made.golden.json --update";
    ends_with(&folder, 0, made, bytes(&lines, false));
    ends(&folder, 0, "check a.jsonl --golden made.golden.json");
    falsify(&mut lines, "CZCE");
    let found = ends_with(
        &folder,
        1,
        "check /dev/stdin --golden rec.golden.json",
        bytes(&lines, true),
    );
    assert!(found.stdout.contains(" changed"), "{found:?}");
    let recording = std::fs::read(folder.join("rec/part-00000.parquet")).unwrap();
    let refused = ends_with(
        &folder,
        2,
        "check /dev/stdin --golden rec.golden.json",
        recording,
    );
    assert!(refused.stderr.contains("expected a message"), "{refused:?}");
}

#[test]
fn diff_reads_each_pipe_once() {
    let folder = Folder::new();
    let lines = published();
    let [first, second] = ["first.jsonl", "second.jsonl"].map(|name| {
        let path = fifo(&folder, name);
        feed(&path, bytes(&lines, false))
    });
    ends(&folder, 0, "diff first.jsonl second.jsonl");
    first.join().unwrap();
    second.join().unwrap();
    std::fs::hard_link(folder.join("first.jsonl"), folder.join("same.jsonl")).unwrap();
    for words in [
        "diff first.jsonl first.jsonl",
        "diff first.jsonl same.jsonl",
        "check first.jsonl same.jsonl",
    ] {
        let refused = ends(&folder, 2, words);
        assert!(refused.stderr.contains("read only once"), "{refused:?}");
    }
    let twice = "diff /dev/stdin /dev/fd/0";
    let refused = ends_with(&folder, 2, twice, bytes(&lines, false));
    assert!(refused.stderr.contains("read only once"), "{refused:?}");
}

#[test]
fn pipe_input_needs_a_named_golden_file() {
    let folder = folder();
    fifo(&folder, "pipe.json");
    for more in ["", " --update"] {
        let refused = ends(&folder, 2, &format!("check rec --golden pipe.json{more}"));
        assert!(
            refused.stderr.contains("it is not a regular file"),
            "{refused:?}"
        );
        let golden = format!("check rec --golden /dev/stdin{more}");
        let refused = ends_with(&folder, 2, &golden, bytes(&published(), false));
        assert!(
            refused.stderr.contains("it is not a regular file"),
            "{refused:?}"
        );
        for golden in ["", " --golden ."] {
            let words = format!("check /dev/stdin{golden}{more}");
            let refused = ends_with(&folder, 2, &words, bytes(&published(), false));
            assert!(
                refused.stderr.contains("/dev/stdin cannot be matched")
                    && refused.stderr.contains("--golden"),
                "{refused:?}"
            );
        }
    }
}

#[test]
fn silent_pipe_is_awaited_until_a_signal() {
    let folder = folder();
    ends(&folder, 0, "check rec --update");
    write_lines(&folder.join("a.jsonl"), &published());
    let pipe = fifo(&folder, "pipe.jsonl");
    let words = [
        "check pipe.jsonl --golden rec.golden.json",
        "diff a.jsonl pipe.jsonl",
        "diff pipe.jsonl a.jsonl",
    ];
    for has_writer in [false, true] {
        // A writer that stops after half a line.
        let _writer = has_writer.then(|| {
            let mut options = std::fs::File::options();
            let mut writer = options.read(true).write(true).open(&pipe).unwrap();
            writer.write_all(b"market.tick").unwrap();
            writer
        });
        for words in words {
            let running = Running::start(command(&folder, words));
            running.wait_for_handlers();
            running.signal("TERM");
            let ended = running.wait();
            assert_eq!(ended.code, Some(4), "{words}: {ended:?}");
            assert!(
                ended.stderr.contains("interrupted after 0 messages"),
                "{words}: {ended:?}"
            );
        }
    }
}

//! Where results go: files that exist, pipes without a reader, limits of the system.

use crate::support::cli::{Running, binary, command_of, finish, tickdeck};
use crate::support::recordings::{Folder, quick, stream};

#[test]
fn a_sink_overwrites_only_with_force() {
    let folder = Folder::new();
    let out = folder.join("out");
    std::fs::write(&out, "mine").unwrap();
    let replay = || {
        let mut command = tickdeck(["replay".as_ref(), quick().as_os_str()]);
        command.args(["--rate", "max", "-q", "--sink"]);
        command.arg(format!("jsonl:{}", out.display()));
        command
    };
    let refused = finish(replay());
    assert_eq!(refused.code, Some(2), "{refused:?}");
    assert!(refused.stderr.contains("--force"), "{refused:?}");
    assert_eq!(std::fs::read(&out).unwrap(), b"mine");
    let mut forced = replay();
    forced.arg("--force");
    finish(forced).done();
    assert!(std::fs::read_to_string(&out).unwrap() == stream(&quick(), ""));
}

#[test]
fn a_pipe_without_a_reader_can_be_interrupted() {
    let folder = Folder::new();
    let pipe = folder.join("pipe");
    let made = command_of("mkfifo").arg(&pipe).status().unwrap();
    assert!(made.success());
    let mut command = tickdeck(["replay".as_ref(), quick().as_os_str()]);
    command.args(["--rate", "max", "--json", "--sink"]);
    command.arg(format!("jsonl:{}", pipe.display()));
    let running = Running::start(command);
    running.wait_for_handlers();
    running.signal("INT");
    let ended = running.wait().done();
    assert_eq!(ended.json()["published"], 0);
}

#[test]
fn a_file_size_limit_is_a_disk_error() {
    let folder = Folder::new();
    let mut command = command_of("bash");
    command.arg("-c").arg(format!(
        "ulimit -f 4; exec {} generate --profile quick -q -o {}",
        binary().display(),
        folder.join("rec").display()
    ));
    let ended = finish(command);
    assert_eq!(ended.code, Some(4), "{ended:?}");
    assert!(ended.stderr.contains("File too large"), "{ended:?}");
    assert!(folder.names().is_empty(), "{:?}", folder.names());
}

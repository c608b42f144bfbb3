//! The flow folder, through the binary: sessions of several processes do not share one.

use std::collections::BTreeSet;
use std::fs::File;
use std::path::Path;
use std::process::Command;

use tickdeck::clock::{Clock as _, SystemClock};
use tickdeck::time::{NANOS_PER_SECOND, UnixNanos};

use crate::support::cli::{Running, command_of};
use crate::support::ctp::{logged, simulated_library, with_simulated_front};
use crate::support::recordings::{Folder, quick};
use crate::support::wait_until;

/// Latest start of a process. A test does not last as long.
const LATEST_S: i64 = 300;

/// The same command, started by a shell with the same process id once the file `go` exists.
fn held_back(command: &Command, folder: &Path) -> Command {
    let mut shell = command_of("sh");
    shell
        .arg("-c")
        .arg("while [ ! -e go ]; do sleep 0.01; done; exec \"$@\"")
        .arg("sh")
        .arg(command.get_program())
        .args(command.get_args())
        .current_dir(folder);
    for (name, value) in command.get_envs() {
        match value {
            Some(value) => shell.env(name, value),
            None => shell.env_remove(name),
        };
    }
    shell
}

/// Locks the folders of the first sessions of a process that starts from now on, as another process
/// would. A session is named after second and process.
fn take_folders(flow: &Path, pid: u32, sessions: &[&str]) -> File {
    std::fs::create_dir_all(flow).unwrap();
    // One file under many names: the lock belongs to the file.
    let first = flow.join("lock");
    let lock = File::create(&first).unwrap();
    lock.try_lock().unwrap();
    let now = SystemClock::new().wall();
    for second in 0..LATEST_S {
        let begin = UnixNanos(now.0 + second * NANOS_PER_SECOND).to_shanghai();
        for session in sessions {
            let name = format!("ctp-{}-{pid}-{session}", begin.format("%Y%m%d-%H%M%S"));
            let folder = flow.join(name);
            std::fs::create_dir(&folder).unwrap();
            std::fs::hard_link(&first, folder.join("tickdeck.lock")).unwrap();
        }
    }
    lock
}

#[test]
fn a_flow_folder_in_use_gets_a_new_session() {
    let Some(library) = simulated_library("a flow folder in use") else {
        return;
    };
    let folder = Folder::new();
    let words = "record --source ctp -o rec --symbols all --backoff 100ms --log-format json";
    let mut command = with_simulated_front(words, folder.path(), &library, &quick(), "max");
    command.env("CTP_TD_ADDRESS", "tcp://127.0.0.1:1");
    let running = Running::start(held_back(&command, folder.path()));
    let flow = folder.join("state/tickdeck/flow");
    let lock = take_folders(&flow, running.pid(), &["td1", "a1"]);
    let taken = names(&flow);
    std::fs::write(folder.join("go"), "").unwrap();
    wait_until("a session of market data is there", || {
        !logged(&running.stderr(), "ctp_subscribed").is_empty()
    });
    running.signal("TERM");
    let ended = running.wait().done();
    let is_in_use = |line: &serde_json::Value| {
        let reason = line["reason"].as_str().unwrap();
        reason.contains("in use by another session")
    };
    let mut refused = logged(&ended.stderr, "ctp_retry");
    refused.retain(is_in_use);
    // The trader front's, then the market data front's.
    assert_eq!(refused.len(), 2, "{ended:?}");
    for (line, session) in refused.iter().zip(["-td1", "-a1"]) {
        assert!(line["session"].as_str().unwrap().ends_with(session));
    }
    assert!(names(&flow).is_superset(&taken), "theirs stay");
    drop(lock);
}

/// The content of a folder.
fn names(folder: &Path) -> BTreeSet<String> {
    let entries = std::fs::read_dir(folder).unwrap();
    entries
        .map(|entry| entry.unwrap().file_name().into_string().unwrap())
        .collect()
}

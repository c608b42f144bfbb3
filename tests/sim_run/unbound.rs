//! Clients that cannot be moved to the simulated front: each cause has its message, and no real
//! front is dialled.

use std::net::TcpListener;
use std::process::Command;

use super::{Client, VERSION, prepared, sim_run};
use crate::support::cli::{Ended, finish};
use crate::support::ctp::{simulated_library, vendor_library};
use crate::support::{skipped, wait_until};

/// The exit code of a client that was not on the simulated front, and its reason.
fn refused(run: &Ended, reason: &str) {
    assert_eq!(run.code, Some(4), "{}{}", run.stdout, run.stderr);
    let told = run.stderr.replace('\n', " ");
    assert!(told.contains(reason), "{told}");
}

/// No client connected to it.
fn is_untouched(listener: &TcpListener) {
    listener.set_nonblocking(true).unwrap();
    let found = listener.accept();
    assert!(found.is_err(), "{found:?} dialled a real front");
}

fn opened_by_itself(client: &Client, library: &std::path::Path, simulated: &std::path::Path) {
    let front = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = format!("tcp://{}", front.local_addr().unwrap());
    let mut command = client.under_sim(simulated, &[], 1_000_000);
    command.env("LIBRARY", library).env("FRONT", &address);
    refused(&finish(command), "dlopen and dlsym");
    is_untouched(&front);
    // What is advised works.
    let wanted = super::expected();
    let mut advised = client.under_sim(simulated, &["--api-version", "6.7.11"], wanted);
    advised
        .env("LIBRARY", simulated.join("thostmduserapi_se.so"))
        .env("FRONT", &address);
    let run = finish(advised);
    assert_eq!(run.code, Some(7), "{}", run.stderr);
    assert!(
        run.stdout.contains(&format!("|20250912|{wanted}")),
        "{}",
        run.stdout
    );
    is_untouched(&front);
}

#[test]
fn a_library_that_is_opened_by_path_dials_nothing() {
    let test = "a_library_that_is_opened_by_path_dials_nothing";
    let Some((simulated, client)) = prepared(test, None, &["DIALS"]) else {
        return;
    };
    let library = client.vendor().join("thostmduserapi_se.so");
    // By itself it does dial, or this test would show nothing.
    let front = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = format!("tcp://{}", front.local_addr().unwrap());
    let mut alone = client.alone();
    alone.env("LIBRARY", &library).env("FRONT", address);
    let alone = finish(alone);
    assert!(alone.stdout.starts_with(VERSION), "{}", alone.stdout);
    front.accept().unwrap();
    opened_by_itself(&client, &library, &simulated);
}

#[test]
fn the_vendors_library_dials_nothing_either() {
    let test = "the_vendors_library_dials_nothing_either";
    let Some(vendor) = vendor_library(test) else {
        return;
    };
    let Some((simulated, client)) = prepared(test, None, &[]) else {
        return;
    };
    opened_by_itself(&client, &vendor.join("thostmduserapi_se.so"), &simulated);
}

#[test]
fn a_client_that_never_dials_is_explained_too() {
    let test = "a_client_that_never_dials_is_explained_too";
    let Some((simulated, client)) = prepared(test, None, &[]) else {
        return;
    };
    let library = client.vendor().join("thostmduserapi_se.so");
    let mut opened = client.under_sim(&simulated, &[], 2);
    // Long enough to be seen.
    opened.env("LIBRARY", &library).env("WAIT", "1");
    let opened = {
        let running = crate::support::cli::Running::start(opened);
        wait_until("the client runs", || running.stdout().contains("waiting"));
        // Some looks at its processes, on a machine that stalls.
        std::thread::sleep(std::time::Duration::from_secs(2));
        let child = children(running.pid());
        crate::support::cli::signal(child, "KILL");
        running.wait()
    };
    refused(&opened, "dlopen and dlsym");
}

/// The first child of a process.
fn children(pid: u32) -> u32 {
    let tasks = std::fs::read_dir(format!("/proc/{pid}/task")).unwrap();
    let mut found = tasks.flatten().filter_map(|task| {
        let children = std::fs::read_to_string(task.path().join("children")).ok()?;
        children.split_whitespace().next()?.parse().ok()
    });
    found.next().unwrap()
}

#[test]
fn a_static_program_is_named_as_such() {
    let test = "a_static_program_is_named_as_such";
    let Some(simulated) = simulated_library(test) else {
        return;
    };
    let folder = tempfile::tempdir().unwrap();
    let (source, program) = (folder.path().join("p.c"), folder.path().join("p"));
    std::fs::write(&source, "int main(void) { return 0; }\n").unwrap();
    let compiled = Command::new("gcc")
        .arg("-static")
        .arg(&source)
        .arg("-o")
        .arg(&program)
        .output();
    if !compiled.is_ok_and(|output| output.status.success()) {
        return skipped(test, "gcc cannot link statically");
    }
    let mut command = sim_run(&simulated, &[]);
    command.arg("--").arg(&program);
    refused(&finish(command), "is statically linked");
}

#[test]
fn a_lost_variable_is_named_as_such() {
    let test = "a_lost_variable_is_named_as_such";
    let flags = ["-Wl,--disable-new-dtags", "-Wl,-rpath,$ORIGIN/vendor"];
    let Some((simulated, client)) = prepared(test, Some(&flags), &[]) else {
        return;
    };
    let mut command = sim_run(&simulated, &[]);
    command.args(["--", "env", "-i", "sh", "-c", "\"$@\"", "sh"]);
    command.args(client.words(1_000_000));
    let run = finish(command);
    refused(&run, "LD_PRELOAD was lost");
    assert!(
        run.stderr.replace('\n', " ").contains("DT_RPATH"),
        "{}",
        run.stderr
    );
}

#[test]
fn a_program_without_ctp_is_told_from_the_others() {
    let Some(simulated) = simulated_library("a_program_without_ctp_is_told_from_the_others") else {
        return;
    };
    let mut command = sim_run(&simulated, &["--json"]);
    command.args(["--", "sh", "-c", "echo hello; exit 3"]);
    let run = finish(command);
    refused(&run, "ended with code 3");
    let summary: serde_json::Value = serde_json::from_str(&run.stdout).unwrap();
    assert!(
        summary["error"].as_str().unwrap().contains("never used"),
        "{summary}"
    );
    assert_eq!(summary["exit_code"], 3);
    assert!(
        run.stderr.contains("hello"),
        "the client's stdout: {}",
        run.stderr
    );
}

#[test]
fn a_client_that_ends_early_is_linked_all_the_same() {
    let test = "a_client_that_ends_early_is_linked_all_the_same";
    let Some((simulated, client)) = prepared(test, Some(&[]), &[]) else {
        return;
    };
    let mut missing = client.under_sim(&simulated, &[], 1);
    missing.env_remove("LD_LIBRARY_PATH");
    refused(&finish(missing), "the dynamic linker does not find");
}

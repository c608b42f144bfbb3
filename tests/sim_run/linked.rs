//! Programs that are linked with the vendor's library.

use std::collections::BTreeMap;
use std::path::Path;

use serde_json::Value;

use super::{Client, IDS, VERSION, expected, prepared, sim_run};
use crate::support::cli::finish;

/// What the program prints on the simulated front.
fn simulated(ticks: usize) -> String {
    format!("{VERSION}|tickdeck simulated front|20250912|{ticks}\n")
}

/// What it prints with its own library.
fn own() -> String {
    format!("{VERSION}||001|{}\n", IDS.len())
}

/// Every file of a folder with its bytes.
fn contents(folder: &Path) -> BTreeMap<std::path::PathBuf, Vec<u8>> {
    let entries = std::fs::read_dir(folder).unwrap();
    let paths = entries.map(|entry| entry.unwrap().path());
    paths
        .map(|path| (path.clone(), std::fs::read(path).unwrap()))
        .collect()
}

fn runs_on_both(test: &str, flags: &[&str], finds_by_itself: bool) {
    let Some((libraries, client)) = prepared(test, Some(flags), &[]) else {
        return;
    };
    let before = contents(&client.vendor());
    let on_path = |mut command: std::process::Command| {
        if !finds_by_itself {
            command.env("LD_LIBRARY_PATH", client.vendor());
        }
        finish(command)
    };
    let alone = on_path(client.alone());
    assert_eq!(
        (alone.code, &*alone.stdout),
        (Some(7), &*own()),
        "{}",
        alone.stderr
    );
    let wanted = expected();
    let run = on_path(client.under_sim(&libraries, &[], wanted));
    assert_eq!(run.stdout, simulated(wanted), "{}", run.stderr);
    assert_eq!(run.code, Some(7), "the client's code: {}", run.stderr);
    assert_eq!(contents(&client.vendor()), before);
}

#[test]
fn a_program_that_finds_its_library_by_the_variable() {
    runs_on_both(
        "a_program_that_finds_its_library_by_the_variable",
        &[],
        false,
    );
}

#[test]
fn a_program_with_a_runpath() {
    let flags = ["-Wl,--enable-new-dtags", "-Wl,-rpath,$ORIGIN/vendor"];
    runs_on_both("a_program_with_a_runpath", &flags, true);
}

#[test]
fn a_program_with_an_rpath() {
    let flags = ["-Wl,--disable-new-dtags", "-Wl,-rpath,$ORIGIN/vendor"];
    runs_on_both("a_program_with_an_rpath", &flags, true);
}

#[test]
fn the_summary_says_what_became_of_the_run() {
    let flags = ["-Wl,-rpath,$ORIGIN/vendor"];
    let Some((libraries, client)) =
        prepared("the_summary_says_what_became_of_the_run", Some(&flags), &[])
    else {
        return;
    };
    let wanted = expected();
    let log = client.folder.path().join("front.log");
    let script = super::repository("fixtures/faults/doubled_tick.toml");
    let flags = [
        "--json",
        "--log",
        log.to_str().unwrap(),
        "--script",
        script.to_str().unwrap(),
    ];
    let run = finish(client.under_sim(&libraries, &flags, wanted));
    assert_eq!(run.code, Some(7), "{}", run.stderr);
    let summary: Value = serde_json::from_str(&run.stdout).unwrap();
    assert_eq!(summary["logins"]["md"], 1);
    assert_eq!(summary["logins"]["td"], 0);
    assert_eq!(summary["subscriptions"], IDS.len());
    assert_eq!(summary["processes"], 1);
    assert_eq!(summary["api_versions"][0], "6.7.11");
    assert_eq!(summary["exit_code"], 7);
    assert_eq!(summary["error"], Value::Null);
    let faults = summary["faults"].as_object().unwrap();
    assert!(!faults.is_empty(), "{summary}");
    // With `--json` what the client prints goes to stderr, and duplicates are ticks too.
    assert!(
        run.stderr.contains("|tickdeck simulated front|"),
        "{}",
        run.stderr
    );
    let ticks = summary["ticks"].as_u64().unwrap();
    assert!(ticks >= u64::try_from(wanted).unwrap(), "{summary}");
    let log = std::fs::read_to_string(log).unwrap();
    assert!(log.contains("\"event\":\"sim_md_login\""), "{log}");
}

#[test]
fn the_variables_alone_do_the_same() {
    let flags = ["-Wl,-rpath,$ORIGIN/vendor"];
    let Some((libraries, client)) = prepared("the_variables_alone_do_the_same", Some(&flags), &[])
    else {
        return;
    };
    let mut printed = sim_run(&libraries, &[]);
    let mut words: Vec<_> = printed.get_args().map(ToOwned::to_owned).collect();
    words[1] = "env".into();
    printed = crate::support::cli::command_of(crate::support::cli::binary());
    printed
        .args(words)
        .env("XDG_CACHE_HOME", env!("CARGO_TARGET_TMPDIR"));
    let variables = finish(printed).done().stdout;
    let wanted = expected();
    let mut shell = crate::support::cli::command_of("sh");
    let line = format!("{variables}\nexec \"$@\"");
    shell.args(["-c", &line, "sh"]).args(client.words(wanted));
    let run = finish(shell);
    assert_eq!(run.stdout, simulated(wanted), "{}", run.stderr);
    let file = libraries.join("thostmduserapi_se.so");
    assert!(
        variables.contains(&format!("#   {}", file.display())),
        "{variables}"
    );
}

#[test]
fn the_versions_of_several_libraries_are_told_apart() {
    let simulated = crate::support::ctp::simulated_library("versions");
    let Some(libraries) = simulated else { return };
    let flags = ["-Wl,-rpath,$ORIGIN/vendor"];
    let Some(client) = Client::made("versions", Some(&flags), &[]) else {
        return;
    };
    let wanted = expected();
    let mut other = client.under_sim(&libraries, &["--api-version", "6.7.13"], wanted);
    other.env("TICKDECK_SIM_LOG", "off");
    let run = finish(other);
    assert!(run.stdout.starts_with("v6.7.13_20260225"), "{}", run.stdout);
    let unknown = finish(client.under_sim(&libraries, &["--api-version", "6.7.12"], wanted));
    assert_eq!(unknown.code, Some(2), "{}", unknown.stderr);
    assert!(
        unknown.stderr.contains("6.7.10, 6.7.11, 6.7.13"),
        "{}",
        unknown.stderr
    );
}

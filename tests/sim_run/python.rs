//! Python packages of PyPI, installed once and never changed: `cargo xtask sim-clients` fetches them.

use std::path::{Path, PathBuf};
use std::process::Command;

use serde_json::Value;

use super::sim_run;
use crate::support::cli::{Ended, finish};
use crate::support::ctp::simulated_library;
use crate::support::recordings::repository;
use crate::support::skipped;

/// The packages and the simulated libraries; `None` after a visible skip.
fn prepared(test: &str, package: &str) -> Option<(PathBuf, PathBuf, PathBuf)> {
    let simulated = simulated_library(test)?;
    let Some(clients) = std::env::var_os("TICKDECK_SIM_CLIENTS").map(PathBuf::from) else {
        skipped(
            test,
            "no Python clients: cargo xtask sim-clients fetches them",
        );
        return None;
    };
    let packages = clients.join(package);
    if !packages.exists() {
        skipped(test, &format!("{package} is not in {}", clients.display()));
        return None;
    }
    Some((simulated, clients, packages))
}

/// Instruments of the recording.
fn instruments() -> Vec<String> {
    let manifest = std::fs::read(repository("recordings/quick/manifest.json")).unwrap();
    let manifest: Value = serde_json::from_slice(&manifest).unwrap();
    let ids = manifest["instruments"].as_object().unwrap();
    ids.keys().cloned().collect()
}

/// Its ticks.
fn ticks() -> usize {
    let manifest = std::fs::read(repository("recordings/quick/manifest.json")).unwrap();
    let manifest: Value = serde_json::from_slice(&manifest).unwrap();
    let ids = manifest["instruments"].as_object().unwrap();
    let counts = ids.values().map(|ticks| ticks.as_u64().unwrap());
    usize::try_from(counts.sum::<u64>()).unwrap()
}

/// Sums of all files below a folder, but the byte code that Python writes when it likes.
fn sums(folder: &Path) -> Vec<(PathBuf, blake3::Hash)> {
    let mut found = Vec::new();
    let mut folders = vec![folder.to_owned()];
    while let Some(folder) = folders.pop() {
        for entry in std::fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                folders.push(path);
            } else if path.extension().is_none_or(|end| end != "pyc") {
                found.push((path.clone(), blake3::hash(&std::fs::read(path).unwrap())));
            }
        }
    }
    found.sort_by(|(a, _), (b, _)| a.cmp(b));
    found
}

/// A run of a program of `sim/clients/programs`, and what it told.
fn told(test: &str, package: &str, program: &str, words: &[&str]) -> Option<(Ended, Value, Value)> {
    let (simulated, clients, packages) = prepared(test, package)?;
    let folder = tempfile::tempdir().unwrap();
    let before = sums(&packages);
    let mut command = sim_run(&simulated, &["--json"]);
    let out = folder.path().join("out.json");
    std::fs::create_dir_all(folder.path().join(".vntrader")).unwrap();
    command
        .arg("--")
        .arg(clients.join("python/bin/python"))
        .arg(repository("sim/clients/programs").join(program))
        .args(words)
        .arg(&out)
        .arg(ticks().to_string())
        .args(instruments())
        .current_dir(folder.path())
        .env("HOME", folder.path())
        .env("PYTHONPATH", &packages)
        .env("PYTHONDONTWRITEBYTECODE", "1");
    let run = finish(command);
    let text = std::fs::read_to_string(&out);
    let text = text.unwrap_or_else(|_| panic!("{package}: {:?}\n{}", run.code, run.stderr));
    assert_eq!(sums(&packages), before, "{package} was changed");
    let summary = serde_json::from_str(&run.stdout).unwrap();
    Some((run, serde_json::from_str(&text).unwrap(), summary))
}

fn every_tick_and_a_login(test: &str, package: &str, version: &str, program: &str) {
    let module = package.split("-6").next().unwrap().replace('-', "_");
    let flow = tempfile::tempdir().unwrap();
    let flow = format!("{}/", flow.path().display());
    let Some((run, told, summary)) = told(test, package, program, &[&module, &flow]) else {
        return;
    };
    assert_eq!(run.code, Some(0), "{}", run.stderr);
    assert_eq!(told["md"]["ticks"], ticks(), "{package}: {told}");
    assert_eq!(told["md"]["login"], "20250912", "{package}");
    assert_eq!(told["td"]["login"], "20250912", "{package}");
    assert_eq!(told["td"]["front"], 1, "{package}");
    assert_eq!(
        told["td"]["instruments"],
        instruments().len(),
        "{package}: {told}"
    );
    // Fields at both ends of the structs: another layout would show something else.
    assert_eq!(
        told["td"]["rb2510"],
        serde_json::json!(["SHFE", 10, 1.0]),
        "{package}"
    );
    assert_eq!(summary["api_versions"][0], version, "{package}");
    assert_eq!(summary["ticks"], ticks(), "{package}");
    assert_eq!(
        summary["logins"],
        serde_json::json!({"md": 1, "td": 1}),
        "{package}"
    );
    assert_eq!(summary["misuse"], serde_json::json!([]), "{package}");
}

macro_rules! each_version {
    ($($test:ident: $package:literal is $version:literal by $program:literal;)*) => {
        $(
            #[test]
            fn $test() {
                every_tick_and_a_login(stringify!($test), $package, $version, $program);
            }
        )*
    };
}

each_version! {
    openctp_6_3_15: "openctp-ctp-6.3.15.7" is "6.3.15" by "both_fronts.py";
    openctp_6_3_19: "openctp-ctp-6.3.19.8" is "6.3.19" by "both_fronts.py";
    openctp_6_5_1: "openctp-ctp-6.5.1.7" is "6.5.1" by "both_fronts.py";
    openctp_6_6_1: "openctp-ctp-6.6.1.7" is "6.6.1" by "both_fronts.py";
    openctp_6_6_7: "openctp-ctp-6.6.7.9" is "6.6.7" by "both_fronts.py";
    openctp_6_6_9: "openctp-ctp-6.6.9.9" is "6.6.9" by "both_fronts.py";
    openctp_6_7_0: "openctp-ctp-6.7.0.9" is "6.7.0" by "both_fronts.py";
    openctp_6_7_1: "openctp-ctp-6.7.1.7" is "6.7.1" by "both_fronts.py";
    openctp_6_7_2: "openctp-ctp-6.7.2.8" is "6.7.2" by "both_fronts.py";
    openctp_6_7_7: "openctp-ctp-6.7.7.1" is "6.7.7" by "both_fronts.py";
    openctp_6_7_8: "openctp-ctp-6.7.8.0" is "6.7.8" by "both_fronts.py";
    openctp_6_7_9: "openctp-ctp-6.7.9.0" is "6.7.9" by "both_fronts.py";
    openctp_6_7_10: "openctp-ctp-6.7.10.0" is "6.7.10" by "both_fronts.py";
    openctp_6_7_11: "openctp-ctp-6.7.11.0" is "6.7.11" by "both_fronts.py";
    ctp_python_6_6_9: "ctp-python-6.6.9.post1" is "6.6.9" by "both_fronts.py";
    ctp_python_6_7_7: "ctp-python-6.7.7.post1" is "6.7.7" by "both_fronts.py";
    ctp_python_6_7_13: "ctp-python-6.7.13" is "6.7.13" by "both_fronts.py";
    openctp_tts_6_3_15: "openctp-tts-6.3.15.5" is "6.3.15" by "both_fronts.py";
    openctp_tts_6_6_9: "openctp-tts-6.6.9.4" is "6.6.9" by "both_fronts.py";
    openctp_tts_6_7_2: "openctp-tts-6.7.2.3" is "6.6.9" by "both_fronts.py";
}

#[test]
fn vnpy_needs_nothing_but_the_command() {
    let test = "vnpy_needs_nothing_but_the_command";
    let Some((simulated, clients, packages)) = prepared(test, "vnpy") else {
        return;
    };
    let folder = tempfile::tempdir().unwrap();
    std::fs::create_dir_all(folder.path().join(".vntrader")).unwrap();
    let out = folder.path().join("out.json");
    let before = sums(&packages);
    let symbols = instruments().into_iter().map(|id| match &*id {
        id if id.starts_with("rb") || id.starts_with("au") => format!("{id}.SHFE"),
        id => format!("{id}.{}", exchange(id)),
    });
    let mut command = sim_run(&simulated, &["--json"]);
    command
        .arg("--")
        .arg(clients.join("python/bin/python"))
        .arg(repository("sim/clients/programs/vnpy_client.py"))
        .arg(&out)
        .arg(ticks().to_string())
        .args(symbols)
        .current_dir(folder.path())
        .env("HOME", folder.path())
        .env("PYTHONPATH", &packages)
        .env("PYTHONDONTWRITEBYTECODE", "1")
        // vn.py subscribes one by one.
        .env("TICKDECK_SIM_SETTLE", "15s");
    let run = finish(command);
    let text = std::fs::read_to_string(&out).unwrap_or_else(|_| panic!("{}", run.stderr));
    let told: Value = serde_json::from_str(&text).unwrap();
    assert_eq!(
        told["ticks"].as_array().unwrap().len(),
        ticks(),
        "{}",
        told["logs"]
    );
    assert_eq!(told["listed"], true);
    let summary: Value = serde_json::from_str(&run.stdout).unwrap();
    assert_eq!(summary["logins"], serde_json::json!({"md": 1, "td": 1}));
    assert_eq!(summary["ticks"], ticks());
    assert_eq!(sums(&packages), before);
}

/// The exchange of an instrument, from the recording's own payloads.
fn exchange(id: &str) -> &'static str {
    let product: String = id.chars().take_while(char::is_ascii_alphabetic).collect();
    match product.as_str() {
        "IF" | "IH" | "IC" | "IM" | "T" | "TF" | "TS" | "TL" => "CFFEX",
        "sc" | "lu" | "nr" | "bc" | "ec" => "INE",
        "si" | "lc" | "ps" => "GFEX",
        _ if product.chars().all(|c| c.is_ascii_uppercase()) => "CZCE",
        "rb" | "au" | "ag" | "cu" | "al" | "zn" | "hc" => "SHFE",
        _ => "DCE",
    }
}

/// Processes that Python starts, in both ways.
fn processes(method: &str) {
    let test = "processes";
    let package = "openctp-ctp-6.7.11.0";
    let Some((run, told, summary)) = told(test, package, "processes.py", &[method]) else {
        return;
    };
    assert_eq!(run.code, Some(0), "{}", run.stderr);
    let ticks_of = told.as_array().unwrap();
    assert_eq!(ticks_of.len(), 2, "{told}");
    assert!(ticks_of.iter().all(|one| *one == ticks()), "{told}");
    assert_eq!(summary["processes"], 2, "{summary}");
    assert_eq!(summary["ticks"], 2 * ticks(), "{summary}");
}

#[test]
fn processes_that_are_spawned_share_the_market() {
    processes("spawn");
}

#[test]
fn processes_that_are_forked_share_the_market() {
    processes("fork");
}

#[test]
fn a_rust_program_on_ctp2rs_is_told_what_to_load() {
    let test = "a_rust_program_on_ctp2rs_is_told_what_to_load";
    let Some((simulated, _, program)) = prepared(test, "ctp2rs/ctp2rs-client") else {
        return;
    };
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("out.txt");
    let mut command: Command = sim_run(&simulated, &["--json", "--api-version", "6.7.13"]);
    command
        .arg("--")
        .arg(program)
        .arg(simulated.join("thostmduserapi_se.so"))
        .arg(folder.path())
        .arg(&file)
        .arg(ticks().to_string())
        .args(instruments());
    let run = finish(command);
    let summary: Value = serde_json::from_str(&run.stdout).unwrap();
    assert_eq!(summary["ticks"], ticks(), "{}", run.stderr);
}

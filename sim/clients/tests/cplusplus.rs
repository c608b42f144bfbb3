//! A C++ program compiled against the vendor's headers and linked with the simulated libraries.

use std::path::{Path, PathBuf};
use std::process::Command;

use tickdeck_ffi::abi::TickLayout;

use crate::support::{
    expected, fingerprint, instruments, libraries, quick, root, run, skipped, without,
};

/// The folder of the vendor's headers, which the set-up fetches.
fn headers() -> Option<PathBuf> {
    let folder = std::env::var_os("TICKDECK_CTP_HEADERS").map(PathBuf::from)?;
    let mut folders = vec![folder];
    while let Some(folder) = folders.pop() {
        for entry in std::fs::read_dir(&folder).ok()?.flatten() {
            let path = entry.path();
            if path.is_dir() {
                folders.push(path);
            } else if path.ends_with("ThostFtdcMdApi.h")
                && folder.join("ThostFtdcTraderApi.h").exists()
            {
                return Some(folder);
            }
        }
    }
    None
}

/// Compiles the program; `None` when the machine cannot.
fn compiled(folder: &Path, headers: &Path) -> Option<PathBuf> {
    let program = folder.join("client");
    let libraries = libraries(folder);
    let status = Command::new("g++")
        .args(["-std=c++17", "-w", "-pthread", "-I"])
        .arg(headers)
        .arg(root().join("sim/clients/programs/client.cpp"))
        .arg(libraries.join("thostmduserapi_se.so"))
        .arg(libraries.join("thosttraderapi_se.so"))
        .arg("-o")
        .arg(&program)
        .status()
        .ok()?;
    assert!(status.success(), "g++ refuses the program");
    Some(program)
}

/// The tick in a line of hexadecimal bytes.
fn tick_in(hex: &str) -> String {
    let bytes: Vec<u8> = (0..hex.len() / 2)
        .map(|at| u8::from_str_radix(&hex[2 * at..2 * at + 2], 16).unwrap())
        .collect();
    assert_eq!(bytes.len(), TickLayout::C.size());
    // SAFETY: the bytes are a whole struct of layout C, as the compiler laid it out.
    fingerprint(&unsafe { TickLayout::C.read(bytes.as_ptr().cast()) })
}

/// What a client program wrote: the ticks, field for field, and every other line.
pub(crate) fn ticks_and_rest(text: &str) -> (Vec<String>, Vec<&str>) {
    let (ticks, rest): (Vec<&str>, Vec<&str>) =
        text.lines().partition(|line| line.starts_with("tick "));
    (ticks.iter().map(|line| tick_in(&line[5..])).collect(), rest)
}

#[test]
fn a_cplusplus_program_gets_every_tick_and_every_answer() {
    let Some(headers) = headers() else {
        return without("no vendor headers: cargo xtask vendor-ctp fetches them");
    };
    let folder = tempfile::tempdir().unwrap();
    let Some(program) = compiled(folder.path(), &headers) else {
        return skipped("no g++");
    };
    let ids = instruments(&quick());
    let words: Vec<&str> = ids.iter().map(String::as_str).collect();
    let expected = expected(&quick(), TickLayout::C, &words);
    let out = folder.path().join("out.txt");
    let mut command = Command::new(program);
    command
        .arg(folder.path())
        .arg(&out)
        .arg(expected.len().to_string())
        .args(&ids);
    let source = format!("recording:{}", quick().display());
    let output = run(
        command,
        &[
            ("TICKDECK_SIM_SOURCE", source.as_str()),
            ("TICKDECK_SIM_RATE", "max"),
            ("TICKDECK_SIM_SETTLE", "100ms"),
            ("TICKDECK_SIM_ACCOUNT", "9999:user:secret:app:code"),
        ],
    );
    let text = std::fs::read_to_string(&out).unwrap_or_default();
    let (ticks, told) = ticks_and_rest(&text);
    assert!(output.status.success(), "{output:?}\n{}", told.join("\n"));
    assert_eq!(ticks, expected);
    let contracts = ids.len();
    assert_eq!(told[0], "md-version v6.7.11_20250617 16:22:00.10369 0 1");
    assert_eq!(told[2..4], ["md-connected - 0 1", "md-login 20250912 7 1"]);
    assert!(told.contains(&"md-subscribed rb2510 0 1"));
    assert!(told.contains(&"md-day 20250912 0 1"));
    let of = |what: &str| told.iter().filter(|line| line.starts_with(what)).count();
    assert_eq!(of("md-subscribed "), contracts);
    assert_eq!(of("td-instrument "), contracts);
    for line in [
        "td-connected - 0 1",
        "td-authenticated app 0 1",
        "td-login 20250912 0 1",
        "td-confirmed 20250912 0 1",
        // A second query within the same second, and from inside the answer to the first.
        "td-second-query - -3 1",
        "td-order 42 906 1",
        "td-front tcp://simulated 1 1",
    ] {
        assert!(
            told.contains(&line),
            "{line} is missing in\n{}",
            told.join("\n")
        );
    }
    assert!(
        told.iter()
            .any(|line| line.starts_with("td-instrument rb2510.SHFE.1 10 "))
    );
}

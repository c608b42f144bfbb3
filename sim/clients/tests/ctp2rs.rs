//! ctp2rs, the binding from crates.io, loads the simulated library by its path.
//!
//! Its program is a separate package that `cargo xtask sim-clients` builds, because ctp2rs needs
//! libclang.

use std::path::PathBuf;
use std::process::Command;

use tickdeck_ffi::abi::TickLayout;

use crate::cplusplus::ticks_and_rest;
use crate::support::{expected, instruments, libraries, quick, run, skipped};

#[test]
fn ctp2rs_gets_every_field_of_every_tick() {
    let clients = std::env::var_os("TICKDECK_SIM_CLIENTS").map(PathBuf::from);
    let program = clients.map(|folder| folder.join("ctp2rs/ctp2rs-client"));
    let Some(program) = program.filter(|program| program.exists()) else {
        return skipped("no client on ctp2rs: cargo xtask sim-clients builds it");
    };
    let folder = tempfile::tempdir().unwrap();
    let library = libraries(folder.path()).join("thostmduserapi_se.so");
    let ids = instruments(&quick());
    let words: Vec<&str> = ids.iter().map(String::as_str).collect();
    let expected = expected(&quick(), TickLayout::C, &words);
    let out = folder.path().join("out.txt");
    let mut command = Command::new(program);
    command
        .arg(library)
        .arg(format!("{}/", folder.path().display()))
        .arg(&out)
        .arg(expected.len().to_string())
        .args(&ids);
    let source = format!("recording:{}", quick().display());
    let output = run(
        command,
        &[
            ("TICKDECK_SIM_API_VERSION", "6.7.13"),
            ("TICKDECK_SIM_SOURCE", source.as_str()),
            ("TICKDECK_SIM_RATE", "max"),
            ("TICKDECK_SIM_SETTLE", "200ms"),
        ],
    );
    let text = std::fs::read_to_string(&out).unwrap_or_default();
    let (ticks, told) = ticks_and_rest(&text);
    assert!(output.status.success(), "{output:?}\n{}", told.join("\n"));
    assert_eq!(ticks, expected);
    assert_eq!(told[..2], ["connected", "login 0 1 true"]);
    assert_eq!(told.last(), Some(&"day 20250912"));
}

//! Python clients from PyPI whose bundled library files are exchanged for ours, in temporary
//! copies, by the commands that README.md prints for it.
//!
//! `cargo xtask sim-clients` fetches them and makes the locale that their wrappers need (field
//! guide 2); `TICKDECK_SIM_CLIENTS` names the folder that it leaves.

use std::path::{Path, PathBuf};
use std::process::Command;

use serde_json::Value;
use tickdeck_core::event::RawTick;
use tickdeck_ffi::abi::{ApiVersion, TickLayout};

use crate::support::{instruments, libraries, quick, recorded, root, run, seen_in, skipped};

const MISSING: &str = "no Python clients: cargo xtask sim-clients fetches them";

/// What the set-up left.
fn clients() -> Option<PathBuf> {
    std::env::var_os("TICKDECK_SIM_CLIENTS").map(PathBuf::from)
}

/// The commands of README.md that exchange the libraries below the folder `$SITE`.
fn printed_commands() -> String {
    let page = std::fs::read_to_string(root().join("README.md")).unwrap();
    let (_, section) = page.split_once("\n## The simulated front\n").unwrap();
    let lines = section
        .lines()
        .skip_while(|line| !line.starts_with("$ for "));
    let mut commands = String::new();
    for line in lines {
        // A prompt, and the command after it.
        let (_, command) = line.split_once(' ').unwrap();
        commands.push_str(command);
        commands.push('\n');
        if command == "done" {
            return commands;
        }
    }
    panic!("README.md prints no commands for Python clients");
}

/// A copy of a folder of packages in which every vendor library is exchanged for ours.
fn with_our_libraries(packages: &Path, folder: &Path) -> PathBuf {
    let copy = folder.join("packages");
    let status = Command::new("cp")
        .arg("-r")
        .arg(packages)
        .arg(&copy)
        .status()
        .unwrap();
    assert!(status.success());
    let target = folder.join("target/sim");
    std::fs::create_dir_all(&target).unwrap();
    libraries(&target);
    let output = Command::new("bash")
        .args(["-euc", &printed_commands()])
        .current_dir(folder)
        .env("SITE", &copy)
        .output()
        .unwrap();
    assert!(output.status.success(), "{output:?}");
    let told = String::from_utf8_lossy(&output.stdout);
    for name in ["libthostmduserapi_se", "libthosttraderapi_se"] {
        let copied = told.lines().filter_map(|line| line.split_once(" -> "));
        let exchanged = copied.filter(|(_, to)| to.contains(name)).count();
        assert_eq!(exchanged, 1, "{name} of {}: {told}", packages.display());
    }
    copy
}

macro_rules! define_fields {
    (() $($(#[$doc:meta])* $kind:ident $name:ident $vendor:ident $size:literal @ $offset:literal;)*) => {
        /// A field by the vendor's name, as the Python programs write it.
        fn field(tick: &RawTick, name: &str) -> Option<Value> {
            $(
                if name == stringify!($vendor) {
                    return Some(as_json!($kind, tick.$name));
                }
            )*
            None
        }
    };
}

macro_rules! as_json {
    (text, $value:expr) => {
        Value::from($value.to_string())
    };
    (f64, $value:expr) => {
        Value::from(format!("{:016x}", $value.to_bits()))
    };
    (i32, $value:expr) => {
        Value::from($value)
    };
}

tickdeck_ffi::for_each_tick_field!(define_fields);

fn openctp(wheel: &str, version: &str) {
    let Some(clients) = clients() else {
        return skipped(MISSING);
    };
    let packages = clients.join(format!("openctp-ctp-{wheel}"));
    if !packages.exists() {
        return skipped(&format!(
            "openctp-ctp {wheel} is not in {}",
            clients.display()
        ));
    }
    let folder = tempfile::tempdir().unwrap();
    let copy = with_our_libraries(&packages, folder.path());
    let ids = instruments(&quick());
    let layout = TickLayout::of(&version.parse::<ApiVersion>().unwrap());
    let expected: Vec<RawTick> = recorded(&quick())
        .iter()
        .map(|tick| seen_in(layout, tick))
        .collect();
    let out = folder.path().join("out.json");
    let mut command = Command::new(clients.join("python/bin/python"));
    command
        .arg(root().join("sim/clients/programs/openctp_client.py"))
        .arg(format!("{}/", folder.path().display()))
        .arg(&out)
        .arg(expected.len().to_string())
        .args(&ids)
        .env("PYTHONPATH", &copy)
        .env("LOCPATH", clients.join("locale"));
    let source = format!("recording:{}", quick().display());
    let output = run(
        command,
        &[
            ("TICKDECK_SIM_API_VERSION", version),
            ("TICKDECK_SIM_SOURCE", source.as_str()),
            ("TICKDECK_SIM_RATE", "max"),
            ("TICKDECK_SIM_SETTLE", "200ms"),
        ],
    );
    let text = std::fs::read_to_string(&out).unwrap_or_else(|_| panic!("{output:?}"));
    let told: Value = serde_json::from_str(&text).unwrap();
    assert_eq!(told["login"][0], "20250912", "{version}");
    assert_eq!(told["day"], "20250912", "{version}");
    assert_eq!(told["subscribed"].as_array().unwrap().len(), ids.len());
    let ticks = told["ticks"].as_array().unwrap();
    assert_eq!(ticks.len(), expected.len(), "{version}");
    for (position, (tick, expected)) in ticks.iter().zip(&expected).enumerate() {
        for (name, value) in tick.as_object().unwrap() {
            let wanted = match (layout, name.as_str()) {
                // In layout A the ids are where later versions have reserved fields.
                (TickLayout::A, "InstrumentID") => field(expected, "InstrumentID"),
                _ => field(expected, name),
            };
            assert_eq!(
                Some(value),
                wanted.as_ref(),
                "{version}: tick {position}: {name}"
            );
        }
    }
}

#[test]
fn openctp_of_the_oldest_version_gets_every_field_of_every_tick() {
    openctp("6.3.15.7", "6.3.15");
}

#[test]
fn openctp_of_6_5_1_gets_every_field_of_every_tick() {
    openctp("6.5.1.7", "6.5.1");
}

#[test]
fn openctp_of_6_7_2_gets_every_field_of_every_tick() {
    openctp("6.7.2.8", "6.7.2");
}

#[test]
fn openctp_of_6_7_11_gets_every_field_of_every_tick() {
    openctp("6.7.11.0", "6.7.11");
}

#[test]
fn vnpy_connects_lists_contracts_and_receives_ticks() {
    let Some(clients) = clients() else {
        return skipped(MISSING);
    };
    let packages = clients.join("vnpy");
    if !packages.exists() {
        return skipped(&format!(
            "vnpy and vnpy_ctp are not in {}",
            clients.display()
        ));
    }
    let folder = tempfile::tempdir().unwrap();
    let copy = with_our_libraries(&packages, folder.path());
    let ids = instruments(&quick());
    let table = tickdeck_core::contract::ContractTable::builtin();
    let symbols: Vec<String> = ids
        .iter()
        .map(|id| format!("{id}.{}", table.resolve(id.as_bytes()).unwrap().exchange))
        .collect();
    let expected: Vec<RawTick> = recorded(&quick());
    let out = folder.path().join("out.json");
    let mut command = Command::new(clients.join("python/bin/python"));
    command
        .arg(root().join("sim/clients/programs/vnpy_client.py"))
        .arg(&out)
        .arg(expected.len().to_string())
        .args(&symbols)
        // vn.py keeps its folder below the home directory, or here if there is one.
        .current_dir(folder.path())
        .env("HOME", folder.path())
        .env("PYTHONPATH", &copy)
        .env("LOCPATH", clients.join("locale"));
    std::fs::create_dir_all(folder.path().join(".vntrader")).unwrap();
    let source = format!("recording:{}", quick().display());
    let output = run(
        command,
        &[
            ("TICKDECK_SIM_SOURCE", source.as_str()),
            ("TICKDECK_SIM_RATE", "max"),
            // vn.py subscribes one by one: longer than a stall of the machine between two of them.
            ("TICKDECK_SIM_SETTLE", "15s"),
            ("TICKDECK_SIM_ACCOUNT", "9999:user:secret:app:code"),
        ],
    );
    let text = std::fs::read_to_string(&out).unwrap_or_else(|_| panic!("{output:?}"));
    let told: Value = serde_json::from_str(&text).unwrap();
    assert_eq!(told["listed"], true, "{}", told["logs"]);
    assert_eq!(told["account"], true, "{}", told["logs"]);
    assert_eq!(
        told["accounts"][0][0],
        "9999.user".trim_start_matches("9999.")
    );
    let contracts = told["contracts"].as_object().unwrap();
    assert_eq!(
        contracts.keys().cloned().collect::<Vec<_>>().len(),
        ids.len()
    );
    let ticks = told["ticks"].as_array().unwrap();
    assert_eq!(ticks.len(), expected.len(), "{}", told["logs"]);
    // vn.py turns DBL_MAX into 0 for prices.
    let price = |value: f64| if value >= f64::MAX { 0.0 } else { value };
    for (position, (tick, expected)) in ticks.iter().zip(&expected).enumerate() {
        let symbol = tick[0].as_str().unwrap();
        assert!(
            symbol.starts_with(&format!("{}.", expected.instrument_id)),
            "{position}"
        );
        assert_eq!(
            tick[1].as_i64(),
            Some(i64::from(expected.volume)),
            "{position}"
        );
        for (index, value) in [
            (2, price(expected.last_price)),
            (3, expected.open_interest),
            (4, expected.turnover),
            (5, price(expected.bid_price1)),
            (7, price(expected.ask_price1)),
        ] {
            assert_eq!(tick[index].as_f64(), Some(value), "{position}: {index}");
        }
    }
}

//! Collects the facts of a diagnosis: loads libraries, tries fronts, asks the system. It never logs
//! in.

use std::path::Path;
use std::process::{Command, Stdio};
use std::time::Duration;

use tickdeck_core::causes::with_causes;
use tickdeck_ffi::FrontAddress;
use tickdeck_ffi::abi::Knowledge;
use tickdeck_recording::storage;

use super::ctp::CtpLibrary;
use super::facts::{AccountFacts, DiskFacts, FrontFacts, LibraryFacts, LocaleFacts};
use super::reach::reach;
use super::setup::{FrontSettings, check_fronts, check_keys};
use super::trader::trader_library_version;

/// Loads the libraries and tries each front for at most `timeout`. `is_library_named`: whether a
/// variable names a library.
#[must_use]
pub fn probe_account(
    settings: &FrontSettings,
    is_library_named: bool,
    timeout: Duration,
) -> AccountFacts {
    let library = is_library_named.then(|| probe_library(settings));
    let trader_library = (is_library_named && !settings.td_fronts.is_empty())
        .then(|| trader_library_version(&settings.library).map_err(|error| with_causes(&error)));
    let mut facts = AccountFacts {
        library,
        trader_library,
        md_fronts: Vec::new(),
        td_fronts: Vec::new(),
    };
    if !facts.is_simulated() {
        facts.md_fronts = probe_fronts(&settings.md_fronts, timeout);
        facts.td_fronts = probe_fronts(&settings.td_fronts, timeout);
    }
    facts
}

fn probe_library(settings: &FrontSettings) -> Result<LibraryFacts, String> {
    let library = CtpLibrary::open(&settings.library).map_err(|error| with_causes(&error))?;
    let details = library.library();
    let keys = check_keys(&library, settings.login.production_keys);
    let fronts = check_fronts(&library, &settings.md_fronts);
    Ok(LibraryFacts {
        path: shown(library.path()),
        create_symbol: details.create_symbol(),
        version: library.version(),
        layout: library.layout(),
        callbacks: details.spi_table().slots(),
        is_simulated: details.is_simulated(),
        is_version_tested: details.version().knowledge() == Knowledge::Listed,
        is_release_safe: details.version().at_least(6, 5, 1),
        keys_problem: keys.err().map(|problem| problem.to_string()),
        front_problem: fronts.err().map(|problem| problem.to_string()),
    })
}

fn shown(path: &Path) -> String {
    path.display().to_string()
}

fn probe_fronts(fronts: &[FrontAddress], timeout: Duration) -> Vec<FrontFacts> {
    let probe = |front: &FrontAddress| FrontFacts {
        scheme: front.scheme(),
        is_behind_proxy: front.is_behind_proxy(),
        reached: reach(front, timeout),
    };
    fronts.iter().map(probe).collect()
}

/// Asks for the free space of the disk on which `folder` is, or would be. `is_target` also tries whether
/// something can be made there.
#[must_use]
pub fn probe_disk(folder: &Path, needed: u64, is_target: bool) -> DiskFacts {
    let free = storage::local().free_space(folder);
    let unwritable = is_target.then(|| try_folder(folder).err()).flatten();
    DiskFacts {
        folder: shown(folder),
        free: free.map_err(|error| with_causes(&error)),
        needed,
        unwritable,
    }
}

/// Makes and removes a folder in the nearest one that exists.
fn try_folder(folder: &Path) -> Result<(), String> {
    let nearest = match folder.ancestors().find(|path| path.exists()) {
        Some(path) if path != Path::new("") => path,
        _ => Path::new("."),
    };
    let tried = tempfile::Builder::new()
        .prefix(".tickdeck-")
        .tempdir_in(nearest);
    tried.map(drop).map_err(|error| {
        let (folder, nearest) = (folder.display(), nearest.display());
        format!("a recording cannot be made at {folder}: {nearest} cannot be written: {error}")
    })
}

/// Asks the system for its locales.
#[must_use]
pub fn probe_locale() -> LocaleFacts {
    let listed = Command::new("locale")
        .arg("-a")
        .stdin(Stdio::null())
        .stderr(Stdio::null())
        .output();
    let Ok(output) = listed else {
        return LocaleFacts::Unknown;
    };
    let locales = String::from_utf8_lossy(&output.stdout).to_ascii_lowercase();
    if locales
        .lines()
        .any(|line| line.starts_with("zh_cn.gb18030"))
    {
        LocaleFacts::Installed
    } else {
        LocaleFacts::Missing
    }
}

//! Provides the vendor's libraries and headers for the conformance tests, from packages on PyPI
//! that contain them. They are kept in `target/tools` and never in the repository.

use std::path::{Path, PathBuf};

use anyhow::{Context, Result, bail};

use crate::run::{note, tools};
use crate::wheel::{download, find, unpack};

/// Package, version, and the folder for its libraries. Tests run each of them.
const LIBRARIES: [(&str, &str, &str); 8] = [
    ("openctp-ctp", "6.3.15.7", "6.3.15.7"),
    ("openctp-ctp", "6.5.1.7", "6.5.1.7"),
    ("openctp-ctp", "6.6.9.9", "6.6.9.9"),
    ("openctp-ctp", "6.7.2.8", "6.7.2.8"),
    ("openctp-ctp", "6.7.9.0", "6.7.9.0"),
    ("openctp-ctp", "6.7.11.0", "6.7.11.0"),
    ("ctp-python", "6.7.13", "6.7.13"),
    // The simulator of the openctp project: the same interface, another implementation.
    ("openctp-tts", "6.7.2.3", "tts-6.7.2.3"),
];

/// The other versions, whose tables are read and which are not run.
const OTHER_VERSIONS: [(&str, &str, &str); 10] = [
    ("openctp-ctp", "6.3.19.8", "6.3.19.8"),
    ("openctp-ctp", "6.6.1.7", "6.6.1.7"),
    ("openctp-ctp", "6.6.7.9", "6.6.7.9"),
    ("openctp-ctp", "6.7.0.9", "6.7.0.9"),
    ("openctp-ctp", "6.7.1.7", "6.7.1.7"),
    ("openctp-ctp", "6.7.7.1", "6.7.7.1"),
    ("openctp-ctp", "6.7.8.0", "6.7.8.0"),
    ("openctp-ctp", "6.7.10.0", "6.7.10.0"),
    ("openctp-tts", "6.3.15.5", "tts-6.3.15.5"),
    ("openctp-tts", "6.6.1.4", "tts-6.6.1.4"),
];

/// The package whose source contains the vendor's headers.
const HEADERS: &str = "vnpy_ctp";
/// Its version with the headers of 6.7.11.
const USUAL_HEADERS: &str = "6.7.11.4";
/// Its versions with other headers, and what those are.
const HEADERS_BY_VERSION: [(&str, &str); 5] = [
    ("6.5.1.12", "6.5.1"),
    ("6.6.7.2", "6.6.7"),
    ("6.6.9.1", "6.6.9"),
    ("6.7.2.1", "6.7.2"),
    ("6.7.7.2", "6.7.7"),
];

/// Selects wheels of one Python and platform. Only the libraries inside matter.
const ANY_WHEEL: [&str; 11] = [
    "--only-binary=:all:",
    "--implementation=cp",
    "--python-version=3.10",
    "--platform=linux_x86_64",
    "--platform=manylinux1_x86_64",
    "--platform=manylinux2014_x86_64",
    "--platform=manylinux_2_17_x86_64",
    "--platform=manylinux_2_24_x86_64",
    "--platform=manylinux_2_27_x86_64",
    "--platform=manylinux_2_28_x86_64",
    "--platform=manylinux_2_31_x86_64",
];

/// The vendor's names of the two libraries, and how their files begin in the packages.
const FILES: [(&str, &str); 2] = [
    ("thostmduserapi_se.so", "thostmduserapi_se"),
    ("thosttraderapi_se.so", "thosttraderapi_se"),
];

/// What is available, and why something is not.
#[derive(Debug)]
pub(crate) struct Vendor {
    /// One folder per version, with both libraries under the vendor's names.
    pub(crate) libraries: PathBuf,
    /// The same of the other versions.
    pub(crate) other_versions: PathBuf,
    /// The header files.
    pub(crate) headers: PathBuf,
    /// Header files of other versions, in a folder each.
    pub(crate) headers_by_version: PathBuf,
    /// What is unavailable, with the reason.
    pub(crate) problems: Vec<String>,
}

/// Fetches what is missing.
pub(crate) fn provide() -> Vendor {
    let libraries = tools().join("ctp");
    let other_versions = tools().join("ctp-versions");
    let headers = tools().join("ctp-headers");
    let headers_by_version = tools().join("ctp-headers-by-version");
    let mut problems = Vec::new();
    let places = LIBRARIES.map(|package| (package, &libraries));
    let others = OTHER_VERSIONS.map(|package| (package, &other_versions));
    for ((package, version, folder), place) in places.into_iter().chain(others) {
        if let Err(error) = library(package, version, &place.join(folder)) {
            problems.push(format!("{package} {version}: {error:#}"));
        }
    }
    let usual = (USUAL_HEADERS, headers.clone());
    let others = HEADERS_BY_VERSION.map(|(package, name)| (package, headers_by_version.join(name)));
    for (version, kept) in [usual].into_iter().chain(others) {
        if let Err(error) = header_files(version, &kept) {
            problems.push(format!("headers from {HEADERS} {version}: {error:#}"));
        }
    }
    Vendor {
        libraries,
        other_versions,
        headers,
        headers_by_version,
        problems,
    }
}

/// `cargo xtask vendor-ctp`.
///
/// # Errors
/// When anything is unavailable. The message lists it.
pub(crate) fn run() -> Result<Vendor> {
    let vendor = provide();
    if vendor.problems.is_empty() {
        return Ok(vendor);
    }
    bail!(
        "not everything could be fetched; tests that need it will skip themselves. Network access to \
         PyPI and a Python with pip are needed.\n  - {}",
        vendor.problems.join("\n  - ")
    )
}

fn library(package: &str, version: &str, kept: &Path) -> Result<()> {
    if FILES.iter().all(|(file, _)| kept.join(file).is_file()) {
        return Ok(());
    }
    let work = work_folder(kept)?;
    let requirement = format!("{package}=={version}");
    let wheel = download(&requirement, &ANY_WHEEL, &work.join("wheel"))?;
    unpack(&wheel, &work.join("content"))?;
    let ready = work.join("ready");
    std::fs::create_dir(&ready)?;
    for (file, stem) in FILES {
        let inside = find(&work.join("content"), &|path| {
            let name = path.file_name().unwrap_or_default().to_string_lossy();
            let name = name.strip_prefix("lib").unwrap_or(&name);
            name.starts_with(stem) && name.contains(".so")
        })?
        .with_context(|| format!("the wheel contains no {file}"))?;
        std::fs::copy(inside, ready.join(file))?;
    }
    keep(&ready, kept, &work)
}

fn header_files(version: &str, kept: &Path) -> Result<()> {
    const WANTED: [&str; 4] = [
        "ThostFtdcMdApi.h",
        "ThostFtdcTraderApi.h",
        "ThostFtdcUserApiDataType.h",
        "ThostFtdcUserApiStruct.h",
    ];
    if WANTED.iter().all(|file| kept.join(file).is_file()) {
        return Ok(());
    }
    let work = work_folder(kept)?;
    let source_only = format!("--no-binary={HEADERS}");
    let requirement = format!("{HEADERS}=={version}");
    let source = download(&requirement, &[&source_only], &work.join("source"))?;
    unpack(&source, &work.join("content"))?;
    let ready = work.join("ready");
    std::fs::create_dir(&ready)?;
    for file in WANTED {
        let inside = find(&work.join("content"), &|path| {
            path.ends_with(Path::new("include/ctp").join(file))
        })?
        .with_context(|| format!("the source package contains no {file}"))?;
        std::fs::copy(inside, ready.join(file))?;
    }
    keep(&ready, kept, &work)
}

/// An empty folder beside the final one, on the same disk.
fn work_folder(kept: &Path) -> Result<PathBuf> {
    let name = kept.file_name().unwrap_or_default().to_string_lossy();
    let work = kept.with_file_name(format!(".fetching-{name}"));
    if work.exists() {
        std::fs::remove_dir_all(&work)?;
    }
    std::fs::create_dir_all(&work)?;
    Ok(work)
}

/// The folder is renamed when complete, so an interrupted run leaves no folder that looks
/// complete.
fn keep(ready: &Path, kept: &Path, work: &Path) -> Result<()> {
    if kept.exists() {
        std::fs::remove_dir_all(kept)?;
    }
    std::fs::rename(ready, kept)?;
    std::fs::remove_dir_all(work)?;
    note(&format!("kept {}", kept.display()));
    Ok(())
}

//! Provides the vendor's libraries and headers for the conformance tests, from packages on PyPI
//! that contain them. They are kept in `target/tools` and never in the repository.

use std::path::{Path, PathBuf};

use anyhow::{Context, Result, bail};

use crate::run::{note, tools};
use crate::wheel::{download, find, unpack};

/// Package, version, and the folder for its libraries.
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

/// The package whose source contains the vendor's headers of 6.7.11.
const HEADERS: (&str, &str) = ("vnpy_ctp", "6.7.11.4");

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
    /// The header files.
    pub(crate) headers: PathBuf,
    /// What is unavailable, with the reason.
    pub(crate) problems: Vec<String>,
}

/// Fetches what is missing.
pub(crate) fn provide() -> Vendor {
    let libraries = tools().join("ctp");
    let headers = tools().join("ctp-headers");
    let mut problems = Vec::new();
    for (package, version, folder) in LIBRARIES {
        if let Err(error) = library(package, version, &libraries.join(folder)) {
            problems.push(format!("{package} {version}: {error:#}"));
        }
    }
    if let Err(error) = header_files(&headers) {
        problems.push(format!(
            "headers from {} {}: {error:#}",
            HEADERS.0, HEADERS.1
        ));
    }
    Vendor {
        libraries,
        headers,
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

fn header_files(kept: &Path) -> Result<()> {
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
    let (package, version) = HEADERS;
    let source_only = format!("--no-binary={package}");
    let requirement = format!("{package}=={version}");
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

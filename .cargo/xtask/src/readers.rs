//! Provides a Python with the packages that the pages' Python blocks import. It is a virtual
//! environment in `target/tools/readers`; nothing is installed on the machine.

use std::path::PathBuf;

use anyhow::Result;

use crate::run::{once, tools};
use crate::sim_clients::VNPY;
use crate::wheel::{environment, install};

/// The readers of `docs/analysis.md`. The page names these versions.
const READERS: [&str; 4] = [
    "duckdb==2.0.1",
    "pandas==3.1.1",
    "polars==2.1.0",
    "pyarrow==26.0.1",
];

/// Installs what is missing and returns the interpreter.
///
/// # Errors
/// When Python or PyPI is unavailable.
pub(crate) fn provide() -> Result<PathBuf> {
    let folder = tools().join("readers");
    once(&folder, |into| {
        environment(into)?;
        let python = into.join("bin/python");
        install(&python, None, &["--only-binary=:all:"], &READERS)?;
        // Its data classes need none of its dependencies.
        install(&python, None, &["--no-deps"], &[VNPY])
    })?;
    Ok(folder.join("bin/python"))
}

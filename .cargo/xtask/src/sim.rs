//! `cargo xtask sim`: builds the simulated front's two libraries and gives them the vendor's names.

use std::path::{Path, PathBuf};

use anyhow::{Context, Result};

use crate::run::{self, cargo, target};

/// Package, and the name of its library without `lib` and `.so`.
const LIBRARIES: [(&str, &str); 2] = [
    ("tickdeck-sim-md", "thostmduserapi_se"),
    ("tickdeck-sim-td", "thosttraderapi_se"),
];

/// Builds both libraries optimized and copies them into `output`, by default `target/sim`. Returns
/// the folder.
///
/// # Errors
/// When they do not build or the folder cannot be written.
pub(crate) fn provide(output: Option<&Path>) -> Result<PathBuf> {
    let folder = output.map_or_else(|| target().join("sim"), Path::to_owned);
    let mut build = cargo();
    build.args(["build", "--profile", "quick"]);
    for (package, _) in LIBRARIES {
        build.args(["--package", package]);
    }
    run::run(&mut build)?;
    copy("quick", &folder)?;
    Ok(folder)
}

/// The same for tests, from the build that the tests make anyway.
///
/// # Errors
/// As [`provide`].
pub(crate) fn provide_for_tests() -> Result<PathBuf> {
    let folder = target().join("sim-debug");
    // Alone, the two packages need fewer features and would be a separate build.
    run::run(cargo().args(["build", "--workspace", "--lib"]))?;
    copy("debug", &folder)?;
    Ok(folder)
}

/// Copies the built libraries into `folder`, under the names that the vendor uses.
fn copy(built: &str, folder: &Path) -> Result<()> {
    let built = target().join(built);
    std::fs::create_dir_all(folder).with_context(|| format!("creating {}", folder.display()))?;
    for (_, library) in LIBRARIES {
        let from = built.join(format!("lib{library}.so"));
        let to = folder.join(format!("{library}.so"));
        // Copied beside the target and renamed: a program that has loaded the old file keeps it.
        let partial = folder.join(format!(".{library}.partial"));
        std::fs::copy(&from, &partial).with_context(|| format!("copying {}", from.display()))?;
        std::fs::rename(&partial, &to)?;
    }
    Ok(())
}

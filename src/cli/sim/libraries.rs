//! Where the two simulated libraries are.

use std::os::unix::ffi::OsStrExt as _;
use std::path::{Path, PathBuf};

use anyhow::Context as _;

use super::super::outcome::UsageError;
use super::{absolute, shown};

const MARKET_DATA: &str = "thostmduserapi_se.so";
const TRADER: &str = "thosttraderapi_se.so";

/// The two files.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Libraries {
    /// Of the market data API.
    pub(super) market_data: PathBuf,
    /// Of the trader API.
    pub(super) trader: PathBuf,
}

impl Libraries {
    /// Those in the named folder, else those beside the program, where an installation or a build
    /// has them.
    pub(super) fn find(named: Option<&Path>) -> anyhow::Result<Self> {
        let folders = match named {
            Some(folder) => vec![folder.to_owned()],
            None => places(&std::env::current_exe().context("finding this program")?),
        };
        let found = folders.iter().find_map(|folder| Self::in_folder(folder));
        let Some(found) = found else {
            let looked: Vec<String> = folders.iter().map(|folder| shown(folder)).collect();
            let text = format!(
                "the simulated libraries {MARKET_DATA} and {TRADER} are not in {}: `cargo xtask sim` \
                 builds them, and --library names their folder",
                looked.join(", ")
            );
            return Err(UsageError::new(text).into());
        };
        Ok(Self {
            market_data: absolute(&found.market_data)?,
            trader: absolute(&found.trader)?,
        })
    }

    /// Both, under the vendor's names or as cargo leaves them.
    fn in_folder(folder: &Path) -> Option<Self> {
        ["", "lib"].into_iter().find_map(|prefix| {
            let file = |name: &str| {
                let path = folder.join(format!("{prefix}{name}"));
                path.is_file().then_some(path)
            };
            Some(Self {
                market_data: file(MARKET_DATA)?,
                trader: file(TRADER)?,
            })
        })
    }

    /// The dynamic linker separates the names of `LD_PRELOAD` by blanks and colons. Files in a folder
    /// with such a name are linked into `folder`.
    pub(super) fn linked_if_needed(&self, folder: &Path) -> anyhow::Result<Option<Self>> {
        if !self.is_separated() {
            return Ok(None);
        }
        let linked = Self {
            market_data: folder.join(MARKET_DATA),
            trader: folder.join(TRADER),
        };
        for (from, to) in [
            (&self.market_data, &linked.market_data),
            (&self.trader, &linked.trader),
        ] {
            std::os::unix::fs::symlink(from, to)
                .with_context(|| format!("linking {}", shown(to)))?;
        }
        if linked.is_separated() {
            let text = format!(
                "{} cannot be preloaded: the path has a blank or a colon, and so has the folder for \
                 temporary files; set TMPDIR to a folder without",
                shown(&self.market_data)
            );
            return Err(UsageError::new(text).into());
        }
        Ok(Some(linked))
    }

    fn is_separated(&self) -> bool {
        let paths = [&self.market_data, &self.trader].into_iter();
        let mut bytes = paths.flat_map(|path| path.as_os_str().as_bytes());
        bytes.any(|byte| matches!(byte, b':' | b' ' | b'\t' | b'\n'))
    }
}

/// Where the libraries may be: beside the program, in the `lib` of its installation, in the `sim` of
/// a build.
fn places(program: &Path) -> Vec<PathBuf> {
    let program = program
        .canonicalize()
        .unwrap_or_else(|_| program.to_owned());
    let Some(folder) = program.parent() else {
        return Vec::new();
    };
    let mut places = vec![folder.to_owned()];
    if let Some(above) = folder.parent() {
        places.extend(["lib/tickdeck", "lib", "sim"].map(|inside| above.join(inside)));
    }
    places
}

#[cfg(test)]
mod tests {
    use super::*;

    fn put(folder: &Path, names: [&str; 2]) {
        std::fs::create_dir_all(folder).unwrap();
        for name in names {
            std::fs::write(folder.join(name), "").unwrap();
        }
    }

    #[test]
    fn an_installation_and_a_build_are_found() {
        let folder = tempfile::tempdir().unwrap();
        let root = folder.path().canonicalize().unwrap();
        let program = root.join("bin/tickdeck");
        std::fs::create_dir(root.join("bin")).unwrap();
        std::fs::write(&program, "").unwrap();
        let found = || {
            let places = places(&program);
            places.iter().find_map(|place| Libraries::in_folder(place))
        };
        assert_eq!(found(), None);
        put(&root.join("lib/tickdeck"), [MARKET_DATA, TRADER]);
        assert_eq!(
            found().unwrap().trader,
            root.join("lib/tickdeck").join(TRADER)
        );
        put(
            &root.join("bin"),
            ["libthostmduserapi_se.so", "libthosttraderapi_se.so"],
        );
        let beside = root.join("bin/libthostmduserapi_se.so");
        assert_eq!(found().unwrap().market_data, beside);
    }

    #[test]
    fn a_folder_with_a_blank_is_linked() {
        let folder = tempfile::tempdir().unwrap();
        let of = |folder: &str| Libraries {
            market_data: Path::new(folder).join(MARKET_DATA),
            trader: Path::new(folder).join(TRADER),
        };
        let plain = of("/plain").linked_if_needed(folder.path()).unwrap();
        assert_eq!(plain, None);
        let linked = of("/with blank").linked_if_needed(folder.path()).unwrap();
        assert_eq!(linked.unwrap().trader, folder.path().join(TRADER));
        assert!(folder.path().join(TRADER).symlink_metadata().is_ok());
    }
}

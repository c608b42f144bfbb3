//! Where the processes of a run share their market: a private folder by the run's word.

use std::fs::DirBuilder;
use std::os::unix::fs::{DirBuilderExt as _, MetadataExt as _};
use std::path::{Path, PathBuf};

use anyhow::Context as _;
use nix::unistd::geteuid;

use super::super::outcome::UsageError;
use super::shown;

/// Longest word.
const LONGEST: usize = 64;

/// The folder of a word, which belongs to this user alone.
pub(super) fn folder(word: &str) -> anyhow::Result<PathBuf> {
    check(word)?;
    let runtime = std::env::var_os("XDG_RUNTIME_DIR").map(PathBuf::from);
    let runtime = runtime.filter(|folder| folder.is_absolute() && folder.is_dir());
    let root = match runtime {
        Some(folder) => folder.join("tickdeck-sim"),
        None => std::env::temp_dir().join(format!("tickdeck-sim-{}", geteuid())),
    };
    make_private(&root)?;
    Ok(root.join(word))
}

fn check(word: &str) -> anyhow::Result<()> {
    let is_plain = |byte: u8| byte.is_ascii_alphanumeric() || b"._-".contains(&byte);
    let is_name = (1..=LONGEST).contains(&word.len()) && !word.starts_with('.');
    if is_name && word.bytes().all(is_plain) {
        return Ok(());
    }
    let text = format!(
        "--run is `{}`: expected a word of letters, digits, dots, dashes and underscores, at most \
         {LONGEST}",
        tickdeck_core::printable::printable(word)
    );
    Err(UsageError::new(text).into())
}

/// In a folder for temporary files another user may have made it.
fn make_private(folder: &Path) -> anyhow::Result<()> {
    let made = DirBuilder::new().recursive(true).mode(0o700).create(folder);
    made.with_context(|| format!("creating {}", shown(folder)))?;
    let found =
        std::fs::symlink_metadata(folder).with_context(|| format!("reading {}", shown(folder)))?;
    let is_private =
        found.is_dir() && found.uid() == geteuid().as_raw() && found.mode().trailing_zeros() >= 6;
    if is_private {
        return Ok(());
    }
    let text = format!(
        "{} is not a folder that only this user can use: remove it, or set XDG_RUNTIME_DIR",
        shown(folder)
    );
    Err(UsageError::new(text).into())
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt as _;

    use super::*;

    #[test]
    fn a_word_is_a_plain_name() {
        for word in ["a", "night-2.b_C", &"x".repeat(LONGEST)] {
            assert!(check(word).is_ok(), "{word}");
        }
        for word in ["", "a/b", "..", ".x", "a b", "夜", &"x".repeat(LONGEST + 1)] {
            assert!(check(word).is_err(), "{word}");
        }
    }

    #[test]
    fn a_folder_that_others_can_use_is_refused() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("runs");
        make_private(&path).unwrap();
        make_private(&path).unwrap();
        std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o750)).unwrap();
        assert!(make_private(&path).is_err());
        let link = folder.path().join("link");
        std::os::unix::fs::symlink(folder.path(), &link).unwrap();
        assert!(make_private(&link).is_err());
    }
}

//! Paths of outputs, compared with what is there.

use std::fs::Metadata;
use std::os::unix::fs::MetadataExt as _;
use std::path::{Path, PathBuf};

use tickdeck_recording::MANIFEST_FILE;

/// Whether both paths lead to one file, by links too. False where nothing is.
#[must_use]
pub fn is_one_file(one: &Path, other: &Path) -> bool {
    let number = |found: Metadata| (found.dev(), found.ino());
    let [one, other] = [one, other].map(|path| path.metadata().ok().map(number));
    one.is_some() && one == other
}

/// Whether two paths lead to the same place. Nothing needs to exist there; links are followed.
#[must_use]
pub fn is_same_place(one: &Path, other: &Path) -> bool {
    place(one) == place(other) || is_one_file(one, other)
}

fn place(path: &Path) -> PathBuf {
    let folder = match path.parent() {
        Some(parent) if parent != Path::new("") => parent,
        _ => Path::new("."),
    };
    path.canonicalize()
        .ok()
        .or_else(|| Some(folder.canonicalize().ok()?.join(path.file_name()?)))
        .unwrap_or_else(|| path.to_owned())
}

/// Whether a file at `path` would be in the folder of a recording.
#[must_use]
pub fn is_inside_recording(path: &Path) -> bool {
    let folder = path.parent().unwrap_or(Path::new(""));
    folder.join(MANIFEST_FILE).exists()
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::*;

    #[test]
    fn one_place_under_two_names_is_the_same() {
        let folder = tempfile::tempdir().unwrap();
        let path = |name: &str| folder.path().join(name);
        fs::create_dir(path("below")).unwrap();
        fs::write(path("there"), "").unwrap();
        std::os::unix::fs::symlink(path("there"), path("link")).unwrap();
        fs::hard_link(path("there"), path("second name")).unwrap();
        for (one, other, expected) in [
            ("there", "below/../there", true),
            ("new", "below/../new", true),
            ("there", "link", true),
            ("second name", "link", true),
            ("there", "below", false),
            ("new", "below/new", false),
            ("new", "newer", false),
            ("none/new", "none/new", true),
        ] {
            assert_eq!(
                is_same_place(&path(one), &path(other)),
                expected,
                "{one} {other}"
            );
        }
        assert!(is_same_place(Path::new("new"), Path::new("./new")));
    }
}

//! Paths of outputs, compared with what is there.

use std::fs::Metadata;
use std::os::unix::fs::MetadataExt as _;
use std::path::{Path, PathBuf};

use tickdeck_recording::{Catalog, is_recording_folder};

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

/// Whether `path` leads to `folder` or into it. Nothing needs to exist there; links are followed.
#[must_use]
pub fn is_within(path: &Path, folder: &Path) -> bool {
    place(path).starts_with(place(folder))
}

/// The path without links, as far as it exists.
fn place(path: &Path) -> PathBuf {
    path.ancestors()
        .find_map(|folder| {
            let rest = path.strip_prefix(folder).ok()?;
            let here = Path::new(".");
            let folder = if folder == Path::new("") {
                here
            } else {
                folder
            };
            let found = folder.canonicalize().ok()?;
            Some(found.join(rest))
        })
        .unwrap_or_else(|| path.to_owned())
}

/// Whether a file at `path` would be in the folder of a recording, or in a catalogue where Parquet readers
/// that are given its root would take it for data.
#[must_use]
pub fn is_inside_recording(path: &Path) -> bool {
    let folder = path.parent().unwrap_or(Path::new(""));
    is_recording_folder(folder) || Catalog::shows(path)
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

    #[test]
    fn a_path_below_a_folder_is_within_it() {
        let folder = tempfile::tempdir().unwrap();
        let path = |name: &str| folder.path().join(name);
        fs::create_dir(path("rec")).unwrap();
        std::os::unix::fs::symlink(path("rec"), path("link")).unwrap();
        for (inner, outer, expected) in [
            ("rec", "rec", true),
            ("rec/new/deep", "rec", true),
            ("link/new", "rec", true),
            ("rec/new", "link", true),
            ("recorded", "rec", false),
            ("rec/../new", "rec", false),
            ("rec", "rec/new", false),
        ] {
            let found = is_within(&path(inner), &path(outer));
            assert_eq!(found, expected, "{inner} {outer}");
        }
    }
}

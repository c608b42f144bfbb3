//! Writes small files whole, with their folder: the gate of `smoke`, completions, manual pages.

use std::path::Path;

use tickdeck::sink::NewFile;

/// Puts the file in place, complete or not at all. Creates its folder if necessary.
pub(super) fn write(path: &Path, content: &[u8]) -> std::io::Result<()> {
    let folder = match path.parent() {
        Some(folder) if !folder.as_os_str().is_empty() => folder,
        _ => Path::new("."),
    };
    std::fs::create_dir_all(folder)?;
    NewFile::write_whole(path, content)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_is_complete_and_its_folder_is_made() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("docs/qa/gate.yml");
        write(&path, b"gate: FAIL\n").unwrap();
        write(&path, b"gate: PASS\n").unwrap();
        assert_eq!(std::fs::read_to_string(&path).unwrap(), "gate: PASS\n");
        let names = std::fs::read_dir(path.parent().unwrap()).unwrap().count();
        assert_eq!(names, 1, "nothing half-written is left behind");
    }
}

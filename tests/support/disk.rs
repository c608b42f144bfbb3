//! Disks of a given size. Mounting takes root: elsewhere the test is skipped visibly.

use std::path::PathBuf;
use std::process::Command;

use super::recordings::Folder;
use super::skipped;

/// A disk for one test. Unmounted with it.
pub(crate) struct Disk {
    folder: Folder,
}

impl Disk {
    /// A disk in memory; `None` after a visible skip.
    pub(crate) fn in_memory(test: &str, size: &str) -> Option<Self> {
        let option = format!("size={size}");
        Self::mount(test, &["-t", "tmpfs", "-o", &option, "tmpfs"])
    }

    /// A real file system in a file of 64 MiB; `None` after a visible skip.
    pub(crate) fn in_a_file(test: &str) -> Option<Self> {
        let image = Folder::new();
        let path = image.join("image");
        std::fs::File::create(&path)
            .and_then(|file| file.set_len(64 << 20))
            .unwrap();
        let path = path.display().to_string();
        if !succeeds(&["mkfs.ext4", "-q", "-F", &path]) {
            skipped(test, "no ext4 file system can be made");
            return None;
        }
        // The mount keeps the image after its name is removed.
        Self::mount(test, &["-o", "loop", &path])
    }

    fn mount(test: &str, options: &[&str]) -> Option<Self> {
        let folder = Folder::new();
        let place = folder.path().display().to_string();
        let words = [&["mount"], options, &[place.as_str()]].concat();
        if !succeeds(&words) {
            skipped(test, "this user may not mount a disk");
            return None;
        }
        Some(Self { folder })
    }

    pub(crate) fn remount(&self, option: &str) {
        let place = self.folder.path().display().to_string();
        let option = format!("remount,{option}");
        assert!(succeeds(&["mount", "-o", &option, &place]));
    }

    pub(crate) fn join(&self, name: &str) -> PathBuf {
        self.folder.join(name)
    }
}

impl Drop for Disk {
    fn drop(&mut self) {
        let place = self.folder.path().display().to_string();
        // Also when a file is still open there.
        succeeds(&["umount", "--lazy", &place]);
    }
}

/// Whether a command runs and succeeds.
pub(crate) fn succeeds(words: &[&str]) -> bool {
    let mut command = Command::new(words[0]);
    let output = command.args(&words[1..]).output();
    output.is_ok_and(|output| output.status.success())
}

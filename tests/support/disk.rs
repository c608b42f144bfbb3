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

    /// A disk on which each user may have so many KiB; `None` after a visible skip.
    pub(crate) fn with_quota(test: &str, kib: u32) -> Option<Self> {
        let limit = format!("size=64m,usrquota,usrquota_block_hardlimit={kib}k");
        if let Some(disk) = Self::try_mount(&["-t", "tmpfs", "-o", &limit, "tmpfs"]) {
            return Some(disk);
        }
        let disk = Self::ext4_with_quota(kib);
        if disk.is_none() {
            skipped(test, "no disk with a quota can be mounted");
        }
        disk
    }

    fn ext4_with_quota(kib: u32) -> Option<Self> {
        let image = Folder::new();
        let path = image.join("image");
        std::fs::File::create(&path).ok()?.set_len(64 << 20).ok()?;
        let path = path.display().to_string();
        let options = [
            "-O",
            "quota",
            "-E",
            "quotatype=usrquota,root_owner=65534:65534",
        ];
        let make = [&["mkfs.ext4", "-q", "-F"], &options[..], &[path.as_str()]].concat();
        let disk = succeeds(&make).then(|| Self::try_mount(&["-o", "loop", &path]));
        let disk = disk.flatten()?;
        let (kib, place) = (kib.to_string(), disk.folder.path().display().to_string());
        succeeds(&["setquota", "-u", "65534", "0", &kib, "0", "0", &place]).then_some(disk)
    }

    /// The same disk at another place.
    pub(crate) fn elsewhere(&self) -> Self {
        let place = self.folder.path().display().to_string();
        Self::try_mount(&["--bind", &place]).expect("a disk can be mounted twice")
    }

    /// Takes the disk from its place, also while files are open there.
    pub(crate) fn unmount(&self) {
        let place = self.folder.path().display().to_string();
        assert!(succeeds(&["umount", "--lazy", &place]));
    }

    fn mount(test: &str, options: &[&str]) -> Option<Self> {
        let disk = Self::try_mount(options);
        if disk.is_none() {
            skipped(test, "this user may not mount a disk");
        }
        disk
    }

    fn try_mount(options: &[&str]) -> Option<Self> {
        let folder = Folder::new();
        let place = folder.path().display().to_string();
        let words = [&["mount"], options, &[place.as_str()]].concat();
        succeeds(&words).then_some(Self { folder })
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

//! The part of a market that several processes share: a small file in a private folder.
//!
//! A process holds the file's lock for one read and write of 40 bytes. A process that dies therefore
//! leaves whole facts behind, and the system releases its locks. The first process that finds no
//! other one in the folder empties it.

use std::fs::{DirBuilder, File, OpenOptions, TryLockError};
use std::io;
use std::os::unix::fs::{DirBuilderExt as _, FileExt as _, MetadataExt as _};
use std::path::{Path, PathBuf};

use tickdeck_core::clock::MonoNanos;

/// Names the folder.
pub const VARIABLE: &str = "TICKDECK_SIM_SHARED";

/// Every process that uses the folder holds this file's lock.
const MEMBERS: &str = "members.lock";

/// How the names of the markets' files begin.
const MARKET: &str = "market-";

/// Says which form the facts have.
const FORM: u64 = 0x5444_5349_4d31_0001;

/// Instead of an instant that there is not.
const NEVER: i64 = i64::MIN;

/// Bytes of the facts.
const LEN: usize = 40;

/// What the processes agree on. Instants are on the clock of the machine.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Facts {
    /// When the market began to move.
    pub started: Option<MonoNanos>,
    /// The last subscription before that.
    pub last_subscription: Option<MonoNanos>,
    /// Events that some session has passed.
    pub reached: u64,
    /// Whether new connections are refused.
    pub is_closed: bool,
}

impl Facts {
    fn to_bytes(self) -> [u8; LEN] {
        let instant = |at: Option<MonoNanos>| at.map_or(NEVER, |at| at.0);
        let words = [
            FORM,
            instant(self.started).cast_unsigned(),
            instant(self.last_subscription).cast_unsigned(),
            self.reached,
            u64::from(self.is_closed),
        ];
        let mut bytes = [0; LEN];
        for (chunk, word) in bytes.chunks_exact_mut(8).zip(words) {
            chunk.copy_from_slice(&word.to_le_bytes());
        }
        bytes
    }

    /// The facts in a file; a new one has none.
    fn of_bytes(bytes: [u8; LEN]) -> Self {
        let (chunks, _) = bytes.as_chunks::<8>();
        let word = |index: usize| {
            chunks
                .get(index)
                .map_or(0, |word| u64::from_le_bytes(*word))
        };
        let instant = |index| {
            let at = word(index).cast_signed();
            (at != NEVER).then_some(MonoNanos(at))
        };
        if word(0) != FORM {
            return Self::default();
        }
        Self {
            started: instant(1),
            last_subscription: instant(2),
            reached: word(3),
            is_closed: word(4) != 0,
        }
    }
}

/// The folder, as long as this process uses it.
#[derive(Debug)]
pub struct SharedFolder {
    path: PathBuf,
    /// Its lock says that the folder is in use.
    _members: File,
}

impl SharedFolder {
    /// Uses a folder, which is created if it is not there. Without another user it is emptied first.
    ///
    /// # Errors
    /// When it cannot be used, or belongs to another user.
    pub fn join(path: &Path) -> io::Result<Self> {
        DirBuilder::new().recursive(true).mode(0o700).create(path)?;
        let members = OpenOptions::new()
            .create(true)
            .truncate(false)
            .write(true)
            .open(path.join(MEMBERS))?;
        if members.metadata()?.uid() != std::fs::metadata(path)?.uid() {
            return Err(io::Error::from(io::ErrorKind::PermissionDenied));
        }
        match members.try_lock() {
            Ok(()) => {
                empty(path)?;
                // A process that comes in between finds an empty folder, which is the same.
                members.unlock()?;
            }
            Err(TryLockError::WouldBlock) => {}
            Err(TryLockError::Error(error)) => return Err(error),
        }
        members.lock_shared()?;
        Ok(Self {
            path: path.to_owned(),
            _members: members,
        })
    }

    /// The market of this key.
    pub(crate) fn market(&self, key: &str) -> SharedFacts {
        let name = format!("{MARKET}{:016x}", digest(key));
        SharedFacts {
            path: self.path.join(name),
        }
    }
}

fn empty(path: &Path) -> io::Result<()> {
    for entry in std::fs::read_dir(path)? {
        let entry = entry?;
        if entry.file_name().to_string_lossy().starts_with(MARKET) {
            std::fs::remove_file(entry.path())?;
        }
    }
    Ok(())
}

/// FNV-1a: the same in every process.
fn digest(key: &str) -> u64 {
    key.bytes().fold(0xcbf2_9ce4_8422_2325, |sum, byte| {
        (sum ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3)
    })
}

/// The facts of one market. Its file is opened for each change, which are few: clients count the files
/// that a library leaves open.
#[derive(Debug)]
pub(crate) struct SharedFacts {
    path: PathBuf,
}

impl SharedFacts {
    /// Runs `change` on the facts while no other process can.
    ///
    /// # Errors
    /// When the file cannot be opened, locked, read or written.
    pub(crate) fn with<R>(&self, change: impl FnOnce(&mut Facts) -> R) -> io::Result<R> {
        let file = OpenOptions::new()
            .create(true)
            .truncate(false)
            .read(true)
            .write(true)
            .open(&self.path)?;
        // The end of the file ends the lock.
        file.lock()?;
        Self::change(&file, change)
    }

    fn change<R>(file: &File, change: impl FnOnce(&mut Facts) -> R) -> io::Result<R> {
        let mut bytes = [0; LEN];
        // A new file is shorter.
        match file.read_exact_at(&mut bytes, 0) {
            Err(error) if error.kind() != io::ErrorKind::UnexpectedEof => return Err(error),
            _ => {}
        }
        let before = Facts::of_bytes(bytes);
        let mut facts = before;
        let result = change(&mut facts);
        if facts != before {
            file.write_all_at(&facts.to_bytes(), 0)?;
        }
        Ok(result)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn facts_are_read_back_and_junk_is_none() {
        let facts = Facts {
            started: Some(MonoNanos(7)),
            last_subscription: None,
            reached: 918,
            is_closed: true,
        };
        assert_eq!(Facts::of_bytes(facts.to_bytes()), facts);
        assert_eq!(Facts::of_bytes([0; LEN]), Facts::default());
        assert_eq!(Facts::of_bytes([0xff; LEN]), Facts::default());
    }

    #[test]
    fn a_folder_is_emptied_when_its_last_user_has_left() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("word");
        let reached = |shared: &SharedFolder, key| {
            let facts = shared.market(key);
            facts.with(|facts| facts.reached).unwrap()
        };
        let first = SharedFolder::join(&path).unwrap();
        let facts = first.market("a");
        facts.with(|facts| facts.reached = 5).unwrap();
        let second = SharedFolder::join(&path).unwrap();
        assert_eq!(reached(&second, "a"), 5);
        assert_eq!(reached(&second, "b"), 0, "another market");
        drop(first);
        let third = SharedFolder::join(&path).unwrap();
        assert_eq!(reached(&third, "a"), 5, "the second is still here");
        drop((second, third));
        let later = SharedFolder::join(&path).unwrap();
        assert_eq!(reached(&later, "a"), 0);
        let mode = std::fs::metadata(&path).unwrap().mode();
        assert_eq!(mode & 0o777, 0o700);
    }
}

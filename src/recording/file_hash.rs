//! Size and BLAKE3 of a whole file, and what a manifest states of them.

use std::ops::Range;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Mutex, PoisonError};

use blake3::hazmat::{
    ChainingValue, HasherExt as _, Mode, left_subtree_len, merge_subtrees_non_root,
    merge_subtrees_root,
};
use tickdeck_core::thread;

use super::error::RecordingError;
use super::manifest::UNKNOWN_HASH;
use super::pointer::refuse_pointer;
use super::storage::{ReadFile, Storage, StorageError};

/// Bytes hashed at a time. They stay in the cache of a core.
const HASH_BYTES: usize = 128 << 10;
/// The same of a file on a server, where each read is a request.
const REMOTE_HASH_BYTES: usize = 1 << 20;

type Result<T> = std::result::Result<T, RecordingError>;

/// Size and BLAKE3 (hex) of a file.
pub(super) fn hash_file(
    storage: &dyn Storage,
    path: &Path,
) -> std::result::Result<(u64, String), StorageError> {
    let file = storage.open(path)?;
    let size = file.bytes()?;
    let mut hasher = blake3::Hasher::new();
    hash_range(&*file, 0..size, &mut hasher)?;
    Ok((size, hasher.finalize().to_hex().to_string()))
}

fn hash_range(
    file: &dyn ReadFile,
    range: Range<u64>,
    hasher: &mut blake3::Hasher,
) -> std::result::Result<(), StorageError> {
    let most = match file.is_remote() {
        true => REMOTE_HASH_BYTES,
        false => HASH_BYTES,
    };
    let mut buffer = vec![0; most];
    let mut position = range.start;
    while position < range.end {
        let rest = usize::try_from(range.end - position).unwrap_or(usize::MAX);
        let part = &mut buffer[..rest.min(most)];
        file.read_at(part, position)?;
        hasher.update(part);
        position += part.len() as u64;
    }
    Ok(())
}

/// Compares a file with what the manifest states.
pub(super) fn check_file(
    storage: &dyn Storage,
    path: &Path,
    bytes: Option<u64>,
    blake3: &str,
) -> Result<()> {
    check_size(storage, path, bytes)?;
    let (_, found) = hash_file(storage, path)?;
    compare(path, &found, blake3)
}

/// The size of a file that is there, which is the stated one.
fn check_size(storage: &dyn Storage, path: &Path, bytes: Option<u64>) -> Result<u64> {
    refuse_pointer(storage, path)?;
    let size = storage.open(path)?.bytes()?;
    match bytes {
        Some(expected) if size != expected => Err(RecordingError::damaged(
            path,
            format!("{size} bytes, the manifest says {expected}"),
        )),
        _ => Ok(size),
    }
}

fn compare(path: &Path, found: &str, stated: &str) -> Result<()> {
    if found == stated {
        return Ok(());
    }
    let problem = match stated {
        UNKNOWN_HASH => "it could not be read when the manifest was made again".to_owned(),
        _ => format!("BLAKE3 is {found}, the manifest says {stated}"),
    };
    Err(RecordingError::damaged(path, problem))
}

/// A file as a manifest states it.
pub(super) struct StatedFile<'a> {
    pub(super) path: PathBuf,
    pub(super) bytes: Option<u64>,
    pub(super) blake3: &'a str,
}

/// Hashing is bound by the memory soon.
const MOST_THREADS: usize = 4;

/// Bytes that a thread takes at a time. A power of two, so that they are a subtree of BLAKE3.
const PIECE_BYTES: u64 = 2 << 20;

/// A piece of one of some files.
struct Piece<'a> {
    path: &'a Path,
    range: Range<u64>,
    is_whole: bool,
}

impl Piece<'_> {
    /// The BLAKE3 of a whole file, otherwise the value of the subtree.
    fn hash(&self, storage: &dyn Storage) -> std::result::Result<ChainingValue, StorageError> {
        let file = storage.open(self.path)?;
        let mut hasher = blake3::Hasher::new();
        hasher.set_input_offset(self.range.start);
        hash_range(&*file, self.range.clone(), &mut hasher)?;
        Ok(match self.is_whole {
            true => hasher.finalize().into(),
            false => hasher.finalize_non_root(),
        })
    }
}

fn pieces_of(path: &Path, bytes: u64) -> impl Iterator<Item = Piece<'_>> {
    let count = bytes.div_ceil(PIECE_BYTES).max(1);
    (0..count).map(move |index| Piece {
        path,
        range: index * PIECE_BYTES..bytes.min((index + 1) * PIECE_BYTES),
        is_whole: count == 1,
    })
}

/// The BLAKE3 of a file of so many bytes, by its pieces.
fn root(pieces: &[ChainingValue], bytes: u64) -> blake3::Hash {
    match pieces {
        [whole] => blake3::Hash::from_bytes(*whole),
        _ => {
            let [left, right] = halves(pieces, bytes);
            merge_subtrees_root(&left, &right, Mode::Hash)
        }
    }
}

fn halves(pieces: &[ChainingValue], bytes: u64) -> [ChainingValue; 2] {
    let left_bytes = left_subtree_len(bytes);
    let middle = usize::try_from(left_bytes / PIECE_BYTES).unwrap_or(usize::MAX);
    let (left, right) = pieces.split_at(middle);
    let value = |pieces: &[ChainingValue], bytes| match pieces {
        [alone] => *alone,
        _ => {
            let [left, right] = halves(pieces, bytes);
            merge_subtrees_non_root(&left, &right, Mode::Hash)
        }
    };
    [value(left, left_bytes), value(right, bytes - left_bytes)]
}

/// Compares files with what the manifest states, on several threads. The errors are in the order of the
/// files.
pub(super) fn check_files(
    storage: &dyn Storage,
    files: &[StatedFile<'_>],
) -> Vec<(PathBuf, RecordingError)> {
    let sizes = files
        .iter()
        .map(|file| check_size(storage, &file.path, file.bytes));
    let sizes: Vec<Result<u64>> = sizes.collect();
    let sized = files.iter().zip(&sizes);
    let pieces = sized.filter_map(|(file, size)| Some(pieces_of(&file.path, *size.as_ref().ok()?)));
    let pieces: Vec<Piece<'_>> = pieces.flatten().collect();
    let mut values = hash_all(storage, &pieces).into_iter();
    let mut errors = Vec::new();
    for (file, size) in files.iter().zip(sizes) {
        let checked = size.and_then(|bytes| {
            let count = pieces_of(&file.path, bytes).count();
            let of_file: Vec<_> = values.by_ref().take(count).collect();
            let of_file: std::result::Result<Vec<_>, _> = of_file.into_iter().collect();
            let found = root(&of_file?, bytes).to_hex();
            compare(&file.path, &found, file.blake3)
        });
        errors.extend(checked.err().map(|error| (file.path.clone(), error)));
    }
    errors
}

/// The values of pieces, in their order.
fn hash_all(
    storage: &dyn Storage,
    pieces: &[Piece<'_>],
) -> Vec<std::result::Result<ChainingValue, StorageError>> {
    let (next, hashed) = (AtomicUsize::new(0), Mutex::new(Vec::new()));
    let work = || {
        let mut mine = Vec::new();
        loop {
            let index = next.fetch_add(1, Ordering::Relaxed);
            let Some(piece) = pieces.get(index) else {
                break;
            };
            mine.push((index, piece.hash(storage)));
        }
        let mut hashed = hashed.lock().unwrap_or_else(PoisonError::into_inner);
        hashed.append(&mut mine);
    };
    let threads = thread::cores().min(pieces.len()).min(MOST_THREADS);
    std::thread::scope(|scope| {
        for _ in 1..threads {
            // Without it, this one does it all.
            let _ = thread::spawn_scoped(scope, "hash", work);
        }
        work();
    });
    let mut hashed = hashed.into_inner().unwrap_or_else(PoisonError::into_inner);
    hashed.sort_by_key(|(index, _)| *index);
    hashed.into_iter().map(|(_, value)| value).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::storage::MemoryStorage;

    #[test]
    fn files_of_any_size_have_the_hash_of_their_bytes() {
        let storage = MemoryStorage::default();
        let piece = usize::try_from(PIECE_BYTES).unwrap();
        let sizes = [
            0,
            1,
            1_024,
            piece - 1,
            piece,
            piece + 1,
            2 * piece,
            3 * piece - 1_000,
            4 * piece + 1_025,
            7 * piece + 1,
        ];
        let mut stated = Vec::new();
        for size in sizes {
            let bytes = (0..size).map(|at| u8::try_from(at * 31 / 7 % 251).unwrap());
            let bytes: Vec<u8> = bytes.collect();
            let path = PathBuf::from(format!("{size}"));
            let mut file = storage.create(&path).unwrap();
            std::io::Write::write_all(&mut file, &bytes).unwrap();
            file.sync().unwrap();
            stated.push((path, size as u64, blake3::hash(&bytes).to_hex().to_string()));
        }
        let check = |wrong: Option<usize>| {
            let files = (0..).zip(&stated);
            let files = files.map(|(index, (path, bytes, blake3))| StatedFile {
                path: path.clone(),
                bytes: Some(*bytes),
                blake3: match wrong {
                    Some(wrong) if wrong == index => "0",
                    _ => blake3,
                },
            });
            let errors = check_files(&storage, &files.collect::<Vec<_>>());
            errors.into_iter().map(|(path, _)| path).collect::<Vec<_>>()
        };
        assert_eq!(check(None), Vec::<PathBuf>::new());
        for (index, (path, ..)) in stated.iter().enumerate() {
            assert_eq!(check(Some(index)), std::slice::from_ref(path));
        }
    }
}

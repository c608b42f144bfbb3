//! Where the bytes of an input lie: a range of a file, read with positioned reads.
//!
//! An import may have thousands of tar members. Each is read through a small separate buffer, and
//! none holds a file descriptor. Compressed data is first decompressed into **one** anonymous
//! temporary file. Plain files are opened again for each refill. Memory is bounded by inputs x
//! buffer, descriptors by a handful.

use std::fs::File;
use std::io::{self, Read, Seek, SeekFrom, Write};
use std::os::unix::fs::FileExt;
use std::path::Path;
use std::sync::Arc;

use crate::import::error::ImportError;

/// What a [`Slice`] is a part of.
#[derive(Debug, Clone)]
enum Backing {
    /// A file of the user, opened for each read.
    Path(Arc<Path>),
    /// The spool, shared by all.
    Spool(Arc<File>),
}

/// A range of bytes that can be read at any place, by any number of readers.
#[derive(Debug, Clone)]
pub(crate) struct Slice {
    backing: Backing,
    offset: u64,
    /// Bytes in the range.
    pub(crate) len: u64,
}

impl Slice {
    /// A range of a plain file.
    pub(crate) fn of_path(path: &Path, offset: u64, len: u64) -> Self {
        Self {
            backing: Backing::Path(path.into()),
            offset,
            len,
        }
    }

    /// The part from `skip` to the end.
    pub(crate) fn skip(&self, skip: u64) -> Self {
        let skip = skip.min(self.len);
        Self {
            backing: self.backing.clone(),
            offset: self.offset + skip,
            len: self.len - skip,
        }
    }

    /// A part of `len` bytes from `offset`, cut at the end of this range.
    pub(crate) fn part(&self, offset: u64, len: u64) -> Self {
        let rest = self.skip(offset);
        Self {
            len: len.min(rest.len),
            ..rest
        }
    }

    /// The first bytes, at most `max`.
    pub(crate) fn head(&self, max: usize) -> io::Result<Vec<u8>> {
        let mut head = Vec::new();
        let max = u64::try_from(max).unwrap_or(u64::MAX);
        self.reader().take(max).read_to_end(&mut head)?;
        Ok(head)
    }

    /// A reader from the start.
    pub(crate) fn reader(&self) -> SliceReader {
        SliceReader {
            slice: self.clone(),
            position: 0,
        }
    }

    fn read_at(&self, buffer: &mut [u8], position: u64) -> io::Result<usize> {
        let left = self.len.saturating_sub(position);
        let wanted = usize::try_from(left)
            .unwrap_or(usize::MAX)
            .min(buffer.len());
        let Some(buffer) = buffer.get_mut(..wanted) else {
            return Ok(0);
        };
        match &self.backing {
            Backing::Path(path) => File::open(path)?.read_at(buffer, self.offset + position),
            Backing::Spool(file) => file.read_at(buffer, self.offset + position),
        }
    }
}

/// Reads a [`Slice`] from start to end.
#[derive(Debug)]
pub(crate) struct SliceReader {
    slice: Slice,
    position: u64,
}

impl Read for SliceReader {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let read = self.slice.read_at(buffer, self.position)?;
        if read == 0 && !buffer.is_empty() && self.position < self.slice.len {
            return Err(io::Error::new(
                io::ErrorKind::UnexpectedEof,
                "the file became shorter while it was read",
            ));
        }
        self.position += u64::try_from(read).unwrap_or(u64::MAX);
        Ok(read)
    }
}

impl Seek for SliceReader {
    fn seek(&mut self, to: SeekFrom) -> io::Result<u64> {
        let position = match to {
            SeekFrom::Start(position) => Some(position),
            SeekFrom::Current(by) => self.position.checked_add_signed(by),
            SeekFrom::End(by) => self.slice.len.checked_add_signed(by),
        };
        self.position = position.ok_or_else(|| {
            io::Error::new(io::ErrorKind::InvalidInput, "a seek before the start")
        })?;
        Ok(self.position)
    }
}

/// Bytes that any input may unpack to.
const UNPACKED_MIN: u64 = 1 << 30;
/// How many times its size an input may unpack to. Dumps do 5 to 60 times, and files that are made
/// to fill a disk 1,000 times and more.
const UNPACKED_RATIO: u64 = 200;

/// The temporary file that decompressed data goes to; it has no name and dies with the process.
#[derive(Debug, Default)]
pub(crate) struct Spool {
    file: Option<Arc<File>>,
    end: u64,
    /// Bytes of the user's files, packed as they are.
    packed: u64,
}

impl Spool {
    /// Counts a file of the user, of which the spool gets the unpacked content.
    pub(crate) fn expect(&mut self, bytes: u64) {
        self.packed = self.packed.saturating_add(bytes);
    }

    /// Copies what a pipe gives. It counts as a file of that size.
    pub(crate) fn copy_pipe(
        &mut self,
        input: &str,
        from: &mut dyn Read,
    ) -> Result<Slice, ImportError> {
        let slice = self.copy_up_to(u64::MAX, input, from)?;
        self.expect(slice.len);
        Ok(slice)
    }

    /// Copies all of `from` to the end of the spool.
    ///
    /// # Errors
    /// When it cannot be read or written, or the spool is much larger than the files of the user.
    pub(crate) fn copy(&mut self, input: &str, from: &mut dyn Read) -> Result<Slice, ImportError> {
        let most = self.packed.saturating_mul(UNPACKED_RATIO);
        self.copy_up_to(most.max(UNPACKED_MIN), input, from)
    }

    fn copy_up_to(
        &mut self,
        most: u64,
        input: &str,
        from: &mut dyn Read,
    ) -> Result<Slice, ImportError> {
        let file = match &self.file {
            Some(file) => Arc::clone(file),
            None => {
                let file = Arc::new(tempfile::tempfile().map_err(ImportError::Spool)?);
                self.file = Some(Arc::clone(&file));
                file
            }
        };
        let offset = self.end;
        (&*file)
            .seek(SeekFrom::Start(offset))
            .map_err(ImportError::Spool)?;
        let mut buffer = vec![0; 256 * 1024];
        loop {
            let read = match from.read(&mut buffer) {
                Ok(0) => break,
                Ok(read) => read,
                Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
                Err(error) => return Err(ImportError::io(input, error)),
            };
            let bytes = buffer.get(..read).unwrap_or_default();
            (&*file).write_all(bytes).map_err(ImportError::Spool)?;
            self.end += u64::try_from(read).unwrap_or(u64::MAX);
            if self.end > most {
                return Err(ImportError::Bomb {
                    input: input.to_owned(),
                    most,
                });
            }
        }
        Ok(Slice {
            backing: Backing::Spool(file),
            offset,
            len: self.end - offset,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn slices_of_one_spool_do_not_see_each_other() {
        let mut spool = Spool::default();
        let first = spool.copy("a", &mut &b"hello"[..]).unwrap();
        let second = spool.copy("b", &mut &b"world!"[..]).unwrap();
        assert_eq!(first.head(99).unwrap(), b"hello");
        assert_eq!(second.head(99).unwrap(), b"world!");
        assert_eq!(second.part(1, 3).head(99).unwrap(), b"orl");
        assert_eq!(second.skip(4).part(0, 99).head(99).unwrap(), b"d!");
    }
}

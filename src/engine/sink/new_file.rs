//! A file that gets its name when it is complete: written beside its path, then renamed.
//! One whose name ends in `.zst` is compressed.

use std::fs::{File, FileType, OpenOptions};
use std::io::{self, BufWriter, ErrorKind, Write};
use std::path::{Path, PathBuf};

use tempfile::NamedTempFile;

const BUFFER_BYTES: usize = 256 * 1024;

type Buffered = BufWriter<Unnamed>;

/// A temporary file whose errors do not name it: the user gave another name.
struct Unnamed(NamedTempFile);

impl Write for Unnamed {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.as_file_mut().write(bytes)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.0.as_file_mut().flush()
    }
}

enum Writer {
    Plain(Buffered),
    Zstd(Box<zstd::Encoder<'static, Buffered>>),
}

/// An unfinished file. Dropped before [`finish`](Self::finish) it leaves nothing.
pub struct NewFile {
    writer: Writer,
    path: PathBuf,
}

impl std::fmt::Debug for NewFile {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("NewFile")
            .field("path", &self.path)
            .finish_non_exhaustive()
    }
}

impl NewFile {
    /// Begins a file that will be at `path`. An existing file stays until then.
    ///
    /// # Errors
    /// When the folder does not exist or cannot be written, or what is at `path` is not a
    /// regular file.
    pub fn create(path: &Path) -> io::Result<Self> {
        refuse_special(path)?;
        let folder = match path.parent() {
            Some(parent) if parent != Path::new("") => parent,
            _ => Path::new("."),
        };
        let mut prefix = std::ffi::OsString::from(".");
        prefix.push(path.file_name().ok_or(ErrorKind::InvalidInput)?);
        let mut builder = tempfile::Builder::new();
        builder.prefix(&prefix).suffix(".tmp");
        // Temporary files are private by default; this one becomes a regular file.
        let open = |path: &Path| OpenOptions::new().write(true).create_new(true).open(path);
        let file = Unnamed(builder.make_in(folder, open)?);
        let file = BufWriter::with_capacity(BUFFER_BYTES, file);
        let writer = if path.extension().is_some_and(|name| name == "zst") {
            let mut encoder = zstd::Encoder::new(file, zstd::DEFAULT_COMPRESSION_LEVEL)?;
            encoder.include_checksum(true)?;
            Writer::Zstd(Box::new(encoder))
        } else {
            Writer::Plain(file)
        };
        Ok(Self {
            writer,
            path: path.to_owned(),
        })
    }

    /// Writes a file that is never visible half-written.
    ///
    /// # Errors
    /// When the file system refuses.
    pub fn write_whole(path: &Path, bytes: &[u8]) -> io::Result<()> {
        let mut file = Self::create(path)?;
        file.write_all(bytes)?;
        file.finish()
    }

    /// Where it will be.
    #[must_use]
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Completes the file and gives it its name.
    ///
    /// # Errors
    /// When the rest cannot be written or the name cannot be taken.
    pub fn finish(self) -> io::Result<()> {
        let file = match self.writer {
            Writer::Plain(file) => file,
            Writer::Zstd(encoder) => encoder.finish()?,
        };
        let file = file.into_inner().map_err(io::IntoInnerError::into_error)?.0;
        file.as_file().sync_all()?;
        file.persist(&self.path)
            .map(drop::<File>)
            .map_err(|error| error.error)
    }
}

/// Renaming would replace a device, a FIFO or a folder instead of writing to it.
fn refuse_special(path: &Path) -> io::Result<()> {
    let kind = match path.metadata() {
        Ok(found) if found.is_file() => return Ok(()),
        Ok(found) => special_kind(found.file_type()),
        // Nothing is there yet; any other problem shows when the file is created.
        Err(_) => return Ok(()),
    };
    let message = format!("{kind}, not a regular file: choose another path");
    Err(io::Error::new(ErrorKind::InvalidInput, message))
}

/// What something is that is not a regular file, for messages.
fn special_kind(kind: FileType) -> &'static str {
    if kind.is_dir() {
        return "a folder";
    }
    #[cfg(unix)]
    {
        use std::os::unix::fs::FileTypeExt as _;
        if kind.is_fifo() {
            return "a FIFO";
        }
        if kind.is_socket() {
            return "a socket";
        }
    }
    "a device"
}

impl Write for NewFile {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        match &mut self.writer {
            Writer::Plain(file) => file.write(bytes),
            Writer::Zstd(encoder) => encoder.write(bytes),
        }
    }

    fn flush(&mut self) -> io::Result<()> {
        match &mut self.writer {
            Writer::Plain(file) => file.flush(),
            Writer::Zstd(encoder) => encoder.flush(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_names_ending_in_zst_are_compressed() {
        let folder = tempfile::tempdir().unwrap();
        let text = "market.tick.SHFE.rb2601 {}\n".repeat(1000);
        for name in ["plain.jsonl", "zst", "packed.jsonl.zst"] {
            let path = folder.path().join(name);
            let mut file = NewFile::create(&path).unwrap();
            file.write_all(text.as_bytes()).unwrap();
            assert!(!path.exists());
            assert_eq!(file.path(), path);
            file.finish().unwrap();
            let bytes = std::fs::read(&path).unwrap();
            if name.ends_with(".zst") {
                assert!(bytes.len() < 1000, "{}", bytes.len());
                assert_eq!(zstd::decode_all(&bytes[..]).unwrap(), text.as_bytes());
            } else {
                assert_eq!(bytes, text.as_bytes());
            }
        }
    }

    #[test]
    fn a_dropped_file_leaves_nothing() {
        let folder = tempfile::tempdir().unwrap();
        for name in ["a", "a.zst"] {
            let mut file = NewFile::create(&folder.path().join(name)).unwrap();
            file.write_all(b"x").unwrap();
            file.flush().unwrap();
            drop(file);
        }
        assert_eq!(folder.path().read_dir().unwrap().count(), 0);
    }

    #[test]
    fn an_error_does_not_name_the_temporary_file() {
        let folder = tempfile::tempdir().unwrap();
        let error = NewFile::create(&folder.path().join("none/x.jsonl")).unwrap_err();
        assert_eq!(error.to_string(), "No such file or directory (os error 2)");
    }

    #[cfg(unix)]
    #[test]
    fn only_a_regular_file_is_replaced() {
        use std::os::unix::fs::FileTypeExt as _;
        let folder = tempfile::tempdir().unwrap();
        let fifo = folder.path().join("fifo");
        nix::unistd::mkfifo(&fifo, nix::sys::stat::Mode::S_IRWXU).unwrap();
        let inside = folder.path().join("folder");
        std::fs::create_dir(&inside).unwrap();
        // For a link, its target counts.
        let link = folder.path().join("link.zst");
        std::os::unix::fs::symlink("/dev/null", &link).unwrap();
        for (path, what) in [
            (&fifo, "a FIFO"),
            (&inside, "a folder"),
            (&link, "a device"),
        ] {
            for error in [
                NewFile::create(path).unwrap_err(),
                NewFile::write_whole(path, b"x").unwrap_err(),
            ] {
                assert_eq!(error.kind(), ErrorKind::InvalidInput);
                let message = error.to_string();
                assert!(message.contains(what), "{message}");
                assert!(message.contains("not a regular file"), "{message}");
            }
        }
        assert!(fifo.symlink_metadata().unwrap().file_type().is_fifo());
        assert!(inside.is_dir() && link.is_symlink());
        assert_eq!(folder.path().read_dir().unwrap().count(), 3);
    }

    #[test]
    fn an_ordinary_file_is_replaced() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("a");
        for text in ["older", "newer"] {
            NewFile::write_whole(&path, text.as_bytes()).unwrap();
            assert_eq!(std::fs::read_to_string(&path).unwrap(), text);
        }
    }
}

//! From paths to inputs: decompression, archive members, the names that carry instrument and date.
//!
//! The first bytes of a file tell what it is. Only an old tar is known by its name.

use std::fs::File;
use std::io::BufReader;
use std::path::{Path, PathBuf};

use flate2::read::MultiGzDecoder;

use crate::import::error::ImportError;
use crate::import::spool::{Slice, Spool};
use crate::import::text::decode;

/// First bytes of a zstd frame.
const ZSTD_MAGIC: &[u8] = &[0x28, 0xb5, 0x2f, 0xfd];
/// First bytes of a gzip member with the only method that exists.
const GZIP_MAGIC: &[u8] = &[0x1f, 0x8b, 0x08];
/// First bytes of a zip: a member, or the directory of an empty one.
const ZIP_MAGICS: [&[u8]; 2] = [b"PK\x03\x04", b"PK\x05\x06"];
/// Where a tar header has its magic.
const USTAR_OFFSET: usize = 257;
const USTAR_MAGIC: &[u8] = b"ustar";
/// Bytes of a tar header block.
const TAR_BLOCK: usize = 512;
/// How deep archives and compression may be nested.
const NESTED_MAX: usize = 8;
/// Most files and members of one import. Each has a read buffer.
const INPUTS_MAX: usize = 100_000;
/// The member that every Office document has.
const OFFICE_MEMBER: &str = "[Content_Types].xml";

/// Formats that tick dumps come in and that are not read, by their first bytes.
const UNREADABLE: [(&[u8], &str, &str); 9] = [
    (b"Rar!\x1a\x07", "a RAR archive", "unpack it first"),
    (b"7z\xbc\xaf\x27\x1c", "a 7z archive", "unpack it first"),
    (b"BZh", "compressed with bzip2", "unpack it first"),
    (b"\xfd7zXZ\0", "compressed with xz", "unpack it first"),
    (
        b"\x89HDF\r\n",
        "an HDF5 file",
        "write the table as CSV or Parquet",
    ),
    (
        b"ARROW1",
        "an Arrow (Feather) file",
        "write the table as CSV or Parquet",
    ),
    (
        b"SQLite format 3\0",
        "an SQLite database",
        "write the table as CSV",
    ),
    (b"\xff\xfe", "UTF-16 text", "save it as UTF-8"),
    (b"\xfe\xff", "UTF-16 text", "save it as UTF-8"),
];

/// A file or archive member, decompressed.
#[derive(Debug)]
pub(crate) struct Opened {
    /// As messages and the report name it: the path, and `(member …)` when it is in an archive.
    pub(crate) name: String,
    /// The last part of the file or member name, without `.zst` and `.gz`.
    pub(crate) file_name: String,
    pub(crate) slice: Slice,
    /// Which of the paths it is, or is a member of.
    pub(crate) path: usize,
    /// Whether it is a member of an archive.
    pub(crate) is_member: bool,
}

/// Opens every path, in order; an archive gives its members in the archive's order.
/// The spool holds what is unpacked.
pub(crate) fn open_all(paths: &[PathBuf]) -> Result<(Vec<Opened>, Spool), ImportError> {
    if paths.is_empty() {
        return Err(ImportError::NoInput);
    }
    let mut opener = Opener::default();
    for (index, path) in paths.iter().enumerate() {
        opener.path(index, path)?;
    }
    Ok((opener.inputs, opener.spool))
}

#[derive(Default)]
struct Opener {
    spool: Spool,
    inputs: Vec<Opened>,
}

impl Opener {
    fn path(&mut self, index: usize, path: &Path) -> Result<(), ImportError> {
        let fail = |error| ImportError::path(path, error);
        let metadata = std::fs::metadata(path).map_err(fail)?;
        if metadata.is_dir() {
            return Err(ImportError::Folder {
                path: path.to_owned(),
            });
        }
        let name = path.display().to_string();
        let slice = if metadata.is_file() {
            self.spool.expect(metadata.len());
            Slice::of_path(path, 0, metadata.len())
        } else {
            // A pipe can be read only once, so it is spooled whole.
            let mut pipe = File::open(path).map_err(fail)?;
            self.spool.copy_pipe(&name, &mut pipe)?
        };
        let file_name = last_part(&name);
        self.open(
            Opened {
                name,
                file_name,
                slice,
                path: index,
                is_member: false,
            },
            0,
        )
    }

    /// Takes one layer off what was opened, or keeps it as an input.
    fn open(&mut self, opened: Opened, depth: usize) -> Result<(), ImportError> {
        let head = opened.slice.head(TAR_BLOCK);
        let head = head.map_err(|error| ImportError::io(&opened.name, error))?;
        if let Some((_, format, fix)) = UNREADABLE
            .iter()
            .find(|(magic, ..)| head.starts_with(magic))
        {
            return Err(ImportError::Unreadable {
                input: opened.name,
                format,
                fix,
            });
        }
        let Some(container) = Container::of(&head, &opened.file_name) else {
            if self.inputs.len() == INPUTS_MAX {
                return Err(ImportError::TooManyFiles { most: INPUTS_MAX });
            }
            self.inputs.push(opened);
            return Ok(());
        };
        if depth == NESTED_MAX {
            return Err(ImportError::Damaged {
                input: opened.name,
                problem: format!("packed more than {NESTED_MAX} times; unpack it"),
            });
        }
        match container {
            Container::Zstd => {
                let fail = |error| ImportError::io(&opened.name, error);
                let reader = zstd::stream::read::Decoder::new(opened.slice.reader());
                let slice = self.spool.copy(&opened.name, &mut reader.map_err(fail)?)?;
                let file_name = without_extension(&opened.file_name, "zst");
                self.open_unpacked(opened, file_name, slice, depth)
            }
            Container::Gzip => {
                let mut reader = MultiGzDecoder::new(opened.slice.reader());
                let file_name = gzip_name(&opened.file_name, reader.header());
                let slice = self.spool.copy(&opened.name, &mut reader)?;
                self.open_unpacked(opened, file_name, slice, depth)
            }
            Container::Tar => self.tar(&opened, depth + 1),
            Container::Zip => self.zip(&opened, depth + 1),
        }
    }

    /// Opens the content of a packed file, which may be packed again.
    fn open_unpacked(
        &mut self,
        packed: Opened,
        file_name: String,
        slice: Slice,
        depth: usize,
    ) -> Result<(), ImportError> {
        let content = Opened {
            file_name,
            slice,
            ..packed
        };
        self.open(content, depth + 1)
    }

    fn tar(&mut self, tar: &Opened, depth: usize) -> Result<(), ImportError> {
        let fail = |error| ImportError::io(&tar.name, error);
        let mut archive = tar::Archive::new(BufReader::new(tar.slice.reader()));
        for entry in archive.entries().map_err(fail)? {
            let entry = entry.map_err(fail)?;
            let member = decode(&entry.path_bytes()).into_owned();
            if !entry.header().entry_type().is_file() || is_of_macos(&member) {
                continue;
            }
            let slice = tar.slice.part(entry.raw_file_position(), entry.size());
            if slice.len != entry.size() {
                return Err(fail(std::io::Error::new(
                    std::io::ErrorKind::UnexpectedEof,
                    format!("the tar ends inside its member {member}"),
                )));
            }
            self.open(tar.member(&member, slice), depth)?;
        }
        Ok(())
    }

    fn zip(&mut self, zip: &Opened, depth: usize) -> Result<(), ImportError> {
        let fail = |member: &str, error: zip::result::ZipError| ImportError::Damaged {
            input: zip.member_name(member),
            problem: format!("cannot be unpacked: {error}; unpack the zip and import its files"),
        };
        let whole = |error: zip::result::ZipError| ImportError::Damaged {
            input: zip.name.clone(),
            problem: format!("incomplete zip: {error}; download it again, or import its files"),
        };
        let reader = BufReader::new(zip.slice.reader());
        let mut archive = zip::ZipArchive::new(reader).map_err(whole)?;
        for index in 0..archive.len() {
            // The name is readable even when the content is encrypted.
            let raw = archive.by_index_raw(index).map_err(whole)?;
            let member = decode(raw.name_raw()).into_owned();
            let is_file = raw.is_file();
            drop(raw);
            if member == OFFICE_MEMBER {
                return Err(ImportError::Unreadable {
                    input: zip.name.clone(),
                    format: "an Excel workbook",
                    fix: "save the sheet as CSV",
                });
            }
            if !is_file || is_of_macos(&member) {
                continue;
            }
            let mut content = archive
                .by_index(index)
                .map_err(|error| fail(&member, error))?;
            let slice = self.spool.copy(&zip.member_name(&member), &mut content)?;
            drop(content);
            self.open(zip.member(&member, slice), depth)?;
        }
        Ok(())
    }
}

impl Opened {
    fn member_name(&self, member: &str) -> String {
        format!("{} (member {member})", self.name)
    }

    fn member(&self, member: &str, slice: Slice) -> Self {
        Self {
            name: self.member_name(member),
            file_name: last_part(member),
            slice,
            path: self.path,
            is_member: true,
        }
    }
}

/// What a file holds its content in.
enum Container {
    Zstd,
    Gzip,
    Tar,
    Zip,
}

impl Container {
    fn of(head: &[u8], file_name: &str) -> Option<Self> {
        if head.starts_with(ZSTD_MAGIC) {
            return Some(Self::Zstd);
        }
        if head.starts_with(GZIP_MAGIC) {
            return Some(Self::Gzip);
        }
        if ZIP_MAGICS.iter().any(|magic| head.starts_with(magic)) {
            return Some(Self::Zip);
        }
        let magic = head.get(USTAR_OFFSET..).unwrap_or_default();
        // The oldest tars have no magic.
        let is_tar = magic.starts_with(USTAR_MAGIC) || has_extension(file_name, "tar");
        is_tar.then_some(Self::Tar)
    }
}

/// The name without `.gz` (`.tgz` is a tar of many files), else the one that gzip kept.
fn gzip_name(file_name: &str, header: Option<&flate2::GzHeader>) -> String {
    if has_extension(file_name, "gz") {
        return without_extension(file_name, "gz");
    }
    let kept = header.and_then(flate2::GzHeader::filename);
    kept.map_or_else(|| file_name.to_owned(), |name| last_part(&decode(name)))
}

/// Whether a member holds what macOS adds to archives: resource forks, not files of the user.
fn is_of_macos(member: &str) -> bool {
    member.starts_with("__MACOSX/") || last_part(member).starts_with("._")
}

fn last_part(path: &str) -> String {
    path.rsplit(['/', '\\']).next().unwrap_or(path).to_owned()
}

fn has_extension(file_name: &str, extension: &str) -> bool {
    Path::new(file_name)
        .extension()
        .is_some_and(|found| found.eq_ignore_ascii_case(extension))
}

fn without_extension(file_name: &str, extension: &str) -> String {
    if has_extension(file_name, extension) {
        let stem = Path::new(file_name).file_stem().unwrap_or_default();
        return stem.to_string_lossy().into_owned();
    }
    file_name.to_owned()
}

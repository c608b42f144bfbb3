//! From paths to inputs: decompression, tar members, the names that carry instrument and date.

use std::fs::File;
use std::io::BufReader;
use std::path::{Path, PathBuf};

use crate::import::error::ImportError;
use crate::import::spool::{Slice, Spool};

/// First bytes of a zstd frame.
const ZSTD_MAGIC: [u8; 4] = [0x28, 0xb5, 0x2f, 0xfd];
/// Where a tar header has its magic.
const USTAR_OFFSET: usize = 257;
const USTAR_MAGIC: &[u8] = b"ustar";
/// Bytes of a tar header block.
const TAR_BLOCK: usize = 512;

/// A file or tar member, decompressed.
#[derive(Debug)]
pub(crate) struct Opened {
    /// As messages and the report name it: the path, and `(member …)` when it is in a tar.
    pub(crate) name: String,
    /// The last part of the file or member name, without `.zst`.
    pub(crate) file_name: String,
    pub(crate) slice: Slice,
}

/// Opens every path, in order; a tar gives its members in the tar's order.
pub(crate) fn open_all(paths: &[PathBuf]) -> Result<Vec<Opened>, ImportError> {
    if paths.is_empty() {
        return Err(ImportError::NoInput);
    }
    let mut spool = Spool::default();
    let mut inputs = Vec::new();
    for path in paths {
        open_path(path, &mut spool, &mut inputs)?;
    }
    Ok(inputs)
}

fn open_path(path: &Path, spool: &mut Spool, inputs: &mut Vec<Opened>) -> Result<(), ImportError> {
    let fail = |error| ImportError::path(path, error);
    let metadata = std::fs::metadata(path).map_err(fail)?;
    if metadata.is_dir() {
        return Err(ImportError::Folder {
            path: path.to_owned(),
        });
    }
    let name = path.display().to_string();
    let slice = if metadata.is_file() {
        Slice::of_path(path, 0, metadata.len())
    } else {
        // A pipe can be read only once, so it is spooled whole.
        let mut pipe = File::open(path).map_err(fail)?;
        spool.copy(&name, &mut pipe)?
    };
    let file_name = last_part(&name);
    let slice = decompress(&name, &file_name, slice, spool)?;
    let file_name = without_zst(&file_name);
    if is_tar(&file_name, &slice).map_err(fail)? {
        return open_members(&name, &slice, spool, inputs);
    }
    inputs.push(Opened {
        name,
        file_name,
        slice,
    });
    Ok(())
}

/// The slice itself, or its decompressed copy in the spool when it is zstd by magic or name.
fn decompress(
    name: &str,
    file_name: &str,
    slice: Slice,
    spool: &mut Spool,
) -> Result<Slice, ImportError> {
    let fail = |error| ImportError::io(name, error);
    let compressed = slice.head(ZSTD_MAGIC.len()).map_err(fail)? == ZSTD_MAGIC;
    if !compressed && (slice.len == 0 || !has_extension(file_name, "zst")) {
        return Ok(slice);
    }
    let mut decoder = zstd::stream::read::Decoder::new(slice.reader()).map_err(fail)?;
    spool.copy(name, &mut decoder)
}

fn is_tar(file_name: &str, slice: &Slice) -> std::io::Result<bool> {
    let head = slice.head(TAR_BLOCK)?;
    let magic = head.get(USTAR_OFFSET..).unwrap_or_default();
    Ok(magic.starts_with(USTAR_MAGIC) || has_extension(file_name, "tar"))
}

fn open_members(
    name: &str,
    tar: &Slice,
    spool: &mut Spool,
    inputs: &mut Vec<Opened>,
) -> Result<(), ImportError> {
    let fail = |error| ImportError::io(name, error);
    let mut archive = tar::Archive::new(BufReader::new(tar.reader()));
    for entry in archive.entries().map_err(fail)? {
        let entry = entry.map_err(fail)?;
        if !entry.header().entry_type().is_file() {
            continue;
        }
        let member = String::from_utf8_lossy(&entry.path_bytes()).into_owned();
        let member_name = format!("{name} (member {member})");
        let file_name = last_part(&member);
        let raw = tar.part(entry.raw_file_position(), entry.size());
        if raw.len != entry.size() {
            return Err(fail(std::io::Error::new(
                std::io::ErrorKind::UnexpectedEof,
                format!("the tar ends inside its member {member}"),
            )));
        }
        let slice = decompress(&member_name, &file_name, raw, spool)?;
        inputs.push(Opened {
            name: member_name,
            file_name: without_zst(&file_name),
            slice,
        });
    }
    Ok(())
}

fn last_part(path: &str) -> String {
    path.rsplit('/').next().unwrap_or(path).to_owned()
}

fn has_extension(file_name: &str, extension: &str) -> bool {
    Path::new(file_name)
        .extension()
        .is_some_and(|found| found.eq_ignore_ascii_case(extension))
}

fn without_zst(file_name: &str) -> String {
    if has_extension(file_name, "zst") {
        let stem = Path::new(file_name).file_stem().unwrap_or_default();
        return stem.to_string_lossy().into_owned();
    }
    file_name.to_owned()
}

//! Looks at a library file before the dynamic linker does.
//!
//! The linker's message ("invalid ELF header") does not help the user. A file that was only half
//! copied can pass its checks and end the process later, when a missing page is touched.

use std::fs::File;
use std::io::{self, Read, Seek, SeekFrom};
use std::path::Path;

/// What is wrong with a file that should be a shared library of this machine.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum NotLoadable {
    /// Some other kind of file.
    #[error("it is not a shared library of Linux (no ELF header)")]
    NotElf,
    /// 32 bit, or of another byte order.
    #[error(
        "it is built for another architecture ({found}-bit), this program is 64-bit little-endian"
    )]
    WrongClass {
        /// Bits per address, as far as the header says.
        found: u8,
    },
    /// For another processor.
    #[error("it is built for {found}, this machine is {expected}")]
    WrongMachine {
        /// Processor that the file is for.
        found: String,
        /// Processor that this program runs on.
        expected: &'static str,
    },
    /// A program or an object file.
    #[error("it is an ELF file but not a shared library")]
    NotShared,
    /// The file ends before what its header promises.
    #[error("it is truncated: {found} bytes of at least {expected}; copy it again")]
    Truncated {
        /// Bytes in the file.
        found: u64,
        /// Bytes that its segments need.
        expected: u64,
    },
}

const HEADER_LEN: usize = 64;
const CLASS_64: u8 = 2;
const LITTLE_ENDIAN: u8 = 1;
const TYPE_SHARED: u16 = 3;
const SEGMENT_LOADED: u32 = 1;
const MACHINE_X86_64: u16 = 62;
const MACHINE_AARCH64: u16 = 183;

/// The processor that this program is built for.
const OWN_MACHINE: (u16, &str) = if cfg!(target_arch = "aarch64") {
    (MACHINE_AARCH64, "AArch64")
} else {
    (MACHINE_X86_64, "x86-64")
};

/// Reads the file's header.
///
/// # Errors
/// The outer error when the file cannot be read, the inner one when it cannot be loaded here.
pub(super) fn inspect(path: &Path) -> io::Result<Result<(), NotLoadable>> {
    let mut file = File::open(path)?;
    let file_len = file.metadata()?.len();
    let mut header = Vec::with_capacity(HEADER_LEN);
    (&mut file)
        .take(HEADER_LEN as u64)
        .read_to_end(&mut header)?;
    if let Err(problem) = judge_header(&header, file_len) {
        return Ok(Err(problem));
    }
    let segments = u64_at(&header, 32);
    let len = usize::from(u16_at(&header, 54)) * usize::from(u16_at(&header, 56));
    let mut table = Vec::with_capacity(len);
    file.seek(SeekFrom::Start(segments))?;
    file.take(len as u64).read_to_end(&mut table)?;
    Ok(judge_segments(
        &table,
        usize::from(u16_at(&header, 54)),
        file_len,
    ))
}

fn judge_header(header: &[u8], file_len: u64) -> Result<(), NotLoadable> {
    if !header.starts_with(b"\x7fELF") {
        return Err(NotLoadable::NotElf);
    }
    if header.len() < HEADER_LEN {
        return Err(NotLoadable::Truncated {
            found: file_len,
            expected: HEADER_LEN as u64,
        });
    }
    if header[4] != CLASS_64 || header[5] != LITTLE_ENDIAN {
        return Err(NotLoadable::WrongClass {
            found: if header[4] == CLASS_64 { 64 } else { 32 },
        });
    }
    let machine = u16_at(header, 18);
    if machine != OWN_MACHINE.0 {
        return Err(NotLoadable::WrongMachine {
            found: machine_name(machine),
            expected: OWN_MACHINE.1,
        });
    }
    if u16_at(header, 16) != TYPE_SHARED {
        return Err(NotLoadable::NotShared);
    }
    Ok(())
}

/// Every segment that is mapped must lie inside of the file.
fn judge_segments(table: &[u8], entry_len: usize, file_len: u64) -> Result<(), NotLoadable> {
    let mapped = table
        .chunks_exact(entry_len.max(56))
        .filter(|entry| u32_at(entry, 0) == SEGMENT_LOADED)
        .map(|entry| u64_at(entry, 8).saturating_add(u64_at(entry, 32)))
        .max();
    match mapped {
        Some(end) if end <= file_len => Ok(()),
        end => Err(NotLoadable::Truncated {
            found: file_len,
            expected: end.unwrap_or(file_len.saturating_add(1)),
        }),
    }
}

fn machine_name(machine: u16) -> String {
    match machine {
        3 => "x86 (32 bit)".to_owned(),
        40 => "ARM (32 bit)".to_owned(),
        MACHINE_X86_64 => "x86-64".to_owned(),
        MACHINE_AARCH64 => "AArch64".to_owned(),
        243 => "RISC-V".to_owned(),
        258 => "LoongArch".to_owned(),
        other => format!("processor type {other}"),
    }
}

fn u16_at(bytes: &[u8], offset: usize) -> u16 {
    u16::from_le_bytes(array_at(bytes, offset))
}

fn u32_at(bytes: &[u8], offset: usize) -> u32 {
    u32::from_le_bytes(array_at(bytes, offset))
}

fn u64_at(bytes: &[u8], offset: usize) -> u64 {
    u64::from_le_bytes(array_at(bytes, offset))
}

fn array_at<const N: usize>(bytes: &[u8], offset: usize) -> [u8; N] {
    bytes
        .get(offset..)
        .and_then(|rest| rest.first_chunk())
        .copied()
        .unwrap_or([0; N])
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A header with one mapped segment of `end` bytes.
    fn library(machine: u16, kind: u16, end: u64) -> Vec<u8> {
        let mut bytes = vec![0; HEADER_LEN + 56];
        bytes[..4].copy_from_slice(b"\x7fELF");
        bytes[4] = CLASS_64;
        bytes[5] = LITTLE_ENDIAN;
        bytes[16..18].copy_from_slice(&kind.to_le_bytes());
        bytes[18..20].copy_from_slice(&machine.to_le_bytes());
        bytes[32] = 64;
        bytes[54] = 56;
        bytes[56] = 1;
        bytes[64] = 1;
        bytes[64 + 32..64 + 40].copy_from_slice(&end.to_le_bytes());
        bytes
    }

    fn check(bytes: &[u8]) -> Result<(), NotLoadable> {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("library.so");
        std::fs::write(&path, bytes).unwrap();
        inspect(&path).unwrap()
    }

    #[test]
    fn a_whole_library_of_this_machine_passes() {
        assert_eq!(check(&library(OWN_MACHINE.0, TYPE_SHARED, 120)), Ok(()));
    }

    #[test]
    fn a_file_of_another_kind_is_named_as_such() {
        assert_eq!(check(b"just some text\n"), Err(NotLoadable::NotElf));
        assert_eq!(check(b""), Err(NotLoadable::NotElf));
        let program = library(OWN_MACHINE.0, 2, 120);
        assert_eq!(check(&program), Err(NotLoadable::NotShared));
    }

    #[test]
    fn a_library_of_another_processor_is_named_with_both() {
        let refused = check(&library(243, TYPE_SHARED, 120))
            .unwrap_err()
            .to_string();
        assert!(
            refused.contains("RISC-V") && refused.contains(OWN_MACHINE.1),
            "{refused}"
        );
        let mut narrow = library(3, TYPE_SHARED, 120);
        narrow[4] = 1;
        assert_eq!(check(&narrow), Err(NotLoadable::WrongClass { found: 32 }));
    }

    #[test]
    fn a_library_that_was_cut_off_anywhere_is_refused() {
        let whole = library(OWN_MACHINE.0, TYPE_SHARED, 120);
        for len in 4..whole.len() {
            let refused = check(&whole[..len]);
            assert!(
                matches!(refused, Err(NotLoadable::Truncated { .. })),
                "{len}: {refused:?}"
            );
        }
        let longer = library(OWN_MACHINE.0, TYPE_SHARED, 121);
        assert!(matches!(check(&longer), Err(NotLoadable::Truncated { .. })));
    }
}

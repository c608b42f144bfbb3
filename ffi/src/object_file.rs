//! Reads what the dynamic linker will read of an ELF file: its interpreter, the libraries that it
//! needs, where it searches for them, and its dynamic symbols.
//!
//! The file is untrusted: every offset is checked, and a damaged part reads as absent. Only 64-bit
//! little-endian files are read, the only ones that CTP exists for.

const HEADER_LEN: usize = 64;
const CLASS_64: u8 = 2;
const LITTLE_ENDIAN: u8 = 1;

const SEGMENT_LOADED: u32 = 1;
const SEGMENT_DYNAMIC: u32 = 2;
const SEGMENT_INTERPRETER: u32 = 3;

const SECTION_DYNAMIC_SYMBOLS: u32 = 11;

const TAG_NEEDED: u64 = 1;
const TAG_STRINGS: u64 = 5;
const TAG_RPATH: u64 = 15;
const TAG_RUNPATH: u64 = 29;

/// Bytes of an entry of the dynamic symbol table.
const SYMBOL_LEN: usize = 24;
/// Longest table of headers that is read, entries.
const MOST_HEADERS: usize = 4_096;

/// An ELF file in memory.
#[derive(Debug, Clone, Copy)]
pub struct ObjectFile<'a> {
    bytes: &'a [u8],
}

/// A dynamic symbol.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Symbol {
    /// Whether the file defines it; it needs it from elsewhere otherwise.
    pub is_defined: bool,
    /// Bytes of what it names.
    pub size: u64,
}

#[derive(Debug, Clone, Copy)]
struct Segment {
    kind: u32,
    offset: usize,
    address: u64,
    len: usize,
}

impl<'a> ObjectFile<'a> {
    /// The file; `None` for anything but a 64-bit little-endian ELF file.
    #[must_use]
    pub fn parse(bytes: &'a [u8]) -> Option<Self> {
        let is_elf = bytes.starts_with(b"\x7fELF") && bytes.len() >= HEADER_LEN;
        let is_read = is_elf && bytes[4] == CLASS_64 && bytes[5] == LITTLE_ENDIAN;
        is_read.then_some(Self { bytes })
    }

    /// The dynamic linker that starts it; `None` for a library or a statically linked program.
    #[must_use]
    pub fn interpreter(&self) -> Option<String> {
        let segment = self.segment(SEGMENT_INTERPRETER)?;
        let bytes = self.bytes.get(segment.offset..)?;
        Some(text(bytes.get(..segment.len)?))
    }

    /// The libraries that it needs, as they are named in it.
    #[must_use]
    pub fn needed(&self) -> Vec<String> {
        self.dynamic_texts(TAG_NEEDED)
    }

    /// `DT_RPATH`: searched before `LD_LIBRARY_PATH`.
    #[must_use]
    pub fn rpath(&self) -> Option<String> {
        self.dynamic_texts(TAG_RPATH).into_iter().next()
    }

    /// `DT_RUNPATH`: searched after `LD_LIBRARY_PATH`.
    #[must_use]
    pub fn runpath(&self) -> Option<String> {
        self.dynamic_texts(TAG_RUNPATH).into_iter().next()
    }

    /// A dynamic symbol by its mangled name.
    #[must_use]
    pub fn symbol(&self, name: &str) -> Option<Symbol> {
        let table = self
            .sections()
            .find(|section| self.u32(section + 4) == Some(SECTION_DYNAMIC_SYMBOLS))?;
        let (offset, len) = (self.size(table + 24)?, self.size(table + 32)?);
        let link = usize::try_from(self.u32(table + 40)?).ok()?;
        let strings = self.size(self.section(link)? + 24)?;
        let symbols = self.bytes.get(offset..offset.checked_add(len)?)?;
        symbols.chunks_exact(SYMBOL_LEN).find_map(|symbol| {
            let at = usize::try_from(u32_at(symbol, 0)?).ok()?;
            let found = self.bytes.get(strings.checked_add(at)?..)?;
            let rest = found.strip_prefix(name.as_bytes())?;
            (rest.first() == Some(&0)).then_some(Symbol {
                is_defined: u16_at(symbol, 6)? != 0,
                size: u64_at(symbol, 16)?,
            })
        })
    }

    fn segments(&self) -> impl Iterator<Item = Segment> {
        let (start, len, count) = (self.size(32), self.u16(54), self.u16(56));
        let count = usize::from(count.unwrap_or(0)).min(MOST_HEADERS);
        (0..count).filter_map(move |index| {
            let at = start?.checked_add(index * usize::from(len?))?;
            Some(Segment {
                kind: self.u32(at)?,
                offset: self.size(at + 8)?,
                address: self.u64(at + 16)?,
                len: self.size(at + 32)?,
            })
        })
    }

    fn segment(&self, kind: u32) -> Option<Segment> {
        self.segments().find(|segment| segment.kind == kind)
    }

    /// Offset of a section's header.
    fn section(&self, index: usize) -> Option<usize> {
        let len = usize::from(self.u16(58)?);
        self.size(40)?.checked_add(index.checked_mul(len)?)
    }

    /// Offsets of the headers of the sections.
    fn sections(&self) -> impl Iterator<Item = usize> {
        let count = usize::from(self.u16(60).unwrap_or(0)).min(MOST_HEADERS);
        (0..count).filter_map(|index| self.section(index))
    }

    /// The texts of the dynamic section with this tag.
    fn dynamic_texts(&self, wanted: u64) -> Vec<String> {
        let Some(strings) = self.dynamic().find(|(tag, _)| *tag == TAG_STRINGS) else {
            return Vec::new();
        };
        let values = self.dynamic().filter(|(tag, _)| *tag == wanted);
        let texts = values.filter_map(|(_, value)| {
            let at = self.offset_of(strings.1)?;
            let at = at.checked_add(usize::try_from(value).ok()?)?;
            self.bytes.get(at..).map(text)
        });
        texts.collect()
    }

    /// Tags and values of the dynamic section.
    fn dynamic(&self) -> impl Iterator<Item = (u64, u64)> {
        let segment = self.segment(SEGMENT_DYNAMIC);
        let bytes = segment.and_then(|segment| {
            let end = segment.offset.checked_add(segment.len)?;
            self.bytes.get(segment.offset..end)
        });
        let entries = bytes.unwrap_or_default().chunks_exact(16);
        entries
            .map_while(|entry| Some((u64_at(entry, 0)?, u64_at(entry, 8)?)))
            .take_while(|(tag, _)| *tag != 0)
    }

    /// Where in the file an address is.
    fn offset_of(&self, address: u64) -> Option<usize> {
        self.segments()
            .filter(|segment| segment.kind == SEGMENT_LOADED)
            .find_map(|segment| {
                let inside = usize::try_from(address.checked_sub(segment.address)?).ok()?;
                (inside < segment.len).then(|| segment.offset.checked_add(inside))?
            })
    }

    fn u16(&self, offset: usize) -> Option<u16> {
        u16_at(self.bytes, offset)
    }

    fn u32(&self, offset: usize) -> Option<u32> {
        u32_at(self.bytes, offset)
    }

    fn u64(&self, offset: usize) -> Option<u64> {
        u64_at(self.bytes, offset)
    }

    fn size(&self, offset: usize) -> Option<usize> {
        self.u64(offset)
            .and_then(|value| usize::try_from(value).ok())
    }
}

/// Text up to its NUL.
fn text(bytes: &[u8]) -> String {
    let end = bytes.iter().position(|&byte| byte == 0);
    String::from_utf8_lossy(&bytes[..end.unwrap_or(bytes.len())]).into_owned()
}

fn u16_at(bytes: &[u8], offset: usize) -> Option<u16> {
    array_at(bytes, offset).map(u16::from_le_bytes)
}

fn u32_at(bytes: &[u8], offset: usize) -> Option<u32> {
    array_at(bytes, offset).map(u32::from_le_bytes)
}

fn u64_at(bytes: &[u8], offset: usize) -> Option<u64> {
    array_at(bytes, offset).map(u64::from_le_bytes)
}

fn array_at<const N: usize>(bytes: &[u8], offset: usize) -> Option<[u8; N]> {
    bytes.get(offset..)?.first_chunk().copied()
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The test program itself: a real file with all of it.
    fn own() -> Vec<u8> {
        std::fs::read(std::env::current_exe().unwrap()).unwrap()
    }

    #[test]
    fn a_program_is_read_as_the_linker_reads_it() {
        let bytes = own();
        let file = ObjectFile::parse(&bytes).unwrap();
        let interpreter = file.interpreter().unwrap();
        assert!(interpreter.contains("ld-linux"), "{interpreter}");
        let needed = file.needed();
        assert!(needed.iter().any(|name| name == "libc.so.6"), "{needed:?}");
        assert_eq!((file.rpath(), file.runpath()), (None, None));
        let symbol = file.symbol("__libc_start_main").unwrap();
        assert!(!symbol.is_defined);
        assert_eq!(file.symbol("__libc_start_mai"), None);
    }

    #[test]
    fn damaged_files_read_as_absent_parts() {
        let bytes = own();
        let header = &bytes[..4_096];
        for len in 0..header.len() {
            if let Some(file) = ObjectFile::parse(&header[..len]) {
                assert_eq!(file.symbol("__libc_start_main"), None);
                let _ = (file.interpreter(), file.needed(), file.runpath());
            }
        }
        let mut wild = header.to_vec();
        for at in (16..wild.len()).step_by(3) {
            wild[at] = 0xff;
        }
        let file = ObjectFile::parse(&wild).unwrap();
        assert_eq!(file.needed(), Vec::<String>::new());
        assert_eq!(file.symbol("x"), None);
        assert!(ObjectFile::parse(b"#!/bin/sh\n").is_none());
    }
}

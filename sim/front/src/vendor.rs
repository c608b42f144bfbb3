//! The vendor's library files that the process has mapped beside this one, and what they say of
//! themselves.
//!
//! A client that runs on a preloaded library still maps the file that it was linked with. Its
//! version is therefore the client's.

use std::ffi::{CStr, CString};
use std::path::{Path, PathBuf};

use tickdeck_ffi::abi::ApiVersion;
use tickdeck_ffi::object_file::ObjectFile;

use crate::faults::Front;
use crate::td::tables::tables;
use crate::version::{Emulated, UnknownVersion};

/// The symbol that only the simulated libraries have.
pub const MARK: &str = "tickdeck_sim_api_version";

/// Longest version text.
const LONGEST_TEXT: usize = 64;

/// A file that is mapped into memory.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Mapping {
    /// First address.
    pub start: usize,
    /// The address after the last one.
    pub end: usize,
    /// The file.
    pub path: PathBuf,
    /// Whether it may be executed.
    pub is_code: bool,
}

/// What a vendor's file says of itself.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Told {
    /// The answer of its `GetApiVersion`.
    pub text: Vec<u8>,
    /// How many virtual functions its API class has; `None` if it does not say.
    pub slots: Option<usize>,
}

/// Reads the text of `/proc/PID/maps`.
#[must_use]
pub fn mappings(maps: &str) -> Vec<Mapping> {
    let read = |line: &str| {
        let mut rest = line;
        let mut word = || {
            let (word, after) = rest.split_once(' ')?;
            rest = after.trim_start();
            Some(word)
        };
        let (range, permissions, _offset, _device) = (word()?, word()?, word()?, word()?);
        let (_inode, path) = rest.split_once(' ')?;
        let (start, end) = range.split_once('-')?;
        let address = |text| usize::from_str_radix(text, 16).ok();
        let path = path.trim_start();
        path.starts_with('/').then_some(Mapping {
            start: address(start)?,
            end: address(end)?,
            path: path.into(),
            is_code: permissions.contains('x'),
        })
    };
    maps.lines().filter_map(read).collect()
}

/// The files among them that have a name of the vendor's library for `front`, each once.
#[must_use]
pub fn named_files(mappings: &[Mapping], front: Front) -> Vec<&Path> {
    let mut files: Vec<&Path> = Vec::new();
    for Mapping { path, .. } in mappings {
        if has_vendor_name(path, front) && !files.contains(&path.as_path()) {
            files.push(path);
        }
    }
    files
}

/// The vendor's library that holds the code at an address, if any.
#[must_use]
pub fn file_at(mappings: &[Mapping], address: usize) -> Option<&Path> {
    let holds = |mapping: &&Mapping| (mapping.start..mapping.end).contains(&address);
    let path = mappings.iter().find(holds)?.path.as_path();
    let is_vendors = [Front::MarketData, Front::Trader].into_iter().any(|front| {
        has_vendor_name(path, front)
            && std::fs::read(path).is_ok_and(|bytes| told_by(&bytes, front).is_some())
    });
    is_vendors.then_some(path)
}

/// Whether a file is called as the vendor calls its library for `front`. Packages put words before
/// and after that name.
#[must_use]
pub fn has_vendor_name(path: &Path, front: Front) -> bool {
    let stem = match front {
        Front::MarketData => "mduserapi",
        Front::Trader => "traderapi",
    };
    let name = path.file_name().unwrap_or_default().to_string_lossy();
    name.to_ascii_lowercase().contains(stem)
}

/// What a file says of itself; `None` if it is not a vendor's library for `front`, such as a wrapper
/// around one, or a simulated one.
#[must_use]
pub fn told_by(bytes: &[u8], front: Front) -> Option<Told> {
    let file = ObjectFile::parse(bytes)?;
    let (class, version) = match front {
        Front::MarketData => (
            "_ZTV15CThostFtdcMdApi",
            "_ZN15CThostFtdcMdApi13GetApiVersionEv",
        ),
        Front::Trader => (
            "_ZTV19CThostFtdcTraderApi",
            "_ZN19CThostFtdcTraderApi13GetApiVersionEv",
        ),
    };
    let is_vendors = file.symbol(version).is_some_and(|symbol| symbol.is_defined);
    if !is_vendors || file.symbol(MARK).is_some() {
        return None;
    }
    // Two words of a table are for RTTI.
    let slots = file
        .symbol(class)
        .filter(|symbol| symbol.is_defined)
        .and_then(|symbol| usize::try_from(symbol.size / 8).ok()?.checked_sub(2));
    let text = version_text(bytes)?.to_vec();
    Some(Told { text, slots })
}

/// The version of the vendor's files among these; `None` if there is none.
///
/// # Errors
/// When it is not known, or differs between files.
pub fn version_of(
    files: &[&Path],
    front: Front,
) -> Result<Option<&'static Emulated>, UnknownVersion> {
    let mut found: Option<(&Path, &'static Emulated)> = None;
    for &path in files {
        // A file that was removed since, or that is a wrapper, says nothing.
        let bytes = std::fs::read(path).unwrap_or_default();
        let Some(told) = told_by(&bytes, front) else {
            continue;
        };
        let version = judged(path, told, front)?;
        match found {
            Some((first, other)) if other.name != version.name => {
                return Err(UnknownVersion::Several {
                    first: first.display().to_string(),
                    second: path.display().to_string(),
                });
            }
            Some(_) => {}
            None => found = Some((path, version)),
        }
    }
    Ok(found.map(|(_, version)| version))
}

/// The version that a file says it is, compared with its number of functions.
fn judged(path: &Path, told: Told, front: Front) -> Result<&'static Emulated, UnknownVersion> {
    let path = path.display().to_string();
    let found = String::from_utf8_lossy(&told.text).into_owned();
    let parsed = found.parse::<ApiVersion>().ok();
    let Some(version) = parsed.as_ref().and_then(Emulated::of_text) else {
        return Err(UnknownVersion::OfFile { path, found });
    };
    let expected = match front {
        Front::MarketData => version.md_slots(),
        Front::Trader => tables().api(version).len(),
    };
    if let Some(found) = told.slots.filter(|found| *found != expected) {
        return Err(UnknownVersion::OtherTable {
            path,
            name: version.name,
            found,
            expected,
        });
    }
    if told.text == version.text.to_bytes() {
        return Ok(version);
    }
    // A text without NUL bytes; once per process, so it may stay.
    let text = CString::new(told.text).unwrap_or_default();
    let text: &'static CStr = Box::leak(text.into_boxed_c_str());
    Ok(Box::leak(Box::new(version.with_text(text))))
}

/// The version text in a file: with a build date as in CTP's, else the numbers alone as in openctp's.
fn version_text(bytes: &[u8]) -> Option<&[u8]> {
    let texts = || {
        bytes
            .split(|&byte| byte == 0)
            .filter(|text| (5..=LONGEST_TEXT).contains(&text.len()))
            .filter(|text| matches!(text[0], b'v' | b'V' | b'0'..=b'9'))
            .filter(|text| is_version(text))
    };
    let is_dated = |text: &&[u8]| text.windows(9).any(is_date);
    let dated = texts().find(is_dated);
    dated.or_else(|| texts().find(|text| is_plain(text)))
}

fn is_version(text: &[u8]) -> bool {
    let is_text = text.iter().all(|byte| matches!(byte, b' '..=b'~'));
    let text = std::str::from_utf8(text).ok().filter(|_| is_text);
    text.is_some_and(|text| text.parse::<ApiVersion>().is_ok())
}

/// `_20250617`.
fn is_date(text: &[u8]) -> bool {
    let (head, digits) = text.split_at(1);
    head == b"_" && digits.starts_with(b"20") && digits.iter().all(u8::is_ascii_digit)
}

/// `6.5.1`, `6.3.19_P1` or `V6_6_9`.
fn is_plain(text: &[u8]) -> bool {
    let mut known = text.iter();
    let is_expected =
        known.all(|byte| matches!(byte, b'v' | b'V' | b'_' | b'.' | b'P' | b'0'..=b'9'));
    is_expected && text.contains(&b'6')
}

#[cfg(test)]
mod tests {
    use super::*;

    const MAPS: &str = "\
        55d0c0000000-55d0c0021000 r--p 00000000 fe:00 1057 /usr/bin/python3.11\n\
        7f1000000000-7f1000400000 r-xp 00000000 fe:00 2001   \
            /opt/my site/openctp_ctp.libs/libthostmduserapi_se-9c6d321f.so\n\
        7f1000400000-7f1000500000 r--p 00400000 fe:00 2001   \
            /opt/my site/openctp_ctp.libs/libthostmduserapi_se-9c6d321f.so\n\
        7f1000600000-7f1000700000 rw-p 00000000 00:00 0 \n\
        7f1000800000-7f1000900000 r-xp 00000000 fe:00 2002 /sim/thosttraderapi_se.so\n\
        7ffd00000000-7ffd00021000 rw-p 00000000 00:00 0 [stack]\n";

    #[test]
    fn mapped_files_are_read_with_their_addresses() {
        let mappings = mappings(MAPS);
        assert_eq!(mappings.len(), 4);
        assert_eq!(mappings[1].start, 0x7f10_0000_0000);
        assert_eq!(mappings[1].end, 0x7f10_0040_0000);
        assert!(mappings[1].is_code && !mappings[2].is_code);
        let market_data = named_files(&mappings, Front::MarketData);
        let wanted = "/opt/my site/openctp_ctp.libs/libthostmduserapi_se-9c6d321f.so";
        assert_eq!(market_data, [Path::new(wanted)]);
        let trader = named_files(&mappings, Front::Trader);
        assert_eq!(trader, [Path::new("/sim/thosttraderapi_se.so")]);
    }

    #[test]
    fn the_version_text_is_told_from_other_texts() {
        let text = |bytes: &'static [u8]| version_text(bytes).map(String::from_utf8_lossy);
        let ctp = b"\0libc.so.6\x001.2.11\0v6.6.9_20220914  9:57:19.2466         \x00xv6.7.1\0";
        assert_eq!(
            text(ctp).as_deref(),
            Some("v6.6.9_20220914  9:57:19.2466         ")
        );
        assert_eq!(text(b"\x006.3.19_P1\0").as_deref(), Some("6.3.19_P1"));
        assert_eq!(text(b"x\0V6_6_1_P1\0y").as_deref(), Some("V6_6_1_P1"));
        assert_eq!(text(b"\x001.2.11\x0010.20.30.40\0v6.7\0"), None);
    }

    #[test]
    fn a_program_is_no_vendor_library() {
        let own = std::fs::read(std::env::current_exe().unwrap()).unwrap();
        assert_eq!(told_by(&own, Front::MarketData), None);
        assert_eq!(told_by(b"text", Front::Trader), None);
    }
}

//! The tables of all versions against the vendor's files: version texts, slots of the classes, and
//! the displacement through which each callback is called. The headers are read by a C++ compiler.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::path::{Path, PathBuf};
use std::process::Command;

use tickdeck_front::faults::Front;
use tickdeck_front::fields;
use tickdeck_front::td::tables::tables;
use tickdeck_front::vendor::{told_by, version_of};
use tickdeck_front::version::{ALL, Emulated};

use crate::support::{skipped, without};

/// The vendor's files of the trader API, by package; those of openctp's simulator among them.
fn libraries() -> Vec<PathBuf> {
    let folders = ["TICKDECK_CTP_LIBRARIES", "TICKDECK_CTP_VERSIONS"];
    let folders = folders.into_iter().filter_map(std::env::var_os);
    let entries = folders.filter_map(|folder| std::fs::read_dir(folder).ok());
    let paths = entries.flatten().flatten().map(|entry| entry.path());
    let mut found: Vec<PathBuf> = paths
        .filter(|path| path.join("thosttraderapi_se.so").is_file())
        .collect();
    found.sort();
    found
}

fn u64_at(bytes: &[u8], at: usize) -> u64 {
    u64::from_le_bytes(bytes[at..at + 8].try_into().unwrap())
}

fn usize_at(bytes: &[u8], at: usize) -> usize {
    usize::try_from(u64_at(bytes, at)).unwrap()
}

fn u32_at(bytes: &[u8], at: usize) -> usize {
    u32::from_le_bytes(bytes[at..at + 4].try_into().unwrap()) as usize
}

/// A vendor's file as this test needs it.
struct Library {
    bytes: Vec<u8>,
    /// Address and bytes of each dynamic symbol that is defined.
    symbols: Vec<(String, usize, usize)>,
    /// By place, what the dynamic linker writes there: an address.
    relocations: BTreeMap<usize, usize>,
}

impl Library {
    fn read(path: &Path) -> Self {
        let bytes = std::fs::read(path).unwrap();
        let sections: Vec<usize> = {
            let start = usize_at(&bytes, 40);
            let count = usize::from(u16::from_le_bytes([bytes[60], bytes[61]]));
            (0..count).map(|index| start + 64 * index).collect()
        };
        let range = |section: usize| {
            let start = usize_at(&bytes, section + 24);
            start..start + usize_at(&bytes, section + 32)
        };
        let of_kind = |kind: usize| -> Vec<usize> {
            let all = sections.iter().copied();
            all.filter(|section| u32_at(&bytes, section + 4) == kind)
                .collect()
        };
        let dynamic = of_kind(11)[0];
        let strings = range(sections[u32_at(&bytes, dynamic + 40)]).start;
        let table = bytes[range(dynamic)].chunks_exact(24);
        let all: Vec<(String, usize, usize)> = table
            .map(|symbol| {
                let name = &bytes[strings + u32_at(symbol, 0)..];
                let end = name.iter().position(|&byte| byte == 0).unwrap();
                let name = String::from_utf8_lossy(&name[..end]).into_owned();
                (name, usize_at(symbol, 8), usize_at(symbol, 16))
            })
            .collect();
        let mut relocations = BTreeMap::new();
        for section in of_kind(4) {
            for entry in bytes[range(section)].chunks_exact(24) {
                let (place, info) = (usize_at(entry, 0), u64_at(entry, 8));
                let addend = usize_at(entry, 16);
                match info & 0xffff_ffff {
                    // R_X86_64_64 and R_X86_64_RELATIVE.
                    1 => relocations
                        .insert(place, all[usize::try_from(info >> 32).unwrap()].1 + addend),
                    8 => relocations.insert(place, addend),
                    _ => None,
                };
            }
        }
        let symbols = all
            .into_iter()
            .filter(|(_, address, _)| *address != 0)
            .collect();
        Self {
            bytes,
            symbols,
            relocations,
        }
    }

    fn symbol(&self, name: &str) -> Option<(usize, usize)> {
        let found = self.symbols.iter().find(|(known, ..)| known == name)?;
        Some((found.1, found.2))
    }

    /// The methods of the trader's implementation, with addresses and bytes.
    fn methods(&self) -> impl Iterator<Item = (&str, usize, usize)> {
        self.symbols.iter().filter_map(|(name, address, len)| {
            let rest = name.strip_prefix("_ZN18CFtdcTraderApiImpl")?;
            let digits = rest.bytes().take_while(u8::is_ascii_digit).count();
            let count: usize = rest[..digits].parse().ok()?;
            Some((rest[digits..].get(..count)?, *address, *len))
        })
    }

    /// The names in the slots of the trader API.
    fn api(&self) -> Vec<String> {
        let (table, _) = self.symbol("_ZTV18CFtdcTraderApiImpl").unwrap();
        let (_, len) = self.symbol("_ZTV19CThostFtdcTraderApi").unwrap();
        let mut by_address: BTreeMap<usize, &str> = BTreeMap::new();
        for (name, address, _) in self.methods() {
            by_address.entry(address).or_insert(name);
        }
        let slots = (2..len / 8).map(|slot| {
            let address = self.relocations[&(table + 8 * slot)];
            by_address[&address].to_owned()
        });
        slots.collect()
    }

    /// The slot through which each callback is called.
    fn spi(&self) -> BTreeMap<String, usize> {
        let callbacks = self.methods().filter(|(name, ..)| name.starts_with("On"));
        let slots = callbacks.filter_map(|(name, address, len)| {
            let code = &self.bytes[self.offset(address)..][..len];
            // mov rax,[rdi], then rax or r11 from [rax+displacement].
            let at = code
                .windows(3)
                .position(|code| code == [0x48, 0x8b, 0x07])?
                + 3;
            let load = code[at..].windows(7).find_map(|code| match *code {
                [0x48 | 0x4c, 0x8b, 0x80 | 0x98, ..] => Some(u32_at(code, 3)),
                [0x48 | 0x4c, 0x8b, 0x40 | 0x58, disp, ..] => Some(usize::from(disp)),
                [0x48 | 0x4c, 0x8b, 0x00 | 0x18, ..] => Some(0),
                _ => None,
            })?;
            Some((name.to_owned(), load / 8))
        });
        slots.collect()
    }

    /// Where in the file an address is.
    fn offset(&self, address: usize) -> usize {
        let start = usize_at(&self.bytes, 32);
        let count = usize::from(u16::from_le_bytes([self.bytes[56], self.bytes[57]]));
        let headers = (0..count).map(|index| &self.bytes[start + 56 * index..][..56]);
        let mut loaded = headers.filter(|header| u32_at(header, 0) == 1);
        let found = loaded.find_map(|header| {
            let inside = address.checked_sub(usize_at(header, 16))?;
            (inside < usize_at(header, 32)).then(|| usize_at(header, 8) + inside)
        });
        found.unwrap()
    }
}

#[test]
fn every_vendor_file_says_its_version_and_has_its_slots() {
    let libraries = libraries();
    if libraries.is_empty() {
        return without("no vendor libraries: cargo xtask vendor-ctp fetches them");
    }
    let mut seen: Vec<&str> = Vec::new();
    for folder in &libraries {
        for (front, file) in [
            (Front::MarketData, "thostmduserapi_se.so"),
            (Front::Trader, "thosttraderapi_se.so"),
        ] {
            let path = folder.join(file);
            let bytes = std::fs::read(&path).unwrap();
            let told = told_by(&bytes, front).unwrap();
            assert!(told.slots.is_some(), "{}", path.display());
            let version = version_of(&[&path], front).unwrap().unwrap();
            assert_eq!(version.text.to_bytes(), told.text, "{}", path.display());
            let other = match front {
                Front::MarketData => Front::Trader,
                Front::Trader => Front::MarketData,
            };
            assert_eq!(told_by(&bytes, other), None, "{}", path.display());
            seen.push(version.name);
        }
    }
    for version in &ALL {
        assert!(seen.contains(&version.name), "no file of {}", version.name);
    }
}

#[test]
fn every_slot_is_where_the_vendors_binary_has_it() {
    let libraries = libraries();
    if libraries.is_empty() {
        return without("no vendor libraries: cargo xtask vendor-ctp fetches them");
    }
    for folder in &libraries {
        let path = folder.join("thosttraderapi_se.so");
        let version = version_of(&[&path], Front::Trader).unwrap().unwrap();
        let library = Library::read(&path);
        let numbers = tables().api(version);
        let names: Vec<&str> = numbers
            .iter()
            .map(|&number| tables().methods[number].name)
            .collect();
        assert_eq!(library.api(), names, "{}", folder.display());
        // openctp's simulator calls from many places, not from one function per callback.
        if folder.to_string_lossy().contains("tts") {
            continue;
        }
        let callbacks = library.spi();
        assert!(callbacks.len() > 120, "{}", folder.display());
        for (name, slot) in callbacks {
            let known = tables().callback_slot(&name, version);
            assert_eq!(known, Some(slot), "{name} of {}", folder.display());
        }
    }
}

/// The headers of several versions, each in a folder of that name.
fn headers() -> Vec<(&'static Emulated, PathBuf)> {
    let folder = std::env::var_os("TICKDECK_CTP_HEADERS_BY_VERSION");
    let entries = folder.and_then(|folder| std::fs::read_dir(folder).ok());
    let entries = entries.into_iter().flatten().flatten();
    let mut found: Vec<(&Emulated, PathBuf)> = entries
        .map(|entry| {
            let name = entry.file_name().into_string().unwrap();
            (Emulated::find(&name).unwrap(), entry.path())
        })
        .collect();
    found.sort_by_key(|(version, _)| version.column);
    found
}

/// A program that does not compile when a table is wrong.
fn claims(version: &'static Emulated) -> String {
    let mut text = String::from(
        "#include <cstddef>\n#include <cstdio>\n#include <cstring>\n\
         #include \"ThostFtdcMdApi.h\"\n#include \"ThostFtdcTraderApi.h\"\n\
         template <class F> long slot(F f) { long at; std::memcpy(&at, &f, sizeof at); return (at - 1) / 8; }\n\
         int wrong = 0;\n\
         void same(const char *what, long found, long known) {\n\
         if (found != known) { std::printf(\"%s: %ld, not %ld\\n\", what, found, known); ++wrong; }\n}\n",
    );
    for (name, field, offset) in fields::all(version) {
        let _ = writeln!(
            text,
            "template <class T> auto f_{name}_{field}(int) -> decltype(&T::{field}, void()) {{ \
             same(\"{name}.{field}\", offsetof(T, {field}), {offset}); }}\n\
             template <class T> void f_{name}_{field}(...) {{}}"
        );
    }
    text.push_str("int main() {\n");
    for (name, field, _) in fields::all(version) {
        let _ = writeln!(
            text,
            "#ifdef HAS_{name}\nf_{name}_{field}<CThostFtdc{name}Field>(0);\n#endif"
        );
    }
    for (slot, number) in tables().api(version).into_iter().enumerate() {
        let method = &tables().methods[number];
        let name = method.name;
        let _ = writeln!(
            text,
            "same(\"{name}\", slot(&CThostFtdcTraderApi::{name}), {slot});"
        );
        if let Some(request) = &method.request {
            let of = request.struct_name;
            let size = method.request_size(version);
            let _ = writeln!(
                text,
                "same(\"sizeof {of}\", sizeof(CThostFtdc{of}Field), {size});"
            );
        }
    }
    for (name, slot) in tables().callbacks(version) {
        let _ = writeln!(
            text,
            "same(\"{name}\", slot(&CThostFtdcTraderSpi::{name}), {slot});"
        );
    }
    text.push_str("return wrong;\n}\n");
    text
}

/// The structs that a version's headers have, as flags of the compiler.
fn structs_of(folder: &Path) -> Vec<String> {
    let text = std::fs::read(folder.join("ThostFtdcUserApiStruct.h")).unwrap();
    let text = String::from_utf8_lossy(&text);
    let names = text.lines().filter_map(|line| {
        let name = line.trim().strip_prefix("struct CThostFtdc")?;
        name.strip_suffix("Field")
    });
    names.map(|name| format!("-DHAS_{name}")).collect()
}

#[test]
fn a_cplusplus_compiler_agrees_with_every_table() {
    let headers = headers();
    if headers.is_empty() {
        return without("no vendor headers: cargo xtask vendor-ctp fetches them");
    }
    let folder = tempfile::tempdir().unwrap();
    for (version, headers) in headers {
        let source = folder.path().join(format!("{}.cpp", version.name));
        let program = folder.path().join(version.name);
        std::fs::write(&source, claims(version)).unwrap();
        let compiled = Command::new("g++")
            .args(["-std=c++17", "-w", "-O0", "-Wno-pmf-conversions"])
            .args(structs_of(&headers))
            .arg("-I")
            .arg(&headers)
            .arg(&source)
            .arg("-o")
            .arg(&program)
            .output();
        let Ok(output) = compiled else {
            return skipped("no g++");
        };
        let told = String::from_utf8_lossy(&output.stderr);
        assert!(output.status.success(), "{}: {told}", version.name);
        let output = Command::new(&program).output().unwrap();
        let told = String::from_utf8_lossy(&output.stdout);
        assert!(output.status.success(), "{}:\n{told}", version.name);
    }
}

//! Where the vendor's files are on this machine.

use std::path::PathBuf;

use super::without;

/// A version of the vendor's libraries, and what field guide 1, 3 and 4 say about it.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Version {
    /// Its folder below `TICKDECK_CTP_LIBRARIES`.
    pub(crate) folder: &'static str,
    /// The numbers in its version string.
    pub(crate) numbers: (u16, u16, u16),
    /// Its tick layout.
    pub(crate) layout: char,
    /// Functions in its SPI table.
    pub(crate) slots: usize,
    /// Whether production and evaluation keys can be selected.
    pub(crate) has_production_flag: bool,
    /// Whether it waits a second before it connects again (field guide 1.6).
    pub(crate) waits: bool,
    /// Whether its Release ends the connecting thread first; before 6.5.1 it does not, and may
    /// crash when a connection is established meanwhile. There is no promise for that case.
    pub(crate) ends_while_connecting: bool,
}

const fn version(folder: &'static str, numbers: (u16, u16, u16), layout: char) -> Version {
    let (_, minor, patch) = numbers;
    Version {
        folder,
        numbers,
        layout,
        slots: if minor == 3 { 12 } else { 13 },
        has_production_flag: minor == 7 && patch >= 11,
        waits: minor == 7 && patch >= 9,
        ends_while_connecting: minor >= 5,
    }
}

/// The vendor's libraries, from the oldest.
pub(crate) const VENDOR: [Version; 7] = [
    version("6.3.15.7", (6, 3, 15), 'A'),
    version("6.5.1.7", (6, 5, 1), 'B'),
    version("6.6.9.9", (6, 6, 9), 'C'),
    version("6.7.2.8", (6, 7, 2), 'C'),
    version("6.7.9.0", (6, 7, 9), 'C'),
    version("6.7.11.0", (6, 7, 11), 'C'),
    version("6.7.13", (6, 7, 13), 'C'),
];

/// The simulator of the openctp project: another implementation, whose market data library says
/// `V6_6_9` and whose trader library says `V6_7_2`.
pub(crate) const OPENCTP: Version = version("tts-6.7.2.3", (6, 6, 9), 'C');

impl Version {
    /// The folder with both libraries, if it is there.
    pub(crate) fn libraries(&self) -> Option<PathBuf> {
        let all = std::env::var_os("TICKDECK_CTP_LIBRARIES").map(PathBuf::from)?;
        Some(all.join(self.folder)).filter(|folder| folder.join("thostmduserapi_se.so").is_file())
    }
}

/// Those of the versions that are on this machine, with their folders; says which are not.
pub(crate) fn present(versions: &[Version]) -> Vec<(Version, PathBuf)> {
    let mut found = Vec::new();
    for version in versions {
        match version.libraries() {
            Some(folder) => found.push((*version, folder)),
            None => without(&format!("no CTP library {}", version.folder)),
        }
    }
    found
}

/// The folder of the vendor's headers, if it is there.
pub(crate) fn headers() -> Option<PathBuf> {
    let folder = std::env::var_os("TICKDECK_CTP_HEADERS").map(PathBuf::from)?;
    Some(folder).filter(|folder| folder.join("ThostFtdcMdApi.h").is_file())
}

//! The versions of the vendor's library that one simulated library can stand in for.

use std::ffi::CStr;

use tickdeck_ffi::abi::ApiVersion;
use tickdeck_ffi::abi::SpiTable;
use tickdeck_ffi::abi::TickLayout;

/// Name of the version that is emulated unless the environment says otherwise.
pub const DEFAULT: &str = "6.7.11";

/// One version of the vendor's library.
#[derive(Debug)]
pub struct Emulated {
    /// The three numbers with dots, for example `6.7.11`.
    pub name: &'static str,
    /// What `GetApiVersion` answers, blanks included.
    pub text: &'static CStr,
    /// Column of this version in the tables of slots and sizes.
    pub column: usize,
}

/// All of them, oldest first, in the order of the tables' columns.
pub static ALL: [Emulated; 15] = [
    emulated(0, "6.3.15", c"6.3.15_20190220 15:47:00"),
    emulated(1, "6.3.19", c"v6.3.19_P1_20200106 15:21:32"),
    emulated(2, "6.5.1", c"v6.5.1_20200908 10:25:08"),
    emulated(3, "6.6.1", c"v6.6.1_P1_20210406  9:27:14"),
    emulated(4, "6.6.7", c"v6.6.7_20220613 14:52:04.1708"),
    emulated(5, "6.6.9", c"v6.6.9_20220914  9:57:19.2466         "),
    emulated(6, "6.7.0", c"v6.7.0_20230209  9:52:16.3535"),
    emulated(7, "6.7.1", c"v6.7.1_20230613 14:40:06.4516"),
    emulated(8, "6.7.2", c"v6.7.2_20230913 10:48:10.4926"),
    emulated(9, "6.7.7", c"v6.7.7_20240607 15:51:36.7347"),
    emulated(10, "6.7.8", c"v6.7.8_20240918 14:34:34.8082"),
    emulated(11, "6.7.9", c"v6.7.9_20241224 10:22:26.8774"),
    emulated(12, "6.7.10", c"v6.7.10_20250422 16:38:54.9994"),
    emulated(13, "6.7.11", c"v6.7.11_20250617 16:22:00.10369"),
    emulated(14, "6.7.13", c"v6.7.13_20260225 14:16:30.12079"),
];

/// Where the version is chosen that is not the client's own.
pub const VARIABLE: &str = "TICKDECK_SIM_API_VERSION";

const fn emulated(column: usize, name: &'static str, text: &'static CStr) -> Emulated {
    Emulated { name, text, column }
}

/// The version cannot be emulated.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum UnknownVersion {
    /// The variable names none that there is.
    #[error("{VARIABLE} is `{found}`: expected one of {}", names())]
    Named {
        /// Its value.
        found: String,
    },
    /// The vendor's file is of another version.
    #[error(
        "{path} is version {found}, whose tables are unknown: a guess would call the wrong \
         functions. Known are {}; {VARIABLE} chooses one of them",
        names()
    )]
    OfFile {
        /// The file.
        path: String,
        /// What it says.
        found: String,
    },
    /// The vendor's file has another number of functions than its version.
    #[error(
        "{path} is version {name} by its text, but its class has {found} functions instead of \
         {expected}; {VARIABLE} chooses the version"
    )]
    OtherTable {
        /// The file.
        path: String,
        /// The version of its text.
        name: &'static str,
        /// Its functions.
        found: usize,
        /// Those of the version.
        expected: usize,
    },
    /// The client has several of the vendor's files, of different versions.
    #[error(
        "the client has mapped {first} and {second}, which are different versions; {VARIABLE} \
         chooses one"
    )]
    Several {
        /// A file.
        first: String,
        /// Another one.
        second: String,
    },
}

fn names() -> String {
    ALL.each_ref().map(|version| version.name).join(", ")
}

impl Emulated {
    /// Finds a version by its three numbers, with or without the `v`.
    ///
    /// # Errors
    /// [`UnknownVersion`] names the ones there are.
    pub fn find(name: &str) -> Result<&'static Self, UnknownVersion> {
        let wanted = name.trim().trim_start_matches('v');
        ALL.iter()
            .find(|version| version.name == wanted)
            .ok_or_else(|| UnknownVersion::Named { found: name.into() })
    }

    /// The version of a library that reports itself as `told`, which its clients see unchanged.
    #[must_use]
    pub fn of_text(told: &ApiVersion) -> Option<&'static Self> {
        ALL.iter().find(|version| version.api_version() == *told)
    }

    /// The same version under another text of the vendor's.
    #[must_use]
    pub const fn with_text(&self, text: &'static CStr) -> Self {
        Self { text, ..*self }
    }

    /// The version of [`DEFAULT`].
    #[must_use]
    pub fn default_version() -> &'static Self {
        &ALL[13]
    }

    /// The version as numbers.
    #[must_use]
    pub fn api_version(&self) -> ApiVersion {
        let text = self.text.to_string_lossy();
        text.parse().unwrap_or_else(|_| ApiVersion::new(0, 0, 0))
    }

    /// Which callback table a client of this version hands over.
    #[must_use]
    pub fn spi_table(&self) -> SpiTable {
        SpiTable::of(&self.api_version())
    }

    /// How a tick looks in this version.
    #[must_use]
    pub fn tick_layout(&self) -> TickLayout {
        TickLayout::of(&self.api_version())
    }

    /// Whether ids are `char[81]` after the old `char[31]` fields (since 6.5.1).
    #[must_use]
    pub const fn has_long_ids(&self) -> bool {
        self.column >= 2
    }

    /// Whether `Create…` has the argument `bIsProductionMode` (since 6.7.11).
    #[must_use]
    pub const fn has_production_mode(&self) -> bool {
        self.column >= 13
    }

    /// How many virtual functions `CThostFtdcMdApi` has (field guide 3.1).
    #[must_use]
    pub const fn md_slots(&self) -> usize {
        if self.column >= 1 { 15 } else { 14 }
    }

    /// Pause between a lost connection and the next attempt, ns (field guide 1.6): none up to
    /// 6.7.8, one second since 6.7.9.
    #[must_use]
    pub const fn reconnect_pause_ns(&self) -> i64 {
        if self.column >= 11 { 1_000_000_000 } else { 0 }
    }
}

/// How long the handshake takes after `Init`, ns: long enough that a client which makes requests
/// right after `Init` gets -1, as it does with a real front.
pub const HANDSHAKE_NS: i64 = 10_000_000;

/// Pause between two refused connections, ns (field guide 1.6).
pub const REFUSED_PAUSE_NS: i64 = 5_000_000_000;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_version_is_found_by_its_numbers() {
        for (column, version) in ALL.iter().enumerate() {
            let found = Emulated::find(&format!("v{}", version.name)).unwrap();
            assert_eq!(found.column, column);
            let said = version.api_version();
            assert_eq!(
                format!("{}.{}.{}", said.major, said.minor, said.patch),
                version.name
            );
        }
        assert_eq!(Emulated::default_version().name, DEFAULT);
        let refused = Emulated::find("6.7.12").unwrap_err().to_string();
        assert!(refused.contains("6.7.13"), "{refused}");
    }

    #[test]
    fn what_differs_between_versions_begins_with_the_right_one() {
        let of = |name| Emulated::find(name).unwrap();
        assert!(!of("6.3.19").has_long_ids() && of("6.5.1").has_long_ids());
        assert!(!of("6.7.10").has_production_mode() && of("6.7.11").has_production_mode());
        assert_eq!(of("6.7.8").reconnect_pause_ns(), 0);
        assert_eq!(of("6.7.9").reconnect_pause_ns(), 1_000_000_000);
        assert_eq!((of("6.3.15").md_slots(), of("6.3.19").md_slots()), (14, 15));
    }

    #[test]
    fn another_text_of_a_version_is_kept() {
        let found = Emulated::of_text(&"V6_7_2".parse().unwrap()).unwrap();
        assert_eq!(found.name, "6.7.2");
        assert_eq!(found.with_text(c"V6_7_2").text, c"V6_7_2");
        assert!(Emulated::of_text(&ApiVersion::new(6, 7, 12)).is_none());
    }

    #[test]
    fn layout_and_callback_table_follow_the_version() {
        let of = |name| Emulated::find(name).unwrap();
        assert_eq!(of("6.3.15").tick_layout(), TickLayout::A);
        assert_eq!(of("6.5.1").tick_layout(), TickLayout::B);
        assert_eq!(of("6.6.9").tick_layout(), TickLayout::C);
        assert_eq!(of("6.3.15").spi_table(), SpiTable::Twelve);
        assert_eq!(of("6.5.1").spi_table(), SpiTable::Thirteen);
    }
}

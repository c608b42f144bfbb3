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
pub static ALL: [Emulated; 7] = [
    emulated(0, "6.3.15", c"6.3.15_20190220 15:47:00"),
    emulated(1, "6.5.1", c"v6.5.1_20200908 10:25:08"),
    emulated(2, "6.6.9", c"v6.6.9_20220914  9:57:19.2466         "),
    emulated(3, "6.7.2", c"v6.7.2_20230913 10:48:10.4926"),
    emulated(4, "6.7.7", c"v6.7.7_20240607 15:51:36.7347"),
    emulated(5, "6.7.11", c"v6.7.11_20250617 16:22:00.10369"),
    emulated(6, "6.7.13", c"v6.7.13_20260225 14:16:30.12079"),
];

const fn emulated(column: usize, name: &'static str, text: &'static CStr) -> Emulated {
    Emulated { name, text, column }
}

/// There is no such version to emulate.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error(
    "TICKDECK_SIM_API_VERSION is `{found}`: expected one of 6.3.15, 6.5.1, 6.6.9, 6.7.2, 6.7.7, \
     6.7.11, 6.7.13"
)]
pub struct UnknownVersion {
    found: String,
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
            .ok_or_else(|| UnknownVersion { found: name.into() })
    }

    /// The version of [`DEFAULT`].
    #[must_use]
    pub fn default_version() -> &'static Self {
        &ALL[5]
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
        self.column >= 1
    }

    /// Whether `Create…` has the argument `bIsProductionMode` (since 6.7.11).
    #[must_use]
    pub const fn has_production_mode(&self) -> bool {
        self.column >= 5
    }

    /// Pause between a lost connection and the next attempt, ns (field guide 1.6): none up to
    /// 6.7.8, one second since 6.7.9.
    #[must_use]
    pub const fn reconnect_pause_ns(&self) -> i64 {
        if self.column >= 5 { 1_000_000_000 } else { 0 }
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
    fn layout_and_callback_table_follow_the_version() {
        let of = |name| Emulated::find(name).unwrap();
        assert_eq!(of("6.3.15").tick_layout(), TickLayout::A);
        assert_eq!(of("6.5.1").tick_layout(), TickLayout::B);
        assert_eq!(of("6.6.9").tick_layout(), TickLayout::C);
        assert_eq!(of("6.3.15").spi_table(), SpiTable::Twelve);
        assert_eq!(of("6.5.1").spi_table(), SpiTable::Thirteen);
    }
}

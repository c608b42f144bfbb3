//! Vendor structs by field name: the offset of each field, from `data/fields.csv`.
//!
//! The offsets were measured, not copied: each field of the struct objects of the `openctp-ctp`
//! wheels (6.3.15 to 6.7.11) and of `ctp-python` 6.7.13 was set and found again in memory. Two
//! families came out: 6.3.15, and 6.5.1 to 6.7.13, inside which versions only append. A struct is
//! therefore written whole in the newest form of its family; an older client reads its beginning.

use std::collections::BTreeMap;
use std::sync::OnceLock;

use crate::version::Emulated;

/// Bytes of a [`CStruct`]: more than the largest struct that is written or sent back (864 bytes).
const STRUCT_BYTES: usize = 896;

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Kind {
    Text,
    Char,
    Int,
    Double,
}

#[derive(Debug, Clone, Copy)]
struct Place {
    kind: Kind,
    /// Bytes and offset in 6.3.15; `None` where the struct has no such field.
    old: Option<(usize, usize)>,
    /// Bytes and offset since 6.5.1.
    new: Option<(usize, usize)>,
}

type Places = BTreeMap<(&'static str, &'static str), Place>;

fn places() -> &'static Places {
    static PLACES: OnceLock<Places> = OnceLock::new();
    PLACES.get_or_init(|| parse(include_str!("../data/fields.csv")))
}

fn parse(text: &'static str) -> Places {
    let rows = text.lines().skip(1).filter_map(|line| {
        let mut cells = line.split(',');
        let (name, field) = (cells.next()?, cells.next()?);
        let kind = match cells.next()? {
            "text" => Kind::Text,
            "char" => Kind::Char,
            "int" => Kind::Int,
            _ => Kind::Double,
        };
        let size = cells.next()?;
        let (old_size, new_size) = size.split_once('/').unwrap_or((size, size));
        let place = |size: &str, offset: &str| Some((size.parse().ok()?, offset.parse().ok()?));
        let (old, new) = (cells.next()?, cells.next()?);
        let place = Place {
            kind,
            old: place(old_size, old),
            new: place(new_size, new),
        };
        Some(((name, field), place))
    });
    rows.collect()
}

fn find(
    name: &'static str,
    field: &'static str,
    version: &Emulated,
    kind: Kind,
) -> Option<(usize, usize)> {
    let place = places().get(&(name, field));
    debug_assert!(
        place.is_some_and(|place| place.kind == kind),
        "{name}.{field} is not a {kind:?} of fields.csv"
    );
    let place = place.filter(|place| place.kind == kind)?;
    if version.has_long_ids() {
        place.new
    } else {
        place.old
    }
}

/// Every struct, field and offset of a version's family. Of some versions structs end earlier.
pub fn all(version: &Emulated) -> impl Iterator<Item = (&'static str, &'static str, usize)> {
    let has_long_ids = version.has_long_ids();
    places().iter().filter_map(move |((name, field), place)| {
        let place = if has_long_ids { place.new } else { place.old };
        place.map(|(_, offset)| (*name, *field, offset))
    })
}

/// A vendor struct to deliver, zeroed where nothing was written, aligned for every field.
///
/// Writing a field that the version does not have does nothing.
#[derive(Debug, Clone)]
pub struct CStruct {
    name: &'static str,
    version: &'static Emulated,
    words: Box<[u64; STRUCT_BYTES / 8]>,
}

impl CStruct {
    /// An empty `CThostFtdc{name}Field`.
    #[must_use]
    pub fn new(name: &'static str, version: &'static Emulated) -> Self {
        Self {
            name,
            version,
            words: Box::new([0; STRUCT_BYTES / 8]),
        }
    }

    /// A struct that holds the bytes of a client's request, to be sent back.
    #[must_use]
    pub fn echo(name: &'static str, version: &'static Emulated, bytes: &[u8]) -> Self {
        let mut made = Self::new(name, version);
        let len = bytes.len().min(STRUCT_BYTES);
        made.put(0, &bytes[..len]);
        made
    }

    /// Writes text, cut so that a NUL ends it.
    #[must_use]
    pub fn text(mut self, field: &'static str, value: &[u8]) -> Self {
        if let Some((size, offset)) = find(self.name, field, self.version, Kind::Text) {
            let len = value.len().min(size.saturating_sub(1));
            self.put(offset, &value[..len]);
        }
        self
    }

    /// Writes a single character.
    #[must_use]
    pub fn char(mut self, field: &'static str, value: u8) -> Self {
        if let Some((_, offset)) = find(self.name, field, self.version, Kind::Char) {
            self.put(offset, &[value]);
        }
        self
    }

    /// Writes an `int`.
    #[must_use]
    pub fn int(mut self, field: &'static str, value: i32) -> Self {
        if let Some((_, offset)) = find(self.name, field, self.version, Kind::Int) {
            self.put(offset, &value.to_ne_bytes());
        }
        self
    }

    /// Writes a `double`.
    #[must_use]
    pub fn double(mut self, field: &'static str, value: f64) -> Self {
        if let Some((_, offset)) = find(self.name, field, self.version, Kind::Double) {
            self.put(offset, &value.to_ne_bytes());
        }
        self
    }

    fn put(&mut self, offset: usize, bytes: &[u8]) {
        for (position, &byte) in (offset..).zip(bytes) {
            if let Some(word) = self.words.get_mut(position / 8) {
                let mut octets = word.to_ne_bytes();
                octets[position % 8] = byte;
                *word = u64::from_ne_bytes(octets);
            }
        }
    }

    /// The struct's memory, aligned to 8 bytes and larger than any version's struct.
    #[must_use]
    pub fn words(&self) -> &[u64] {
        &*self.words
    }
}

/// A client's request struct, read by field name.
#[derive(Debug, Clone, Copy)]
pub struct RequestView<'a> {
    name: &'static str,
    version: &'static Emulated,
    bytes: &'a [u8],
}

impl<'a> RequestView<'a> {
    /// A view of the bytes of a `CThostFtdc{name}Field`; fields beyond the bytes are empty.
    #[must_use]
    pub const fn new(name: &'static str, version: &'static Emulated, bytes: &'a [u8]) -> Self {
        Self {
            name,
            version,
            bytes,
        }
    }

    /// A text field up to its NUL; empty when the version or the client has none.
    #[must_use]
    pub fn text(&self, field: &'static str) -> &'a [u8] {
        let Some((size, offset)) = find(self.name, field, self.version, Kind::Text) else {
            return &[];
        };
        let bytes = self.bytes.get(offset..).unwrap_or_default();
        let bytes = &bytes[..bytes.len().min(size)];
        let end = bytes.iter().position(|&b| b == 0).unwrap_or(bytes.len());
        &bytes[..end]
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn bytes(made: &CStruct) -> Vec<u8> {
        made.words().iter().flat_map(|w| w.to_ne_bytes()).collect()
    }

    #[test]
    fn every_row_of_the_field_list_is_read() {
        let rows = include_str!("../data/fields.csv").lines().count() - 1;
        assert_eq!(places().len(), rows);
        for place in places().values() {
            for (size, offset) in [place.old, place.new].into_iter().flatten() {
                assert!(size > 0 && offset + size <= STRUCT_BYTES);
            }
        }
    }

    #[test]
    fn a_struct_is_written_where_the_version_reads_it() {
        for (version, id_at, product_at) in [("6.3.15", 0, 92), ("6.5.1", 289, 451)] {
            let version = Emulated::find(version).unwrap();
            let made = CStruct::new("Instrument", version)
                .text("InstrumentID", b"rb2601")
                .text("ProductID", b"rb")
                .int("VolumeMultiple", 10)
                .double("PriceTick", 0.5)
                .char("ProductClass", b'1');
            let bytes = bytes(&made);
            assert_eq!(&bytes[id_at..id_at + 7], b"rb2601\0");
            assert_eq!(&bytes[product_at..product_at + 3], b"rb\0");
            assert_eq!(bytes[148..152], 10_i32.to_ne_bytes());
            assert_eq!(bytes[152..160], 0.5_f64.to_ne_bytes());
            assert_eq!(bytes[123], b'1');
        }
    }

    #[test]
    fn text_that_is_too_long_still_ends_with_a_nul() {
        let version = Emulated::default_version();
        let made = CStruct::new("RspUserLogin", version).text("TradingDay", b"2026010512345");
        assert_eq!(&bytes(&made)[..9], b"20260105\0");
    }

    #[test]
    fn a_request_is_read_back_by_the_same_names() {
        let version = Emulated::default_version();
        let made = CStruct::new("ReqUserLogin", version)
            .text("BrokerID", b"9999")
            .text("UserID", b"user");
        let bytes = bytes(&made);
        let view = RequestView::new("ReqUserLogin", version, &bytes[..264]);
        assert_eq!(view.text("BrokerID"), b"9999");
        assert_eq!(view.text("UserID"), b"user");
        assert_eq!(view.text("SMSCode"), b"");
    }
}

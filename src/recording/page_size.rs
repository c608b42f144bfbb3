//! How large a page says it is, decompressed: the Parquet library reserves that much.
//!
//! Only this field of the header is read. The others are passed over, as Thrift's compact protocol
//! writes them. A header that is not one passes: the library reads it next and says why.

use parquet::errors::{ParquetError, Result};

use super::bounds::MOST_PAGE_BYTES;
use super::thrift::{Compact, I32, Refused};

/// `uncompressed_page_size` of a page header.
const FIELD: i64 = 2;
/// How deep a header may be nested. Those of Parquet have three levels.
const MOST_LEVELS: u8 = 8;

/// Bytes that hold any header of a page but one with very long statistics.
pub const PAGE_HEADER_BYTES: usize = 16 << 10;

/// Refuses a page that takes too much memory, decompressed. `bytes` is the beginning of its header, or all
/// of it; or those of a page, which the library asks for in the same way.
///
/// # Errors
/// When the header states a size above the limit of `docs/security.md`.
pub fn check_page_size(bytes: &[u8]) -> Result<()> {
    let mut size = 0;
    // A header that ends early is an error of the library, unless its size is one already.
    let _ = read(&mut Compact::new(bytes), &mut size);
    if size <= MOST_PAGE_BYTES {
        return Ok(());
    }
    Err(ParquetError::General(format!(
        "a page of {size} bytes, at most {MOST_PAGE_BYTES} are read"
    )))
}

/// The largest size that the fields of a header state: a repeated field replaces the one before.
fn read(header: &mut Compact<'_>, size: &mut i64) -> std::result::Result<(), Refused> {
    let mut last = 0;
    while let Some((id, kind)) = header.field(last)? {
        last = id;
        if (id, kind) == (FIELD, I32) {
            *size = header.signed()?.max(*size);
        } else {
            header.skip(kind, MOST_LEVELS)?;
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A field with a number, as many 7-bit groups as it needs.
    fn number(head: u8, mut value: u64) -> Vec<u8> {
        let mut bytes = vec![head];
        while value >= 0x80 {
            bytes.push(0x80 | u8::try_from(value & 0x7f).unwrap());
            value >>= 7;
        }
        bytes.push(u8::try_from(value).unwrap());
        bytes
    }

    #[test]
    fn a_page_of_two_gigabytes_is_refused() {
        let size = |size: i64| number(0x15, size.cast_unsigned() << 1);
        let header = |bytes: i64| [number(0x15, 0), size(bytes), size(9), vec![0]].concat();
        assert!(check_page_size(&header(MOST_PAGE_BYTES)).is_ok());
        for bytes in [MOST_PAGE_BYTES + 1, i64::from(i32::MAX)] {
            let error = check_page_size(&header(bytes)).unwrap_err();
            let expected = format!("a page of {bytes} bytes");
            assert!(error.to_string().contains(&expected), "{error}");
        }
    }

    #[test]
    fn a_size_that_is_stated_again_counts() {
        let small = [number(0x15, 0), number(0x15, 2)].concat();
        // A structure with a text and a list, then field 2 by its full number.
        let nested = [0x3c, 0x18, 2, b'a', b'b', 0x19, 0x25, 1, 2, 0];
        let again = [
            vec![0x05, 4],
            number(0, u64::from(u32::MAX - 1))[1..].to_vec(),
        ]
        .concat();
        let header = [&small[..], &nested, &again, &[0]].concat();
        assert!(check_page_size(&header).is_err());
        assert!(check_page_size(&[&small[..], &nested, &[0]].concat()).is_ok());
    }

    #[test]
    fn other_bytes_are_left_to_the_library() {
        for bytes in [
            &[][..],
            &[0xff; 40],
            &[0x1c; 40],
            &[0x19, 0xfc, 0xff, 0xff, 0xff, 0x0f],
        ] {
            assert!(check_page_size(bytes).is_ok(), "{bytes:?}");
        }
    }
}

//! The header of a page, before the Parquet library reads it: how large the page says it is, decompressed,
//! and whether the header keeps the library busy.
//!
//! The library reserves the size.

use std::io::{self, Read};

use bytes::{Buf as _, Bytes};
use parquet::errors::{ParquetError, Result};

use super::bounds::MOST_PAGE_BYTES;
use super::parquet_types::{PAGE_HEADER, PAGE_SIZE};
use super::thrift::{Compact, I32, Refused};

/// Bytes that hold any header of a page but one with very long statistics.
pub const PAGE_HEADER_BYTES: usize = 16 << 10;

/// Refuses the header of a page that takes too much memory, decompressed, or that the library cannot pass
/// over soon. `bytes` begin with it. False if it does not end within them.
///
/// # Errors
/// When it is refused.
pub fn check_page_header(bytes: &[u8]) -> Result<bool> {
    let mut size = 0;
    let read = read(&mut Compact::new(bytes), &mut size);
    if size > MOST_PAGE_BYTES {
        return Err(ParquetError::General(format!(
            "a page of {size} bytes, at most {MOST_PAGE_BYTES} are read"
        )));
    }
    match read {
        Ok(()) => Ok(true),
        Err(Refused::EndsEarly) => Ok(false),
        Err(refused) => Err(refused.error("the header of a page")),
    }
}

/// Passes over a header. `size` becomes the largest one that its fields state: a repeated field replaces
/// the one before.
fn read(header: &mut Compact<'_>, size: &mut i64) -> std::result::Result<(), Refused> {
    let mut last = 0;
    while let Some((id, kind)) = header.field(last)? {
        last = id;
        if (id, kind) == (PAGE_SIZE, I32) {
            *size = header.signed()?.max(*size);
        } else {
            header.value(PAGE_HEADER, id, kind)?;
        }
    }
    Ok(())
}

/// The bytes of a column chunk from the header of a page on. It is checked when the library begins to read
/// it: the library also asks for the content of a page in this way, and reads nothing then.
#[derive(Debug)]
pub(super) struct PageReader {
    bytes: Bytes,
    is_checked: bool,
}

impl PageReader {
    pub(super) const fn new(bytes: Bytes) -> Self {
        Self {
            bytes,
            is_checked: false,
        }
    }
}

impl Read for PageReader {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        if !self.is_checked {
            check_page_header(&self.bytes).map_err(io::Error::other)?;
            self.is_checked = true;
        }
        let count = buffer.len().min(self.bytes.len());
        self.bytes.copy_to_slice(&mut buffer[..count]);
        Ok(count)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

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
        assert!(check_page_header(&header(MOST_PAGE_BYTES)).unwrap());
        for bytes in [MOST_PAGE_BYTES + 1, i64::from(i32::MAX)] {
            let error = check_page_header(&header(bytes)).unwrap_err();
            let expected = format!("a page of {bytes} bytes");
            assert!(error.to_string().contains(&expected), "{error}");
        }
    }

    #[test]
    fn a_size_that_is_stated_again_counts() {
        let small = [number(0x15, 0), number(0x15, 2)].concat();
        // An unknown structure with a text and a list, then field 2 by its full number.
        let nested = [0x7c, 0x18, 2, b'a', b'b', 0x19, 0x25, 1, 2, 0];
        let again = [
            vec![0x05, 4],
            number(0, u64::from(u32::MAX - 1))[1..].to_vec(),
        ]
        .concat();
        let header = [&small[..], &nested, &again, &[0]].concat();
        assert!(check_page_header(&header).is_err());
        assert!(check_page_header(&[&small[..], &nested, &[0]].concat()).is_ok());
    }

    #[test]
    fn a_header_that_ends_early_says_so() {
        let whole = [&[0x15, 0, 0x15, 2, 0x15, 2, 0x2c][..], &[0x15, 0, 0, 0]].concat();
        for length in 0..whole.len() {
            assert!(!check_page_header(&whole[..length]).unwrap(), "{length}");
        }
        assert!(check_page_header(&whole).unwrap());
    }

    /// Two billion, as a variable-length integer.
    const MANY: [u8; 5] = [0xff, 0xff, 0xff, 0xff, 0x07];

    #[test]
    fn lists_of_booleans_are_refused_wherever_they_are() {
        let start = [0x15, 0, 0x15, 2, 0x15, 2];
        let list = [&[0xf2][..], &MANY].concat();
        for hidden in [
            // An unknown field, one with a map, and one in the header of a data page.
            [&[0xc9][..], &list, &[0]].concat(),
            [&[0xcb][..], &MANY, &[0x12], &[0]].concat(),
            [&[0x2c, 0xe9][..], &list, &[0, 0]].concat(),
            // In its statistics.
            [&[0x2c, 0x5c, 0xe9][..], &list, &[0, 0, 0]].concat(),
        ] {
            let error = check_page_header(&[&start[..], &hidden].concat()).unwrap_err();
            assert!(error.to_string().contains("list of booleans"), "{error}");
        }
    }

    /// Otherwise such a list could be where only the library looks for one.
    #[test]
    fn a_header_that_the_library_reads_in_another_way_is_refused() {
        let cases: [&[u8]; 6] = [
            // Fields 1 and 2 as texts, and field 5 as a number.
            &[0x18, 2, 0xe9, 0xf2, 0],
            &[0x15, 0, 0x18, 2, 0xe9, 0xf2, 0],
            &[0x55, 2, 0],
            // The third field of a dictionary's header as a text.
            &[0x7c, 0x38, 1, 0, 0, 0],
            // Field 65,537, and a number of eleven bytes.
            &[0x05, 0x82, 0x80, 0x08, 2, 0],
            &[
                0xe5, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0, 0,
            ],
        ];
        for header in cases {
            let error = check_page_header(header).unwrap_err();
            assert!(error.to_string().contains("cannot be read"), "{header:?}");
        }
    }

    /// The library asks for the content of a page as for its header.
    #[test]
    fn only_what_is_read_is_checked() {
        let content = [&[0xe9, 0xf2][..], &MANY, &[0; 20]].concat();
        let mut reader = PageReader::new(content.into());
        let error = reader.read(&mut [0; 1]).unwrap_err();
        assert!(error.to_string().contains("list of booleans"), "{error}");
        let header = [0x15, 0, 0x15, 2, 0x15, 2, 0, 7, 8, 9];
        let mut read = Vec::new();
        let mut reader = PageReader::new(header.to_vec().into());
        reader.read_to_end(&mut read).unwrap();
        assert_eq!(read, header);
    }

    proptest! {
        #[test]
        fn prop_any_header_is_passed_over(
            header in proptest::collection::vec(any::<u8>(), 0..2_000)
        ) {
            let _ = check_page_header(&header);
        }
    }
}

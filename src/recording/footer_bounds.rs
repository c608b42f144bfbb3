//! Refuses a Parquet file whose footer would keep the Parquet library busy for hours, or end the process.
//!
//! The library calls itself for each level of a schema, and reserves as many fields as an element states.

use parquet::errors::{ParquetError, Result};
use parquet::file::reader::ChunkReader;

use super::parquet_types::{CHILDREN, FOOTER, SCHEMA, SCHEMA_ELEMENT};
use super::thrift::{Compact, I32, LIST, Refused, STRUCT};

/// Length of the footer, and the magic number.
const TAIL_BYTES: u64 = 8;
const MAGIC: &[u8] = b"PAR1";
const ENCRYPTED_MAGIC: &[u8] = b"PARE";
/// Levels of a schema. Lists and maps take two each.
const MOST_LEVELS: usize = 64;

/// Refuses a file whose footer has a list of booleans, or is not one to its end with the types of the
/// format. A file without a footer is left to the library.
///
/// # Errors
/// When it is refused, or the file cannot be read.
pub fn check_footer(file: &impl ChunkReader) -> Result<()> {
    let Some(place) = file.len().checked_sub(TAIL_BYTES) else {
        return Ok(());
    };
    let tail = file.get_bytes(place, 8)?;
    let Some((length, magic)) = tail.split_first_chunk() else {
        return Ok(());
    };
    if magic == ENCRYPTED_MAGIC {
        return Err(ParquetError::General("the footer is encrypted".to_owned()));
    }
    let length = u32::from_le_bytes(*length);
    let (Some(start), Ok(length), MAGIC) = (
        place.checked_sub(u64::from(length)),
        usize::try_from(length),
        magic,
    ) else {
        return Ok(());
    };
    let footer = file.get_bytes(start, length)?;
    let read = read(&mut Compact::new(&footer));
    read.map_err(|refused| refused.error("the footer"))
}

/// Passes over a footer.
fn read(footer: &mut Compact<'_>) -> std::result::Result<(), Refused> {
    let mut last = 0;
    while let Some((id, kind)) = footer.field(last)? {
        last = id;
        if (id, kind) == (SCHEMA, LIST) {
            read_schema(footer)?;
        } else {
            footer.value(FOOTER, id, kind)?;
        }
    }
    Ok(())
}

/// Passes over the elements of a schema: each comes before its children.
fn read_schema(footer: &mut Compact<'_>) -> std::result::Result<(), Refused> {
    let (count, STRUCT) = footer.list()? else {
        return Err(Refused::Unreadable);
    };
    let mut stated: u64 = 0;
    // How many children are still to come on each level.
    let mut levels: Vec<u64> = Vec::new();
    for _ in 0..count {
        let children = read_element(footer)?;
        stated = stated.saturating_add(children);
        while levels.pop_if(|left| *left == 0).is_some() {}
        if let Some(left) = levels.last_mut() {
            *left -= 1;
        }
        levels.push(children);
        if levels.len() > MOST_LEVELS || stated >= count {
            return Err(Refused::Schema);
        }
    }
    Ok(())
}

/// Passes over an element of a schema. Returns the number of its children; a repeated field replaces the one before.
fn read_element(element: &mut Compact<'_>) -> std::result::Result<u64, Refused> {
    let (mut last, mut children) = (0, 0);
    while let Some((id, kind)) = element.field(last)? {
        last = id;
        if (id, kind) == (CHILDREN, I32) {
            children = u64::try_from(element.signed()?).map_err(|_| Refused::Schema)?;
        } else {
            element.value(SCHEMA_ELEMENT, id, kind)?;
        }
    }
    Ok(children)
}

#[cfg(test)]
mod tests {
    use bytes::Bytes;
    use proptest::prelude::*;

    use super::*;

    /// A file with this footer.
    fn is_refused(footer: &[u8]) -> bool {
        let length = u32::try_from(footer.len()).unwrap().to_le_bytes();
        let file: Bytes = [b"PAR1", footer, &length, b"PAR1"].concat().into();
        check_footer(&file).is_err()
    }

    /// Two billion, as a variable-length integer.
    const MANY: [u8; 5] = [0xff, 0xff, 0xff, 0xff, 0x07];

    #[test]
    fn lists_of_booleans_are_refused_wherever_they_are() {
        let list = [&[0xf2][..], &MANY].concat();
        // An unknown field with a list of booleans, and one with a map.
        assert!(is_refused(&[&[0xe9][..], &list, &[0]].concat()));
        assert!(is_refused(&[&[0xeb][..], &MANY, &[0x12], &[0]].concat()));
        // In a list of lists, and in a structure of a list.
        assert!(is_refused(&[&[0xe9, 0x19][..], &list, &[0]].concat()));
        assert!(is_refused(
            &[&[0xe9, 0x1c, 0xe9][..], &list, &[0, 0]].concat()
        ));
        // A short one hides what follows it.
        assert!(is_refused(&[0xe9, 0x11, 1, 0]));
        assert!(!is_refused(&[0xe9, 0x01, 0]));
        // The value of a field is its type.
        assert!(!is_refused(&[&[0xf1; 200][..], &[0]].concat()));
    }

    /// Otherwise a list of booleans could be where only the library looks for one.
    #[test]
    fn a_footer_that_the_library_reads_in_another_way_is_refused() {
        let cases: [&[u8]; 14] = [
            // The version as a text, the number of rows as a 32-bit number, the writer as a number.
            &[0x18, 2, 0xe9, 0xf2, 0],
            &[0x35, 2, 0],
            &[0x65, 2, 0],
            // The schema as a text, as a set, and as lists of numbers, of nothing and of booleans.
            &[0x28, 2, 0xe9, 0xf2, 0],
            &[0x2a, 0x1c, 0, 0],
            &[0x29, 0x15, 2, 0],
            &[0x29, 0, 0],
            &[0x29, 0x11, 1, 0],
            // In an element of the schema, its logical type as a number, and one with a text in place of a
            // structure.
            &[0x29, 0x1c, 0xa5, 2, 0, 0],
            &[0x29, 0x1c, 0xac, 0x18, 1, 0, 0, 0, 0],
            // In a row group, the descending order of a column as a text.
            &[0x49, 0x1c, 0x49, 0x1c, 0x28, 1, 0, 0, 0, 0],
            // In a column chunk, the encodings as texts.
            &[0x49, 0x1c, 0x19, 0x1c, 0x3c, 0x29, 0x18, 1, 0, 0, 0, 0, 0],
            // Field 65,537, and a number of eleven bytes.
            &[0x05, 0x82, 0x80, 0x08, 2, 0],
            &[
                0xe5, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0, 0,
            ],
        ];
        for footer in cases {
            assert!(is_refused(footer), "{footer:02x?}");
        }
        let sound: [&[u8]; 4] = [
            &[0x15, 2, 0x26, 2, 0x38, 1, b'a', 0],
            &[0x29, 0x1c, 0xac, 0x1c, 0, 0, 0, 0],
            &[0x49, 0x1c, 0x49, 0x1c, 0x21, 0, 0, 0],
            &[0x49, 0x1c, 0x19, 0x1c, 0x3c, 0x29, 0x15, 1, 0, 0, 0, 0],
        ];
        for footer in sound {
            assert!(!is_refused(footer), "{footer:02x?}");
        }
    }

    #[test]
    fn a_footer_that_ends_early_is_refused() {
        let footer = [0x15, 2, 0x19, 0x1c, 0x48, 1, b'a', 0, 0];
        assert!(!is_refused(&footer));
        for length in 0..footer.len() {
            assert!(is_refused(&footer[..length]), "{length}");
        }
    }

    /// A footer with a schema whose elements state these numbers of children.
    fn with_schema(children: &[u8]) -> Vec<u8> {
        let count = u8::try_from(children.len()).unwrap();
        assert!((15..0x80).contains(&count));
        let element = |children: &u8| [0x48, 1, b'a', 0x15, children << 1, 0];
        let elements: Vec<u8> = children.iter().flat_map(element).collect();
        [&[0x29, 0xfc, count][..], &elements, &[0]].concat()
    }

    #[test]
    fn a_schema_that_the_library_does_not_survive_is_refused() {
        let deep = |levels: usize| [&vec![1; levels - 1][..], &[0]].concat();
        assert!(!is_refused(&with_schema(&deep(MOST_LEVELS))));
        assert!(is_refused(&with_schema(&deep(MOST_LEVELS + 1))));
        // Fifty fields, and forty structures with a field.
        let flat = [&[50][..], &[0; 50]].concat();
        assert!(!is_refused(&with_schema(&flat)));
        let pairs = [40]
            .into_iter()
            .chain([1, 0].repeat(40))
            .collect::<Vec<_>>();
        assert!(!is_refused(&with_schema(&pairs)));
        // More fields than there are.
        assert!(is_refused(&with_schema(&flat[..50])));
        // Two billion, and two numbers that the library cuts to 32 bits, one of them negative.
        for number in [
            &[0xfe, 0xff, 0xff, 0xff, 0x0f][..],
            &[0xfe, 0xff, 0xff, 0xff, 0x7f],
            &[0xff, 0xff, 0xff, 0xff, 0x1f],
        ] {
            let element = [&[0x48, 1, b'a', 0x15][..], number, &[0]].concat();
            assert!(is_refused(&[&[0x29, 0x1c][..], &element, &[0]].concat()));
        }
    }

    #[test]
    fn an_encrypted_footer_is_named() {
        let error = check_footer(&Bytes::from_static(b"PAR1\0\x01\0\0\0PARE")).unwrap_err();
        assert!(error.to_string().ends_with("the footer is encrypted"));
    }

    #[test]
    fn a_file_without_a_footer_is_left_to_the_library() {
        for bytes in [&b""[..], b"PAR1", b"PAR1\xff\xff\xff\xffPAR1"] {
            assert!(check_footer(&Bytes::copy_from_slice(bytes)).is_ok());
        }
    }

    proptest! {
        #[test]
        fn prop_any_footer_is_passed_over(
            footer in proptest::collection::vec(any::<u8>(), 0..2_000)
        ) {
            let _ = is_refused(&footer);
        }
    }
}

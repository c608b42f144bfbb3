//! Refuses a Parquet file whose footer would keep the Parquet library busy for hours.

use parquet::errors::{ParquetError, Result};
use parquet::file::reader::ChunkReader;

use super::thrift::{Compact, Refused, STRUCT};

/// Length of the footer, and the magic number.
const TAIL_BYTES: u64 = 8;
/// What is nested deeper is left to the library, which has this limit too.
const MOST_LEVELS: u8 = 64;

/// Refuses a file whose footer has a list of booleans. What else is wrong with it is found by the library.
///
/// # Errors
/// When it is refused, or the file cannot be read.
pub fn check_footer(file: &impl ChunkReader) -> Result<()> {
    let Some(tail) = file.len().checked_sub(TAIL_BYTES) else {
        return Ok(());
    };
    let length = file.get_bytes(tail, 4)?;
    let length = length.first_chunk().map_or(0, |l| u32::from_le_bytes(*l));
    let (Some(start), Ok(length)) = (tail.checked_sub(u64::from(length)), usize::try_from(length))
    else {
        return Ok(());
    };
    let footer = file.get_bytes(start, length)?;
    match Compact::new(&footer).skip(STRUCT, MOST_LEVELS) {
        Err(Refused::Booleans) => Err(ParquetError::General(
            "the footer has a list of booleans, which no Parquet file has there".to_owned(),
        )),
        Ok(()) | Err(Refused::EndsEarly | Refused::Unreadable) => Ok(()),
    }
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
        assert!(!is_refused(&[&[0x11; 200][..], &[0]].concat()));
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

//! Fixed-size CTP text (`TThostFtdc…Type` = `char[N]`): bytes up to the first NUL, rest zeroed.
//!
//! CTP ids and times are ASCII, but a struct may carry anything (field guide 4.2). The type
//! therefore holds bytes and promises no encoding.

use std::borrow::Cow;
use std::fmt;

/// Bytes of a CTP `char[N]` up to the first NUL; what follows the NUL is not part of the value.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[repr(transparent)]
pub struct Text<const N: usize>([u8; N]);

/// The bytes do not fit the `char[N]` of the field.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{len} bytes of text do not fit a field of {capacity}")]
pub struct TextTooLong {
    /// Bytes offered.
    pub len: usize,
    /// Bytes that the field can hold.
    pub capacity: usize,
}

impl<const N: usize> Text<N> {
    /// The empty text.
    pub const EMPTY: Self = Self([0; N]);

    /// Takes the bytes of a C array as the library delivered them and forgets what follows the
    /// first NUL.
    #[must_use]
    pub fn from_array(mut bytes: [u8; N]) -> Self {
        if let Some(end) = bytes.iter().position(|&b| b == 0) {
            bytes[end..].fill(0);
        }
        Self(bytes)
    }

    /// Copies `bytes` up to their first NUL.
    ///
    /// # Errors
    /// [`TextTooLong`] when more than `N` bytes precede the first NUL.
    #[inline]
    pub fn new(bytes: &[u8]) -> Result<Self, TextTooLong> {
        let end = bytes.iter().position(|&b| b == 0).unwrap_or(bytes.len());
        let mut text = Self::EMPTY;
        let Some(target) = text.0.get_mut(..end) else {
            return Err(TextTooLong {
                len: end,
                capacity: N,
            });
        };
        target.copy_from_slice(&bytes[..end]);
        Ok(text)
    }

    /// The bytes before the first NUL.
    #[inline]
    #[must_use]
    pub fn as_bytes(&self) -> &[u8] {
        let end = self.0.iter().position(|&b| b == 0).unwrap_or(N);
        &self.0[..end]
    }

    /// The whole array, zero after the text.
    #[must_use]
    pub const fn as_array(&self) -> &[u8; N] {
        &self.0
    }

    /// Whether there is no text at all.
    #[inline]
    #[must_use]
    pub const fn is_empty(&self) -> bool {
        self.0[0] == 0
    }

    /// The text for display: ASCII as it is, anything else replaced where it is not UTF-8.
    #[must_use]
    pub fn to_string_lossy(&self) -> Cow<'_, str> {
        String::from_utf8_lossy(self.as_bytes())
    }
}

impl<const N: usize> Default for Text<N> {
    fn default() -> Self {
        Self::EMPTY
    }
}

impl<const N: usize> fmt::Debug for Text<N> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "\"{}\"", self.as_bytes().escape_ascii())
    }
}

impl<const N: usize> fmt::Display for Text<N> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(&self.to_string_lossy())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bytes_after_the_first_nul_are_not_part_of_the_value() {
        let stale = Text::from_array(*b"rb2601\0xx");
        assert_eq!(stale, Text::new(b"rb2601").unwrap());
        assert_eq!(stale.as_bytes(), b"rb2601");
    }

    #[test]
    fn an_array_without_nul_is_text_to_its_end() {
        let full = Text::from_array(*b"20260105!");
        assert_eq!(full.as_bytes(), b"20260105!");
    }

    #[test]
    fn text_that_does_not_fit_is_refused_with_both_sizes() {
        assert_eq!(
            Text::<4>::new(b"SHFE!"),
            Err(TextTooLong {
                len: 5,
                capacity: 4
            })
        );
        assert_eq!(Text::<4>::new(b"SHFE").unwrap().as_bytes(), b"SHFE");
    }
}

//! Text of a dump for people: header names, member names and messages.

use std::borrow::Cow;

use encoding_rs::GB18030;

/// Text as its recorder meant it: UTF-8, or GBK as Chinese Windows writes it.
///
/// Bytes that are neither become replacement characters.
pub(crate) fn decode(bytes: &[u8]) -> Cow<'_, str> {
    match std::str::from_utf8(bytes) {
        Ok(text) => Cow::Borrowed(text),
        Err(_) => GB18030.decode_without_bom_handling(bytes).0,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn utf8_and_gbk_read_the_same() {
        assert_eq!(decode("交易日".as_bytes()), "交易日");
        assert_eq!(decode(b"\xbd\xbb\xd2\xd7\xc8\xd5"), "交易日");
        assert_eq!(decode(b"TradingDay"), "TradingDay");
    }
}

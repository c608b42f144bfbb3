//! The vendor's text encoding: messages and names are GBK, a part of GB18030 (field guide 7).
//!
//! Decoding needs no locale of the machine.

use encoding_rs::GB18030;

use crate::text::Text;

/// Decodes the bytes of a text field. What is not GB18030 becomes U+FFFD; a character that the
/// end of a fixed-size field cut in half is dropped.
#[must_use]
pub fn decode(bytes: &[u8]) -> String {
    let mut decoder = GB18030.new_decoder_without_bom_handling();
    let mut text = String::with_capacity(decoder.max_utf8_buffer_length(bytes.len()).unwrap_or(0));
    // "Not the last piece": a lead byte at the end stays pending instead of becoming U+FFFD.
    let _ = decoder.decode_to_string(bytes, &mut text, false);
    text
}

/// Encodes for a field of `N` bytes: as many whole characters as fit before a final NUL.
#[must_use]
pub fn encode<const N: usize>(text: &str) -> Text<N> {
    let mut field = [0; N];
    let mut end = 0;
    let mut one = [0; 4];
    for character in text.chars().take_while(|&character| character != '\0') {
        let (bytes, ..) = GB18030.encode(character.encode_utf8(&mut one));
        let Some(target) = field.get_mut(end..end + bytes.len()) else {
            break;
        };
        if end + bytes.len() >= N {
            break;
        }
        target.copy_from_slice(&bytes);
        end += bytes.len();
    }
    Text::from_array(field)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// "不合法的登录", the example of field guide 7.
    const INVALID_LOGIN: &[u8] = b"\xb2\xbb\xba\xcf\xb7\xa8\xb5\xc4\xb5\xc7\xc2\xbc";

    #[test]
    fn a_message_is_decoded_without_any_locale() {
        assert_eq!(decode(INVALID_LOGIN), "不合法的登录");
        assert_eq!(decode(b"CTP:No Error"), "CTP:No Error");
        assert_eq!(decode(b""), "");
    }

    #[test]
    fn a_character_cut_in_half_at_the_end_is_dropped() {
        assert_eq!(decode(&INVALID_LOGIN[..11]), "不合法的登");
        assert_eq!(decode(&INVALID_LOGIN[..1]), "");
    }

    #[test]
    fn bytes_that_are_no_text_are_replaced_and_not_fatal() {
        assert_eq!(decode(b"a\xffb"), "a\u{fffd}b");
    }

    #[test]
    fn encoding_keeps_whole_characters_and_a_final_nul() {
        assert_eq!(encode::<81>("不合法的登录").as_bytes(), INVALID_LOGIN);
        assert_eq!(encode::<6>("不合法").as_bytes(), &INVALID_LOGIN[..4]);
        assert_eq!(encode::<5>("不合法").as_bytes(), &INVALID_LOGIN[..4]);
        assert_eq!(encode::<4>("abcd").as_bytes(), b"abc");
    }
}

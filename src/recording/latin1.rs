//! Text of CTP fields as Parquet text, and back.

use tickdeck_core::event::Text;

/// Text of a CTP field as Parquet text. Each byte becomes the character of the same number
/// (Latin-1), so that any bytes become valid UTF-8 and ASCII stays unchanged.
pub(super) fn text_to_utf8(bytes: &[u8]) -> String {
    bytes.iter().map(|&byte| char::from(byte)).collect()
}

/// The reverse of [`text_to_utf8`]; `None` for text that it cannot have written.
pub(super) fn utf8_to_text<const N: usize>(text: &str) -> Option<Text<N>> {
    if text.is_ascii() {
        return Text::new(text.as_bytes()).ok();
    }
    let bytes: Option<Vec<u8>> = text.chars().map(|c| u8::try_from(c).ok()).collect();
    Text::new(&bytes?).ok()
}

//! Values as text that reads back to the same bits.

/// Appends the shortest text that reads back to `value`, and nothing that JSON could not take;
/// `None` when there is no such text: NaN and the infinities.
pub(super) fn push_finite(out: &mut Vec<u8>, value: f64) -> Option<()> {
    if !value.is_finite() {
        return None;
    }
    let mut buffer = zmij::Buffer::new();
    let text = buffer.format_finite(value);
    if value.abs() > 1.79e308 && value.abs() < f64::MAX {
        // `1.79769e308` is how others round DBL_MAX and is read as that (see the import's number
        // rules). A zero after the digits means the number itself.
        if let Some((mantissa, exponent)) = text.split_once('e') {
            out.extend_from_slice(mantissa.as_bytes());
            out.extend_from_slice(b"0e");
            out.extend_from_slice(exponent.as_bytes());
            return Some(());
        }
    }
    out.extend_from_slice(text.as_bytes());
    Some(())
}

/// Appends the word for a NaN or an infinity. A NaN with other bits than [`f64::NAN`] names them.
pub(super) fn push_non_finite(out: &mut Vec<u8>, value: f64) {
    let text = if value == f64::INFINITY {
        "inf".to_owned()
    } else if value == f64::NEG_INFINITY {
        "-inf".to_owned()
    } else if value.to_bits() == f64::NAN.to_bits() {
        "NaN".to_owned()
    } else {
        format!("NaN:{:016x}", value.to_bits())
    };
    out.extend_from_slice(text.as_bytes());
}

/// Appends any number.
pub(super) fn push_f64(out: &mut Vec<u8>, value: f64) {
    if push_finite(out, value).is_none() {
        push_non_finite(out, value);
    }
}

/// Appends an integer.
pub(super) fn push_int(out: &mut Vec<u8>, value: impl itoa::Integer) {
    out.extend_from_slice(itoa::Buffer::new().format(value).as_bytes());
}

/// Appends bytes as UTF-8 text in which each byte is the character of that number.
pub(super) fn push_latin1(out: &mut Vec<u8>, byte: u8) {
    let mut utf8 = [0; 2];
    out.extend_from_slice(char::from(byte).encode_utf8(&mut utf8).as_bytes());
}

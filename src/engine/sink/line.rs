//! What a line of a payload stream can hold: the subject, one space, the payload.
//!
//! For readers, and for writers of messages that tickdeck did not encode.

use super::MessageRef;

/// Whether a message can be a line of the stream and read back unchanged.
#[must_use]
pub fn is_line(message: MessageRef<'_>) -> bool {
    let payload = message.payload;
    is_line_subject(message.subject)
        && !payload.contains(&b'\n')
        && !payload.contains(&b'\r')
        && std::str::from_utf8(payload).is_ok()
}

/// Whether a line can begin with this subject: no space ends it early, and it is not taken for
/// JSON or other data.
#[must_use]
pub fn is_line_subject(subject: &[u8]) -> bool {
    let is_json = matches!(subject.first(), Some(b'{' | b'"' | b'['));
    let is_blank = |byte: &u8| byte.is_ascii_control() || *byte == b' ';
    !subject.is_empty() && !is_json && !subject.iter().any(is_blank)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_holds_what_can_be_read_back_from_it() {
        for (subject, payload, expected) in [
            (&b"a.b"[..], &b"{\"x\":1}"[..], true),
            (b"a.b", b"", true),
            (b"a.b", b"two words", true),
            (b"a.{b", b"{}", true),
            ("a.\u{4ef7}".as_bytes(), "\u{4ef7}".as_bytes(), true),
            (b"a.b", b"{\n}", false),
            (b"a.b", b"{}\r", false),
            (b"a.b", b"\xff", false),
            (b"", b"{}", false),
            (b"a b", b"{}", false),
            (b"{a.b", b"{}", false),
            (b"\"a.b", b"{}", false),
            (b"[a.b", b"{}", false),
            (b"a.\x01b", b"{}", false),
            (b"a.b\x7f", b"{}", false),
            (b"a\tb", b"{}", false),
        ] {
            let message = MessageRef { subject, payload };
            assert_eq!(is_line(message), expected, "{message:?}");
        }
    }
}

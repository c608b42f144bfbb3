//! A payload as its top-level members: finds differences between two, and omits members.
//!
//! Nothing is allocated: members are slices of the payload, compared as written. A payload that is
//! not a JSON object has no members and is compared as a whole.

use std::ops::Range;
use std::sync::LazyLock;

use memchr::memchr2;
use memchr::memmem::FinderRev;
use rustc_hash::{FxBuildHasher, FxHashMap};
use serde::Serialize;

/// Represents the field of a payload that is not a JSON object.
pub(super) const WHOLE_PAYLOAD: &str = "(payload)";
/// Represents differences outside all fields: key order, blanks, a repeated key.
pub const FORM: &str = "(form)";

/// One member of the object, as it is written.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Member<'a> {
    /// The key without its quotes, escapes as they are.
    pub(super) key: &'a [u8],
    /// The value, quotes included.
    pub(super) value: &'a [u8],
    /// From the key's quote to the end of the value.
    span: Range<usize>,
}

/// The members of a payload in order. Ends early where the text is not an object;
/// [`is_object`](Self::is_object) tells after the last one.
#[derive(Debug, Clone)]
pub(super) struct Members<'a> {
    text: &'a [u8],
    at: usize,
    state: State,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum State {
    Start,
    Inside,
    Ended,
    Broken,
}

impl<'a> Members<'a> {
    pub(super) const fn of(text: &'a [u8]) -> Self {
        Self {
            text,
            at: 0,
            state: State::Start,
        }
    }

    /// Whether the text was an object to its end.
    pub(super) fn is_object(&self) -> bool {
        self.state == State::Ended
    }

    fn blanks(&mut self) {
        while let Some(b' ' | b'\t' | b'\r' | b'\n') = self.text.get(self.at) {
            self.at += 1;
        }
    }

    fn takes(&mut self, byte: u8) -> Option<()> {
        self.blanks();
        (*self.text.get(self.at)? == byte).then(|| self.at += 1)
    }

    /// Passes a string whose opening quote is next; its text.
    fn string(&mut self) -> Option<&'a [u8]> {
        self.takes(b'"')?;
        let start = self.at;
        loop {
            let found = memchr2(b'"', b'\\', self.text.get(self.at..)?)?;
            self.at += found;
            if self.text[self.at] == b'"' {
                let text = &self.text[start..self.at];
                self.at += 1;
                return Some(text);
            }
            // The escaped character.
            self.at += 2;
        }
    }

    fn value(&mut self) -> Option<&'a [u8]> {
        self.blanks();
        let start = self.at;
        match self.text.get(start)? {
            b'"' => {
                self.string()?;
            }
            b'{' | b'[' => self.nested()?,
            _ => {
                let rest = &self.text[start..];
                let end = rest
                    .iter()
                    .position(|byte| matches!(byte, b',' | b'}' | b' ' | b'\t' | b'\r' | b'\n'))?;
                if end == 0 {
                    return None;
                }
                self.at += end;
            }
        }
        Some(&self.text[start..self.at])
    }

    fn nested(&mut self) -> Option<()> {
        let mut depth = 0_u32;
        loop {
            match self.text.get(self.at)? {
                b'"' => {
                    self.string()?;
                    continue;
                }
                b'{' | b'[' => depth += 1,
                b'}' | b']' => depth -= 1,
                _ => {}
            }
            self.at += 1;
            if depth == 0 {
                return Some(());
            }
        }
    }

    fn member(&mut self) -> Option<Member<'a>> {
        self.blanks();
        let start = self.at;
        let key = self.string()?;
        self.takes(b':')?;
        let value = self.value()?;
        Some(Member {
            key,
            value,
            span: start..self.at,
        })
    }

    /// Passes the next member when it is written exactly as `member` is in `text`; otherwise
    /// nothing happens.
    #[inline]
    fn passes_same(&mut self, member: &Member<'_>, text: &[u8]) -> bool {
        // The brace or comma before it, and a byte that ends the value.
        let Some(written) = text.get(member.span.start.wrapping_sub(1)..member.span.end) else {
            return false;
        };
        let rest = self.text.get(self.at..).unwrap_or_default();
        let follows = rest.get(written.len());
        let is_begun = match self.state {
            State::Start => written.starts_with(b"{"),
            State::Inside => written.starts_with(b","),
            State::Ended | State::Broken => false,
        };
        let is_same = is_begun && rest.starts_with(written) && matches!(follows, Some(b',' | b'}'));
        if is_same {
            self.at += written.len();
            self.state = State::Inside;
        }
        is_same
    }

    /// The closing brace and nothing after it.
    fn end(&mut self) -> Option<()> {
        self.takes(b'}')?;
        self.blanks();
        self.state = match self.at == self.text.len() {
            true => State::Ended,
            false => State::Broken,
        };
        Some(())
    }
}

impl<'a> Iterator for Members<'a> {
    type Item = Member<'a>;

    #[inline]
    fn next(&mut self) -> Option<Member<'a>> {
        let before = match self.state {
            State::Start => b'{',
            State::Inside => b',',
            State::Ended | State::Broken => return None,
        };
        if self.state == State::Inside && self.end().is_some() {
            return None;
        }
        if self.takes(before).is_none() {
            self.state = State::Broken;
            return None;
        }
        if self.state == State::Start && self.end().is_some() {
            return None;
        }
        let member = self.member();
        self.state = match member {
            Some(_) => State::Inside,
            None => State::Broken,
        };
        member
    }
}

/// The number in a payload's `seq`, which the encoder writes near the end.
pub(super) fn seq_of(payload: &[u8]) -> Option<u64> {
    const KEY: &[u8] = b",\"seq\":";
    static FINDER: LazyLock<FinderRev<'static>> = LazyLock::new(|| FinderRev::new(KEY));
    let at = FINDER.rfind(payload)? + KEY.len();
    let digits = payload[at..]
        .iter()
        .take_while(|byte| byte.is_ascii_digit());
    let mut number: Option<u64> = None;
    for digit in digits {
        let before = number.unwrap_or(0).checked_mul(10)?;
        number = Some(before.checked_add(u64::from(digit - b'0'))?);
    }
    number
}

/// Appends `payload` without the members whose keys `is_left_out` names; as it is when it is not
/// an object.
pub(super) fn push_without(
    out: &mut Vec<u8>,
    payload: &[u8],
    mut is_left_out: impl FnMut(&[u8]) -> bool,
) {
    let start = out.len();
    out.push(b'{');
    let mut members = Members::of(payload);
    for member in members.by_ref() {
        if is_left_out(member.key) {
            continue;
        }
        if out.len() > start + 1 {
            out.push(b',');
        }
        out.extend_from_slice(&payload[member.span]);
    }
    out.push(b'}');
    if !members.is_object() {
        out.truncate(start);
        out.extend_from_slice(payload);
    }
}

/// A payload without the members whose keys are in `fields`.
#[must_use]
pub fn without_fields(payload: &str, fields: &[String]) -> String {
    let mut out = Vec::with_capacity(payload.len());
    let is_left_out = |key: &[u8]| fields.iter().any(|field| field.as_bytes() == key);
    push_without(&mut out, payload.as_bytes(), is_left_out);
    String::from_utf8_lossy(&out).into_owned()
}

/// One field of a pair of payloads; a side without the field is `None`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct FieldChange {
    /// The key.
    pub field: String,
    /// What the golden, or the first input, has.
    pub before: Option<String>,
    /// What there is now, or what the second input has.
    pub after: Option<String>,
}

/// Calls `found` with key, old and new value of everything that differs, in the order of the first
/// payload, what only the second one has at the end. Payloads that differ in nothing else, or in a
/// key that is repeated, differ in [`FORM`].
pub(super) fn each_change<'a>(
    before: &'a [u8],
    after: &'a [u8],
    mut found: impl FnMut(&'a [u8], Option<&'a [u8]>, Option<&'a [u8]>),
) {
    let (mut old, mut new) = (Members::of(before), Members::of(after));
    let mut is_explained = false;
    let mut tell = |key, old, new| {
        is_explained = true;
        found(key, old, new);
    };
    // As long as the keys run side by side nothing is looked up.
    let mut side_by_side = 0;
    let runs_apart = loop {
        let old_member = old.next();
        if let Some(member) = &old_member
            && new.passes_same(member, before)
        {
            side_by_side += 1;
            continue;
        }
        match (old_member, new.next()) {
            (Some(old), Some(new)) if old.key == new.key => {
                if old.value != new.value {
                    tell(old.key, Some(old.value), Some(new.value));
                }
                side_by_side += 1;
            }
            (None, None) => break false,
            _ => break true,
        }
    };
    old.by_ref().for_each(drop);
    new.by_ref().for_each(drop);
    if !old.is_object() || !new.is_object() {
        if before != after {
            found(WHOLE_PAYLOAD.as_bytes(), Some(before), Some(after));
        }
        return;
    }
    let is_other_form = runs_apart && {
        let (olds, news) = (Keys::of(before), Keys::of(after));
        for key in olds
            .order
            .iter()
            .filter(|key| olds.first[*key].0 >= side_by_side)
        {
            let (value, now) = (
                olds.first[key].1,
                news.first.get(key).map(|(_, value)| *value),
            );
            if now != Some(value) {
                tell(key, Some(value), now);
            }
        }
        for key in news
            .order
            .iter()
            .filter(|key| !olds.first.contains_key(*key))
        {
            tell(key, None, Some(news.first[key].1));
        }
        olds.again != news.again
    };
    if is_other_form || (!is_explained && before != after) {
        found(FORM.as_bytes(), Some(before), Some(after));
    }
}

/// The members of a payload by key. Of a key that is there twice the first one counts.
struct Keys<'a> {
    order: Vec<&'a [u8]>,
    /// Place among the members, and value.
    first: FxHashMap<&'a [u8], (usize, &'a [u8])>,
    /// The others.
    again: Vec<(&'a [u8], &'a [u8])>,
}

impl<'a> Keys<'a> {
    fn of(payload: &'a [u8]) -> Self {
        // As many as a payload usually has.
        const ROOM: usize = 64;
        let mut keys = Self {
            order: Vec::with_capacity(ROOM),
            first: FxHashMap::with_capacity_and_hasher(ROOM, FxBuildHasher),
            again: Vec::new(),
        };
        for (place, Member { key, value, .. }) in Members::of(payload).enumerate() {
            if keys.first.contains_key(key) {
                keys.again.push((key, value));
            } else {
                keys.first.insert(key, (place, value));
                keys.order.push(key);
            }
        }
        keys
    }
}

/// What differs, as text.
pub(super) fn changes(before: &[u8], after: &[u8]) -> Vec<FieldChange> {
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    let mut changes = Vec::new();
    each_change(before, after, |field, old, new| {
        changes.push(FieldChange {
            field: text(field),
            before: old.map(text),
            after: new.map(text),
        });
    });
    changes
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn without(payload: &str, fields: &[&str]) -> String {
        let fields: Vec<String> = fields.iter().map(|&field| field.to_owned()).collect();
        without_fields(payload, &fields)
    }

    fn changed(before: &str, after: &str) -> Vec<(String, Option<String>, Option<String>)> {
        let changes = changes(before.as_bytes(), after.as_bytes());
        let change = |change: FieldChange| (change.field, change.before, change.after);
        changes.into_iter().map(change).collect()
    }

    #[test]
    fn only_top_level_fields_are_removed() {
        let payload = r#"{"a":1,"seq":2,"deep":{"seq":3},"text":"\",\"seq\":4","flags":["x"]}"#;
        assert_eq!(
            without(payload, &["seq", "flags"]),
            r#"{"a":1,"deep":{"seq":3},"text":"\",\"seq\":4"}"#
        );
        assert_eq!(without(payload, &["a"]), payload.replace("\"a\":1,", ""));
        assert_eq!(without(payload, &["none"]), payload);
        assert_eq!(without(r#"{"seq":1}"#, &["seq"]), "{}");
        assert_eq!(without("{}", &["seq"]), "{}");
    }

    #[test]
    fn what_is_no_object_stays_as_it_is() {
        for text in [
            "",
            "7",
            "[1]",
            r#"{"a":1"#,
            r#"{"a"}"#,
            r#"{"a":1}x"#,
            r#"{"a":}"#,
        ] {
            assert_eq!(without(text, &["a"]), text);
        }
    }

    #[test]
    fn a_change_a_loss_and_a_gain_are_told_apart() {
        let before = r#"{"a":1,"b":2.0,"c":"x"}"#;
        assert_eq!(changed(before, before), []);
        assert_eq!(
            changed(before, r#"{"a":1,"b":2.5,"c":"x"}"#),
            [("b".into(), Some("2.0".into()), Some("2.5".into()))]
        );
        assert_eq!(
            changed(before, r#"{"a":1,"c":"y","d":[]}"#),
            [
                ("b".into(), Some("2.0".into()), None),
                ("c".into(), Some("\"x\"".into()), Some("\"y\"".into())),
                ("d".into(), None, Some("[]".into())),
            ]
        );
        // Blanks change no field, and a value may begin as another one does.
        let blanks = r#"{ "a":1 , "b" :2.0, "c":"x" }"#;
        let form = (FORM.into(), Some(before.into()), Some(blanks.into()));
        assert_eq!(changed(before, blanks), [form]);
        assert_eq!(changed(r#"{"a":1}"#, r#"{"a":12}"#)[0].0, "a");
        assert_eq!(changed("7", "8")[0].0, WHOLE_PAYLOAD);
        assert_eq!(changed("7", "7"), []);
    }

    #[test]
    fn a_repeated_key_is_another_form_and_no_new_field() {
        let names = |before: &str, after: &str| -> Vec<String> {
            let changed = changed(before, after);
            changed.into_iter().map(|(field, ..)| field).collect()
        };
        let once = r#"{"v":1,"w":2,"x":3}"#;
        for twice in [
            r#"{"v":1,"v":5,"w":2,"x":3}"#,
            r#"{"v":1,"w":2,"x":3,"v":5}"#,
            r#"{"v":1,"w":2,"x":3,"v":1}"#,
        ] {
            assert_eq!(names(once, twice), [FORM], "{twice}");
            assert_eq!(names(twice, once), [FORM], "{twice}");
            assert!(names(twice, twice).is_empty());
        }
        let other = r#"{"v":1,"v":5,"w":9,"x":3}"#;
        assert_eq!(names(once, other), ["w", FORM]);
        // The same on both sides is not a difference.
        assert_eq!(names(r#"{"v":1,"v":5,"w":9}"#, r#"{"v":1,"v":5}"#), ["w"]);
        assert_eq!(names(r#"{"w":9,"v":1,"v":5}"#, r#"{"v":1,"v":5}"#), ["w"]);
    }

    #[test]
    fn the_seq_is_read_from_the_end() {
        assert_eq!(seq_of(br#"{"a":1,"seq":41,"source":"ctp"}"#), Some(41));
        assert_eq!(seq_of(br#"{"a":1}"#), None);
        assert_eq!(seq_of(br#"{"a":1,"seq":"x"}"#), None);
        assert_eq!(seq_of(br#"{"a":1,"seq":99999999999999999999}"#), None);
    }

    proptest! {
        #[test]
        fn prop_members_are_those_that_serde_json_reads(
            members in proptest::collection::btree_map("[a-z\"\\\\ ]{1,6}", ".{0,8}", 0..8),
            gone in "[a-z]{1}",
        ) {
            let text = serde_json::to_string(&members).unwrap();
            let mut read = Members::of(text.as_bytes());
            let count = read.by_ref().count();
            prop_assert!(read.is_object());
            prop_assert_eq!(count, members.len());
            let mut rest = members.clone();
            rest.remove(&gone);
            prop_assert_eq!(without(&text, &[&gone]), serde_json::to_string(&rest).unwrap());
        }

        #[test]
        fn prop_what_differs_is_what_serde_json_sees(
            before in proptest::collection::btree_map("[a-c]{1,2}", "[,\"}x]{0,2}", 0..5),
            after in proptest::collection::btree_map("[a-c]{1,2}", "[,\"}x]{0,2}", 0..5),
        ) {
            let texts = [&before, &after].map(|map| serde_json::to_string(map).unwrap());
            let mut found: Vec<String> = changed(&texts[0], &texts[1])
                .into_iter()
                .map(|(field, ..)| field)
                .collect();
            found.sort();
            let keys: std::collections::BTreeSet<&String> = before.keys().chain(after.keys()).collect();
            let expected: Vec<&String> = keys
                .into_iter()
                .filter(|key| before.get(*key) != after.get(*key))
                .collect();
            prop_assert_eq!(found.iter().collect::<Vec<_>>(), expected);
        }

        #[test]
        fn prop_any_bytes_are_read_without_a_panic(bytes: Vec<u8>, other: Vec<u8>) {
            let mut out = Vec::new();
            push_without(&mut out, &bytes, |key| key == b"a");
            let _ = (seq_of(&bytes), changes(&bytes, &other));
        }
    }
}

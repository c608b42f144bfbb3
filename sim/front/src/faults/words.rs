//! How moments and actions are written in a script: a word, or a table with the word and its value.

use std::fmt;
use std::marker::PhantomData;

use serde::de::value::MapAccessDeserializer;
use serde::de::{Deserialize, Deserializer, Error, IntoDeserializer, MapAccess, Visitor};
use serde::ser::Serialize;
use serde_json::Value;

/// A value written as a word, or as a table with the word and its value.
pub(super) trait Words {
    /// The words that need a value, with what it is.
    const VALUES: &'static [(&'static str, &'static str)];
}

/// Parses such words. The error names a word without its value.
pub(super) fn read<'de, T, D>(deserializer: D) -> Result<T, D::Error>
where
    T: Words + Deserialize<'de>,
    D: Deserializer<'de>,
{
    struct Reads<T>(PhantomData<T>);

    impl<'de, T: Words + Deserialize<'de>> Visitor<'de> for Reads<T> {
        type Value = T;

        fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
            f.write_str("a word, or a table with one word and its value")
        }

        fn visit_str<E: Error>(self, word: &str) -> Result<T, E> {
            match T::VALUES.iter().find(|(known, _)| *known == word) {
                Some((_, value)) => Err(E::custom(format!(
                    "`{word}` needs a value: expected {{ {word} = {value} }}"
                ))),
                None => T::deserialize(word.into_deserializer()),
            }
        }

        fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<T, A::Error> {
            let read = T::deserialize(MapAccessDeserializer::new(&mut map))?;
            match map.next_key::<String>()? {
                None => Ok(read),
                Some(word) => Err(A::Error::custom(format!(
                    "`{word}` is one word too many: expected one"
                ))),
            }
        }
    }

    deserializer.deserialize_any(Reads(PhantomData))
}

/// Such words as a script has them.
pub(super) fn in_script(words: &impl Serialize) -> String {
    // Enums of numbers and texts: nothing in them cannot be written.
    inline(&serde_json::to_value(words).unwrap_or_default())
}

/// A value as TOML on one line.
fn inline(value: &Value) -> String {
    let Value::Object(table) = value else {
        // Numbers and texts are written alike in both languages.
        return value.to_string();
    };
    let pairs = table.iter().map(|(key, value)| match value.as_i64() {
        // Reasons are known by their hexadecimal numbers.
        Some(reason) if key == "disconnect" && reason >= 0 => format!("{key} = {reason:#06x}"),
        _ => format!("{key} = {}", inline(value)),
    });
    format!("{{ {} }}", pairs.collect::<Vec<_>>().join(", "))
}

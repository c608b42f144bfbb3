//! Choosing from a list of contracts.

use std::collections::BTreeSet;

use super::symbols::{SymbolGlobError, SymbolGlobs, is_pattern};
use crate::contract::Contract;

/// Instruments that were chosen from a list.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Chosen {
    /// Their ids, in the order of the texts that name them, each once.
    pub ids: Vec<String>,
    /// The texts that match nothing in the list.
    pub unmatched: Vec<String>,
}

/// Whether a text names instruments of a list: a pattern, or an id with its exchange. Any other text is
/// an id that need not be in the list.
#[must_use]
pub fn needs_list(text: &str) -> bool {
    is_pattern(text) || text.contains('.')
}

/// Chooses what `texts` name. Texts that need no list are taken as they are.
///
/// # Errors
/// When a pattern is not valid.
pub fn choose(texts: &[String], listed: &[Contract]) -> Result<Chosen, SymbolGlobError> {
    let mut chosen = Chosen::default();
    let mut seen = BTreeSet::new();
    for text in texts {
        if !needs_list(text) {
            chosen.ids.push(text.clone());
            continue;
        }
        let globs = SymbolGlobs::new(&[text])?;
        let is_match = |contract: &&Contract| {
            globs.matches(contract.instrument_id.as_bytes(), Some(contract.exchange))
        };
        let before = chosen.ids.len();
        let matching = listed.iter().filter(is_match);
        chosen
            .ids
            .extend(matching.map(|contract| contract.instrument_id.clone()));
        if chosen.ids.len() == before {
            chosen.unmatched.push(text.clone());
        }
    }
    chosen.ids.retain(|id| seen.insert(id.clone()));
    Ok(chosen)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::contract::ContractTable;

    #[test]
    fn patterns_choose_from_the_list_and_ids_need_none() {
        let table = ContractTable::builtin();
        let listed = ["rb2601", "rb2605", "IF2601"];
        let listed = listed.map(|id| table.resolve(id.as_bytes()).unwrap());
        let of = |texts: &[&str]| {
            let texts: Vec<String> = texts.iter().map(|&text| text.to_owned()).collect();
            let chosen = choose(&texts, &listed).unwrap();
            (chosen.ids.join(" "), chosen.unmatched.join(" "))
        };
        let found = |ids: &str, unmatched: &str| (ids.to_owned(), unmatched.to_owned());
        assert_eq!(of(&["rb*"]), found("rb2601 rb2605", ""));
        assert_eq!(
            of(&["IF2601.CFFEX", "*"]),
            found("IF2601 rb2601 rb2605", "")
        );
        assert_eq!(of(&["zz*", "rb2605", "rb*"]), found("rb2605 rb2601", "zz*"));
        assert_eq!(of(&["ag2612", "rb2601.DCE"]), found("ag2612", "rb2601.DCE"));
        assert!(choose(&["[".to_owned()], &listed).is_err());
    }
}

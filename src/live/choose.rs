//! Which instruments to subscribe: what `CTP_SYMBOL` names first, then what the patterns match.
//!
//! CTP has no wildcard: a pattern needs a list of contracts to be matched against, and the product
//! table is none. Without a list only plain ids can be taken.

use std::collections::BTreeSet;

use crate::contract::{Contract, Exchange};
use crate::event::InstrumentId;

/// What was chosen.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Choice {
    /// To subscribe, in this order, each once.
    pub instruments: Vec<InstrumentId>,
    /// Patterns that matched nothing, or could not because there is no list of contracts.
    pub unmatched: Vec<String>,
    /// Ids that were taken as they are and stand in no list.
    pub unlisted: Vec<String>,
}

/// Chooses instruments. `first` come before everything else. A pattern without a wildcard is an id
/// (`rb2601`, or `rb2601.SHFE`) and is taken whether it is listed or not. `matches` says whether a
/// pattern takes an instrument.
#[must_use]
pub fn choose(
    first: &[String],
    patterns: &[String],
    listed: &[Contract],
    matches: &dyn Fn(&str, &[u8], Exchange) -> bool,
) -> Choice {
    let mut choice = Choice::default();
    let mut seen = BTreeSet::new();
    let mut take = |choice: &mut Choice, id: &str| {
        if let Ok(instrument) = InstrumentId::new(id.as_bytes())
            && seen.insert(id.to_owned())
        {
            choice.instruments.push(instrument);
        }
    };
    for id in first {
        take(&mut choice, id);
    }
    let ids: BTreeSet<&str> = listed.iter().map(|c| c.instrument_id.as_str()).collect();
    for pattern in patterns {
        if is_plain(pattern) {
            let id = bare(pattern);
            if !listed.is_empty() && !ids.contains(id) {
                choice.unlisted.push(id.to_owned());
            }
            take(&mut choice, id);
            continue;
        }
        let mut count = 0;
        for contract in listed {
            let id = &contract.instrument_id;
            if matches(pattern, id.as_bytes(), contract.exchange) {
                take(&mut choice, id);
                count += 1;
            }
        }
        if count == 0 {
            choice.unmatched.push(pattern.clone());
        }
    }
    choice
}

/// Whether the pattern names one instrument, so that it needs no list of contracts.
#[must_use]
pub fn is_plain(pattern: &str) -> bool {
    pattern != "all" && !pattern.contains(['*', '?', '[', '{', '\\'])
}

/// The id of `rb2601` or `rb2601.SHFE`.
fn bare(pattern: &str) -> &str {
    match pattern.rsplit_once('.') {
        Some((id, code)) if Exchange::parse(code).is_some() => id,
        _ => pattern,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::contract::ContractTable;

    fn contracts(ids: &[&str]) -> Vec<Contract> {
        let table = ContractTable::builtin();
        let resolve = |id: &&str| table.resolve(id.as_bytes()).unwrap();
        ids.iter().map(resolve).collect()
    }

    /// Prefix patterns, exchange patterns and `all`.
    fn simple(pattern: &str, id: &[u8], exchange: Exchange) -> bool {
        let id = std::str::from_utf8(id).unwrap();
        pattern == "all"
            || pattern.strip_suffix('*').is_some_and(|p| id.starts_with(p))
            || pattern.strip_prefix("*.") == Some(exchange.as_str())
    }

    fn chosen(first: &[&str], patterns: &[&str], listed: &[&str]) -> (Vec<String>, Choice) {
        let owned = |words: &[&str]| words.iter().map(ToString::to_string).collect::<Vec<_>>();
        let choice = choose(&owned(first), &owned(patterns), &contracts(listed), &simple);
        let ids = choice.instruments.iter().map(ToString::to_string).collect();
        (ids, choice)
    }

    #[test]
    fn the_first_ones_come_first_and_everything_once() {
        let listed = ["IF2601", "hc2601", "rb2601", "rb2605"];
        let (ids, choice) = chosen(&["rb2605"], &["rb*", "*.CFFEX", "rb2601.SHFE"], &listed);
        assert_eq!(ids, ["rb2605", "rb2601", "IF2601"]);
        assert!(choice.unmatched.is_empty() && choice.unlisted.is_empty());
        assert_eq!(chosen(&[], &["all"], &listed).0, listed);
    }

    #[test]
    fn a_plain_id_needs_no_list_and_a_pattern_does() {
        let (ids, choice) = chosen(&[], &["rb2601", "MA601.CZCE", "IF*"], &[]);
        assert_eq!(ids, ["rb2601", "MA601"]);
        assert_eq!(choice.unmatched, ["IF*"]);
        let (ids, choice) = chosen(&[], &["rb2610"], &["rb2601"]);
        assert_eq!(
            (ids, choice.unlisted),
            (vec!["rb2610".into()], vec!["rb2610".into()])
        );
    }
}

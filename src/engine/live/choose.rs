//! Which instruments to subscribe: what `CTP_SYMBOL` names first, then what the patterns match.
//!
//! CTP has no wildcard. A pattern is matched against a list of contracts, and the product table is
//! not one. Without a list only plain ids can be subscribed.

use std::collections::BTreeSet;
use std::str::FromStr;

use tickdeck_core::contract::{Contract, Exchange, VtSymbolError, parse_instrument};
use tickdeck_core::event::InstrumentId;
use tickdeck_core::select::is_pattern;

/// An instrument or a pattern to subscribe.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Wanted {
    /// One instrument by its id, which needs no list of contracts, and the exchange if it is named.
    Instrument(String, Option<Exchange>),
    /// Every instrument of the list that matches a pattern.
    Pattern(String),
}

impl Wanted {
    /// Whether it needs a list of contracts.
    #[must_use]
    pub const fn needs_list(&self) -> bool {
        matches!(self, Self::Pattern(_))
    }
}

impl FromStr for Wanted {
    type Err = VtSymbolError;

    /// Reads `rb2601`, `rb2601.SHFE`, or a pattern; surrounding blanks are ignored.
    fn from_str(text: &str) -> Result<Self, VtSymbolError> {
        let text = text.trim();
        if is_pattern(text) {
            return Ok(Self::Pattern(text.to_owned()));
        }
        // A front acknowledges an unknown id, and never reports anything about it.
        parse_instrument(text).map(|(id, exchange)| Self::Instrument(id, exchange))
    }
}

/// The result of a choice.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Choice {
    /// To subscribe, in this order, each once.
    pub instruments: Vec<InstrumentId>,
    /// Patterns that matched nothing, possibly because there is no list of contracts.
    pub unmatched: Vec<String>,
    /// Ids that are subscribed although no list contains them.
    pub unlisted: Vec<String>,
}

/// Chooses instruments: `first`, then what `wanted` takes.
///
/// An instrument that is named by its id is chosen whether it is listed or not. `matches` decides
/// whether a pattern takes an instrument.
#[must_use]
pub fn choose(
    first: &[String],
    wanted: &[Wanted],
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
    for one in wanted {
        let pattern = match one {
            Wanted::Instrument(id, _) => {
                if !listed.is_empty() && !ids.contains(id.as_str()) {
                    choice.unlisted.push(id.clone());
                }
                take(&mut choice, id);
                continue;
            }
            Wanted::Pattern(pattern) => pattern,
        };
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

#[cfg(test)]
mod tests {
    use super::*;
    use tickdeck_core::contract::ContractTable;

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
        let wanted: Vec<Wanted> = patterns.iter().map(|it| it.parse().unwrap()).collect();
        let choice = choose(&owned(first), &wanted, &contracts(listed), &simple);
        let ids = choice.instruments.iter().map(ToString::to_string).collect();
        (ids, choice)
    }

    #[test]
    fn named_instruments_come_first_and_once() {
        let listed = ["IF2601", "hc2601", "rb2601", "rb2605"];
        let (ids, choice) = chosen(&["rb2605"], &["rb*", "*.CFFEX", "rb2601.SHFE"], &listed);
        assert_eq!(ids, ["rb2605", "rb2601", "IF2601"]);
        assert!(choice.unmatched.is_empty() && choice.unlisted.is_empty());
        assert_eq!(chosen(&[], &["all"], &listed).0, listed);
    }

    #[test]
    fn blanks_are_ignored_and_bad_ids_refused() {
        let (ids, _) = chosen(&["rb2605"], &[" IF2601", "RB2610.shfe ", " rb2605"], &[]);
        assert_eq!(ids, ["rb2605", "IF2601", "RB2610"]);
        assert_eq!(" rb* ".parse(), Ok(Wanted::Pattern("rb*".into())));
        for text in ["rb2601.SHEF", "螺纹", "", &"x".repeat(90)] {
            assert!(text.parse::<Wanted>().is_err(), "{text}");
        }
    }

    #[test]
    fn only_patterns_need_a_list() {
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

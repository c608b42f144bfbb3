//! What a live session subscribes: instruments that were named, and those that patterns match in a
//! list of contracts.

use tickdeck_core::contract::{Contract, ContractTable, QueriedContract};
use tickdeck_core::event::InstrumentId;
use tickdeck_core::select::{SymbolGlobError, SymbolGlobs};

use super::choose::{Wanted, choose};
use super::trader::TraderError;

/// The contracts to choose from.
#[derive(Debug)]
pub struct Listing {
    /// The contract table in force, with what the trader front reported.
    pub table: ContractTable,
    /// What patterns are matched against; empty when there is no list.
    pub contracts: Vec<Contract>,
    /// Why the trader front's list is not available.
    pub problem: Option<TraderError>,
}

impl Listing {
    /// The trader front's list. Contracts that the user gave take precedence over it.
    #[must_use]
    pub fn from_front(in_force: &ContractTable, found: &[QueriedContract]) -> Self {
        let products = in_force.products();
        let contracts: Vec<Contract> = found
            .iter()
            .filter_map(|one| one.contract(products))
            .collect();
        tracing::info!(event = "contracts_discovered", contracts = contracts.len());
        let mut table = in_force.clone();
        table.extend(contracts.iter().cloned());
        table.extend(in_force.explicit().cloned());
        Self {
            table,
            contracts,
            problem: None,
        }
    }

    /// The list of a contract file, or an empty one.
    #[must_use]
    pub fn without_front(
        in_force: &ContractTable,
        contracts: Vec<Contract>,
        problem: Option<TraderError>,
    ) -> Self {
        if let Some(error) = &problem {
            tracing::warn!(
                event = "contract_discovery_failed",
                reason = %error,
                "the trader front's contract list is unavailable: using the contract file, if any, \
                 and the product table"
            );
        }
        Self {
            table: in_force.clone(),
            contracts,
            problem,
        }
    }
}

/// Nothing can be subscribed.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum SubscriptionError {
    /// Patterns need a list of contracts, and the trader front's is not available.
    #[error("{patterns} needs the trader front's contract list, which is unavailable")]
    ListUnavailable {
        /// The patterns, comma separated.
        patterns: String,
        /// Why it is not available.
        #[source]
        problem: Box<TraderError>,
    },
    /// Patterns need a list of contracts, and there is no list.
    #[error("{patterns} needs a contract list, and the product table is not one")]
    NoList {
        /// The patterns, comma separated.
        patterns: String,
    },
    /// No contract matches.
    #[error("no contract matches: nothing to subscribe")]
    Nothing,
}

/// Which instruments a session subscribes: some by their ids, others by patterns.
#[derive(Debug, Clone, Default)]
pub struct Subscription {
    first: Vec<String>,
    wanted: Vec<Wanted>,
    /// The patterns of `wanted`, compiled.
    globs: Vec<(String, SymbolGlobs)>,
}

impl Subscription {
    /// The instruments `first`, in this order, then those of `wanted`.
    ///
    /// # Errors
    /// When a pattern is not valid.
    pub fn new(first: Vec<String>, wanted: Vec<Wanted>) -> Result<Self, SymbolGlobError> {
        let patterns = wanted.iter().filter_map(|one| match one {
            Wanted::Instrument(..) => None,
            Wanted::Pattern(pattern) => Some(pattern),
        });
        let globs = patterns
            .map(|pattern| Ok((pattern.clone(), SymbolGlobs::new(&[pattern])?)))
            .collect::<Result<_, _>>()?;
        Ok(Self {
            first,
            wanted,
            globs,
        })
    }

    /// Whether nothing is named at all.
    #[must_use]
    pub const fn is_empty(&self) -> bool {
        self.first.is_empty() && self.wanted.is_empty()
    }

    /// Whether it has patterns, which need a list of contracts.
    #[must_use]
    pub const fn needs_list(&self) -> bool {
        !self.globs.is_empty()
    }

    /// Chooses the instruments from a list.
    ///
    /// # Errors
    /// When nothing can be subscribed.
    pub fn instruments(&self, listing: Listing) -> Result<Vec<InstrumentId>, SubscriptionError> {
        let matches = |pattern: &str, id: &[u8], exchange| {
            let known = self.globs.iter().find(|(known, _)| known == pattern);
            known.is_some_and(|(_, globs)| globs.matches(id, Some(exchange)))
        };
        let choice = choose(&self.first, &self.wanted, &listing.contracts, &matches);
        if !choice.unmatched.is_empty() {
            let patterns = choice.unmatched.join(",");
            if listing.contracts.is_empty() {
                return Err(match listing.problem.map(Box::new) {
                    Some(problem) => SubscriptionError::ListUnavailable { patterns, problem },
                    None => SubscriptionError::NoList { patterns },
                });
            }
            let contracts = listing.contracts.len();
            tracing::warn!(event = "symbols_unmatched", patterns, contracts);
        }
        if !choice.unlisted.is_empty() {
            let ids = choice.unlisted.join(",");
            tracing::warn!(
                event = "symbols_unlisted",
                ids,
                "subscribed although no contract list has it"
            );
        }
        if choice.instruments.is_empty() {
            return Err(SubscriptionError::Nothing);
        }
        Ok(choice.instruments)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn chosen(
        wanted: &str,
        found: &[Contract],
        problem: Option<TraderError>,
    ) -> Result<Vec<InstrumentId>, SubscriptionError> {
        let table = ContractTable::builtin();
        let listing = Listing::without_front(&table, found.to_vec(), problem);
        let wanted = vec![wanted.parse().unwrap()];
        Subscription::new(Vec::new(), wanted)
            .unwrap()
            .instruments(listing)
    }

    #[test]
    fn a_pattern_without_a_list_says_what_is_missing() {
        let error = chosen("rb*", &[], None).unwrap_err();
        assert!(matches!(error, SubscriptionError::NoList { .. }), "{error}");
        let error = chosen("rb*", &[], Some(TraderError::Stopped)).unwrap_err();
        let is_told = matches!(error, SubscriptionError::ListUnavailable { .. });
        assert!(is_told, "{error}");
        let rb = ContractTable::builtin().resolve(b"rb2601").unwrap();
        assert_eq!(chosen("rb*", &[rb], None).unwrap().len(), 1);
        assert_eq!(chosen("rb2601", &[], None).unwrap().len(), 1);
    }

    #[test]
    fn contracts_of_the_user_override_the_front() {
        let mut table = ContractTable::builtin();
        let mut own = table.resolve(b"rb2601").unwrap();
        own.multiplier = Some(7);
        table.extend([own.clone()]);
        let reported = QueriedContract {
            instrument_id: "rb2601".into(),
            exchange_id: "SHFE".into(),
            product_id: "rb".into(),
            product_class: '1',
            volume_multiple: 10,
            price_tick: 1.0,
            instrument_name: String::new(),
        };
        let listing = Listing::from_front(&table, &[reported]);
        assert_eq!(listing.contracts.len(), 1);
        assert_eq!(listing.table.resolve(b"rb2601").unwrap(), own);
    }
}

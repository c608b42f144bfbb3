//! The instruments of an import: ids as CTP writes them, and the exchanges that rows name.
//!
//! A dump may write an id in another form (`TA2309` for CZCE's `TA309`), and may have ids that no
//! exchange lists (`rb888`, a continuous contract). The first are converted. The others keep their
//! id; the user decides whether the exchange of their rows is trusted.

use std::collections::BTreeMap;
use std::sync::Arc;

use rustc_hash::FxHashMap;
use tickdeck_core::contract::{Contract, ContractTable, Exchange};
use tickdeck_core::event::InstrumentId;

use crate::import::row::Row;

/// An instrument whose exchange is in doubt.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DoubtfulInstrument {
    /// The id.
    pub id: String,
    /// The exchange that its first row with one names.
    pub named: Option<Exchange>,
    /// The exchange that the contract table has for the id.
    pub known: Option<Exchange>,
    /// Its rows.
    pub rows: u64,
}

/// What is known of one id.
#[derive(Debug)]
struct Entry {
    /// As CTP writes it.
    id: InstrumentId,
    known: Option<Exchange>,
    multiplier: Option<u32>,
    named: Option<Exchange>,
    rows: u64,
}

/// The instruments of all inputs.
#[derive(Debug)]
pub(crate) struct Instruments {
    contracts: Arc<ContractTable>,
    trust_exchange: bool,
    /// By the id as the dump writes it.
    entries: FxHashMap<InstrumentId, Entry>,
}

impl Instruments {
    pub(crate) fn new(contracts: Arc<ContractTable>, trust_exchange: bool) -> Self {
        Self {
            contracts,
            trust_exchange,
            entries: FxHashMap::default(),
        }
    }

    /// The id as CTP writes it.
    pub(crate) fn ctp_id(&self, id: InstrumentId) -> InstrumentId {
        ctp_id(&self.contracts, id)
    }

    /// Puts the id of a row right and notes its exchange. `fallback` is the instrument of rows that
    /// name none.
    pub(crate) fn complete(&mut self, row: &mut Row, fallback: Option<InstrumentId>) {
        if row.session.is_some() {
            return;
        }
        let tick = &mut row.tick;
        let written = Some(tick.instrument_id).filter(|id| !id.is_empty());
        let Some(written) = written.or(fallback) else {
            return;
        };
        let contracts = &self.contracts;
        let entry = self
            .entries
            .entry(written)
            .or_insert_with(|| Entry::new(contracts, written));
        entry.rows += 1;
        tick.instrument_id = entry.id;
        let exchange = tick.exchange_id.as_bytes();
        if entry.named.is_none() && !exchange.is_empty() {
            entry.named = std::str::from_utf8(exchange).ok().and_then(Exchange::parse);
        }
        if let Some(average) = row.unit_average {
            let exchange = entry.known.or(entry.named);
            tick.average_price = match (exchange, entry.multiplier) {
                // CZCE's average is the one that is per unit in CTP's struct too.
                (Some(Exchange::Czce), _) => average,
                (_, Some(multiplier)) => average * f64::from(multiplier),
                _ => tick.average_price,
            };
        }
    }

    /// Ids that were written in another form, with CTP's: each once, by id.
    pub(crate) fn renamed(&self) -> BTreeMap<String, String> {
        let renamed = self.entries.iter().filter(|(id, entry)| **id != entry.id);
        renamed
            .map(|(id, entry)| (id.to_string(), entry.id.to_string()))
            .collect()
    }

    /// The instruments that are unknown to the contract table, or known on another exchange than
    /// their rows name; by id.
    pub(crate) fn doubtful(&self) -> Vec<DoubtfulInstrument> {
        let mut found: BTreeMap<String, DoubtfulInstrument> = BTreeMap::new();
        for entry in self.entries.values().filter(|entry| entry.is_doubtful()) {
            let id = entry.id.to_string();
            let doubtful = found.entry(id.clone()).or_insert(DoubtfulInstrument {
                id,
                named: entry.named,
                known: entry.known,
                rows: 0,
            });
            doubtful.rows += entry.rows;
        }
        found.into_values().collect()
    }

    /// The contracts whose rows' exchanges are trusted; by id, and none without the option.
    pub(crate) fn trusted(&self) -> Vec<Contract> {
        if !self.trust_exchange {
            return Vec::new();
        }
        let doubtful = self.doubtful();
        let trusted = doubtful.iter().filter_map(|doubtful| {
            Some(trusted_contract(
                &self.contracts,
                &doubtful.id,
                doubtful.named?,
            ))
        });
        trusted.collect()
    }
}

impl Entry {
    fn new(contracts: &ContractTable, written: InstrumentId) -> Self {
        let id = ctp_id(contracts, written);
        let contract = contracts.resolve(id.as_bytes()).ok();
        Self {
            id,
            known: contract.as_ref().map(|contract| contract.exchange),
            multiplier: contract.and_then(|contract| contract.multiplier),
            named: None,
            rows: 0,
        }
    }

    fn is_doubtful(&self) -> bool {
        self.known.is_none() || (self.named.is_some() && self.named != self.known)
    }
}

/// The id as CTP writes it: `TA2309` as `TA309`, `SR2509C5800` as `SR509C5800` (CZCE writes one digit
/// of the year), `rb2605.SHFE` and `SHFE.rb2605` as `rb2605`. Only an id that is none as it stands is
/// changed, and only into one that the contract table has on that exchange.
fn ctp_id(contracts: &ContractTable, id: InstrumentId) -> InstrumentId {
    let exchange_of = |id: &[u8]| contracts.resolve(id).ok().map(|contract| contract.exchange);
    if exchange_of(id.as_bytes()).is_some() {
        return id;
    }
    let (plain, exchange) = match without_exchange(id.as_bytes()) {
        Some((plain, exchange)) => (plain, Some(exchange)),
        None => (id.as_bytes(), None),
    };
    let short = without_decade(plain);
    let short = short.filter(|short| exchange_of(short) == Some(Exchange::Czce));
    let found = short.as_deref().unwrap_or(plain);
    let known = exchange_of(found);
    match InstrumentId::new(found) {
        Ok(found) if known.is_some() && exchange.is_none_or(|named| known == Some(named)) => found,
        _ => id,
    }
}

/// `rb2605.SHFE` or `SHFE.rb2605` taken apart.
fn without_exchange(id: &[u8]) -> Option<(&[u8], Exchange)> {
    let dot = id.iter().position(|byte| *byte == b'.')?;
    let (front, back) = (id.get(..dot)?, id.get(dot + 1..)?);
    let exchange = |code| std::str::from_utf8(code).ok().and_then(Exchange::parse);
    exchange(back)
        .map(|exchange| (front, exchange))
        .or_else(|| exchange(front).map(|exchange| (back, exchange)))
}

/// The id without the first of four digits after two capitals, in each leg.
fn without_decade(id: &[u8]) -> Option<Vec<u8>> {
    let mut short = Vec::with_capacity(id.len());
    for (index, leg) in id
        .split_inclusive(|byte| matches!(byte, b' ' | b'&'))
        .enumerate()
    {
        let digits = leg
            .get(2..6)
            .filter(|digits| digits.iter().all(u8::is_ascii_digit));
        let capitals = leg.iter().take(2).all(u8::is_ascii_uppercase);
        match (digits, leg.split_at_checked(2)) {
            (Some(_), Some((root, [_, rest @ ..]))) if capitals => {
                short.extend_from_slice(root);
                short.extend_from_slice(rest);
            }
            // The strategy of a combination.
            _ if index == 0 && leg.ends_with(b" ") => short.extend_from_slice(leg),
            _ => return None,
        }
    }
    Some(short)
}

/// The contract of an id that the table does not have on that exchange. The terms are those of the
/// product that its letters name there (`rb888`: `rb`), if there is one.
fn trusted_contract(contracts: &ContractTable, id: &str, exchange: Exchange) -> Contract {
    let (mut contract, _) = contracts.contract_of(id, exchange);
    // The underlying of `KQ.m@SHFE.rb` is at the end.
    let last = id.rsplit('.').next().unwrap_or(id);
    let letters = last.split(|char: char| !char.is_ascii_alphabetic());
    let root = letters.into_iter().next().unwrap_or_default();
    let product = contracts.products().find(root, None);
    if let Some(product) = product.filter(|product| product.exchange == exchange) {
        contract.multiplier = product.multiplier;
        contract.price_tick = product.price_tick;
        contract.session = product.session;
        contract.product_id = product.product_id;
    }
    contract
}

#[cfg(test)]
mod tests {
    use super::*;

    fn short(id: &str) -> String {
        let id = InstrumentId::new(id.as_bytes()).unwrap();
        ctp_id(&ContractTable::builtin(), id).to_string()
    }

    #[test]
    fn ids_become_those_of_ctp() {
        for (written, ctp) in [
            ("TA2309", "TA309"),
            ("TA309", "TA309"),
            ("SR2509C5800", "SR509C5800"),
            ("SPD SR2509&SR2511", "SPD SR509&SR511"),
            ("RM2701MSC2100", "RM701MSC2100"),
            ("IF2309", "IF2309"),
            ("rb2309", "rb2309"),
            ("rb888", "rb888"),
            ("rb2605.SHFE", "rb2605"),
            ("SHFE.rb2605", "rb2605"),
            ("CZCE.TA2309", "TA309"),
            ("rb2605.DCE", "rb2605.DCE"),
            ("rb888.SHFE", "rb888.SHFE"),
            ("ZZ2309", "ZZ2309"),
            ("TA23091", "TA23091"),
            ("", ""),
        ] {
            assert_eq!(short(written), ctp, "{written}");
        }
    }

    #[test]
    fn a_trusted_contract_has_its_products_terms() {
        let table = ContractTable::builtin();
        for (id, exchange, multiplier) in [
            ("rb888", Exchange::Shfe, Some(10)),
            ("KQ.m@SHFE.rb", Exchange::Shfe, Some(10)),
            ("rb888", Exchange::Dce, None),
            ("whatever", Exchange::Dce, None),
        ] {
            let contract = trusted_contract(&table, id, exchange);
            assert_eq!(contract.instrument_id, id);
            assert_eq!(
                (contract.exchange, contract.multiplier),
                (exchange, multiplier),
                "{id}"
            );
        }
    }
}

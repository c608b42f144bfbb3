//! [`ContractTable`]: explicit contracts first, then the product table by the grammar of the id.
//!
//! Invariant: deterministic; an explicit contract is never altered, and a resolved one never
//! guessed.

use std::collections::BTreeMap;

use super::session::{self, SessionHours};
use super::{
    Contract, Exchange, InstrumentKind, Leg, ParsedId, Product, ProductClass, ProductTable,
    SessionClass, Unresolved, parse_instrument_id,
};
use crate::time::TradingDay;

/// Resolves instrument ids.
///
/// ```
/// use tickdeck_core::contract::{ContractTable, Exchange};
///
/// let contract = ContractTable::builtin().resolve(b"rb2601").unwrap();
/// assert_eq!((contract.exchange, contract.multiplier), (Exchange::Shfe, Some(10)));
/// ```
///
/// `default()` knows no product and no contract.
#[derive(Debug, Clone, Default)]
pub struct ContractTable {
    products: ProductTable,
    explicit: BTreeMap<String, Contract>,
}

/// A `vt_symbol` names another exchange than the product table. What the user says is taken; this
/// is for the warning.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ExchangeConflict {
    /// The exchange that the user gave.
    pub given: Exchange,
    /// The exchange that the product table has for the id.
    pub known: Exchange,
}

impl ContractTable {
    /// The product table that is built in, with no explicit contracts.
    #[must_use]
    pub fn builtin() -> Self {
        Self::with_products(ProductTable::builtin())
    }

    /// A table on these products, with no explicit contracts.
    #[must_use]
    pub fn with_products(products: ProductTable) -> Self {
        Self {
            products,
            explicit: BTreeMap::new(),
        }
    }

    /// The product table.
    #[must_use]
    pub fn products(&self) -> &ProductTable {
        &self.products
    }

    /// Adds explicit contracts; a later one replaces an earlier one of the same id.
    pub fn extend(&mut self, contracts: impl IntoIterator<Item = Contract>) {
        let by_id = contracts.into_iter().map(|c| (c.instrument_id.clone(), c));
        self.explicit.extend(by_id);
    }

    /// What is known of `instrument_id` (the raw bytes of the CTP field) with no trading day at
    /// hand: [`resolve_on`](Self::resolve_on) with `None`.
    ///
    /// # Errors
    /// When the exchange is not certain.
    pub fn resolve(&self, instrument_id: &[u8]) -> Result<Contract, Unresolved> {
        self.resolve_on(instrument_id, None)
    }

    /// What is known of `instrument_id` (the raw bytes of the CTP field) on a trading day.
    ///
    /// The day determines the decade of a CZCE id, which matters only if a product's terms changed:
    /// without it, terms that are not the same in every year are `None`.
    ///
    /// Options, TAS and combinations have the multiplier and session class of the underlying. The
    /// price tick of a combination is that of its legs when they agree. That of an option is known
    /// for few products, that of TAS and monthly-average futures for none. The legs of a
    /// combination are on one exchange, and it trades when all of them do.
    ///
    /// # Errors
    /// When the exchange is not certain.
    pub fn resolve_on(
        &self,
        instrument_id: &[u8],
        trading_day: Option<TradingDay>,
    ) -> Result<Contract, Unresolved> {
        let id = std::str::from_utf8(instrument_id).map_err(|_| Unresolved::Malformed)?;
        if let Some(contract) = self.explicit.get(id) {
            return Ok(contract.clone());
        }
        let parsed = parse_instrument_id(instrument_id).ok_or(Unresolved::Malformed)?;
        by_grammar(&self.products, id, &parsed, trading_day)
    }

    /// The contract of a `vt_symbol`, and whether the product table has another exchange for it.
    /// The exchange is always the user's. When it is not the product table's, the product's terms
    /// there do not hold: they are unknown, and the session class is [`SessionClass::Day`].
    #[must_use]
    pub fn contract_of(
        &self,
        instrument_id: &str,
        exchange: Exchange,
    ) -> (Contract, Option<ExchangeConflict>) {
        let found = self.resolve(instrument_id.as_bytes()).ok();
        let conflict = found
            .as_ref()
            .filter(|contract| contract.exchange != exchange)
            .map(|contract| ExchangeConflict {
                given: exchange,
                known: contract.exchange,
            });
        let contract = match found {
            Some(contract) if conflict.is_none() => contract,
            _ => unknown_contract(instrument_id, exchange),
        };
        (contract, conflict)
    }

    /// The explicit contracts, by id.
    pub fn explicit(&self) -> impl Iterator<Item = &Contract> {
        self.explicit.values()
    }

    /// The hours of `contract` on `day`: those of its session class, or the former hours of its
    /// product where those are known. A contract whose session class is not the product table's
    /// keeps its own.
    #[must_use]
    pub fn hours_on(&self, contract: &Contract, day: TradingDay) -> SessionHours {
        let product = self.products.find(&contract.product_id, None);
        product
            .filter(|product| product.session == contract.session)
            .and_then(|product| session::former_hours(&product.product_id, day))
            .unwrap_or(contract.session.hours())
    }

    /// BLAKE3 (hex) of everything that can change an answer: product table, former trading hours
    /// and explicit contracts.
    #[must_use]
    pub fn digest(&self) -> String {
        let mut hasher = blake3::Hasher::new();
        let mut field = |text: &str| {
            // The length keeps neighbouring fields apart.
            hasher.update(&(text.len() as u64).to_le_bytes());
            hasher.update(text.as_bytes());
        };
        field(&self.products.to_text());
        field(session::HISTORY_TEXT);
        for contract in self.explicit.values() {
            field(&contract.instrument_id);
            field(contract.exchange.as_str());
            field(&contract.product_id);
            field(contract.product_class.as_str());
            let multiplier = contract.multiplier.map(|lots| lots.to_string());
            field(&multiplier.unwrap_or_default());
            let tick = contract.price_tick.map(|tick| tick.to_string());
            field(&tick.unwrap_or_default());
            field(contract.session.as_str());
            field(contract.name.as_deref().unwrap_or_default());
        }
        hasher.finalize().to_hex().to_string()
    }
}

/// The contract that the product table gives for an id.
pub(super) fn by_grammar(
    products: &ProductTable,
    id: &str,
    parsed: &ParsedId<'_>,
    trading_day: Option<TradingDay>,
) -> Result<Contract, Unresolved> {
    let mut legs = parsed
        .legs()
        .iter()
        .map(|leg| resolve_leg(products, leg, trading_day));
    let mut contract = legs.next().ok_or(Unresolved::Malformed)??;
    for leg in legs {
        let leg = leg?;
        if leg.exchange != contract.exchange {
            return Err(Unresolved::Malformed);
        }
        contract.multiplier = contract
            .multiplier
            .filter(|_| contract.multiplier == leg.multiplier);
        contract.price_tick = contract
            .price_tick
            .filter(|_| contract.price_tick == leg.price_tick);
        // The classes are in the order of falling trading hours.
        contract.session = contract.session.max(leg.session);
    }
    id.clone_into(&mut contract.instrument_id);
    if matches!(parsed, ParsedId::Combination { .. }) {
        contract.product_class = ProductClass::Combination;
    }
    Ok(contract)
}

fn resolve_leg(
    products: &ProductTable,
    leg: &Leg<'_>,
    trading_day: Option<TradingDay>,
) -> Result<Contract, Unresolved> {
    let delivery = leg.delivery.resolve(trading_day);
    let product = match leg.kind {
        InstrumentKind::MonthlyAverage => products.find(&format!("{}_F", leg.root), delivery),
        _ => products.find(leg.root, delivery),
    };
    let product = product.ok_or(Unresolved::UnknownProduct)?;
    let is_option = matches!(leg.kind, InstrumentKind::Option(_));
    if !leg.is_form_of(product.exchange) || (product.options_only && !is_option) {
        return Err(Unresolved::Malformed);
    }
    let (product_class, price_tick) = class_and_tick(leg.kind, &product);
    Ok(Contract {
        instrument_id: String::new(),
        exchange: product.exchange,
        product_class,
        multiplier: product.multiplier,
        price_tick,
        session: product.session,
        product_id: product.product_id,
        name: None,
    })
}

fn class_and_tick(kind: InstrumentKind, product: &Product) -> (ProductClass, Option<f64>) {
    match kind {
        InstrumentKind::Future | InstrumentKind::MonthlyAverage => {
            (ProductClass::Future, product.price_tick)
        }
        InstrumentKind::Tas => (ProductClass::Tas, None),
        InstrumentKind::Option(_) if product.options_only => {
            (ProductClass::SpotOption, product.option_price_tick)
        }
        InstrumentKind::Option(_) => (ProductClass::Option, product.option_price_tick),
    }
}

/// What an id alone says when no product is known for it on that exchange.
fn unknown_contract(id: &str, exchange: Exchange) -> Contract {
    let parsed = parse_instrument_id(id.as_bytes());
    let kind = match &parsed {
        Some(ParsedId::Single(leg)) => Some(leg.kind),
        _ => None,
    };
    let product_class = match (&parsed, kind) {
        (Some(ParsedId::Combination { .. }), _) => ProductClass::Combination,
        (_, Some(InstrumentKind::Option(_))) if exchange == Exchange::Cffex => {
            ProductClass::SpotOption
        }
        (_, Some(InstrumentKind::Option(_))) => ProductClass::Option,
        (_, Some(InstrumentKind::Tas)) => ProductClass::Tas,
        _ => ProductClass::Future,
    };
    let root = parsed.as_ref().and_then(|parsed| parsed.legs().first());
    let letters = id.split(|c: char| !c.is_ascii_alphabetic()).next();
    Contract {
        instrument_id: id.to_owned(),
        exchange,
        product_id: root
            .map_or_else(|| letters.unwrap_or_default(), |leg| leg.root)
            .to_owned(),
        product_class,
        multiplier: None,
        price_tick: None,
        session: SessionClass::Day,
        name: None,
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn table() -> ContractTable {
        ContractTable::builtin()
    }

    #[test]
    fn the_ids_of_the_guide_resolve() {
        use Exchange::{Cffex, Czce, Dce, Gfex, Ine, Shfe};
        use ProductClass::{Combination, Future, Option, SpotOption, Tas};
        for (id, exchange, product, class, multiplier, tick, session) in [
            ("rb2510", Shfe, "rb", Future, Some(10), Some(1.0), "N2300"),
            ("m2509", Dce, "m", Future, Some(10), Some(1.0), "N2300"),
            ("si2512", Gfex, "si", Future, Some(5), Some(5.0), "DAY"),
            ("IF2509", Cffex, "IF", Future, Some(300), Some(0.2), "CFX-I"),
            (
                "TS2512",
                Cffex,
                "TS",
                Future,
                Some(20000),
                Some(0.002),
                "CFX-B",
            ),
            ("MA601", Czce, "MA", Future, Some(10), Some(1.0), "N2300"),
            ("rb2510C3000", Shfe, "rb", Option, Some(10), None, "N2300"),
            ("sc2512P480", Ine, "sc", Option, Some(1000), None, "N0230"),
            (
                "m2509-C-2800",
                Dce,
                "m",
                Option,
                Some(10),
                Some(0.5),
                "N2300",
            ),
            ("si2512-P-9000", Gfex, "si", Option, Some(5), None, "DAY"),
            (
                "IO2509-C-4000",
                Cffex,
                "IO",
                SpotOption,
                Some(100),
                Some(0.2),
                "CFX-I",
            ),
            (
                "SR509C5800",
                Czce,
                "SR",
                Option,
                Some(10),
                Some(0.5),
                "N2300",
            ),
            ("c2701-MS-C-2000", Dce, "c", Option, Some(10), None, "N2300"),
            ("RM701MSC2100", Czce, "RM", Option, Some(10), None, "N2300"),
            ("l2602F", Dce, "l_F", Future, Some(5), None, "N2300"),
            ("sc2003TAS", Ine, "sc", Tas, Some(1000), None, "N0230"),
            (
                "SP a2409&a2411",
                Dce,
                "a",
                Combination,
                Some(10),
                Some(1.0),
                "N2300",
            ),
            (
                "SPC j2409&jm2409",
                Dce,
                "j",
                Combination,
                None,
                Some(0.5),
                "N2300",
            ),
            (
                "SPC m2409&jd2409",
                Dce,
                "m",
                Combination,
                Some(10),
                Some(1.0),
                "DAY",
            ),
            (
                "SPD SR409&SR411",
                Czce,
                "SR",
                Combination,
                Some(10),
                Some(1.0),
                "N2300",
            ),
            (
                "SP au2608&au2610",
                Shfe,
                "au",
                Combination,
                Some(1000),
                Some(0.02),
                "N0230",
            ),
            ("TC501", Czce, "TC", Future, Some(200), Some(0.2), "N2300"),
        ] {
            let contract = table().resolve(id.as_bytes()).unwrap();
            let expected = Contract {
                instrument_id: id.to_owned(),
                exchange,
                product_id: product.to_owned(),
                product_class: class,
                multiplier,
                price_tick: tick,
                session: SessionClass::parse(session).unwrap(),
                name: None,
            };
            assert_eq!(contract, expected);
        }
    }

    #[test]
    fn an_id_of_the_wrong_form_or_product_stays_unresolved() {
        use Unresolved::{Malformed, UnknownProduct};
        for (id, reason) in [
            (&b"xx2601"[..], UnknownProduct),
            (b"RB2601", UnknownProduct),
            (b"ma601", Malformed),
            (b"MA2601", Malformed), // CZCE writes one year digit
            (b"IF601", Malformed),
            (b"rb2510-C-3000", Malformed),
            (b"m2509C2800", Malformed),
            (b"IO2509", Malformed), // there are only options on it
            (b"m2602F", UnknownProduct),
            (b"m2003TAS", Malformed),
            (b"SP a2409&rb2411", Malformed),
            (b"SP a2409&xx2411", UnknownProduct),
            (b"", Malformed),
            (b"\xff\xfe", Malformed),
        ] {
            assert_eq!(table().resolve(id), Err(reason), "{:?}", id.escape_ascii());
        }
        assert_eq!(
            ContractTable::default().resolve(b"rb2601"),
            Err(UnknownProduct)
        );
    }

    #[test]
    fn the_trading_day_tells_the_decade_of_a_czce_id() {
        let tick = |day: &[u8]| {
            let contract = table()
                .resolve_on(b"OI801", TradingDay::parse_ctp(day))
                .unwrap();
            (contract.multiplier, contract.price_tick)
        };
        assert_eq!(tick(b"20171113"), (Some(10), Some(2.0)));
        assert_eq!(tick(b"20271115"), (Some(10), Some(1.0)));
        assert_eq!(tick(b""), (Some(10), None));
    }

    #[test]
    fn an_explicit_contract_comes_first_and_the_last_one_wins() {
        let mut table = table();
        let mut contract = table.resolve(b"rb2601").unwrap();
        contract.multiplier = Some(7);
        let before = table.digest();
        table.extend([contract.clone()]);
        contract.multiplier = Some(8);
        table.extend([contract.clone()]);
        assert_eq!(table.resolve(b"rb2601"), Ok(contract));
        assert_eq!(table.explicit().count(), 1);
        assert_ne!(table.digest(), before);
        assert_eq!(ContractTable::builtin().digest(), before);
        assert_eq!(before.len(), 64);
    }

    #[test]
    fn the_exchange_of_a_vt_symbol_wins_and_a_conflict_is_told() {
        let (contract, conflict) = table().contract_of("rb2601", Exchange::Shfe);
        assert_eq!((contract.multiplier, conflict), (Some(10), None));
        let (contract, conflict) = table().contract_of("rb2601", Exchange::Dce);
        let expected = ExchangeConflict {
            given: Exchange::Dce,
            known: Exchange::Shfe,
        };
        assert_eq!(conflict, Some(expected));
        assert_eq!(
            (contract.exchange, contract.multiplier),
            (Exchange::Dce, None)
        );
        let (contract, conflict) = table().contract_of("xx2601-C-100", Exchange::Gfex);
        assert_eq!((contract.product_id.as_str(), conflict), ("xx", None));
        assert_eq!(contract.product_class, ProductClass::Option);
        assert_eq!(table().contract_of("?", Exchange::Gfex).0.product_id, "");
    }

    #[test]
    fn former_hours_hold_for_the_products_contracts_only() {
        let day = TradingDay::parse_ctp(b"20171113").unwrap();
        let table = table();
        let mut contract = table.resolve(b"m1801-C-2800").unwrap();
        assert_ne!(table.hours_on(&contract, day), contract.session.hours());
        contract.session = SessionClass::N0100;
        assert_eq!(table.hours_on(&contract, day), contract.session.hours());
        let today = TradingDay::parse_ctp(b"20251103").unwrap();
        let contract = table.resolve(b"m2601").unwrap();
        assert_eq!(table.hours_on(&contract, today), contract.session.hours());
    }

    #[test]
    fn a_replaced_product_table_answers_alone() {
        let products = ProductTable::parse(
            "product_id,exchange,session,kind,multiplier,price_tick,first_delivery,last_delivery,options,option_price_tick\nzz,GFEX,DAY,future,3,,,,no,\n",
        )
        .unwrap();
        let table = ContractTable::with_products(products);
        assert_eq!(table.resolve(b"zz2601").unwrap().exchange, Exchange::Gfex);
        assert_eq!(table.resolve(b"rb2601"), Err(Unresolved::UnknownProduct));
        assert_ne!(table.digest(), ContractTable::builtin().digest());
    }

    proptest! {
        #[test]
        fn prop_any_bytes_resolve_or_not_without_a_panic(
            id in proptest::collection::vec(any::<u8>(), 0..90),
        ) {
            let _ = table().resolve(&id);
            let _ = table().contract_of(&String::from_utf8_lossy(&id), Exchange::Ine);
        }
    }
}

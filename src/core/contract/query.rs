//! Contracts as the trader front answers `ReqQryInstrument`, one by one.
//!
//! The same rules hold as for contract files with such answers. What the front leaves open comes
//! from the product table, and the product id is that of the id's grammar.

use super::table::by_grammar;
use super::{Contract, Exchange, ProductClass, ProductTable, SessionClass, parse_instrument_id};

/// The fields of `CThostFtdcInstrumentField` that matter, text decoded.
#[derive(Debug, Clone, PartialEq)]
pub struct QueriedContract {
    /// `InstrumentID`.
    pub instrument_id: String,
    /// `ExchangeID`.
    pub exchange_id: String,
    /// `ProductID`.
    pub product_id: String,
    /// `ProductClass`.
    pub product_class: char,
    /// `VolumeMultiple`.
    pub volume_multiple: i32,
    /// `PriceTick`.
    pub price_tick: f64,
    /// `InstrumentName`.
    pub instrument_name: String,
}

impl QueriedContract {
    /// The contract; `None` for what is not a market data instrument of a futures exchange (spot,
    /// EFP) and for ids that cannot be ones.
    #[must_use]
    pub fn contract(&self, products: &ProductTable) -> Option<Contract> {
        let id = self.instrument_id.as_str();
        if id.is_empty() || id.len() > 80 || !id.bytes().all(|b| matches!(b, b' '..=b'~')) {
            return None;
        }
        let exchange = Exchange::parse(&self.exchange_id)?;
        let product_class = ProductClass::from_ctp_code(self.product_class)?;
        let parsed = parse_instrument_id(id.as_bytes());
        // A product that the table has elsewhere is another product.
        let known = parsed
            .as_ref()
            .and_then(|parsed| by_grammar(products, id, parsed, None).ok())
            .filter(|known| known.exchange == exchange);
        let root = parsed.as_ref().and_then(|parsed| parsed.legs().first());
        // CTP gives combinations a VolumeMultiple of 0 or 1 that belongs to none of their legs.
        let is_combination = product_class == ProductClass::Combination;
        let least = if is_combination { 2 } else { 1 };
        let multiplier = u32::try_from(self.volume_multiple)
            .ok()
            .filter(|multiplier| *multiplier >= least);
        let price_tick = Some(self.price_tick).filter(|tick| *tick > 0.0 && *tick < 1e300);
        let known = known.as_ref();
        Some(Contract {
            instrument_id: id.to_owned(),
            exchange,
            product_class,
            multiplier: multiplier.or(known.and_then(|known| known.multiplier)),
            price_tick: price_tick.or(known.and_then(|known| known.price_tick)),
            session: known.map_or(SessionClass::Day, |known| known.session),
            product_id: known
                .map(|known| known.product_id.clone())
                .or(root.map(|leg| leg.root.to_owned()))
                .unwrap_or_else(|| self.product_id.clone()),
            name: Some(self.instrument_name.clone()).filter(|name| !name.is_empty()),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn queried(id: &str, exchange: &str, class: char, multiple: i32) -> QueriedContract {
        QueriedContract {
            instrument_id: id.into(),
            exchange_id: exchange.into(),
            product_id: "x".into(),
            product_class: class,
            volume_multiple: multiple,
            price_tick: f64::MAX,
            instrument_name: "螺纹钢2601".into(),
        }
    }

    #[test]
    fn the_front_is_completed_by_the_product_table() {
        let products = ProductTable::builtin();
        let contract = queried("rb2601", "SHFE", '1', 10)
            .contract(&products)
            .unwrap();
        assert_eq!(
            (
                contract.product_id.as_str(),
                contract.multiplier,
                contract.price_tick
            ),
            ("rb", Some(10), Some(1.0))
        );
        assert_eq!(contract.session, SessionClass::N2300);
        assert_eq!(contract.name.as_deref(), Some("螺纹钢2601"));
        let new = queried("zz2601", "GFEX", '1', 7)
            .contract(&products)
            .unwrap();
        assert_eq!((new.product_id.as_str(), new.multiplier), ("zz", Some(7)));
        let pair = queried("SPD RM601&RM605", "CZCE", '3', 1);
        assert_eq!(pair.contract(&products).unwrap().multiplier, Some(10));
    }

    #[test]
    fn what_is_no_market_data_is_left_out() {
        let products = ProductTable::builtin();
        assert_eq!(queried("rb2601", "SHFE", '4', 10).contract(&products), None);
        assert_eq!(queried("rb2601", "SSE", '1', 10).contract(&products), None);
        assert_eq!(queried("", "SHFE", '1', 10).contract(&products), None);
    }
}

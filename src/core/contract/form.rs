//! Whether an id is one that an exchange writes, with what the product table knows.

use super::{ContractTable, Exchange, IdForm, ParsedId, form_of, parse_instrument_id};

impl ContractTable {
    /// Compares an id with the forms of `exchange`. Without one, the product that its letters name in
    /// either case decides. Returns the exchange of the answer too, if there is one.
    ///
    /// An id of a known product with an impossible delivery date is foreign. The digits of continuous
    /// contracts (`rb888`, `IF99`) are not a date. What is of no known product stays unknown.
    #[must_use]
    pub fn id_form(&self, id: &str, exchange: Option<Exchange>) -> (IdForm, Option<Exchange>) {
        if let Some(ParsedId::Combination { .. }) = parse_instrument_id(id.as_bytes()) {
            return (IdForm::Own, exchange);
        }
        let (letters, rest) = id.split_at(leading(id, |byte| byte.is_ascii_alphabetic()));
        let known = self.products().exchanges_like(letters);
        let form_on = |exchange: Exchange| match form_of(id, exchange) {
            IdForm::Unknown if known.contains(&exchange) && has_wrong_date(rest, exchange) => {
                IdForm::Foreign(None)
            }
            form => form,
        };
        if let Some(exchange) = exchange {
            return (form_on(exchange), Some(exchange));
        }
        let forms: Vec<_> = known
            .iter()
            .map(|known| (form_on(*known), *known))
            .collect();
        let find = |wanted: fn(&IdForm) -> bool| forms.iter().find(|(form, _)| wanted(form));
        let found = find(|form| *form == IdForm::Own)
            .or_else(|| find(|form| matches!(form, IdForm::Foreign(Some(_)))))
            .or_else(|| forms.first());
        match found {
            Some((form, exchange)) => (form.clone(), Some(*exchange)),
            None if parse_instrument_id(id.as_bytes()).is_some() => (IdForm::Own, None),
            None => (IdForm::Unknown, None),
        }
    }
}

/// Whether `rest`, which follows the letters, begins with digits that are neither a delivery month of
/// the exchange nor those of a continuous contract.
fn has_wrong_date(rest: &str, exchange: Exchange) -> bool {
    let digits = &rest.as_bytes()[..leading(rest, |byte| byte.is_ascii_digit())];
    let Some((first, others)) = digits.split_first() else {
        return false;
    };
    if others.iter().all(|digit| digit == first) {
        return false;
    }
    let expected = if exchange == Exchange::Czce { 3 } else { 4 };
    let is_month = match digits {
        [.., b'0', ones] => *ones != b'0',
        [.., b'1', ones] => *ones <= b'2',
        _ => false,
    };
    digits.len() != expected || !is_month
}

fn leading(text: &str, is_part: impl Fn(u8) -> bool) -> usize {
    text.bytes().take_while(|&byte| is_part(byte)).count()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_id_is_compared_with_the_form_of_its_product() {
        use Exchange::{Cffex, Czce, Dce, Shfe};
        let own = |text: &str| IdForm::Foreign(Some(text.into()));
        let none = IdForm::Foreign(None);
        let table = ContractTable::builtin();
        for (id, given, form, exchange) in [
            ("rb2601", None, IdForm::Own, Some(Shfe)),
            ("RB2601", None, own("rb2601"), Some(Shfe)),
            ("Rb2601", None, own("rb2601"), Some(Shfe)),
            ("ta601", None, own("TA601"), Some(Czce)),
            ("TA2601", None, own("TA601"), Some(Czce)),
            ("if2601", None, own("IF2601"), Some(Cffex)),
            ("IF26", None, none.clone(), Some(Cffex)),
            ("IF26", Some(Cffex), none.clone(), Some(Cffex)),
            ("cu2513", None, none.clone(), Some(Shfe)),
            ("cu2513", Some(Shfe), none.clone(), Some(Shfe)),
            ("TA613", Some(Czce), none.clone(), Some(Czce)),
            ("rb26011", None, none, Some(Shfe)),
            ("m2609-C-2800", None, IdForm::Own, Some(Dce)),
            ("SPD RM601&RM605", None, IdForm::Own, None),
            // Nothing is known of the product, or the id has a form of a later day.
            ("zz2601", None, IdForm::Own, None),
            ("zz26", None, IdForm::Unknown, None),
            ("zz26", Some(Shfe), IdForm::Unknown, Some(Shfe)),
            ("rb2601W1C3000", None, IdForm::Unknown, Some(Shfe)),
            ("rb888", None, IdForm::Unknown, Some(Shfe)),
            ("IF99", Some(Cffex), IdForm::Unknown, Some(Cffex)),
            ("rb9999", None, IdForm::Unknown, Some(Shfe)),
            ("rb", None, IdForm::Unknown, Some(Shfe)),
            ("", None, IdForm::Unknown, None),
        ] {
            let found = table.id_form(id, given);
            assert_eq!(found, (form, exchange), "{id} {given:?}");
        }
    }
}

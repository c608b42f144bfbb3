//! The grammar of instrument ids (field guide 5.8): bytes in, parts out.
//!
//! Invariant: a pure and strict function that never panics; what it does not recognise is `None`.
//! It knows which forms an exchange uses, but no product: whether `rb` exists and where it is
//! listed is the product table's business.

use chrono::Datelike;

use super::Exchange;
use crate::time::TradingDay;

/// Longest id that is looked at, bytes; CTP's field holds 80.
const LONGEST_ID: usize = 80;
/// Most digits of a strike price; the longest real ones have six.
const LONGEST_STRIKE: usize = 9;
/// Most legs of a combination; real ones have two, and three for DCE's butterflies.
const MOST_LEGS: usize = 4;
/// Longest name of a combination strategy (`SP`, `SPC`, `SPD`, `IPS`, `STG`…).
const LONGEST_STRATEGY: usize = 6;

/// A delivery month.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct DeliveryMonth {
    /// Four-digit year.
    pub year: i32,
    /// 1 to 12.
    pub month: u32,
}

impl DeliveryMonth {
    /// Reads `YYYYMM`.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        let bytes = text.as_bytes();
        if bytes.len() != 6 || !bytes.iter().all(u8::is_ascii_digit) {
            return None;
        }
        let number: i32 = text.parse().ok()?;
        let month = u32::try_from(number % 100).ok()?;
        (1..=12).contains(&month).then_some(Self {
            year: number / 100,
            month,
        })
    }
}

impl std::fmt::Display for DeliveryMonth {
    /// `YYYYMM`.
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{:04}{:02}", self.year, self.month)
    }
}

/// The delivery month as the id writes it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Delivery {
    /// Four digits: `rb2601` is January 2026.
    Full(DeliveryMonth),
    /// CZCE's three digits: `MA601` is January of a year that ends in 6.
    Short {
        /// Last digit of the year.
        year_digit: u8,
        /// 1 to 12.
        month: u32,
    },
}

impl Delivery {
    /// The month. CZCE writes one digit of the year. It means the year with that digit among the
    /// ten that begin a year before the trading day (field guide 5.8). `None` when that needs a
    /// trading day and there is none.
    #[must_use]
    pub fn resolve(self, trading_day: Option<TradingDay>) -> Option<DeliveryMonth> {
        match self {
            Self::Full(month) => Some(month),
            Self::Short { year_digit, month } => {
                let first = trading_day?.0.year().checked_sub(1)?;
                let ahead = (i32::from(year_digit) - first).rem_euclid(10);
                Some(DeliveryMonth {
                    year: first + ahead,
                    month,
                })
            }
        }
    }
}

/// Call or put.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum OptionRight {
    /// `C`
    Call,
    /// `P`
    Put,
}

/// What an option id says beyond its underlying.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct OptionTerms {
    /// Call or put.
    pub right: OptionRight,
    /// Strike price in price units of the underlying.
    pub strike: u32,
    /// Whether it belongs to an `MS` series, such as `c2701-MS-C-2000`.
    pub series: bool,
    /// Whether the parts are joined by dashes (DCE, GFEX, CFFEX) or not (SHFE, INE, CZCE).
    pub dashed: bool,
}

/// The kinds of single instruments.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum InstrumentKind {
    /// `rb2601`, `MA601`, `IF2601`
    Future,
    /// `l2602F`: settled at the average of the month.
    MonthlyAverage,
    /// `sc2003TAS`: trade at settlement.
    Tas,
    /// `rb2510C3000`, `m2509-C-2800`, `SR509C5800`
    Option(OptionTerms),
}

/// An instrument that is not a combination, or one leg of one.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Leg<'a> {
    /// The letters in front: `rb`, `MA`, `IO`.
    pub root: &'a str,
    /// When it is delivered.
    pub delivery: Delivery,
    /// What it is.
    pub kind: InstrumentKind,
}

impl Leg<'_> {
    /// Whether `exchange` writes ids like this one.
    #[must_use]
    pub fn is_form_of(&self, exchange: Exchange) -> bool {
        let upper = self.root.bytes().all(|byte| byte.is_ascii_uppercase());
        let short = matches!(self.delivery, Delivery::Short { .. });
        let letters_and_year = match exchange {
            Exchange::Czce => upper && short,
            Exchange::Cffex => upper && !short,
            Exchange::Shfe | Exchange::Ine | Exchange::Dce | Exchange::Gfex => !upper && !short,
        };
        let tail = match (self.kind, exchange) {
            (InstrumentKind::Future, _) => true,
            (InstrumentKind::MonthlyAverage, _) => exchange == Exchange::Dce,
            (InstrumentKind::Tas, _) => matches!(exchange, Exchange::Shfe | Exchange::Ine),
            (InstrumentKind::Option(terms), Exchange::Dce) => terms.dashed,
            (InstrumentKind::Option(terms), Exchange::Czce) => !terms.dashed,
            (InstrumentKind::Option(terms), Exchange::Gfex | Exchange::Cffex) => {
                terms.dashed && !terms.series
            }
            (InstrumentKind::Option(terms), Exchange::Shfe | Exchange::Ine) => {
                !terms.dashed && !terms.series
            }
        };
        letters_and_year && tail
    }
}

/// The parts of an instrument id.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ParsedId<'a> {
    /// One instrument.
    Single(Leg<'a>),
    /// `SP a2409&a2411`: several instruments traded as one.
    Combination {
        /// `SP`, `SPC`, `SPD`, `IPS`…
        strategy: &'a str,
        /// Two to four legs.
        legs: Vec<Leg<'a>>,
    },
}

impl<'a> ParsedId<'a> {
    /// The legs; one for a single instrument.
    #[must_use]
    pub fn legs(&self) -> &[Leg<'a>] {
        match self {
            Self::Single(leg) => std::slice::from_ref(leg),
            Self::Combination { legs, .. } => legs,
        }
    }
}

/// Takes an instrument id apart; `None` when it follows no form of field guide 5.8.
#[must_use]
pub fn parse_instrument_id(id: &[u8]) -> Option<ParsedId<'_>> {
    if id.len() > LONGEST_ID || !id.is_ascii() {
        return None;
    }
    let id = std::str::from_utf8(id).ok()?;
    match id.split_once(' ') {
        None => parse_leg(id).map(ParsedId::Single),
        Some((strategy, legs)) => parse_combination(strategy, legs),
    }
}

/// Whether an exchange writes an id like this.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum IdForm {
    /// Yes, or it is a combination.
    Own,
    /// No. This is how it writes the same instrument, if that is certain.
    Foreign(Option<String>),
    /// It follows no form of field guide 5.8.
    Unknown,
}

/// Compares an id with the forms of its exchange. Fronts acknowledge a wrong id like a right one, and
/// never report on it.
#[must_use]
pub fn form_of(id: &str, exchange: Exchange) -> IdForm {
    match parse_instrument_id(id.as_bytes()) {
        Some(ParsedId::Combination { .. }) => IdForm::Own,
        Some(ParsedId::Single(leg)) if leg.is_form_of(exchange) => IdForm::Own,
        Some(ParsedId::Single(_)) => IdForm::Foreign(own_form(id, exchange)),
        None => match own_form(id, exchange) {
            None => IdForm::Unknown,
            own => IdForm::Foreign(own),
        },
    }
}

/// The id with the letters and the year of its exchange, if that is one of its forms.
fn own_form(id: &str, exchange: Exchange) -> Option<String> {
    let (root, rest) = id.split_at(count(id, |byte| byte.is_ascii_alphabetic()));
    let is_czce = exchange == Exchange::Czce;
    let root = if is_czce || exchange == Exchange::Cffex {
        root.to_ascii_uppercase()
    } else {
        root.to_ascii_lowercase()
    };
    let digits = count(rest, |byte| byte.is_ascii_digit());
    // 2601 is 601.
    let rest = if is_czce && digits == 4 {
        &rest[1..]
    } else {
        rest
    };
    let own = format!("{root}{rest}");
    match parse_instrument_id(own.as_bytes())? {
        ParsedId::Single(leg) if leg.is_form_of(exchange) => Some(own),
        _ => None,
    }
}

fn parse_combination<'a>(strategy: &'a str, legs: &'a str) -> Option<ParsedId<'a>> {
    let named = (2..=LONGEST_STRATEGY).contains(&strategy.len())
        && strategy.bytes().all(|byte| byte.is_ascii_uppercase());
    if !named {
        return None;
    }
    let legs: Option<Vec<Leg<'a>>> = legs.split('&').map(parse_leg).collect();
    let legs = legs?;
    (2..=MOST_LEGS)
        .contains(&legs.len())
        .then_some(ParsedId::Combination { strategy, legs })
}

fn parse_leg(text: &str) -> Option<Leg<'_>> {
    let letters = count(text, |byte| byte.is_ascii_alphabetic());
    let (root, rest) = text.split_at(letters);
    let one_case = root.bytes().all(|byte| byte.is_ascii_lowercase())
        || root.bytes().all(|byte| byte.is_ascii_uppercase());
    if !(1..=2).contains(&letters) || !one_case {
        return None;
    }
    let (digits, tail) = rest.split_at(count(rest, |byte| byte.is_ascii_digit()));
    Some(Leg {
        root,
        delivery: parse_delivery(digits.as_bytes(), root)?,
        kind: parse_kind(tail)?,
    })
}

fn count(text: &str, is_part: impl Fn(u8) -> bool) -> usize {
    text.bytes().take_while(|&byte| is_part(byte)).count()
}

/// Three digits only after two capitals, which is CZCE's form.
fn parse_delivery(digits: &[u8], root: &str) -> Option<Delivery> {
    let value = |digit: u8| u32::from(digit - b'0');
    let month = |tens: u8, ones: u8| {
        let month = value(tens) * 10 + value(ones);
        (1..=12).contains(&month).then_some(month)
    };
    match *digits {
        [y1, y2, m1, m2] => Some(Delivery::Full(DeliveryMonth {
            year: 2000 + i32::from(y1 - b'0') * 10 + i32::from(y2 - b'0'),
            month: month(m1, m2)?,
        })),
        [y, m1, m2] if root.len() == 2 && root.as_bytes()[0].is_ascii_uppercase() => {
            Some(Delivery::Short {
                year_digit: y - b'0',
                month: month(m1, m2)?,
            })
        }
        _ => None,
    }
}

fn parse_kind(tail: &str) -> Option<InstrumentKind> {
    match tail {
        "" => return Some(InstrumentKind::Future),
        "F" => return Some(InstrumentKind::MonthlyAverage),
        "TAS" => return Some(InstrumentKind::Tas),
        _ => {}
    }
    let (dashed, tail) = match tail.strip_prefix('-') {
        Some(tail) => (true, tail),
        None => (false, tail),
    };
    let dash = if dashed { "-" } else { "" };
    let (series, tail) = match tail.strip_prefix("MS") {
        Some(rest) => (true, rest.strip_prefix(dash)?),
        None => (false, tail),
    };
    let (right, rest) = match tail.as_bytes().first()? {
        b'C' => (OptionRight::Call, &tail[1..]),
        b'P' => (OptionRight::Put, &tail[1..]),
        _ => return None,
    };
    let strike = rest.strip_prefix(dash)?;
    let plain = (1..=LONGEST_STRIKE).contains(&strike.len())
        && strike.bytes().all(|byte| byte.is_ascii_digit())
        && !strike.starts_with('0');
    plain.then_some(InstrumentKind::Option(OptionTerms {
        right,
        strike: strike.parse().ok()?,
        series,
        dashed,
    }))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn leg(id: &str) -> Leg<'_> {
        match parse_instrument_id(id.as_bytes()) {
            Some(ParsedId::Single(leg)) => leg,
            other => panic!("{id}: {other:?}"),
        }
    }

    fn option(right: OptionRight, strike: u32, dashed: bool) -> InstrumentKind {
        InstrumentKind::Option(OptionTerms {
            right,
            strike,
            series: false,
            dashed,
        })
    }

    #[test]
    fn every_form_of_the_guide_is_parsed() {
        use OptionRight::{Call, Put};
        for (id, root, month, kind) in [
            ("rb2510", "rb", "202510", InstrumentKind::Future),
            ("m2509", "m", "202509", InstrumentKind::Future),
            ("IF2509", "IF", "202509", InstrumentKind::Future),
            ("T2512", "T", "202512", InstrumentKind::Future),
            ("MA601", "MA", "202601", InstrumentKind::Future),
            ("rb2510C3000", "rb", "202510", option(Call, 3000, false)),
            ("sc2512P480", "sc", "202512", option(Put, 480, false)),
            ("m2509-C-2800", "m", "202509", option(Call, 2800, true)),
            ("si2512-P-9000", "si", "202512", option(Put, 9000, true)),
            ("IO2509-C-4000", "IO", "202509", option(Call, 4000, true)),
            ("SR509C5800", "SR", "202509", option(Call, 5800, false)),
            ("l2602F", "l", "202602", InstrumentKind::MonthlyAverage),
            ("sc2003TAS", "sc", "202003", InstrumentKind::Tas),
        ] {
            let leg = leg(id);
            let day = TradingDay::parse_ctp(b"20251103");
            let parts = (
                leg.root,
                leg.delivery.resolve(day).unwrap().to_string(),
                leg.kind,
            );
            assert_eq!(parts, (root, month.to_owned(), kind), "{id}");
        }
        for id in ["c2701-MS-C-2000", "RM701MSC2100"] {
            let kind = leg(id).kind;
            assert!(
                matches!(kind, InstrumentKind::Option(terms) if terms.series),
                "{id}"
            );
        }
        for (id, count) in [
            ("SP a2409&a2411", 2),
            ("SPC a1809&m1809", 2),
            ("SPD SR409&SR411", 2),
            ("SP au2608&au2610", 2),
            ("STD SR509C5800&SR509P5800", 2),
        ] {
            let parsed = parse_instrument_id(id.as_bytes()).unwrap();
            assert!(matches!(&parsed, ParsedId::Combination { legs, .. } if legs.len() == count));
        }
    }

    #[test]
    fn what_follows_no_form_is_refused() {
        for id in [
            "",
            " ",
            "rb",
            "2510",
            "rb25100",
            "rb2513",
            "rb2500",
            "rb601",
            "M601",
            "Rb2510",
            "rbx2510",
            "rb2510 ",
            " rb2510",
            "rb2510C",
            "rb2510C0",
            "rb2510C-3000",
            "rb2510X3000",
            "m2509-C2800",
            "m2509-C-",
            "m2509-MSC-2800",
            "m2509C-2800",
            "rb2510C3000000000",
            "sc2003tas",
            "SP a2409",
            "SP a2409&",
            "sp a2409&a2411",
            "SP a2409&a2411&a2501&a2503&a2505",
            "SPD SP a2409&a2411",
            "螺纹2510",
            "rb2510\u{0}",
        ] {
            assert_eq!(parse_instrument_id(id.as_bytes()), None, "{id:?}");
        }
        assert_eq!(parse_instrument_id(b"rb2510\xff"), None);
    }

    #[test]
    fn a_czce_year_digit_means_the_year_near_the_trading_day() {
        for (id, day, month) in [
            ("MA601", &b"20251103"[..], "202601"),
            ("SR501", b"20251203", "202501"), // stale: last year's contract
            ("FG003", b"20290601", "203003"),
            ("SR801", b"20171113", "201801"),
            ("SR711", b"20180102", "201711"),
            ("SR712", b"20180102", "201712"),
            ("SR612", b"20180102", "202612"),
        ] {
            let day = TradingDay::parse_ctp(day);
            let found = leg(id).delivery.resolve(day).unwrap();
            assert_eq!(found.to_string(), month, "{id}");
        }
        assert_eq!(leg("MA601").delivery.resolve(None), None);
    }

    #[test]
    fn a_foreign_form_is_told_with_the_right_one() {
        use Exchange::{Cffex, Czce, Shfe};
        let own = |text: &str| IdForm::Foreign(Some(text.into()));
        for (id, exchange, expected) in [
            ("rb2601", Shfe, IdForm::Own),
            ("RB2601", Shfe, own("rb2601")),
            ("Rb2601", Shfe, own("rb2601")),
            ("TA2601", Czce, own("TA601")),
            ("ta601", Czce, own("TA601")),
            ("if2601", Cffex, own("IF2601")),
            ("TA601", Shfe, IdForm::Foreign(None)),
            ("SPD RM601&RM605", Czce, IdForm::Own),
            ("rb888", Shfe, IdForm::Unknown),
            ("", Shfe, IdForm::Unknown),
        ] {
            assert_eq!(form_of(id, exchange), expected, "{id} {exchange}");
        }
    }

    #[test]
    fn each_exchange_has_its_own_form() {
        use Exchange::{Cffex, Czce, Dce, Gfex, Ine, Shfe};
        for (id, exchanges) in [
            ("rb2510", &[Shfe, Ine, Dce, Gfex][..]),
            ("IF2510", &[Cffex]),
            ("MA601", &[Czce]),
            ("rb2510C3000", &[Shfe, Ine]),
            ("m2509-C-2800", &[Dce, Gfex]),
            ("IO2509-C-4000", &[Cffex]),
            ("SR509C5800", &[Czce]),
            ("c2701-MS-C-2000", &[Dce]),
            ("RM701MSC2100", &[Czce]),
            ("l2602F", &[Dce]),
            ("sc2003TAS", &[Shfe, Ine]),
        ] {
            let leg = leg(id);
            let mut forms: Vec<Exchange> = Exchange::ALL.into();
            forms.retain(|exchange| leg.is_form_of(*exchange));
            assert_eq!(forms, exchanges, "{id}");
        }
    }

    proptest! {
        #[test]
        fn prop_arbitrary_bytes_never_panic(id in proptest::collection::vec(any::<u8>(), 0..100)) {
            let _ = parse_instrument_id(&id);
        }

        #[test]
        fn prop_almost_ids_never_panic(id in "[A-Za-z&]{0,4} ?[a-zA-Z]{0,3}[0-9]{0,5}-?(MS)?-?[CPFT]?-?[0-9]{0,11}(&[a-z]{1,2}[0-9]{4})?") {
            if let Some(parsed) = parse_instrument_id(id.as_bytes()) {
                prop_assert!(parsed.legs().iter().all(|leg| id.contains(leg.root)));
            }
        }

        #[test]
        fn prop_every_day_gives_a_czce_year_inside_the_window(digit in 0..10_u8, year in 2000..2100_i32) {
            let day = TradingDay(chrono::NaiveDate::from_ymd_opt(year, 6, 1).unwrap());
            let month = Delivery::Short { year_digit: digit, month: 1 }.resolve(Some(day)).unwrap();
            prop_assert_eq!(month.year % 10, i32::from(digit));
            prop_assert!((year - 1..=year + 8).contains(&month.year));
        }
    }
}

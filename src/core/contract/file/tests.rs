//! Contract files: each dialect, each refusal.

use super::*;

const HEADER: &[u8] = include_bytes!("../../../../fixtures/contracts/ctp_header.csv");
const APPENDED: &[u8] =
    include_bytes!("../../../../fixtures/contracts/ctp_headerless_appended.csv");
const OWN: &[u8] = include_bytes!("../../../../fixtures/contracts/own.csv");

fn parse(bytes: &[u8]) -> Result<Vec<Contract>, ContractFileError> {
    parse_contract_file(bytes, Path::new("x.csv"), &ProductTable::builtin())
}

/// The contracts as readable lines.
fn lines(bytes: &[u8]) -> Vec<String> {
    let contracts = parse(bytes).unwrap();
    let line = |c: Contract| {
        format!(
            "{} {} {} {} {:?} {:?} {} {}",
            c.instrument_id,
            c.exchange,
            c.product_id,
            c.product_class,
            c.multiplier.unwrap_or_default(),
            c.price_tick.unwrap_or_default(),
            c.session,
            c.name.as_deref().unwrap_or("-"),
        )
    };
    contracts.into_iter().map(line).collect()
}

#[test]
fn a_gbk_dump_with_header_and_nul_bytes_is_read() {
    assert!(HEADER.contains(&0));
    assert_eq!(
        lines(HEADER),
        [
            "IO2509-C-3300 CFFEX IO spot_option 100 0.2 CFX-I IO2509-C-3300",
            "MA601 CZCE MA future 10 1.0 N2300 甲醇601",
            "SPD MA509&MA601 CZCE MA combination 10 1.0 N2300 甲醇9月-1月",
            "sc2506 INE sc future 1000 0.1 N0230 原油2506",
            "zz2601 GFEX zz future 7 0.5 DAY 未知2601",
        ]
    );
}

#[test]
fn later_rows_win_and_combinations_use_their_legs_multiplier() {
    assert_eq!(
        lines(APPENDED),
        [
            "SPC y1801&p1801 DCE y combination 10 2.0 N2300 豆油棕榈",
            "SPD CF801&CF803 CZCE CF combination 5 5.0 N2300 棉花套利",
            "SR801 CZCE SR future 10 1.0 N2300 白砂糖801",
            "SR801C5600 CZCE SR option 10 0.5 N2300 白糖801购5600",
        ]
    );
}

#[test]
fn our_own_dialect_is_filled_from_the_product_table() {
    let expected = [
        "rb2601 SHFE rb future 10 1.0 N2300 螺纹钢2601",
        "rb2605 SHFE rb future 20 0.5 DAY rebar",
        "xy2601 GFEX xy future 4 2.5 N2300 -",
    ];
    assert_eq!(lines(OWN), expected);
    let text = std::str::from_utf8(OWN).unwrap();
    let (gbk, _, _) = encoding_rs::GB18030.encode(text);
    assert_eq!(lines(&gbk), expected, "GBK");
    let with_mark = [b"\xef\xbb\xbf", OWN].concat();
    assert_eq!(lines(&with_mark), expected, "byte order mark");
    assert_eq!(lines(b"instrument_id,exchange\n"), [""; 0]);
}

#[test]
fn a_bad_file_is_refused_with_its_position() {
    let own = "instrument_id,exchange,product_class,multiplier,price_tick,session\n";
    let ctp = "InstrumentID,ExchangeID,ProductClass,VolumeMultiple,PriceTick\n";
    for (text, parts) in [
        (String::new(), &["row 1", "0 columns"][..]),
        ("a,b,c\n1,2,3\n".into(), &["row 1", "3 columns", "`a`"]),
        ("instrument_id,venue\n".into(), &["`exchange`"]),
        ("InstrumentID,Foo\n".into(), &["`ExchangeID`"]),
        (
            format!("{own}rb2601,SHFE\n"),
            &["row 2", "found 2", "expected 6"],
        ),
        (
            format!("{own},SHFE,,,,\n"),
            &["row 2", "instrument_id", "``"],
        ),
        (format!("{own}螺纹,SHFE,,,,\n"), &["instrument_id", "ASCII"]),
        (format!("{own}rb2601,,,,,\n"), &["column exchange"]),
        (format!("{own}rb2601,SSE,,,,\n"), &["`SSE`", "CFFEX"]),
        (
            format!("{own}rb2601,SHFE,1,,,\n"),
            &["product_class", "`1`"],
        ),
        (
            format!("{own}rb2601,SHFE,,0,,\n"),
            &["multiplier", "above 0"],
        ),
        (format!("{own}rb2601,SHFE,,,-1,\n"), &["price_tick", "`-1`"]),
        (
            format!("{own}rb2601,SHFE,,,,NIGHT\n"),
            &["session", "`NIGHT`"],
        ),
        (
            format!("{ctp}rb2601,SHFE,5,10,1\n"),
            &["ProductClass", "`5`"],
        ),
        (
            format!("{ctp}rb2601,SHFE,1,1.5,1\n"),
            &["VolumeMultiple", "`1.5`"],
        ),
        (
            format!("{ctp}rb2601,SHFE,1,10,x\n"),
            &["x.csv, row 2, column PriceTick", "`x`"],
        ),
    ] {
        let error = parse(text.as_bytes()).unwrap_err().to_string();
        for part in parts {
            assert!(error.contains(part), "{text:?}: {error}");
        }
    }
}

proptest::proptest! {
    #[test]
    fn prop_arbitrary_bytes_never_panic(
        mut bytes in proptest::collection::vec(proptest::prelude::any::<u8>(), 0..300),
        head in 0..3_usize,
    ) {
        let heads: [&[u8]; 3] = [b"", b"InstrumentID,ExchangeID\n", b"instrument_id,exchange\n"];
        bytes.splice(0..0, heads[head].iter().copied());
        let _ = parse(&bytes);
    }
}

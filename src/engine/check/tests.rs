//! Comparisons of small streams, where every number is known.

mod alignment;
mod committed;
mod goldens;
#[cfg(feature = "reports")]
mod reports;
mod streams;

use super::stream::MessagesInMemory;
use super::*;

/// One message of a test stream.
#[derive(Debug, Clone, PartialEq)]
struct Tick {
    instrument: usize,
    seq: u64,
    price: u32,
}

const INSTRUMENTS: [&str; 3] = ["SHFE.rb2601", "CZCE.TA601", "CFFEX.IF2509"];

impl Tick {
    fn line(&self) -> String {
        let Self {
            instrument,
            seq,
            price,
        } = self;
        // Half a second a tick, received on time.
        let millis = seq * 500;
        let (second, milli) = (millis / 1000, millis % 1000);
        let time = format!(
            "2025-09-12T{:02}:{:02}:{:02}.{milli:03}",
            9 + second / 3600,
            second / 60 % 60,
            second % 60
        );
        let subject = INSTRUMENTS[*instrument];
        format!(
            "market.tick.{subject} {{\"timestamp\":\"{time}+08:00\",\"last_price\":{price}.0,\
             \"volume\":{seq},\"local_time\":\"{time}000000+08:00\",\"seq\":{seq}}}\n"
        )
    }
}

fn ticks(count: u64) -> Vec<Tick> {
    let tick = |seq: u64| Tick {
        instrument: usize::try_from(seq % 3).unwrap(),
        seq,
        price: 5000,
    };
    (0..count).map(tick).collect()
}

fn text(ticks: &[Tick]) -> String {
    ticks.iter().map(Tick::line).collect()
}

fn compare_text(first: &str, second: &str, alignment: Alignment) -> Comparison {
    let [first, second] = [first, second].map(|text| MessagesInMemory::of_text(text).unwrap());
    let ignored = [];
    compare(first, second, alignment, &ignored, 3, &mut |_| true).unwrap()
}

/// The ticks with one price changed.
fn one_changed(count: u64) -> String {
    let mut ticks = ticks(count);
    ticks[4].price = 4999;
    text(&ticks)
}

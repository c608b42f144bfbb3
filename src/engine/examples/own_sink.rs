//! `cargo run -p tickdeck --example own_sink`
//!
//! A [`Sink`] of your own: counts the messages of each exchange while a recording is replayed.

#![expect(clippy::print_stdout, reason = "the table is the result")]

use std::collections::BTreeMap;
use std::ops::Range;
use std::path::Path;
use std::sync::{Arc, Mutex, PoisonError};

use tickdeck::pace::Rate;
use tickdeck::sink::{Fate, Outstanding};
use tickdeck::{MessageBatch, Recording, Session, Sink, SinkError};

/// Messages by exchange.
pub(crate) type Counts = BTreeMap<String, u64>;

/// The caller keeps the other half of `counts`, because the session consumes its sinks.
#[derive(Default)]
struct ExchangeCounter {
    counts: Arc<Mutex<Counts>>,
    outstanding: Outstanding,
}

impl Sink for ExchangeCounter {
    fn name(&self) -> String {
        "exchange-counter".to_owned()
    }

    fn publish(&mut self, batch: &MessageBatch) -> Result<(), SinkError> {
        let mut counts = self.counts.lock().unwrap_or_else(PoisonError::into_inner);
        for message in batch.iter() {
            // market.tick.SHFE.rb2601
            let subject = String::from_utf8_lossy(message.subject);
            let exchange = subject.split('.').nth(2).unwrap_or("none");
            *counts.entry(exchange.to_owned()).or_default() += 1;
        }
        // A sink that sends something away confirms later, when the other side has answered.
        self.outstanding.take(batch.len() as u64);
        self.outstanding.confirm_all();
        Ok(())
    }

    fn flush(&mut self) -> Result<(), SinkError> {
        Ok(())
    }

    fn settled(&mut self, each: &mut dyn FnMut(Range<u64>, Fate)) {
        self.outstanding.report(each);
    }

    fn finish(self: Box<Self>) -> Result<(), SinkError> {
        Ok(())
    }
}

/// Replays `recording` as fast as possible.
pub(crate) fn count(recording: &Path) -> anyhow::Result<Counts> {
    let recording = Recording::open(recording)?;
    let sink = ExchangeCounter::default();
    let counts = Arc::clone(&sink.counts);
    let session = Session::replay_recording(&recording)?;
    session.rate(Rate::Max).sink(sink).run()?.into_summary()?;
    let mut counts = counts.lock().unwrap_or_else(PoisonError::into_inner);
    Ok(std::mem::take(&mut counts))
}

fn main() -> anyhow::Result<()> {
    for (exchange, messages) in count(Path::new("recordings/quick"))? {
        println!("{exchange:6} {messages:>8}");
    }
    Ok(())
}

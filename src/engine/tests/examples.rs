//! The examples of the library work, and publish what their texts promise.

#[cfg(feature = "nats")]
#[path = "examples/nats.rs"]
#[expect(clippy::unwrap_used, reason = "helpers of tests may unwrap")]
mod nats;
#[path = "../examples/own_sink.rs"]
#[expect(dead_code, reason = "`cargo run --example` calls its main function")]
mod own_sink;
#[path = "../examples/own_source.rs"]
#[expect(dead_code, reason = "`cargo run --example` calls its main function")]
mod own_source;

use std::io::Read as _;
use std::path::Path;

use tickdeck::sink::JsonlSink;

const QUICK: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../../recordings/quick");

#[test]
fn own_sink_counts_every_message() {
    let counts = own_sink::count(Path::new(QUICK)).unwrap();
    assert_eq!(counts.values().sum::<u64>(), 918);
    assert!(counts.contains_key("SHFE"), "{counts:?}");
}

#[test]
fn own_source_publishes_every_tick() {
    let (mut reader, writer) = std::io::pipe().unwrap();
    let summary = own_source::walk(20, JsonlSink::to_writer(Box::new(writer), "pipe")).unwrap();
    assert_eq!((summary.published, summary.failed), (20, 0));
    let mut lines = String::new();
    reader.read_to_string(&mut lines).unwrap();
    assert_eq!(lines.lines().count(), 20);
    assert!(lines.starts_with("market.tick.SHFE.rb2601 {"), "{lines}");
    assert!(lines.contains("2025-09-12T09:30:19"), "{lines}");
}

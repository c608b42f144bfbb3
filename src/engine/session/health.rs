//! The answer to a health request: the same keys for every session, to which a live one adds more.

use serde_json::{Map, Value, json};

use crate::pipeline::PublisherStats;

/// What every session answers.
pub(super) fn answer(
    session: &str,
    verb: &str,
    state: &str,
    publisher: &PublisherStats,
) -> Map<String, Value> {
    [
        ("session", json!(session)),
        ("verb", json!(verb)),
        ("state", json!(state)),
        ("received", json!(publisher.received())),
        ("published", json!(publisher.published())),
        ("failed", json!(publisher.failed())),
    ]
    .into_iter()
    .map(|(key, value)| (key.to_owned(), value))
    .collect()
}

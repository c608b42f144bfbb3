//! What the rules still allow. A list only shrinks: an entry that nothing needs fails its rule.

/// Files that start threads or wait without the doors in `core`.
pub(super) const BYPASSES: [&str; 14] = [
    "src/core/source/ahead.rs",
    "src/recording/background_writer.rs",
    "src/recording/group_stream.rs",
    "src/engine/check/stream.rs",
    "src/engine/live/ctp/discover.rs",
    "src/engine/live/driver.rs",
    "src/engine/nats/queue.rs",
    "src/engine/pipeline/digest_thread.rs",
    "src/cli/demo.rs",
    "src/cli/lib.rs",
    "src/cli/log/writer.rs",
    "src/cli/play.rs",
    "src/cli/signals.rs",
    "src/cli/smoke.rs",
];

/// Circles of files, each of which a rule tolerates together with its subsets.
pub(super) const CIRCLES: [&[&str]; 14] = [
    &[
        "src/recording/error.rs",
        "src/recording/manifest.rs",
        "src/recording/segment_writer.rs",
    ],
    &[
        "src/recording/group_stream.rs",
        "src/recording/reader.rs",
        "src/recording/segment_reader.rs",
    ],
    &[
        "src/engine/check/error.rs",
        "src/engine/check/golden.rs",
        "src/engine/check/messages.rs",
        "src/engine/check/meter.rs",
        "src/engine/check/stream.rs",
    ],
    &[
        "src/engine/import/dialect.rs",
        "src/engine/import/error.rs",
        "src/engine/import/fields.rs",
    ],
    &[
        "src/engine/live/connector.rs",
        "src/engine/live/queue.rs",
        "src/engine/live/supervisor.rs",
    ],
    &["src/engine/live/driver.rs", "src/engine/live/session.rs"],
    &["src/cli/account.rs", "src/cli/startup.rs"],
    &["src/cli/discovery.rs", "src/cli/front.rs"],
    &[
        "src/cli/log.rs",
        "src/cli/log/writer.rs",
        "src/cli/outcome.rs",
    ],
    &["sim/market/src/convention.rs", "sim/market/src/live.rs"],
    &[
        "sim/market/src/market.rs",
        "sim/market/src/quirks/script.rs",
    ],
    &["sim/market/src/quirks.rs", "sim/market/src/universe.rs"],
    &["sim/front/src/td/answers.rs", "sim/front/src/td/session.rs"],
    &["sim/td/src/methods.rs", "sim/td/src/object.rs"],
];

/// Files and folders whose texts contain phrases that `words` rules out.
pub(super) const PHRASES: [&str; 9] = [
    "docs/operations.md",
    "src/core",
    "src/recording",
    "src/engine",
    "src/cli",
    "ffi",
    "sim",
    "tests/live",
    "tests/nats",
];

/// Pages with sentences that `documents` finds too long.
pub(super) const LONG_SENTENCES: [&str; 2] = ["docs/capture.md", "docs/operations.md"];

/// Removes the problems at places that are `allowed`, and adds one for each such place without any.
pub(super) fn settle(found: Vec<(String, String)>, allowed: &[&str]) -> Vec<String> {
    let is_at = |place: &str, entry: &str| super::source::is_within(place, entry);
    let mut problems: Vec<String> = allowed
        .iter()
        .filter(|entry| !found.iter().any(|(place, _)| is_at(place, entry)))
        .map(|entry| format!("no longer needed in pending.rs: {entry}"))
        .collect();
    problems.extend(
        found
            .into_iter()
            .filter(|(place, _)| !allowed.iter().any(|entry| is_at(place, entry)))
            .map(|(_, problem)| problem),
    );
    problems
}

#[test]
fn an_unneeded_exception_is_caught() {
    let found = || vec![("src/a/b.rs".to_owned(), "bad".to_owned())];
    assert_eq!(settle(found(), &[]), ["bad"]);
    assert!(settle(found(), &["src/a"]).is_empty());
    assert_eq!(settle(found(), &["src/a", "src/c"]).len(), 1);
}

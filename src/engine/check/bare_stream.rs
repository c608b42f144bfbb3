//! A payload stream in place of a golden: its digests are computed when it is opened.

use std::path::Path;

use super::error::CheckError;
use super::golden::{Golden, GoldenSource};
use super::messages::Messages as _;
use super::meter::Meter;
use super::parts::Cuts;
use super::stream::StreamFile;

/// The golden that describes the payload stream at `path`.
///
/// The stream is read once here for its digests, and once more when it is compared.
pub(super) fn golden_of_stream(path: &Path) -> Result<Golden, CheckError> {
    let mut stream = StreamFile::open(path)?;
    let mut meter = Meter::new(Cuts::default(), false);
    let damaged = |error| match error {
        CheckError::DamagedStream { path, reason } => CheckError::NotAGolden {
            path,
            reason: format!("it is a payload stream that is damaged or truncated: {reason}"),
        },
        other => other,
    };
    while let Some(chunk) = stream.next_chunk().map_err(damaged)? {
        meter.update(&chunk);
    }
    let parts = meter.parts();
    let (format, format_version, tickdeck) = Golden::head();
    let name = path.file_name().map(|name| name.to_string_lossy());
    Ok(Golden {
        format,
        format_version,
        tickdeck,
        source: GoldenSource::Stream,
        payload: None,
        ledger: None,
        volatile: Vec::new(),
        left_out: Vec::new(),
        messages: parts.messages,
        digest: stream.ended().digest.unwrap_or_default(),
        stream: name.map(String::from),
        stream_limit: parts.messages,
        windows: parts.windows,
        segments: parts.segments,
        subjects: parts.subjects,
        is_bare_stream: true,
    })
}

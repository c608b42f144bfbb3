//! A ring as a live session has one.

use std::path::Path;
use std::sync::Arc;

use tickdeck::calendar::TradingCalendar;
use tickdeck::clock::SystemClock;
use tickdeck::contract::ContractTable;
use tickdeck::recording::{
    RecorderOptions, RecordingOptions, Ring, RingRecorder, RingSpan, RingTrigger, Rolling,
};
use tickdeck::source::SourceInfo;

/// The ring `.ring-box` under a root, with slots of 10 s.
pub(crate) fn ring(root: &Path, recorder: RecorderOptions) -> RingRecorder {
    const SECOND: i64 = 1_000_000_000;
    let options = RecordingOptions {
        session: "box".into(),
        source: SourceInfo::default(),
        contracts: Arc::new(ContractTable::builtin()),
        calendar: Arc::new(TradingCalendar::builtin()),
        rolling: Rolling::default(),
        overwrite: false,
        keep_partial: true,
    };
    let span = RingSpan {
        before: 80 * SECOND,
        after: 80 * SECOND,
    };
    let trigger = RingTrigger::default();
    let ring = Ring { span, trigger };
    let (session, clock) = ("box".parse().unwrap(), Arc::new(SystemClock::new()));
    let told = |_: &Path, _: &Result<_, _>| {};
    RingRecorder::create(root, session, options, recorder, ring, clock, told).unwrap()
}

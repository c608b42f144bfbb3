//! The live session: composition, recording, failure, the verbs, secrets.

mod addresses;
mod days;
mod discovery;
mod failures;
mod faults;
mod flow;
mod hang_up;
mod ingest;
mod library;
mod log;
mod recording;
mod ring;
mod secrets;
mod smoke;
mod stream;
mod verbs;
mod versions;

use std::collections::BTreeSet;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use tickdeck::calendar::TradingCalendar;
use tickdeck::contract::ContractTable;
use tickdeck::encode::{PayloadKind, PayloadSource};
use tickdeck::event::{InstrumentId, RawTick};
use tickdeck::live::{Connector, LiveOptions, SupervisorOptions};
use tickdeck::nats::NatsOptions;
use tickdeck::normalize::Flags;
use tickdeck::pipeline::PublisherOptions;
use tickdeck::recording::{RecordingOptions, Rolling, SourceInfo};
use tickdeck::session::{LiveNats, LiveServer, LiveSession, LiveSummary, RecordTo, Session};
use tickdeck::sink::Sink;
use tickdeck::source::ReceiveTimes;

use crate::support::fake_front::Stop;
use crate::support::recordings::{events, quick};

/// The ticks of the quick recording, in order.
pub(crate) fn market() -> Vec<RawTick> {
    events(&quick())
        .iter()
        .filter_map(|event| event.as_tick().copied())
        .collect()
}

/// The instruments of some ticks, by id.
pub(crate) fn instruments(ticks: &[RawTick]) -> Vec<InstrumentId> {
    let ids: BTreeSet<InstrumentId> = ticks.iter().map(|tick| tick.instrument_id).collect();
    ids.into_iter().collect()
}

/// A session before it is built, so that a test can change its parts.
pub(crate) struct Setup {
    pub(crate) live: LiveOptions,
    pub(crate) publisher: PublisherOptions,
    pub(crate) server: Option<LiveServer>,
    pub(crate) sinks: Vec<Box<dyn Sink>>,
    pub(crate) record: Option<RecordTo>,
}

impl Setup {
    pub(crate) fn session(self, stop: &Stop) -> LiveSession {
        Session::live("test", self.publisher, self.live)
            .server(self.server)
            .sinks(self.sinks)
            .record(self.record)
            .control(stop.control())
    }
}

/// A session that neither publishes nor records.
pub(crate) fn setup(ticks: &[RawTick]) -> Setup {
    Setup {
        live: LiveOptions {
            instruments: instruments(ticks),
            supervisor: SupervisorOptions {
                session: "test".into(),
                ..SupervisorOptions::default()
            },
            ..LiveOptions::default()
        },
        publisher: PublisherOptions {
            payload: PayloadKind::Vnpy,
            source: PayloadSource::Ctp,
            subject_prefix: "market.tick".into(),
            drop: Flags::default(),
            partition: None,
            contracts: Arc::new(ContractTable::builtin()),
            calendar: Arc::new(TradingCalendar::builtin()),
            receive_times: ReceiveTimes::Measured,
        },
        server: None,
        sinks: Vec::new(),
        record: None,
    }
}

/// The same, recorded in `folder`.
pub(crate) fn recorded(ticks: &[RawTick], folder: &Path) -> Setup {
    let mut setup = setup(ticks);
    setup.record = Some(RecordTo {
        folder: folder.to_owned(),
        by_day: None,
        ring: None,
        store: None,
        options: RecordingOptions {
            session: "test".into(),
            source: SourceInfo {
                kind: "ctp".into(),
                payload_source: "ctp".into(),
                recv_ts: "clock".into(),
                ..SourceInfo::default()
            },
            contracts: Arc::clone(&setup.publisher.contracts),
            calendar: Arc::clone(&setup.publisher.calendar),
            rolling: Rolling::default(),
            overwrite: false,
            keep_partial: true,
        },
    });
    setup
}

/// How to publish, with a longer drain than a service has, for a busy machine.
pub(crate) fn nats(options: NatsOptions) -> LiveNats {
    LiveNats {
        drain: Duration::from_secs(60),
        ..LiveNats::new(options)
    }
}

/// A server to publish to.
pub(crate) fn publishing(nats: &LiveNats) -> Option<LiveServer> {
    Some(LiveServer::connect(nats, "test", "live").unwrap())
}

/// Runs a session on the machine's clock until `stop`.
pub(crate) fn run(connector: Box<dyn Connector>, setup: Setup, stop: &Stop) -> LiveSummary {
    setup.session(stop).run(connector).unwrap()
}

//! What is played: a recording or the seeded market, and what the front knows from it.
//!
//! Several sessions play the same source independently of each other, so a source is described
//! here and opened as often as needed; equal descriptions yield equal events.

use std::collections::{BTreeMap, BTreeSet};
use std::ffi::OsStr;
use std::fmt;
use std::os::unix::ffi::OsStrExt as _;
use std::path::{Path, PathBuf};
use std::time::Duration;

use tickdeck_core::calendar::TradingCalendar;
use tickdeck_core::contract::{Contract, ContractTable};
use tickdeck_core::event::{Event, EventKind, InstrumentId, SessionEvent};
use tickdeck_core::source::{Source, SourceError};
use tickdeck_core::time::{TradingDay, UnixNanos};
use tickdeck_market::source::{Profile, SyntheticError, SyntheticOptions, SyntheticSource};
use tickdeck_recording::{
    EventFilter, MANIFEST_FILE, Recording, RecordingError, is_recording_folder,
};

/// Events at the beginning of a recording that may say which trading day it is.
const TELLING_EVENTS: usize = 512;

/// A recording or a market.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum SourceSpec {
    /// A recording's folder, or a single segment.
    Recording(PathBuf),
    /// The seeded market.
    Synthetic {
        /// Which market.
        profile: Profile,
        /// Seed of every draw.
        seed: u64,
        /// Trading day; `None`: the profile's own.
        trading_day: Option<TradingDay>,
        /// Length in market time; `None`: the profile's own.
        duration: Option<Duration>,
    },
}

impl Default for SourceSpec {
    fn default() -> Self {
        Self::Synthetic {
            profile: Profile::Quick,
            seed: 1,
            trading_day: None,
            duration: None,
        }
    }
}

/// The text names no source.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("expected {expected}")]
pub struct SourceSpecError {
    /// What is accepted.
    pub expected: String,
}

/// The source cannot be played.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum OpenError {
    /// The recording cannot be opened.
    #[error(transparent)]
    Recording(#[from] RecordingError),
    /// The folder is none of a recording.
    #[error(
        "{} is not a recording: {MANIFEST_FILE} is missing; name the folder of a recording or a \
         single segment file",
        path.display()
    )]
    NotARecording {
        /// The folder.
        path: PathBuf,
    },
    /// The market cannot be made.
    #[error("the synthetic market cannot be made")]
    Synthetic(#[from] SyntheticError),
    /// The first events cannot be read.
    #[error(transparent)]
    Source(#[from] SourceError),
    /// There is nothing to play.
    #[error("{0} has no events to play")]
    Empty(SourceSpec),
}

/// What is known of a source before it is played.
#[derive(Debug, Clone)]
pub struct Header {
    /// Receive time of the first event.
    pub first: UnixNanos,
    /// The trading day.
    pub trading_day: TradingDay,
    /// The contracts, by instrument id.
    pub contracts: Vec<Contract>,
    /// The instruments that have ticks, by id; `None` for a single segment, which does not say.
    pub instruments: Option<BTreeSet<String>>,
}

impl Header {
    /// Those of `ids` that will never have a tick.
    #[must_use]
    pub fn missing(&self, ids: &[InstrumentId]) -> Vec<String> {
        let Some(instruments) = &self.instruments else {
            return Vec::new();
        };
        let ids = ids.iter().map(InstrumentId::to_string);
        ids.filter(|id| !instruments.contains(id)).collect()
    }
}

impl SourceSpec {
    /// Reads `recording:PATH` or `synthetic:PROFILE[,seed=N][,duration=TIME][,trading_day=DATE]`.
    /// A path may be in any encoding.
    ///
    /// # Errors
    /// [`SourceSpecError`] names what is accepted.
    pub fn parse(text: &OsStr) -> Result<Self, SourceSpecError> {
        let refused = || SourceSpecError {
            expected: format!("recording:PATH or synthetic:{}", SyntheticOptions::FORM),
        };
        if let Some(path) = text.as_bytes().strip_prefix(b"recording:") {
            return match path {
                b"" => Err(refused()),
                path => Ok(Self::Recording(OsStr::from_bytes(path).into())),
            };
        }
        let text = text.to_str().ok_or_else(refused)?;
        let rest = text.strip_prefix("synthetic:").ok_or_else(refused)?;
        let SyntheticOptions {
            profile,
            seed,
            trading_day,
            duration,
            ..
        } = rest.parse().map_err(|_| refused())?;
        Ok(Self::Synthetic {
            profile,
            seed,
            trading_day,
            duration,
        })
    }

    /// The events from the beginning.
    ///
    /// # Errors
    /// When the recording cannot be opened or the market cannot be made.
    pub fn open(&self) -> Result<Box<dyn Source>, OpenError> {
        Ok(match self {
            Self::Recording(path) => Box::new(open_recording(path)?.reader(EventFilter::default())),
            Self::Synthetic { .. } => Box::new(self.market()?),
        })
    }

    fn market(&self) -> Result<SyntheticSource, OpenError> {
        let mut options = SyntheticOptions::default();
        if let Self::Synthetic {
            profile,
            seed,
            trading_day,
            duration,
        } = self
        {
            options.profile = *profile;
            options.seed = *seed;
            options.trading_day = *trading_day;
            options.duration = *duration;
        }
        Ok(SyntheticSource::open(options, &TradingCalendar::builtin())?)
    }

    /// What is known of the source.
    ///
    /// # Errors
    /// As [`open`](Self::open), and when it has no events.
    pub fn header(&self) -> Result<Header, OpenError> {
        let mut telling: Vec<Event> = Vec::new();
        self.open()?.next_batch(&mut telling, TELLING_EVENTS)?;
        let first = telling
            .first()
            .map(|event| event.recv_ts)
            .ok_or_else(|| OpenError::Empty(self.clone()))?;
        let builtin = TradingCalendar::builtin();
        let (contracts, instruments, trading_day) = match self {
            Self::Recording(path) => {
                let recording = open_recording(path)?;
                let calendar = recording.calendar()?.unwrap_or(builtin);
                let day = recorded_day(&telling);
                let day = day.unwrap_or_else(|| calendar.trading_day_of(first));
                let manifest = recording.manifest();
                let instruments = manifest.map(|m| m.instruments.keys().cloned().collect());
                (recorded_contracts(&recording)?, instruments, day)
            }
            Self::Synthetic { trading_day, .. } => {
                let day = trading_day.unwrap_or_else(|| builtin.trading_day_of(first));
                let mut contracts: Vec<Contract> = self.market()?.contracts().collect();
                contracts.sort_by(|a, b| a.instrument_id.cmp(&b.instrument_id));
                let ids = contracts
                    .iter()
                    .map(|contract| contract.instrument_id.clone());
                let instruments = ids.collect();
                (contracts, Some(instruments), day)
            }
        };
        Ok(Header {
            first,
            trading_day,
            contracts,
            instruments,
        })
    }
}

impl fmt::Display for SourceSpec {
    /// As [`parse`](Self::parse) reads it.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Recording(path) => write!(f, "recording:{}", path.display()),
            Self::Synthetic {
                profile,
                seed,
                trading_day,
                duration,
            } => {
                write!(f, "synthetic:{profile},seed={seed}")?;
                if let Some(duration) = duration {
                    write!(f, ",duration={}", humantime::format_duration(*duration))?;
                }
                match trading_day {
                    Some(TradingDay(date)) => write!(f, ",trading_day={date}"),
                    None => Ok(()),
                }
            }
        }
    }
}

/// A recording, unchanged. The recording's message about a folder without a manifest names
/// flags, and a library has none.
fn open_recording(path: &Path) -> Result<Recording, OpenError> {
    if path.is_dir() && !is_recording_folder(path) {
        return Err(OpenError::NotARecording {
            path: path.to_owned(),
        });
    }
    Ok(Recording::open(path)?)
}

/// The trading day that a recording itself names: in its login, or else in most of its first ticks.
/// Real market data fronts often leave it empty in the login, and CZCE's ticks have another one at
/// night (field guide 5.1). When it was received says little: it may have been played months later.
fn recorded_day(events: &[Event]) -> Option<TradingDay> {
    let of_login = events.iter().find_map(|event| match &event.kind {
        EventKind::Session(SessionEvent::LoginOk { trading_day }) => {
            TradingDay::parse_ctp(trading_day.as_bytes())
        }
        _ => None,
    });
    let mut of_ticks: BTreeMap<TradingDay, u32> = BTreeMap::new();
    for event in events {
        if let EventKind::Tick(tick) = &event.kind
            && let Some(day) = TradingDay::parse_ctp(tick.trading_day.as_bytes())
        {
            *of_ticks.entry(day).or_default() += 1;
        }
    }
    let most = of_ticks
        .into_iter()
        .max_by_key(|&(day, count)| (count, day));
    of_login.or(most.map(|(day, _)| day))
}

/// The recording's table, and the product table's data of its other instruments.
fn recorded_contracts(recording: &Recording) -> Result<Vec<Contract>, OpenError> {
    let mut table = ContractTable::builtin();
    recording.contracts(&mut table)?;
    let instruments = recording.manifest().map(|manifest| &manifest.instruments);
    let resolved: Vec<Contract> = instruments
        .into_iter()
        .flatten()
        .filter_map(|(id, _)| table.resolve(id.as_bytes()).ok())
        .collect();
    table.extend(resolved);
    Ok(table.explicit().cloned().collect())
}

#[cfg(test)]
mod tests {
    use tickdeck_core::causes::with_causes;

    use super::*;

    #[test]
    fn both_kinds_of_source_are_read_from_their_words() {
        let parse = |text: &str| SourceSpec::parse(OsStr::new(text));
        assert_eq!(
            parse("recording:/data/x").unwrap(),
            SourceSpec::Recording("/data/x".into())
        );
        let market = parse("synthetic:quick,seed=7,duration=10s").unwrap();
        assert_eq!(
            market,
            SourceSpec::Synthetic {
                profile: Profile::Quick,
                seed: 7,
                trading_day: None,
                duration: Some(Duration::from_secs(10)),
            }
        );
        for text in [
            "",
            "recording:",
            "synthetic:slow",
            "synthetic:quick,seed=x",
            "x:y",
        ] {
            assert!(parse(text).is_err(), "{text}");
        }
    }

    #[test]
    fn the_header_of_a_market_has_its_day_and_its_contracts() {
        let header = SourceSpec::default().header().unwrap();
        let ids = ["rb2510", "rb2699"].map(|id| InstrumentId::new(id.as_bytes()).unwrap());
        assert_eq!(header.missing(&ids), ["rb2699"]);
        assert_eq!(header.trading_day.to_ctp(), "20250912");
        assert_eq!(header.contracts.len(), 8);
    }

    fn event(kind: EventKind) -> Event {
        Event {
            seq: tickdeck_core::event::Seq(0),
            recv_ts: UnixNanos(0),
            kind,
        }
    }

    fn tick(day: &str) -> Event {
        event(EventKind::Tick(tickdeck_core::event::RawTick {
            trading_day: tickdeck_core::event::Text::new(day.as_bytes()).unwrap(),
            ..Default::default()
        }))
    }

    #[test]
    fn the_trading_day_of_a_recording_is_the_one_it_names() {
        let login = |day: &str| {
            event(EventKind::Session(SessionEvent::LoginOk {
                trading_day: day.into(),
            }))
        };
        let day = |events: &[Event]| recorded_day(events).map(TradingDay::to_ctp);
        let ticks = [
            tick("20250911"),
            tick("20250912"),
            tick("20250912"),
            tick(""),
        ];
        assert_eq!(day(&ticks).as_deref(), Some("20250912"), "what most say");
        let [a, b, c, d] = ticks;
        let events = [login(""), a, b, c, d, login("20250915")];
        assert_eq!(day(&events).as_deref(), Some("20250915"), "a login knows");
        assert_eq!(day(&[login(""), tick("junk")]), None);
    }

    #[test]
    fn a_source_that_cannot_be_played_is_told_in_words_that_help() {
        let folder = concat!(env!("CARGO_MANIFEST_DIR"), "/src");
        for (source, wanted) in [
            (
                "recording:no/such/recording".to_owned(),
                "no/such/recording is not a recording: there is no such file or folder".to_owned(),
            ),
            (
                format!("recording:{folder}"),
                format!(
                    "{folder} is not a recording: manifest.json is missing; name the folder of a \
                     recording or a single segment file"
                ),
            ),
            (
                "synthetic:quick,trading_day=2025-09-13".to_owned(),
                "the synthetic market cannot be made: 2025-09-13 is not a trading day; the next \
                 one is 2025-09-15"
                    .to_owned(),
            ),
            (
                "synthetic:quick,duration=0s".to_owned(),
                "synthetic:quick,seed=1,duration=0s has no events to play".to_owned(),
            ),
        ] {
            let spec = SourceSpec::parse(OsStr::new(&source)).unwrap();
            assert_eq!(with_causes(&spec.header().unwrap_err()), wanted);
        }
    }

    #[test]
    fn a_source_is_told_in_the_words_that_it_is_read_from() {
        for source in [
            "recording:/data/x",
            "synthetic:day,seed=7,duration=10m,trading_day=2025-09-12",
            "synthetic:quick,seed=1",
        ] {
            let spec = SourceSpec::parse(OsStr::new(source)).unwrap();
            assert_eq!(spec.to_string(), source);
        }
    }
}

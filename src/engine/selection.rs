//! Which events of recordings are wanted, resolved against what the recordings have.

use std::collections::BTreeMap;
use std::ops::ControlFlow;

use tickdeck_core::contract::Exchange;
use tickdeck_core::event::Event;
use tickdeck_core::select::{SymbolGlobs, Window, WindowSpec};
use tickdeck_core::source::{Source, SourceError, TickLimit};
use tickdeck_recording::{EventFilter, Followed, MissingPart};

use crate::inputs::{Inputs, Salvaged, SelectionError};
use crate::reference::Reference;

/// What is wanted. Empty lists and a default window select everything.
#[derive(Debug, Clone, Default)]
pub struct SelectionOptions {
    /// Receive times.
    pub window: WindowSpec,
    /// Patterns of instrument ids, such as `rb*`.
    pub symbols: Vec<String>,
    /// Exchanges.
    pub exchanges: Vec<Exchange>,
    /// The maximum number of ticks.
    pub max_ticks: Option<u64>,
}

/// A selection that recordings can be read with.
#[derive(Debug)]
pub struct Selection {
    /// The events.
    pub filter: EventFilter,
    /// The maximum number of ticks.
    pub max_ticks: Option<u64>,
    /// Patterns that no recorded instrument matches. Empty for recordings without a manifest, whose
    /// instruments are not known in advance.
    pub unmatched: Vec<String>,
    /// Ticks of each recorded instrument; `None` where a recording has no manifest.
    pub available: Option<BTreeMap<String, u64>>,
}

/// How much is selected.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Counted {
    /// Events.
    pub events: u64,
    /// Ticks of each instrument.
    pub instruments: BTreeMap<String, u64>,
    /// Parts that a salvage skips.
    pub missing: Vec<MissingPart>,
}

impl Counted {
    /// Ticks of all instruments.
    #[must_use]
    pub fn ticks(&self) -> u64 {
        self.instruments.values().sum()
    }
}

impl Selection {
    /// Resolves `options` for these inputs.
    ///
    /// # Errors
    /// When a pattern or the window is not valid, a time of day is ambiguous, or a recording cannot be
    /// read.
    pub fn resolve(
        options: &SelectionOptions,
        inputs: &Inputs,
        reference: &Reference,
    ) -> Result<Self, SelectionError> {
        let Window { start, end } = inputs.window(&options.window, &reference.calendar)?;
        let globs = SymbolGlobs::new(&options.symbols)?;
        let available = inputs.instruments();
        let unmatched = available.as_ref().map_or_else(Vec::new, |available| {
            unmatched(&globs, available, reference)
        });
        Ok(Self {
            filter: EventFilter {
                start,
                end,
                instruments: reference.instruments(globs, options.exchanges.clone()),
            },
            max_ticks: options.max_ticks,
            unmatched,
            available,
        })
    }

    /// The selected events of `inputs` as one source.
    #[must_use]
    pub fn source(&self, inputs: &Inputs) -> Box<dyn Source> {
        inputs.source_limited(&self.filter, self.max_ticks, None)
    }

    /// The same, now and later: the source ends when the writer of the recording has ended, or when
    /// `is_stopped` says so. `followed` learns whether the recording was finished. Several recordings are
    /// not followed, but read to their end.
    #[must_use]
    pub fn source_following(
        &self,
        inputs: &Inputs,
        is_stopped: impl Fn() -> bool + Send + 'static,
        followed: &Followed,
    ) -> Box<dyn Source> {
        let following = inputs.source_following(&self.filter, is_stopped, followed);
        match (following, self.max_ticks) {
            (Some(source), Some(limit)) => Box::new(TickLimit::new(source, limit)),
            (Some(source), None) => source,
            (None, _) => self.source(inputs),
        }
    }

    /// What a replay would play. It is read like a replay, `batch` events at a time, so that it is exact.
    /// `visitor` gets the events in order. A salvage counts what is intact, and lists the rest.
    ///
    /// # Errors
    /// When a recording cannot be read, or the system gives no thread.
    pub fn count(
        &self,
        inputs: &Inputs,
        salvage: bool,
        batch: usize,
        mut visitor: impl FnMut(&[Event]),
    ) -> Result<Counted, SourceError> {
        let salvaged = salvage.then(Salvaged::default);
        let mut source = inputs.source_ahead(&self.filter, salvaged.as_ref())?;
        if let Some(limit) = self.max_ticks {
            source = Box::new(TickLimit::new(source, limit));
        }
        let mut counted = Counted::default();
        self.visit(source.as_mut(), batch, |events| {
            visitor(events);
            counted.events += events.len() as u64;
            for tick in events.iter().filter_map(Event::as_tick) {
                let id = tick.instrument_id.to_string();
                *counted.instruments.entry(id).or_default() += 1;
            }
            Ok::<_, SourceError>(ControlFlow::Continue(()))
        })?;
        counted.missing = salvaged.map_or_else(Vec::new, |salvaged| salvaged.take());
        Ok(counted)
    }

    /// Hands the events of `source`, one of this selection, to `visitor` until the end or a `Break`. It gets
    /// them in order, at most `batch` at a time. Returns how many of them were what was wanted: ticks where
    /// instruments were named, else all.
    ///
    /// # Errors
    /// When the source or the visitor fails.
    pub fn visit<E, F>(
        &self,
        source: &mut dyn Source,
        batch: usize,
        mut visitor: F,
    ) -> Result<u64, E>
    where
        E: From<SourceError>,
        F: FnMut(&[Event]) -> Result<ControlFlow<()>, E>,
    {
        let mut found = 0;
        let mut events = Vec::new();
        loop {
            events.clear();
            source.next_batch(&mut events, batch)?;
            if events.is_empty() {
                return Ok(found);
            }
            found += match self.names_instruments() {
                true => events.iter().filter_map(Event::as_tick).count(),
                false => events.len(),
            } as u64;
            if visitor(&events)?.is_break() {
                return Ok(found);
            }
        }
    }

    /// Whether instruments were named, so that session events alone are not what was wanted.
    #[must_use]
    pub fn names_instruments(&self) -> bool {
        self.filter.instruments.is_some()
    }
}

fn unmatched(
    globs: &SymbolGlobs,
    available: &BTreeMap<String, u64>,
    reference: &Reference,
) -> Vec<String> {
    let instruments = available.keys().map(|id| {
        let contract = reference.contracts.resolve(id.as_bytes()).ok();
        (id.as_bytes(), contract.map(|contract| contract.exchange))
    });
    let unmatched = globs.unmatched(instruments);
    unmatched.into_iter().map(str::to_owned).collect()
}

#[cfg(test)]
mod tests {
    use std::path::PathBuf;

    use super::*;
    use tickdeck_core::source::SourceErrorKind;

    use crate::reference::ReferenceOptions;

    fn resolve(symbols: &[&str], max_ticks: Option<u64>) -> (Inputs, Selection) {
        let quick = concat!(env!("CARGO_MANIFEST_DIR"), "/../../recordings/quick");
        let inputs = Inputs::open(&[PathBuf::from(quick)]).unwrap();
        let reference = Reference::load(&ReferenceOptions::default(), &inputs.recordings).unwrap();
        let options = SelectionOptions {
            symbols: symbols.iter().map(|&symbol| symbol.to_owned()).collect(),
            max_ticks,
            ..SelectionOptions::default()
        };
        let selection = Selection::resolve(&options, &inputs, &reference).unwrap();
        (inputs, selection)
    }

    fn ticks(inputs: &Inputs, selection: &Selection) -> u64 {
        let followed = Followed::default();
        let source = selection.source_following(inputs, || false, &followed);
        assert!(followed.is_finished());
        let followed = count(source);
        let ticks = count(selection.source(inputs));
        assert_eq!(followed, ticks, "no writer is running");
        ticks
    }

    fn count(mut source: Box<dyn Source>) -> u64 {
        let mut ticks = 0;
        loop {
            let mut batch = Vec::new();
            source.next_batch(&mut batch, 100).unwrap();
            if batch.is_empty() {
                return ticks;
            }
            ticks += batch
                .iter()
                .filter(|event| event.as_tick().is_some())
                .count() as u64;
        }
    }

    #[test]
    fn patterns_select_what_they_match_and_report_the_others() {
        let (inputs, selection) = resolve(&["rb*", "zz*"], None);
        assert_eq!(selection.unmatched, ["zz*"]);
        let of_rb = selection.available.as_ref().unwrap()["rb2510"];
        assert_eq!(ticks(&inputs, &selection), of_rb);
        let counted = selection.count(&inputs, false, 100, |_| {}).unwrap();
        assert_eq!(counted.instruments, [("rb2510".to_owned(), of_rb)].into());
        assert!(counted.events >= counted.ticks() && counted.missing.is_empty());
        let (inputs, selection) = resolve(&["rb*"], Some(5));
        assert_eq!(ticks(&inputs, &selection), 5);
        assert_eq!(
            selection
                .count(&inputs, false, 100, |_| {})
                .unwrap()
                .ticks(),
            5
        );
    }

    #[test]
    fn a_visit_counts_what_was_wanted_and_can_be_stopped() {
        let visited = |symbols: &[&str], end_after: usize| {
            let (inputs, selection) = resolve(symbols, None);
            let (mut batches, mut events) = (0, 0);
            let mut source = selection.source(&inputs);
            let found = selection.visit(source.as_mut(), 100, |batch| {
                assert!((1..=100).contains(&batch.len()));
                events += batch.len() as u64;
                batches += 1;
                Ok::<_, SourceError>(match batches == end_after {
                    true => ControlFlow::Break(()),
                    false => ControlFlow::Continue(()),
                })
            });
            (found.unwrap(), events)
        };
        let all = 918 + 10;
        assert_eq!(visited(&[], usize::MAX), (all, all));
        let (first, events) = visited(&[], 1);
        assert!(first == events && first <= 100, "{first} of {events}");
        // Session events alone are not what was wanted.
        assert_eq!(visited(&["zz*"], usize::MAX).0, 0);
    }

    #[test]
    fn an_error_of_the_visitor_ends_the_visit() {
        let (inputs, selection) = resolve(&[], None);
        let mut calls = 0;
        let mut source = selection.source(&inputs);
        let ended = selection.visit(source.as_mut(), 100, |_| {
            calls += 1;
            Err(SourceError::new(SourceErrorKind::Failed, "full"))
        });
        assert!(ended.is_err());
        assert_eq!(calls, 1);
    }

    #[test]
    fn default_options_select_everything() {
        let (inputs, selection) = resolve(&[], None);
        assert!(!selection.names_instruments());
        assert_eq!(ticks(&inputs, &selection), 918);
    }
}

//! One export from its source to its output.

use std::collections::BTreeMap;
use std::fmt;
use std::io::{self, Write};
use std::sync::Arc;

#[cfg(feature = "import")]
use parquet::errors::ParquetError;
use tickdeck_core::event::Event;
use tickdeck_core::source::{ReceiveTimes, Source, SourceError};

use super::csv::{CsvLayout, CsvWriter};
use super::jsonl::JsonlWriter;
#[cfg(feature = "import")]
use super::table::TableWriter;
use crate::control::Control;
#[cfg(feature = "import")]
use crate::pipeline::DryRun;
use crate::pipeline::{Publisher, PublisherOptions, is_nothing};
use crate::progress::{Progress, Silent};
use crate::sink::{Sink, SinkError};
use crate::transfer::{TransferError, transfer};

/// A form of recorded events.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum EventForm {
    /// CSV.
    Csv(CsvLayout),
    /// JSON lines.
    Jsonl,
}

/// What an export wrote.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Exported {
    /// Ticks of the source.
    pub ticks: u64,
    /// Events that the form cannot hold.
    pub left_out: u64,
    /// Ticks of which no payload was written, by reason.
    pub rejected: BTreeMap<&'static str, u64>,
    /// Ticks that the dropped flags filtered out.
    pub filtered: u64,
    /// Whether the output is to be kept: something was written of a tick, or
    /// [`Export::allow_empty`] is on.
    pub is_kept: bool,
}

impl Exported {
    /// Whether there were ticks and nothing was written of any.
    #[must_use]
    pub fn is_nothing(&self) -> bool {
        is_nothing(self.ticks, &self.rejected, self.filtered)
    }

    /// Decides whether the output is kept.
    fn decided(self, allow_empty: bool) -> Self {
        Self {
            is_kept: allow_empty || (self.ticks > 0 && !self.is_nothing()),
            ..self
        }
    }
}

/// An export did not reach its end.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ExportError {
    /// The input cannot be read.
    #[error(transparent)]
    Source(#[from] SourceError),
    /// The output cannot be written.
    #[error(transparent)]
    Output(#[from] io::Error),
    /// A sink cannot continue.
    #[error(transparent)]
    Sink(#[from] SinkError),
    /// The control was stopped.
    #[error("export was interrupted after {events} events; no file was made")]
    Interrupted {
        /// Events that were written by then.
        events: u64,
    },
}

#[cfg(feature = "import")]
impl From<ParquetError> for ExportError {
    fn from(error: ParquetError) -> Self {
        match error {
            ParquetError::External(source) => match source.downcast::<io::Error>() {
                Ok(error) => Self::Output(*error),
                Err(source) => Self::Output(io::Error::other(source)),
            },
            error => Self::Output(io::Error::other(error)),
        }
    }
}

impl<E: Into<Self>> From<TransferError<E>> for ExportError {
    fn from(error: TransferError<E>) -> Self {
        match error {
            TransferError::Source(error) => error.into(),
            TransferError::Receiver(error) => error.into(),
            TransferError::Interrupted(events) => Self::Interrupted { events },
        }
    }
}

/// An export. Set it up with its methods, then call the one that names its form.
///
/// ```
/// use tickdeck::export::csv::CsvLayout;
/// use tickdeck::export::{EventForm, Export};
/// use tickdeck::recording::{EventFilter, Recording};
///
/// # fn main() -> Result<(), Box<dyn std::error::Error>> {
/// # let path = concat!(env!("CARGO_MANIFEST_DIR"), "/../../recordings/quick");
/// let quick = Recording::open(path.as_ref())?;
/// let mut source = quick.reader(EventFilter::default());
/// let mut out = Vec::new();
/// let exported = Export::new().events(
///     &mut source,
///     EventForm::Csv(CsvLayout::JavaTrader),
///     &mut out,
/// )?;
/// assert_eq!((exported.ticks, exported.left_out), (918, 10));
/// assert_eq!(out.iter().filter(|byte| **byte == b'\n').count(), 919);
/// # Ok(())
/// # }
/// ```
pub struct Export {
    receive_times: ReceiveTimes,
    allow_empty: bool,
    progress: Box<dyn Progress>,
    control: Arc<Control>,
}

impl fmt::Debug for Export {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Export").finish_non_exhaustive()
    }
}

impl Default for Export {
    fn default() -> Self {
        Self::new()
    }
}

impl Export {
    /// An export that reports nothing and is not stopped.
    #[must_use]
    pub fn new() -> Self {
        Self {
            receive_times: ReceiveTimes::default(),
            allow_empty: false,
            progress: Box::new(Silent),
            control: Arc::default(),
        }
    }

    /// What the receive times of the source are worth, which [`events`](Self::events) writes down. The
    /// default is measured.
    #[must_use]
    pub const fn receive_times(mut self, receive_times: ReceiveTimes) -> Self {
        self.receive_times = receive_times;
        self
    }

    /// Keeps the output also when nothing was written of a tick, and finishes the sinks without one.
    #[must_use]
    pub const fn allow_empty(mut self, allow_empty: bool) -> Self {
        self.allow_empty = allow_empty;
        self
    }

    /// Reports how far it is.
    #[must_use]
    pub fn progress(mut self, progress: Box<dyn Progress>) -> Self {
        self.progress = progress;
        self
    }

    /// Ends with [`ExportError::Interrupted`] when this control is stopped.
    #[must_use]
    pub fn control(mut self, control: Arc<Control>) -> Self {
        self.control = control;
        self
    }

    /// Writes the events as they were received.
    ///
    /// # Errors
    /// When the source or `out` fails, or the control is stopped.
    pub fn events(
        mut self,
        source: &mut dyn Source,
        form: EventForm,
        out: &mut dyn Write,
    ) -> Result<Exported, ExportError> {
        let (ticks, left_out) = match form {
            EventForm::Csv(layout) => {
                let mut writer = CsvWriter::new(out, layout, self.receive_times)?;
                let ticks = self.run(source, &mut |events| writer.write(events))?;
                let left_out = writer.left_out();
                writer.finish()?.flush()?;
                (ticks, left_out)
            }
            EventForm::Jsonl => {
                let mut writer = JsonlWriter::new(out, self.receive_times);
                let ticks = self.run(source, &mut |events| writer.write(events))?;
                writer.finish()?.flush()?;
                (ticks, 0)
            }
        };
        let exported = Exported {
            ticks,
            left_out,
            ..Exported::default()
        };
        Ok(exported.decided(self.allow_empty))
    }

    /// Writes what a replay publishes. The sinks are finished only if everything was written and there
    /// was a tick.
    ///
    /// # Errors
    /// When the source or a sink fails, or the control is stopped.
    pub fn payloads(
        mut self,
        source: &mut dyn Source,
        options: PublisherOptions,
        sinks: Vec<Box<dyn Sink>>,
    ) -> Result<Exported, ExportError> {
        let mut publisher = Publisher::new(options, sinks);
        let ticks = self.run(source, &mut |events| publisher.publish(events))?;
        match publisher.finish(ticks > 0 || self.allow_empty) {
            (_, _, Some(error)) => Err(error.into()),
            (ledger, ..) => {
                let total = ledger.total();
                let exported = Exported {
                    ticks,
                    rejected: total.rejected,
                    filtered: total.filtered,
                    ..Exported::default()
                };
                Ok(exported.decided(self.allow_empty))
            }
        }
    }

    /// Writes what a replay publishes as a Parquet table, without the payloads: see
    /// [`table`](super::table).
    ///
    /// # Errors
    /// When the source or `out` fails, or the control is stopped.
    #[cfg(feature = "import")]
    pub fn table(
        mut self,
        source: &mut dyn Source,
        options: &PublisherOptions,
        out: &mut (dyn Write + Send),
    ) -> Result<Exported, ExportError> {
        let mut normalized = DryRun::new(options);
        let mut table = TableWriter::new(out, options.source)?;
        let ticks = self.run(source, &mut |events| {
            normalized.take_each(events, |tick| table.write(tick))
        })?;
        table.finish()?.flush()?;
        let exported = Exported {
            ticks,
            rejected: normalized.rejected().clone(),
            filtered: normalized.filtered(),
            ..Exported::default()
        };
        Ok(exported.decided(self.allow_empty))
    }

    /// Returns the number of ticks.
    fn run<E: Into<ExportError>>(
        &mut self,
        source: &mut dyn Source,
        write: &mut dyn FnMut(&[Event]) -> Result<(), E>,
    ) -> Result<u64, ExportError> {
        let mut ticks = 0;
        let mut receive = |events: &[Event]| -> Result<(), E> {
            write(events)?;
            ticks += events.iter().filter_map(Event::as_tick).count() as u64;
            Ok(())
        };
        transfer(source, self.progress.as_mut(), &self.control, &mut receive)?;
        Ok(ticks)
    }
}

#[cfg(test)]
mod tests {
    use tickdeck_core::time::UnixNanos;
    use tickdeck_recording::{EventFilter, Recording};

    use super::*;

    #[test]
    fn an_output_is_kept_if_something_was_written_of_a_tick() {
        let kept = |ticks, rejected, filtered, allow_empty| {
            let exported = Exported {
                ticks,
                rejected: BTreeMap::from([("unknown_product", rejected)]),
                filtered,
                ..Exported::default()
            };
            let exported = exported.decided(allow_empty);
            (exported.is_nothing(), exported.is_kept)
        };
        assert_eq!(kept(3, 1, 1, false), (false, true));
        assert_eq!(kept(3, 2, 1, false), (true, false));
        assert_eq!(kept(3, 2, 1, true), (true, true));
        assert_eq!(kept(0, 0, 0, false), (false, false));
        assert_eq!(kept(0, 0, 0, true), (false, true));
    }

    #[test]
    fn events_without_a_tick_are_not_kept_unless_allowed() {
        let quick = concat!(env!("CARGO_MANIFEST_DIR"), "/../../recordings/quick");
        let quick = Recording::open(quick.as_ref()).unwrap();
        let kept = |end: Option<UnixNanos>, allow_empty| {
            let filter = EventFilter {
                end,
                ..EventFilter::default()
            };
            let export = Export::new().allow_empty(allow_empty);
            let exported = export
                .events(&mut quick.reader(filter), EventForm::Jsonl, &mut Vec::new())
                .unwrap();
            (exported.ticks, exported.is_kept)
        };
        let before_all = Some(UnixNanos::default());
        assert_eq!(kept(None, false), (918, true));
        assert_eq!(kept(before_all, false), (0, false));
        assert_eq!(kept(before_all, true), (0, true));
    }
}

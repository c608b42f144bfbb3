//! New recordings made of other things: a part of one, several as one, a synthetic market, or the
//! dumps of other tools.
//!
//! A conversion runs as fast as it can. It keeps its output only if it reaches the end and has a tick.
//! An error, a stop or an empty selection leaves nothing behind. A recording that it should replace
//! then stays as it was.
//!
//! ```
//! use tickdeck::convert::Conversion;
//! use tickdeck::inputs::Inputs;
//! use tickdeck::recording::EventFilter;
//! use tickdeck::reference::Reference;
//! use tickdeck::select::SymbolGlobs;
//!
//! # fn main() -> Result<(), Box<dyn std::error::Error>> {
//! # let folder = tempfile::tempdir()?;
//! # let (part, whole) = (folder.path().join("part"), folder.path().join("whole"));
//! # let path = concat!(env!("CARGO_MANIFEST_DIR"), "/../../recordings/quick").into();
//! let quick = Inputs::open(&[path])?;
//! let reference = Reference::of_recordings(&quick.recordings)?;
//! let filter = EventFilter {
//!     instruments: reference.instruments(SymbolGlobs::new(&["rb*"])?, Vec::new()),
//!     ..EventFilter::default()
//! };
//! let manifest = Conversion::to(&part).slice(&quick, &filter, None, &reference)?;
//! assert_eq!(manifest.source.detail, "of=synthetic-quick-1-20250912");
//!
//! let both = Inputs::open(&[part.clone(), part])?;
//! let merged = Conversion::to(&whole).merge(&both, &Reference::of_recordings(&both.recordings)?)?;
//! assert_eq!(merged.ticks, 2 * manifest.ticks);
//! # Ok(())
//! # }
//! ```

use std::fmt;
use std::path::PathBuf;
use std::sync::Arc;

use tickdeck_core::event::Event;
use tickdeck_core::source::{MergeSource, Source, SourceError};
use tickdeck_market::source::SyntheticSource;
use tickdeck_recording::{
    EventFilter, Manifest, Recording, RecordingError, RecordingOptions, RecordingWriter, Rolling,
    SourceInfo, session_of,
};

use crate::control::Control;
#[cfg(feature = "import")]
use crate::import::ImportSource;
use crate::inputs::{Inputs, MixedInputs, Salvaged};
use crate::progress::{Progress, Silent};
use crate::reference::Reference;
use crate::transfer::{TransferError, transfer};

/// A conversion did not reach its end. No output was kept.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ConvertError {
    /// The recordings cannot be combined.
    #[error(transparent)]
    Mixed(#[from] MixedInputs),
    /// The input cannot be read.
    #[error(transparent)]
    Source(#[from] SourceError),
    /// The output cannot be written.
    #[error(transparent)]
    Recording(#[from] RecordingError),
    /// There was no tick, and [`Conversion::allow_empty`] is off.
    #[error("{what} found no tick; no output was kept")]
    Empty {
        /// The conversion, for example `slice`.
        what: &'static str,
    },
    /// The control was stopped.
    #[error("{what} was interrupted after {events} events; no output was kept")]
    Interrupted {
        /// The conversion, for example `slice`.
        what: &'static str,
        /// Events that were written by then.
        events: u64,
    },
}

/// A new recording to be made. Set it up with its methods, then call the one that names its input.
pub struct Conversion {
    folder: PathBuf,
    session: Option<String>,
    rolling: Rolling,
    overwrite: bool,
    allow_empty: bool,
    salvaged: Option<Salvaged>,
    progress: Box<dyn Progress>,
    control: Arc<Control>,
}

impl fmt::Debug for Conversion {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Conversion")
            .field("folder", &self.folder)
            .field("session", &self.session)
            .field("rolling", &self.rolling)
            .field("overwrite", &self.overwrite)
            .field("allow_empty", &self.allow_empty)
            .finish_non_exhaustive()
    }
}

impl Conversion {
    /// A conversion into `folder`, which must be new or empty.
    #[must_use]
    pub fn to(folder: impl Into<PathBuf>) -> Self {
        Self {
            folder: folder.into(),
            session: None,
            rolling: Rolling::default(),
            overwrite: false,
            allow_empty: false,
            salvaged: None,
            progress: Box::new(Silent),
            control: Arc::default(),
        }
    }

    /// Session id of the new recording. The default is that of the synthetic market, else the name of
    /// the folder.
    #[must_use]
    pub fn session(mut self, id: impl Into<String>) -> Self {
        self.session = Some(id.into());
        self
    }

    /// When a segment is sealed and the next one begun.
    #[must_use]
    pub const fn rolling(mut self, rolling: Rolling) -> Self {
        self.rolling = rolling;
        self
    }

    /// Replaces a recording that is already in the folder.
    #[must_use]
    pub const fn overwrite(mut self, overwrite: bool) -> Self {
        self.overwrite = overwrite;
        self
    }

    /// Keeps a recording without a tick. The default is [`ConvertError::Empty`].
    #[must_use]
    pub const fn allow_empty(mut self, allow_empty: bool) -> Self {
        self.allow_empty = allow_empty;
        self
    }

    /// Lets a slice skip damaged parts of its input, which this list has in the end.
    #[must_use]
    pub fn salvaged(mut self, salvaged: Salvaged) -> Self {
        self.salvaged = Some(salvaged);
        self
    }

    /// Reports how far it is.
    #[must_use]
    pub fn progress(mut self, progress: Box<dyn Progress>) -> Self {
        self.progress = progress;
        self
    }

    /// Ends with [`ConvertError::Interrupted`] when this control is stopped.
    #[must_use]
    pub fn control(mut self, control: Arc<Control>) -> Self {
        self.control = control;
        self
    }

    /// Keeps the selected events, at most `limit` ticks, as a new session without gaps in `seq`.
    ///
    /// # Errors
    /// When an input cannot be read, the output cannot be written, the recordings cannot be combined,
    /// no tick is selected, or the control is stopped.
    pub fn slice(
        self,
        inputs: &Inputs,
        filter: &EventFilter,
        limit: Option<u64>,
        reference: &Reference,
    ) -> Result<Manifest, ConvertError> {
        let info = made_of("slice", inputs)?;
        // A merge of one source renumbers it.
        let selected = inputs.source_limited(filter, limit, self.salvaged.as_ref());
        let mut source = MergeSource::new(vec![selected]);
        self.copy("slice", &mut source, info, reference)
    }

    /// All recordings as one, ordered by receive time, position in `inputs` and `seq`.
    ///
    /// # Errors
    /// As [`slice`](Self::slice).
    pub fn merge(self, inputs: &Inputs, reference: &Reference) -> Result<Manifest, ConvertError> {
        let info = made_of("merge", inputs)?;
        let mut source = inputs.source(&EventFilter::default());
        self.copy("merge", source.as_mut(), info, reference)
    }

    /// The whole session of a synthetic market. `reference` should have its contracts, see
    /// [`Reference::with_contracts`].
    ///
    /// # Errors
    /// When the output cannot be written, the session is too short for a tick, or the control is
    /// stopped.
    pub fn generate(
        self,
        mut source: SyntheticSource,
        reference: &Reference,
    ) -> Result<Manifest, ConvertError> {
        let session = self.session.clone().unwrap_or_else(|| source.session_id());
        let info = source.info();
        self.session(session)
            .copy("generate", &mut source, info, reference)
    }

    /// The rows of dumps of other tools. The report of `source` says what was skipped.
    ///
    /// # Errors
    /// As [`slice`](Self::slice), and at a bad row that is not to be skipped.
    #[cfg(feature = "import")]
    pub fn import(
        mut self,
        source: &mut ImportSource,
        reference: &Reference,
    ) -> Result<Manifest, ConvertError> {
        let mut writer = self.writer(source.info(), reference)?;
        self.write("import", source, &mut writer)?;
        // Every row may have its own rule, and its own exchange.
        writer.set_recv_ts(source.info().recv_ts);
        writer.add_contracts(source.trusted_contracts());
        Ok(writer.finish()?)
    }

    fn copy(
        mut self,
        what: &'static str,
        source: &mut dyn Source,
        info: SourceInfo,
        reference: &Reference,
    ) -> Result<Manifest, ConvertError> {
        let mut writer = self.writer(info, reference)?;
        self.write(what, source, &mut writer)?;
        Ok(writer.finish()?)
    }

    fn writer(
        &self,
        source: SourceInfo,
        reference: &Reference,
    ) -> Result<RecordingWriter, RecordingError> {
        let session = self.session.clone();
        let options = RecordingOptions {
            session: session.unwrap_or_else(|| session_of(&self.folder)),
            source,
            contracts: Arc::clone(&reference.contracts),
            calendar: Arc::clone(&reference.calendar),
            rolling: self.rolling,
            overwrite: self.overwrite,
            keep_partial: false,
        };
        RecordingWriter::create(&self.folder, options)
    }

    fn write(
        &mut self,
        what: &'static str,
        source: &mut dyn Source,
        writer: &mut RecordingWriter,
    ) -> Result<(), ConvertError> {
        let progress = self.progress.as_mut();
        let mut write = |events: &[Event]| writer.write(events);
        transfer(source, progress, &self.control, &mut write).map_err(|error| match error {
            TransferError::Source(error) => error.into(),
            TransferError::Receiver(error) => error.into(),
            TransferError::Interrupted(events) => ConvertError::Interrupted { what, events },
        })?;
        if writer.ticks() == 0 && !self.allow_empty {
            return Err(ConvertError::Empty { what });
        }
        Ok(())
    }
}

/// What a recording says that is made of `inputs`: the library and the layout are those of the first.
fn made_of(kind: &str, inputs: &Inputs) -> Result<SourceInfo, MixedInputs> {
    inputs.payload_source()?;
    let first = inputs.recordings.first().map(Recording::source);
    Ok(SourceInfo {
        kind: kind.into(),
        detail: format!("of={}", inputs.session()),
        recv_ts: SourceInfo::recv_ts_rules_of(inputs.recordings.iter().map(Recording::source)),
        ..first.cloned().unwrap_or_default()
    })
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use tickdeck_market::source::SyntheticOptions;

    use super::*;
    use crate::control::Command;

    fn market() -> (SyntheticSource, Reference) {
        let reference = Reference::of_recordings(&[]).unwrap();
        let source = SyntheticSource::open(SyntheticOptions::default(), &reference.calendar);
        let source = source.unwrap();
        let reference = reference.with_contracts(source.contracts());
        (source, reference)
    }

    #[test]
    fn a_stopped_conversion_keeps_what_was_there() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("quick");
        let (source, reference) = market();
        let made = Conversion::to(&path).generate(source, &reference).unwrap();
        let (again, reference) = market();
        let control = Arc::new(Control::new());
        control.send(Command::Stop);
        let stopped = Conversion::to(&path)
            .overwrite(true)
            .control(control)
            .generate(again, &reference)
            .unwrap_err();
        let text = stopped.to_string();
        assert!(
            text.starts_with("generate was interrupted after "),
            "{text}"
        );
        assert!(matches!(
            stopped,
            ConvertError::Interrupted { events: 1.., .. }
        ));
        assert_eq!(Manifest::read(&path).unwrap(), made);
        assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 1);
    }

    #[test]
    fn a_slice_of_nothing_keeps_what_was_there() {
        let folder = tempfile::tempdir().unwrap();
        let (whole, part) = (folder.path().join("whole"), folder.path().join("part"));
        let (source, reference) = market();
        Conversion::to(&whole).generate(source, &reference).unwrap();
        let inputs = Inputs::open(&[whole]).unwrap();
        let all = EventFilter::default();
        let slice = |to: &Path| Conversion::to(to).overwrite(true);
        let nothing = slice(&part).slice(&inputs, &all, Some(0), &reference);
        assert!(matches!(
            nothing,
            Err(ConvertError::Empty { what: "slice" })
        ));
        assert!(!part.exists());
        let made = slice(&part).slice(&inputs, &all, Some(1), &reference);
        let made = made.unwrap();
        let nothing = slice(&part).slice(&inputs, &all, Some(0), &reference);
        assert!(nothing.is_err());
        assert_eq!(Manifest::read(&part).unwrap(), made);
        let empty = slice(&part).allow_empty(true);
        let empty = empty.slice(&inputs, &all, Some(0), &reference).unwrap();
        assert_eq!(empty.ticks, 0);
        assert_eq!(Manifest::read(&part).unwrap(), empty);
    }

    #[test]
    fn a_slice_is_a_new_session_without_gaps() {
        let folder = tempfile::tempdir().unwrap();
        let (whole, part) = (folder.path().join("whole"), folder.path().join("part"));
        let (source, reference) = market();
        let rules = source.info().recv_ts;
        let made = Conversion::to(&whole).generate(source, &reference).unwrap();
        let inputs = Inputs::open(&[whole]).unwrap();
        let all = EventFilter::default();
        let slice = Conversion::to(&part)
            .slice(&inputs, &all, Some(10), &reference)
            .unwrap();
        assert_eq!((slice.session.as_str(), slice.ticks), ("part", 10));
        assert_eq!(slice.source.kind, "slice");
        assert_eq!(slice.source.detail, format!("of={}", made.session));
        assert_eq!(slice.source.recv_ts, rules);
        let mut source = Inputs::open(&[part]).unwrap().source(&all);
        let mut events = Vec::new();
        source.next_batch(&mut events, 100).unwrap();
        assert!(
            events
                .iter()
                .zip(0..)
                .all(|(event, seq)| event.seq.0 == seq)
        );
    }
}

//! The checks of a batch, one input after the other.

use std::path::Path;
use std::sync::Arc;

use super::batch::Batch;
use super::error::CheckError;
use super::examine::{CheckOptions, Checked, check_recording, check_stream};
use super::input::{Input, refuse_damage};
use super::publishing::Publishing;
use super::servers::Servers;
use crate::control::Control;
use crate::progress::{Position, Progress, Silent};
use crate::sink::paths::is_inside_recording;

/// How the inputs of a batch are checked.
#[derive(Debug, Clone, Default)]
pub struct BatchOptions<'a> {
    /// How each is checked.
    pub check: CheckOptions,
    /// How recordings are published.
    pub publishing: Publishing<'a>,
    /// Where inputs are that are not files.
    pub servers: Servers,
    /// Ends the batch when it is stopped.
    pub control: Arc<Control>,
}

/// How the check of one input ended.
#[derive(Debug)]
pub enum InputResult {
    /// It was compared.
    Checked(Box<Checked>),
    /// It is damaged. That is a finding: the other inputs are still checked.
    Damaged(CheckError),
    /// It could not be checked. The other inputs still are.
    Failed(CheckError),
    /// The control was stopped. No other input is checked.
    Stopped(CheckError),
}

impl InputResult {
    /// Whether the input passed its check.
    #[must_use]
    pub fn passed(&self) -> bool {
        matches!(self, Self::Checked(checked) if checked.passed())
    }
}

/// The check of one input.
#[derive(Debug)]
pub struct InputCheck<'a> {
    /// The input.
    pub input: &'a Path,
    /// Its golden.
    pub golden: &'a Path,
    /// How it ended.
    pub result: InputResult,
}

/// Follows a batch. A closure receives the results alone.
pub trait BatchObserver {
    /// An input was opened and is checked now. Returns what displays the progress.
    fn begin(&mut self, input: &Input) -> Box<dyn Progress> {
        let _ = input;
        Box::new(Silent)
    }

    /// The check of an input ended.
    fn end(&mut self, check: InputCheck<'_>);
}

impl<F: FnMut(InputCheck<'_>)> BatchObserver for F {
    fn end(&mut self, check: InputCheck<'_>) {
        self(check);
    }
}

/// What is known of a batch as a whole.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct BatchSummary {
    /// Whether every input passed.
    pub passed: bool,
    /// Whether every recording is whole. The writer of the others is running or was killed.
    pub is_complete: bool,
    /// Accepted fields that no message of any input has: their names are wrong.
    pub unknown_fields: Vec<String>,
}

/// What the summary needs of the checks so far.
struct Tally {
    passed: bool,
    is_complete: bool,
    /// `None` before the first check with a message.
    unknown_fields: Option<Vec<String>>,
}

impl Tally {
    fn add(&mut self, result: &InputResult) {
        self.passed &= result.passed();
        let InputResult::Checked(checked) = result else {
            return;
        };
        if checked.is_empty() {
            return;
        }
        match &mut self.unknown_fields {
            None => self.unknown_fields = Some(checked.unknown_fields.clone()),
            Some(fields) => fields.retain(|field| checked.unknown_fields.contains(field)),
        }
    }
}

impl Batch {
    /// Checks the inputs in their order. Each result goes to `observer` when it is there. Without a
    /// stop no input keeps the others from being checked.
    ///
    /// ```
    /// use tickdeck::check::{Batch, BatchOptions, InputCheck};
    /// use tickdeck::encode::PayloadKind;
    ///
    /// # fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// # std::env::set_current_dir(concat!(env!("CARGO_MANIFEST_DIR"), "/../.."))?;
    /// // Files that are not inputs are passed over: `recordings/*` will do.
    /// let paths = ["recordings/quick", "recordings/quick.golden.json"].map(Into::into);
    /// let batch = Batch::new(&paths, None, PayloadKind::Vnpy, false)?;
    /// let mut failed = Vec::new();
    /// let summary = batch.run(&BatchOptions::default(), &mut |check: InputCheck<'_>| {
    ///     if !check.result.passed() {
    ///         failed.push(check.input.to_owned());
    ///     }
    /// });
    /// assert!(summary.passed, "{failed:?}");
    /// # Ok(())
    /// # }
    /// ```
    pub fn run(
        &self,
        options: &BatchOptions<'_>,
        observer: &mut dyn BatchObserver,
    ) -> BatchSummary {
        let mut tally = Tally {
            passed: true,
            is_complete: true,
            unknown_fields: None,
        };
        for (input, golden) in self.pairs() {
            let is_complete = &mut tally.is_complete;
            let result = match check(input, golden, options, observer, is_complete) {
                Ok(checked) => InputResult::Checked(Box::new(checked)),
                Err(error) if options.control.is_stopped() => InputResult::Stopped(error),
                Err(error) if error.is_damage() => InputResult::Damaged(error),
                Err(error) => InputResult::Failed(error),
            };
            tally.add(&result);
            let is_stopped = matches!(result, InputResult::Stopped(_));
            observer.end(InputCheck {
                input,
                golden,
                result,
            });
            if is_stopped {
                break;
            }
        }
        BatchSummary {
            passed: tally.passed,
            is_complete: tally.is_complete,
            unknown_fields: tally.unknown_fields.unwrap_or_default(),
        }
    }
}

fn check(
    path: &Path,
    golden: &Path,
    options: &BatchOptions<'_>,
    observer: &mut dyn BatchObserver,
    is_complete: &mut bool,
) -> Result<Checked, CheckError> {
    if is_inside_recording(golden) {
        let golden = golden.to_owned();
        return Err(CheckError::GoldenInside { golden });
    }
    let mut input = Input::open(path)?;
    input.replace_damaged_contracts(options.publishing.has_contracts());
    *is_complete &= input.is_complete();
    let mut progress = observer.begin(&input);
    let mut watch = |messages: u64| {
        progress.at(Position {
            events: messages,
            ..Position::default()
        });
        !options.control.is_stopped()
    };
    let checked = match &input {
        Input::Stream(path) => options.servers.open_stream(path).and_then(|stream| {
            let stream = stream.stopped_by(Arc::clone(&options.control));
            check_stream(stream, golden, &options.check, &mut watch)
        }),
        Input::Recording(recording) => refuse_damage(recording)
            .and_then(|()| options.publishing.options(recording, Some(golden)))
            .and_then(|publishing| {
                check_recording(recording, publishing, golden, &options.check, &mut watch)
            }),
    };
    progress.finish();
    checked
}

#[cfg(test)]
mod tests {
    use std::path::PathBuf;

    use tickdeck_recording::{MANIFEST_FILE, Recording};

    use super::*;
    use crate::check::Accept;
    use crate::check::unreferenced::golden_path;
    use crate::control::Command;
    use crate::convert::Conversion;
    use crate::encode::PayloadKind;
    use crate::inputs::Inputs;
    use crate::reference::Reference;

    /// Folders with a slice of `recordings/quick` each, and their goldens.
    fn slices(folder: &Path, names: &[&str]) -> Batch {
        let quick = concat!(env!("CARGO_MANIFEST_DIR"), "/../../recordings/quick");
        let quick = Inputs::open(&[quick.into()]).unwrap();
        let reference = Reference::of_recordings(&quick.recordings).unwrap();
        let paths = names.iter().map(|name| {
            let path = folder.join(name);
            let all = tickdeck_recording::EventFilter::default();
            let made = Conversion::to(&path).slice(&quick, &all, Some(20), &reference);
            made.unwrap();
            path
        });
        let paths: Vec<PathBuf> = paths.collect();
        Batch::new(&paths, None, PayloadKind::Vnpy, false).unwrap()
    }

    fn accepting(accept: Accept) -> BatchOptions<'static> {
        let check = CheckOptions {
            accept,
            ..CheckOptions::default()
        };
        BatchOptions {
            check,
            ..BatchOptions::default()
        }
    }

    /// The letters of the results: equal, damaged, failed, stopped.
    fn run(batch: &Batch, options: &BatchOptions<'_>) -> (String, BatchSummary) {
        let mut letters = String::new();
        let summary = batch.run(options, &mut |check: InputCheck<'_>| {
            assert_eq!(
                golden_path(check.input, None, PayloadKind::Vnpy),
                check.golden
            );
            letters.push(match check.result {
                InputResult::Checked(checked) if checked.passed() => 'e',
                InputResult::Checked(_) => 'x',
                InputResult::Damaged(_) => 'd',
                InputResult::Failed(_) => 'f',
                InputResult::Stopped(_) => 's',
            });
        });
        (letters, summary)
    }

    fn flip_a_byte(recording: &Path) {
        let segment = recording.join("part-00000.parquet");
        let mut bytes = std::fs::read(&segment).unwrap();
        bytes[100] ^= 1;
        std::fs::write(segment, bytes).unwrap();
    }

    #[test]
    fn neither_damage_nor_an_error_keeps_other_inputs_from_a_check() {
        let folder = tempfile::tempdir().unwrap();
        let batch = slices(folder.path(), &["a", "b", "c"]);
        let (letters, summary) = run(&batch, &accepting(Accept::Everything));
        assert_eq!((letters.as_str(), summary.passed), ("eee", true));
        flip_a_byte(&batch.inputs()[0]);
        std::fs::remove_file(batch.inputs()[1].join(MANIFEST_FILE)).unwrap();
        let (letters, summary) = run(&batch, &BatchOptions::default());
        assert_eq!((letters.as_str(), summary.passed), ("dfe", false));
        assert!(summary.is_complete);
    }

    #[test]
    fn a_stop_ends_a_batch_with_what_it_interrupted() {
        let folder = tempfile::tempdir().unwrap();
        let batch = slices(folder.path(), &["a", "b"]);
        let options = accepting(Accept::Everything);
        options.control.send(Command::Stop);
        let (letters, summary) = run(&batch, &options);
        assert_eq!((letters.as_str(), summary.passed), ("s", false));
        assert!(!batch.goldens()[0].exists());
    }

    #[test]
    fn a_field_is_unknown_if_no_input_has_it() {
        let folder = tempfile::tempdir().unwrap();
        let batch = slices(folder.path(), &["a", "b"]);
        run(&batch, &accepting(Accept::Everything));
        let fields = ["mood", "volume"].map(str::to_owned).to_vec();
        let (letters, summary) = run(&batch, &accepting(Accept::Fields(fields)));
        assert_eq!(letters, "ee");
        assert_eq!(summary.unknown_fields, ["mood"]);
    }

    #[test]
    fn an_unfinished_recording_leaves_a_batch_incomplete() {
        let folder = tempfile::tempdir().unwrap();
        let batch = slices(folder.path(), &["a", "b"]);
        run(&batch, &accepting(Accept::Everything));
        let manifest = batch.inputs()[1].join(MANIFEST_FILE);
        let text = std::fs::read_to_string(&manifest).unwrap();
        let unfinished = text.replace("\"complete\"", "\"recording\"");
        assert_ne!(unfinished, text);
        std::fs::write(&manifest, unfinished).unwrap();
        let (letters, summary) = run(&batch, &BatchOptions::default());
        assert_eq!((letters.as_str(), summary.passed), ("ee", true));
        assert!(!summary.is_complete);
        assert!(!Recording::open(&batch.inputs()[1]).unwrap().is_complete());
    }

    #[test]
    fn a_golden_inside_a_recording_is_refused() {
        let folder = tempfile::tempdir().unwrap();
        let batch = slices(folder.path(), &["a"]);
        let golden = batch.inputs()[0].join("own.golden.json");
        let inside = Batch::new(batch.inputs(), Some(&golden), PayloadKind::Vnpy, false).unwrap();
        let mut refused = String::new();
        inside.run(&accepting(Accept::Everything), &mut |check: InputCheck<
            '_,
        >| {
            if let InputResult::Failed(error @ CheckError::GoldenInside { .. }) = check.result {
                refused = error.to_string();
            }
        });
        assert!(refused.contains("own.golden.json"), "{refused}");
        assert!(!golden.exists());
    }
}

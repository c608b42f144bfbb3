//! Several checks at once: which paths are inputs, which golden each has, which goldens have none.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

use tickdeck_recording::Catalog;
use tickdeck_recording::storage::is_url;

use super::error::CheckError;
use super::golden_file::stream_path;
use super::server_stream::is_on_server;
use super::stream::is_read_once;
use super::unreferenced::{golden_path, is_named_as_golden, is_named_as_input, unreferenced};
use crate::encode::PayloadKind;
use crate::sink::paths::{is_inside_recording, is_one_file};

/// Inputs and goldens do not go together.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum BatchError {
    /// Every path is a golden, or none is an input.
    #[error("all inputs are goldens: name the recordings")]
    NoInput,
    /// Two inputs share one pipe: each would get a part of its content.
    #[error(
        "{} names the same input as an earlier one, which can be read only once: write it to a file \
         first",
        path.display()
    )]
    ReadTwice {
        /// The second path.
        path: PathBuf,
    },
    /// One golden was named for several inputs.
    #[error("{} is one golden for {inputs} inputs: name a folder", golden.display())]
    OneGolden {
        /// The golden.
        golden: PathBuf,
        /// How many inputs there are.
        inputs: usize,
    },
    /// The folder of the goldens does not exist.
    #[error("there is no folder {}", folder.display())]
    NoFolder {
        /// The folder.
        folder: PathBuf,
    },
    /// The name of an input, such as the end of a pipe, says nothing of its content.
    #[error("{} cannot be matched to a golden by name: name its golden", input.display())]
    NoName {
        /// The input.
        input: PathBuf,
    },
    /// Two inputs have the same name.
    #[error("two inputs would share the golden {}: check them one at a time", golden.display())]
    SharedGolden {
        /// The golden.
        golden: PathBuf,
    },
}

/// Inputs, each with its golden. [`run`](Self::run) checks them.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Batch {
    inputs: Vec<PathBuf>,
    goldens: Vec<PathBuf>,
    /// The file or folder that was named for the goldens.
    golden: Option<PathBuf>,
}

impl Batch {
    /// Pairs the inputs among `paths` with their goldens: beside them, or at `golden`, which is a
    /// folder or the golden of the only input. A folder that is missing is an error, unless goldens
    /// may be made in it.
    ///
    /// Goldens among the paths are skipped. What is neither recording nor stream is skipped with a
    /// warning. A lone path is used unchanged.
    ///
    /// # Errors
    /// When there is no input, two inputs are one, or two inputs share a golden.
    pub fn new(
        paths: &[PathBuf],
        golden: Option<&Path>,
        payload: PayloadKind,
        may_make_folder: bool,
    ) -> Result<Self, BatchError> {
        let inputs = inputs_of(paths)?;
        if let Some(path) = read_twice(&inputs) {
            let path = path.to_owned();
            return Err(BatchError::ReadTwice { path });
        }
        let goldens = goldens_of(&inputs, golden, payload, may_make_folder)?;
        Ok(Self {
            inputs,
            goldens,
            golden: golden.map(Path::to_owned),
        })
    }

    /// The inputs, in the order given.
    #[must_use]
    pub fn inputs(&self) -> &[PathBuf] {
        &self.inputs
    }

    /// Their goldens, in the same order.
    #[must_use]
    pub fn goldens(&self) -> &[PathBuf] {
        &self.goldens
    }

    /// Each input with its golden.
    pub fn pairs(&self) -> impl Iterator<Item = (&Path, &Path)> {
        let goldens = self.goldens.iter().map(PathBuf::as_path);
        self.inputs.iter().map(PathBuf::as_path).zip(goldens)
    }

    /// Creates the folders of the goldens.
    ///
    /// # Errors
    /// When goldens are not allowed there, or the file system refuses.
    pub fn make_folders(&self) -> Result<(), CheckError> {
        self.goldens.iter().try_for_each(|golden| {
            if is_inside_recording(golden) {
                let golden = golden.clone();
                return Err(CheckError::GoldenInside { golden });
            }
            let folder = folder_of(golden);
            std::fs::create_dir_all(&folder).map_err(CheckError::io(&folder, "making the folder"))
        })
    }

    /// Goldens without an input: beside the inputs, or in the folder that was named. Those beside a
    /// single named golden are included only with `beside_named`.
    ///
    /// # Errors
    /// When a folder cannot be listed.
    pub fn lost_goldens(&self, beside_named: bool) -> Result<Vec<PathBuf>, CheckError> {
        let folders: BTreeSet<PathBuf> = self.inputs.iter().map(|path| folder_of(path)).collect();
        let searched = match &self.golden {
            None => folders.clone(),
            Some(folder) if folder.is_dir() => BTreeSet::from([folder.clone()]),
            // One golden was named: the others are those beside it.
            Some(golden) if beside_named => BTreeSet::from([folder_of(golden)]),
            Some(_) => return Ok(Vec::new()),
        };
        let there = |folders: BTreeSet<PathBuf>| -> BTreeSet<PathBuf> {
            let is_there = |folder: &PathBuf| folder.is_dir();
            folders.into_iter().filter(is_there).collect()
        };
        // A folder of goldens has those of all trading days.
        let days = folders
            .iter()
            .flat_map(|folder| Catalog::days_beside(folder));
        let inputs = days.chain(folders.iter().cloned()).collect();
        let lost = unreferenced(&there(searched), &there(inputs))?;
        // A named golden is in use, whatever its name.
        let named: BTreeSet<PathBuf> = self
            .goldens
            .iter()
            .flat_map(|golden| [golden.clone(), stream_path(golden)])
            .filter_map(|path| path.canonicalize().ok())
            .collect();
        let is_named = |path: &Path| path.canonicalize().is_ok_and(|path| named.contains(&path));
        Ok(lost.into_iter().filter(|path| !is_named(path)).collect())
    }
}

/// The first path that names the same pipe as an earlier one.
pub(super) fn read_twice<P: AsRef<Path>>(inputs: &[P]) -> Option<&Path> {
    let paths = || inputs.iter().map(AsRef::as_ref);
    let is_again = |(position, path): &(usize, &Path)| {
        is_read_once(path)
            && paths()
                .take(*position)
                .any(|before| is_one_file(before, path))
    };
    paths().enumerate().find(is_again).map(|(_, path)| path)
}

/// The inputs among the paths: `recordings/*` also matches the files beside recordings.
fn inputs_of(paths: &[PathBuf]) -> Result<Vec<PathBuf>, BatchError> {
    let mut inputs = Vec::new();
    for path in paths.iter().filter(|path| !is_named_as_golden(path)) {
        if paths.len() > 1 && !is_named_as_input(path) {
            tracing::warn!(
                event = "input_skipped",
                path = %path.display(),
                "neither a recording nor a payload stream (.jsonl, .jsonl.zst)"
            );
        } else {
            inputs.push(path.clone());
        }
    }
    if inputs.is_empty() {
        return Err(BatchError::NoInput);
    }
    Ok(inputs)
}

/// The golden of each input.
fn goldens_of(
    inputs: &[PathBuf],
    golden: Option<&Path>,
    payload: PayloadKind,
    may_make_folder: bool,
) -> Result<Vec<PathBuf>, BatchError> {
    let folder = match golden {
        Some(golden) if !golden.is_dir() && !is_named_as_folder(golden) => {
            if inputs.len() > 1 {
                return Err(BatchError::OneGolden {
                    golden: golden.to_owned(),
                    inputs: inputs.len(),
                });
            }
            return Ok(vec![golden.to_owned()]);
        }
        folder => folder,
    };
    if let Some(folder) = folder.filter(|folder| !folder.is_dir() && !may_make_folder) {
        let folder = folder.to_owned();
        return Err(BatchError::NoFolder { folder });
    }
    // Nothing is beside a URL but other objects.
    let has_no_name = |input: &&PathBuf| {
        is_descriptor(input) || is_on_server(input) || (folder.is_none() && is_url(input))
    };
    if let Some(unnamed) = inputs.iter().find(has_no_name) {
        let input = unnamed.clone();
        return Err(BatchError::NoName { input });
    }
    let goldens: Vec<PathBuf> = inputs
        .iter()
        .map(|input| golden_path(input, folder, payload))
        .collect();
    let mut seen = BTreeSet::new();
    match goldens.iter().find(|golden| !seen.insert(*golden)) {
        Some(twice) => Err(BatchError::SharedGolden {
            golden: twice.clone(),
        }),
        None => Ok(goldens),
    }
}

/// Whether a path can only be a folder, by its ending.
fn is_named_as_folder(path: &Path) -> bool {
    path.as_os_str().as_encoded_bytes().ends_with(b"/")
}

/// Whether a path names an open file of a process, such as the end of a pipe. Such a name says
/// nothing of the content, and no file can be beside it.
fn is_descriptor(path: &Path) -> bool {
    path == Path::new("/dev/stdin") || path.starts_with("/dev/fd") || path.starts_with("/proc")
}

fn folder_of(path: &Path) -> PathBuf {
    match path.parent() {
        Some(folder) if folder != Path::new("") => folder.to_owned(),
        _ => PathBuf::from("."),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn inputs_and_goldens_that_do_not_fit_are_refused() {
        let folder = tempfile::tempdir().unwrap();
        let path = |name: &str| folder.path().join(name);
        for name in ["a/rec", "b/rec"] {
            std::fs::create_dir_all(path(name)).unwrap();
        }
        std::fs::write(path("rec.golden.json"), "").unwrap();
        let batch = |paths: &[&str], golden: Option<&str>| {
            let paths: Vec<PathBuf> = paths.iter().map(|name| path(name)).collect();
            Batch::new(
                &paths,
                golden.map(path).as_deref(),
                PayloadKind::Vnpy,
                false,
            )
        };
        let refused = |paths: &[&str], golden| batch(paths, golden).unwrap_err();
        assert_eq!(refused(&["rec.golden.json"], None), BatchError::NoInput);
        let both = ["a/rec", "b/rec"];
        let one = refused(&both, Some("one"));
        assert!(
            matches!(one, BatchError::OneGolden { inputs: 2, .. }),
            "{one}"
        );
        let golden = path("a/rec.golden.json");
        let shared = refused(&both, Some("a"));
        assert_eq!(shared, BatchError::SharedGolden { golden });
        let folder = path("none/");
        assert_eq!(
            refused(&both, Some("none/")),
            BatchError::NoFolder { folder }
        );
        let piped = Batch::new(&["/dev/stdin".into()], None, PayloadKind::Vnpy, false);
        assert!(matches!(piped, Err(BatchError::NoName { .. })));
        let beside = batch(&["a/rec", "rec.golden.json"], None).unwrap();
        let golden = path("a/rec.golden.json");
        assert_eq!(
            beside.pairs().collect::<Vec<_>>(),
            [(path("a/rec").as_path(), &*golden)]
        );
    }

    #[test]
    fn a_golden_without_an_input_is_lost() {
        let folder = tempfile::tempdir().unwrap();
        let path = |name: &str| folder.path().join(name);
        std::fs::create_dir(path("rec")).unwrap();
        std::fs::write(path("rec.golden.json"), "").unwrap();
        std::fs::write(path("gone.golden.json"), "").unwrap();
        let lost = |golden: Option<PathBuf>, beside_named| {
            let batch = Batch::new(&[path("rec")], golden.as_deref(), PayloadKind::Vnpy, false);
            batch.unwrap().lost_goldens(beside_named).unwrap()
        };
        let gone = path("gone.golden.json");
        let only_gone = vec![gone.clone()];
        assert_eq!(lost(None, false), only_gone);
        assert_eq!(
            lost(Some(path("rec.golden.json")), false),
            [] as [PathBuf; 0]
        );
        assert_eq!(lost(Some(path("rec.golden.json")), true), only_gone);
        // The only golden named is in use, whatever its name.
        assert_eq!(lost(Some(gone), true), [] as [PathBuf; 0]);
    }
}

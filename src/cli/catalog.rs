//! Roots of catalogues among the recordings of a verb: each stands for its sessions.

use std::path::{Path, PathBuf};

use globset::{Glob, GlobMatcher};
use tickdeck_recording::{Catalog, CatalogEntry, is_in_use, rings};

use super::args::{CatalogArgs, Command};
use super::outcome::{Outcome, UsageError};

/// Puts the selected sessions in the place of each root. Where no session is selected and no other
/// recording is named, the verb ends with the outcome.
pub(super) fn resolve(command: &mut Command) -> anyhow::Result<Option<Outcome>> {
    let is_recovery = matches!(command, Command::Recover(_));
    let allow_empty = command.allows_empty();
    let Some((paths, catalog)) = command.recordings() else {
        return Ok(None);
    };
    let wanted = Wanted::of(catalog)?;
    let mut found = Vec::new();
    let mut roots = Vec::new();
    let mut unselected = Vec::new();
    for path in paths.iter() {
        let rings = rings_under(path);
        if !Catalog::is_root(path) && rings.is_empty() {
            found.push(path.clone());
            continue;
        }
        let catalog = Catalog::open(path)?;
        log_unreadable(&catalog);
        let selected = catalog.entries.iter().filter(|entry| wanted.selects(entry));
        let mut folders: Vec<PathBuf> = selected.map(|entry| entry.folder.clone()).collect();
        if folders.is_empty() && !(is_recovery && catalog.entries.is_empty()) {
            unselected.push(nothing_selected(&catalog));
        }
        if is_recovery {
            if !wanted.args.is_given() {
                folders.extend(rings);
            }
            let (running, left) = folders.into_iter().partition(|folder| is_in_use(folder));
            log_running(running);
            folders = left;
        } else {
            log_rings(&rings);
        }
        found.extend(folders);
        roots.push(catalog);
    }
    if catalog.is_given() && roots.is_empty() {
        return Err(UsageError::new(
            "--trading-day and --session select under the root of a catalogue, and none is given",
        )
        .into());
    }
    let is_nothing = found.is_empty() && !unselected.is_empty();
    if !unselected.is_empty() {
        let advice = match is_nothing && allow_empty.is_some() {
            true => "; --allow-empty accepts that",
            false => "",
        };
        let reason = unselected.join("; ");
        tracing::warn!(event = "no_session_selected", "{reason}{advice}");
    }
    if is_nothing {
        return Ok(Some(match allow_empty {
            Some(true) => Outcome::Done,
            _ => Outcome::Lossy,
        }));
    }
    wanted.warn_unmatched(&roots);
    *paths = found;
    let checked = command.check_recordings();
    checked.map_err(UsageError::new)?;
    Ok(None)
}

/// The rings under a root; none of what cannot be listed.
pub(super) fn rings_under(root: &Path) -> Vec<PathBuf> {
    rings(root).unwrap_or_default()
}

/// Names what a recovery of a root passes over.
fn log_running(folders: Vec<PathBuf>) {
    for folder in folders {
        let path = folder.display();
        tracing::warn!(
            event = "recording_in_use",
            %path,
            "it is being written: there is nothing to recover"
        );
    }
}

/// Names folders that no list of sessions has, and says whether there are any.
pub(super) fn log_unreadable(catalog: &Catalog) -> bool {
    for path in &catalog.unreadable {
        let path = path.display();
        tracing::warn!(
            event = "name_not_utf8",
            %path,
            "it cannot be read under this name: rename it"
        );
    }
    !catalog.unreadable.is_empty()
}

/// Names rings. They are in no list of sessions.
pub(super) fn log_rings(rings: &[PathBuf]) {
    for ring in rings {
        let reason = match is_in_use(ring) {
            true => {
                "a running session keeps its last minutes there, until it is asked to record them"
            }
            false => {
                "a killed session left its last minutes there: `tickdeck recover` with the root makes \
                 them a recording"
            }
        };
        let path = ring.display();
        tracing::warn!(event = "ring_found", %path, "{reason}");
    }
}

/// Sessions by day and id.
pub(super) struct Wanted<'a> {
    args: &'a CatalogArgs,
    /// One for each pattern; none selects every session.
    sessions: Vec<GlobMatcher>,
}

impl<'a> Wanted<'a> {
    pub(super) fn of(args: &'a CatalogArgs) -> Result<Self, UsageError> {
        let matcher = |pattern: &String| match Glob::new(pattern) {
            Ok(glob) => Ok(glob.compile_matcher()),
            Err(error) => {
                let message = format!("--session: `{pattern}` is not a pattern such as 'live-*'");
                Err(UsageError::caused_by(message, error))
            }
        };
        let sessions = args.session.iter().map(matcher);
        Ok(Self {
            args,
            sessions: sessions.collect::<Result<_, _>>()?,
        })
    }

    /// Whether a session is selected.
    pub(super) fn selects(&self, entry: &CatalogEntry) -> bool {
        let mut days = self.args.trading_day.iter();
        let is_day = self.args.trading_day.is_empty() || days.any(|day| day.0 == entry.trading_day);
        let mut sessions = self.sessions.iter();
        is_day && (self.sessions.is_empty() || sessions.any(|one| one.is_match(&entry.session)))
    }

    /// Warns about days and patterns that no session has.
    pub(super) fn warn_unmatched(&self, roots: &[Catalog]) {
        let entries = || roots.iter().flat_map(|root| &root.entries);
        let days = self.args.trading_day.iter();
        let days = days.filter(|day| entries().all(|entry| entry.trading_day != day.0));
        let mut unmatched: Vec<String> = days.map(ToString::to_string).collect();
        for (pattern, glob) in self.args.session.iter().zip(&self.sessions) {
            if entries().all(|entry| !glob.is_match(&entry.session)) {
                unmatched.push(pattern.clone());
            }
        }
        if !unmatched.is_empty() {
            let patterns = unmatched.join(",");
            tracing::warn!(event = "sessions_unmatched", patterns, "no session matches");
        }
    }
}

/// What is there instead.
pub(super) fn nothing_selected(catalog: &Catalog) -> String {
    let root = catalog.root.display();
    match &catalog.entries[..] {
        [] => format!("{root} has no session"),
        [first, .., last] => format!(
            "no session under {root} is selected: it has {}, from {} to {}",
            catalog.entries.len(),
            shown(first),
            shown(last)
        ),
        [one] => format!("no session under {root} is selected: it has {}", shown(one)),
    }
}

fn shown(entry: &CatalogEntry) -> String {
    let CatalogEntry {
        trading_day,
        session,
        ..
    } = entry;
    format!("{session} ({trading_day})")
}

/// Splits places into sessions of catalogues and folders of single recordings.
pub(super) fn places(paths: &[PathBuf]) -> anyhow::Result<(Vec<Catalog>, Vec<PathBuf>)> {
    let mut catalogs = Vec::new();
    let mut folders = Vec::new();
    for path in paths {
        if tickdeck_recording::is_recording_folder(path) {
            folders.push(path.clone());
        } else {
            catalogs.push(Catalog::open(path)?);
        }
    }
    Ok((catalogs, folders))
}

//! Roots of catalogues among the recordings of a verb: each stands for its sessions.

use std::path::PathBuf;

use globset::{Glob, GlobSet, GlobSetBuilder};
use tickdeck_recording::{Catalog, CatalogEntry, is_in_use, rings};

use super::args::{CatalogArgs, Command};
use super::outcome::UsageError;

/// Puts the selected sessions in the place of each root.
pub(super) fn resolve(command: &mut Command) -> anyhow::Result<()> {
    let is_recovery = matches!(command, Command::Recover(_));
    let Some((paths, catalog)) = command.recordings() else {
        return Ok(());
    };
    let wanted = Wanted::of(catalog)?;
    let mut found = Vec::new();
    let mut has_root = false;
    for path in paths.iter() {
        let has_ring = || rings(path).is_ok_and(|rings| !rings.is_empty());
        if Catalog::is_root(path) || is_recovery && has_ring() {
            has_root = true;
            let catalog = Catalog::open(path)?;
            let entries = match is_recovery && catalog.entries.is_empty() {
                true => Vec::new(),
                false => wanted.entries(&catalog)?,
            };
            let mut folders: Vec<PathBuf> = entries.into_iter().map(|entry| entry.folder).collect();
            if is_recovery {
                if !wanted.args.is_given() {
                    folders.extend(rings(path)?);
                }
                // A session that is running under the root has nothing to recover.
                folders.retain(|folder| !is_in_use(folder));
            }
            found.extend(folders);
        } else {
            found.push(path.clone());
        }
    }
    if catalog.is_given() && !has_root {
        return Err(UsageError::new(
            "--trading-day and --session select under the root of a catalogue, and none is given",
        )
        .into());
    }
    *paths = found;
    let checked = command.check_recordings();
    checked.map_err(|problem| UsageError::new(problem).into())
}

/// Sessions by day and id.
pub(super) struct Wanted<'a> {
    args: &'a CatalogArgs,
    /// `None` selects every session.
    sessions: Option<GlobSet>,
}

impl<'a> Wanted<'a> {
    pub(super) fn of(args: &'a CatalogArgs) -> Result<Self, UsageError> {
        let mut globs = GlobSetBuilder::new();
        for pattern in &args.session {
            let glob = Glob::new(pattern).map_err(|error| {
                let message = format!("--session: `{pattern}` is not a pattern such as 'live-*'");
                UsageError::caused_by(message, error)
            })?;
            globs.add(glob);
        }
        let sessions = globs
            .build()
            .map_err(|error| UsageError::caused_by("--session cannot be used", error))?;
        Ok(Self {
            args,
            sessions: (!args.session.is_empty()).then_some(sessions),
        })
    }

    /// Whether a session is selected.
    pub(super) fn selects(&self, entry: &CatalogEntry) -> bool {
        let mut days = self.args.trading_day.iter();
        let is_day = self.args.trading_day.is_empty() || days.any(|day| day.0 == entry.trading_day);
        let sessions = self.sessions.as_ref();
        is_day && sessions.is_none_or(|wanted| wanted.is_match(&entry.session))
    }

    /// The selected sessions.
    fn entries(&self, catalog: &Catalog) -> Result<Vec<CatalogEntry>, UsageError> {
        let entries = catalog.entries.iter();
        let selected: Vec<CatalogEntry> = entries.filter(|e| self.selects(e)).cloned().collect();
        if selected.is_empty() {
            return Err(UsageError::new(nothing_selected(catalog)));
        }
        Ok(selected)
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

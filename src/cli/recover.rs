//! `tickdeck recover`: seals what a killed recorder left.

use std::io::Write as _;
use std::path::{Path, PathBuf};

use serde::Serialize;
use tickdeck_recording::{
    EventFilter, MANIFEST_FILE, Recording, RecordingError, Recovery, Salvage, is_merged_slot,
    is_ring, leftovers, recover, salvage_ring, session_of,
};

use super::Context;
use super::args::RecoverArgs;
use super::inputs::{keep_first, recordings_among};
use super::outcome::{Outcome, stdout};
use super::render::{counted, grouped};

/// Runs the verb.
pub(super) fn run(context: &Context, args: &RecoverArgs) -> anyhow::Result<Outcome> {
    if args.recordings.is_empty() {
        // All that is under the root is being written, and was named.
        if args.json.json {
            writeln!(stdout(), "[]")?;
        }
        return Ok(Outcome::Done);
    }
    let mut recovered = Vec::new();
    let mut first_error = None;
    for path in recordings_among(&args.recordings)? {
        if is_ring(path) {
            match salvage_ring(path) {
                Ok(salvage) => recovered.extend(of_ring(path, salvage)),
                Err(error) => keep_first(context, &mut first_error, path, error.into()),
            }
            continue;
        }
        let folders = match folders_of(path) {
            Ok(folders) => folders,
            Err(error) => {
                keep_first(context, &mut first_error, path, error.into());
                continue;
            }
        };
        for folder in folders {
            match recover(&folder) {
                Ok(recovery) => recovered.push(recovery),
                Err(error) => keep_first(context, &mut first_error, &folder, error.into()),
            }
        }
    }
    print(args, &recovered)?;
    if let Some(error) = first_error {
        return Err(error);
    }
    let is_lossy = recovered.iter().any(|recovery| !recovery.lost.is_empty());
    Ok(match is_lossy {
        true => Outcome::Lossy,
        false => Outcome::Done,
    })
}

/// What a ring had, as a recovery of its new recording. `None` where there was nothing.
fn of_ring(ring: &Path, salvage: Salvage) -> Option<Recovery> {
    if salvage.made.is_none() && salvage.lost.is_empty() && salvage.kept.is_empty() {
        return None;
    }
    let (recording, session, events) = match salvage.made {
        Some((folder, made)) => (folder, made.session, made.events),
        None => (ring.to_owned(), session_of(ring), 0),
    };
    Some(Recovery {
        recording,
        session,
        was_unfinished: true,
        events,
        from_journal: salvage.from_journal,
        unlisted_segments: 0,
        lost: salvage.lost,
        kept: salvage.kept,
    })
}

/// The folder itself, and what a killed `--force` left beside it.
fn folders_of(path: &Path) -> Result<Vec<PathBuf>, RecordingError> {
    let mut folders = leftovers(path)?;
    folders.retain(|folder| folder != path);
    folders.insert(0, path.to_owned());
    Ok(folders)
}

fn print(args: &RecoverArgs, recovered: &[Recovery]) -> anyhow::Result<()> {
    #[derive(Serialize)]
    struct Shown<'a> {
        complete: bool,
        #[serde(flatten)]
        recovery: &'a Recovery,
    }
    let shown: Vec<Shown<'_>> = recovered
        .iter()
        .map(|recovery| Shown {
            complete: recovery.lost.is_empty(),
            recovery,
        })
        .collect();
    let mut out = stdout();
    if args.json.json {
        match &shown[..] {
            [] => return Ok(()),
            [one] => serde_json::to_writer(&mut out, one)?,
            many => serde_json::to_writer(&mut out, many)?,
        }
        writeln!(out)?;
    } else {
        for recovery in recovered {
            out.write_all(text(recovery).as_bytes())?;
        }
    }
    Ok(out.flush()?)
}

/// Events of a journal file or segment that was kept, and whether that is all of it.
fn readable_alone(kept: &Path) -> (u64, bool) {
    const BATCH_EVENTS: usize = 4096;
    let is_file = kept.is_file();
    let Some(recording) = is_file.then(|| Recording::open(kept).ok()).flatten() else {
        return (0, false);
    };
    let mut reader = recording.reader(EventFilter::default()).salvage(true);
    let (mut events, mut batch) = (0, Vec::new());
    while reader.next_events(&mut batch, BATCH_EVENTS).is_ok() && !batch.is_empty() {
        events += batch.len() as u64;
        batch.clear();
    }
    let is_whole = reader.missing().is_empty() && recording.journal_damage().is_none();
    (events, is_whole)
}

/// Whether a file that was kept is a manifest of which nothing is named as gone.
fn is_read_manifest(recovery: &Recovery, kept: &Path) -> bool {
    let name = kept.file_name().unwrap_or_default().to_string_lossy();
    name.contains(MANIFEST_FILE) && recovery.lost.iter().all(|lost| lost.file != kept)
}

fn text(recovery: &Recovery) -> String {
    let path = recovery.recording.display();
    let events = grouped(recovery.events);
    let mut text = if recovery.was_unfinished {
        let from_journal = grouped(recovery.from_journal);
        format!("{path}: recovered {events} events, {from_journal} of them from the journal\n")
    } else {
        format!("{path}: finished already, {events} events\n")
    };
    for lost in &recovery.lost {
        text.push_str(&format!("  {}: {}\n", lost.file.display(), lost.problem));
    }
    for kept in &recovery.kept {
        let note = match readable_alone(kept) {
            (0, _) if recovery.events > 0 && is_merged_slot(kept) => {
                "kept: what can be read of it is in the recording".to_owned()
            }
            (0, _) if is_read_manifest(recovery, kept) => {
                "kept: the calendar, the dropped ticks and the losses it had are in the new one"
                    .to_owned()
            }
            (0, _) => "kept, and not read".to_owned(),
            (events, is_whole) => {
                let verb = match is_whole {
                    true => "`tickdeck slice`",
                    false => "`tickdeck slice --salvage`",
                };
                let events = counted(events, "event");
                format!("kept: {events} can be read from this file, with {verb} for example")
            }
        };
        text.push_str(&format!("  {}: {note}\n", kept.display()));
    }
    text
}

//! `tickdeck recover`: seals what a killed recorder left.

use std::io::Write as _;
use std::path::{Path, PathBuf};

use serde::Serialize;
use tickdeck_recording::{
    EventFilter, Finding, MANIFEST_FILE, Recording, RecordingError, Recovery, Salvage,
    is_merged_slot, is_ring, leftovers, recover, salvage_ring, session_of,
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

/// What can be read of a journal file or segment that was kept.
#[derive(Default)]
struct Readable {
    events: u64,
    /// Whether that is all of it.
    is_whole: bool,
    session: String,
    last_seq: u64,
}

fn readable_alone(kept: &Path) -> Readable {
    const BATCH_EVENTS: usize = 4096;
    let is_file = kept.is_file();
    let Some(recording) = is_file.then(|| Recording::open(kept).ok()).flatten() else {
        return Readable::default();
    };
    let mut reader = recording.reader(EventFilter::default()).salvage(true);
    let (mut events, mut last_seq, mut batch) = (0, 0, Vec::new());
    while reader.next_events(&mut batch, BATCH_EVENTS).is_ok() && !batch.is_empty() {
        events += batch.len() as u64;
        last_seq = batch.iter().fold(last_seq, |last, it| it.seq.0.max(last));
        batch.clear();
    }
    Readable {
        events,
        is_whole: reader.missing().is_empty() && recording.journal_damage().is_none(),
        session: recording.session().to_owned(),
        last_seq,
    }
}

/// Whether the recording lost no event before its end, and has those of a file.
fn has_all(recovery: &Recovery, readable: &Readable) -> bool {
    let is_manifest = |lost: &Finding| {
        let name = lost.file.file_name().unwrap_or_default();
        name.to_string_lossy().contains(MANIFEST_FILE)
    };
    recovery.lost.iter().all(is_manifest)
        && readable.session == recovery.session
        && readable.last_seq < recovery.events
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
        let readable = readable_alone(kept);
        let note = match readable.events {
            0 if recovery.events > 0 && is_merged_slot(kept) => {
                "kept: what can be read of it is in the recording".to_owned()
            }
            0 if is_read_manifest(recovery, kept) => {
                "kept: the calendar, the dropped ticks and the losses it had are in the new one"
                    .to_owned()
            }
            0 => "kept, and not read".to_owned(),
            events if has_all(recovery, &readable) => {
                format!("kept: the recording has its {}", counted(events, "event"))
            }
            events => {
                let verb = match readable.is_whole {
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

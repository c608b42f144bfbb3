//! `man`: writes or installs the manual pages, which the argument definition alone decides.

use std::io::{ErrorKind, Write as _};
use std::path::Path;

use serde::Serialize;

use super::args::{self, ManArgs};
use super::context::Context;
use super::outcome::{Outcome, UsageError, stdout};
use super::user_folders::UserFolders;
use super::whole_file;

/// What `--json` prints.
#[derive(Serialize)]
struct Made {
    path: String,
    pages: usize,
}

/// Writes the pages and says where.
pub(super) fn run(_: &Context, args: &ManArgs) -> anyhow::Result<Outcome> {
    let folder = match &args.output {
        Some(folder) => folder.clone(),
        None => UserFolders::from_environment().manual()?,
    };
    let pages = write_pages(&folder)?;
    let mut out = stdout();
    if args.json.json {
        let path = folder.display().to_string();
        serde_json::to_writer(&mut out, &Made { path, pages })?;
        writeln!(out)?;
        out.flush()?;
        return Ok(Outcome::Done);
    }
    writeln!(out, "{}: {pages} pages", folder.display())?;
    if args.install {
        writeln!(
            out,
            "`man tickdeck` finds them if `manpath` lists {}",
            folder.parent().unwrap_or(&folder).display()
        )?;
    }
    out.flush()?;
    Ok(Outcome::Done)
}

fn write_pages(folder: &Path) -> anyhow::Result<usize> {
    let mut command = args::command();
    command.build();
    let verbs = command
        .get_subcommands()
        .filter(|verb| verb.get_name() != "help");
    let mut pages = 0;
    for page in verbs.chain([&command]) {
        let name = match page.get_name() {
            "tickdeck" => "tickdeck".to_owned(),
            verb => format!("tickdeck-{verb}"),
        };
        let mut text = Vec::new();
        clap_mangen::Man::new(page.clone())
            .title(name.clone())
            .render(&mut text)?;
        let path = folder.join(format!("{name}.1"));
        whole_file::write(&path, &text).map_err(|error| not_written(folder, &path, error))?;
        pages += 1;
    }
    Ok(pages)
}

/// A path that is a file, or leads through one, is a mistake in the arguments.
fn not_written(folder: &Path, page: &Path, error: std::io::Error) -> anyhow::Error {
    match error.kind() {
        ErrorKind::AlreadyExists | ErrorKind::NotADirectory => UsageError::new(format!(
            "{} is not a folder: choose another place for the pages",
            folder.display()
        ))
        .into(),
        _ => anyhow::Error::new(error).context(format!("writing {}", page.display())),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_verb_has_a_page() {
        let folder = tempfile::tempdir().unwrap();
        let pages = write_pages(folder.path()).unwrap();
        assert_eq!(pages, args::command().get_subcommands().count() + 1);
        let page = std::fs::read_to_string(folder.path().join("tickdeck-replay.1")).unwrap();
        assert!(page.contains("max\\-gap"), "{page}");
    }
}

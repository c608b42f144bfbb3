//! `man`: writes the manual pages, which the argument definition alone decides.

use std::path::Path;

use super::args::{self, ManArgs};
use super::context::Context;
use super::outcome::{Outcome, stdout};
use anyhow::Context as _;

/// Writes the pages.
pub(super) fn run(_: &Context, args: &ManArgs) -> anyhow::Result<Outcome> {
    use std::io::Write as _;

    let pages = write_pages(&args.output)?;
    let mut out = stdout();
    writeln!(out, "{}: {pages} pages", args.output.display())?;
    out.flush()?;
    Ok(Outcome::Done)
}

fn write_pages(folder: &Path) -> anyhow::Result<usize> {
    std::fs::create_dir_all(folder).with_context(|| format!("creating {}", folder.display()))?;
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
        std::fs::write(&path, text).with_context(|| format!("writing {}", path.display()))?;
        pages += 1;
    }
    Ok(pages)
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

//! `completions`: prints or installs a shell completion script, which the argument definition alone
//! decides.

use std::io::Write as _;
use std::path::Path;

use anyhow::Context as _;
use clap_complete::{Generator as _, Shell};
use serde::Serialize;

use super::args::{self, CompletionsArgs};
use super::context::Context;
use super::outcome::{Outcome, stdout};
use super::user_folders::UserFolders;
use super::whole_file;

const PROGRAM: &str = "tickdeck";

/// What `--json` prints.
#[derive(Serialize)]
struct Made {
    path: String,
    shell: String,
    next_step: String,
}

/// Prints the script, or writes it to a folder and says where.
///
/// # Errors
/// When the folder is unknown, or the script cannot be written.
pub fn run(_: &Context, args: &CompletionsArgs) -> anyhow::Result<Outcome> {
    let installed = args
        .install
        .then(|| UserFolders::from_environment().completions(args.shell));
    let folder = match installed {
        Some(folder) => Some(folder?),
        None => args.output.clone(),
    };
    let script = script(args.shell);
    let mut out = stdout();
    match folder {
        None => out.write_all(&script)?,
        Some(folder) => {
            let path = folder.join(file_name(args.shell));
            whole_file::write(&path, &script)
                .with_context(|| format!("writing {}", path.display()))?;
            let next_step = next_step(args.shell, &folder);
            if args.json {
                let made = Made {
                    path: path.display().to_string(),
                    shell: args.shell.to_string(),
                    next_step,
                };
                serde_json::to_writer(&mut out, &made)?;
                writeln!(out)?;
            } else {
                writeln!(out, "{}\n{next_step}", path.display())?;
            }
        }
    }
    out.flush()?;
    Ok(Outcome::Done)
}

/// Rendered in memory first: the generator panics when its writer fails.
fn script(shell: Shell) -> Vec<u8> {
    let mut script = Vec::new();
    clap_complete::generate(shell, &mut args::command(), PROGRAM, &mut script);
    script
}

/// The name under which a shell looks for the script.
fn file_name(shell: Shell) -> String {
    match shell {
        // bash-completion loads the file that is called like the command.
        Shell::Bash => PROGRAM.to_owned(),
        shell => shell.file_name(PROGRAM),
    }
}

/// What makes the shell load a script in `folder`.
fn next_step(shell: Shell, folder: &Path) -> String {
    let folder = folder.display();
    match shell {
        Shell::Bash => "A new bash loads it, if the package bash-completion is installed and this \
                        is its folder."
            .to_owned(),
        Shell::Zsh => format!(
            "zsh loads it if ~/.zshrc has this line before compinit: fpath=({folder} $fpath)"
        ),
        Shell::Fish => "A new fish loads it, if this is its folder for completions.".to_owned(),
        Shell::Elvish => "elvish loads it if rc.elv has this line: use tickdeck".to_owned(),
        _ => "Load it in your profile.".to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use clap::ValueEnum as _;

    use super::*;

    #[test]
    fn every_shell_has_a_script_that_knows_the_verbs() {
        for &shell in Shell::value_variants() {
            let script = String::from_utf8(script(shell)).unwrap();
            assert!(
                script.contains("replay") && script.contains("max-gap"),
                "{shell}"
            );
        }
    }

    #[test]
    fn a_script_has_the_name_that_its_shell_looks_for() {
        let names = [Shell::Bash, Shell::Zsh, Shell::Fish, Shell::Elvish].map(file_name);
        let expected = ["tickdeck", "_tickdeck", "tickdeck.fish", "tickdeck.elv"];
        assert_eq!(names, expected);
    }
}

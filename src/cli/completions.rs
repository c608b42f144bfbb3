//! `completions`: prints a shell completion script, which the argument definition alone decides.

use std::io::Write as _;

use super::args::{self, CompletionsArgs};
use super::context::Context;
use super::outcome::{Outcome, stdout};

/// Prints the script.
///
/// # Errors
/// When stdout cannot be written.
pub fn run(_: &Context, args: &CompletionsArgs) -> anyhow::Result<Outcome> {
    let mut out = stdout();
    out.write_all(&script(args.shell))?;
    out.flush()?;
    Ok(Outcome::Done)
}

/// Rendered in memory first: the generator panics when its writer fails.
fn script(shell: clap_complete::Shell) -> Vec<u8> {
    let mut script = Vec::new();
    clap_complete::generate(shell, &mut args::command(), "tickdeck", &mut script);
    script
}

#[cfg(test)]
mod tests {
    use clap::ValueEnum as _;

    use super::*;

    #[test]
    fn every_shell_has_a_script_that_knows_the_verbs() {
        for &shell in clap_complete::Shell::value_variants() {
            let script = String::from_utf8(script(shell)).unwrap();
            assert!(
                script.contains("replay") && script.contains("max-gap"),
                "{shell}"
            );
        }
    }
}

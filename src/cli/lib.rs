//! The command line: the only crate that prints or reads the environment.
//!
//! [`run`] parses the arguments, sets up the log, runs one verb and turns its [`Outcome`] into an exit
//! code. A verb is one file with `run(&Context, &Args) -> anyhow::Result<Outcome>`. It computes a
//! result, then renders it: results go to stdout, everything else to stderr.

#![forbid(unsafe_code)]

mod account;
pub mod args;
mod capture;
mod cat;
mod catalog;
mod check;
pub mod completions;
mod context;
mod copied;
mod coverage;
mod demo;
mod diff;
mod doctor;
pub mod env;
mod environment_error;
mod export;
mod front;
mod front_settings;
mod generate;
mod health;
mod hints;
mod import;
mod info;
mod inputs;
mod library_output;
mod live;
mod log;
mod ls;
mod man;
mod merge;
pub mod outcome;
mod outputs;
mod plan;
mod progress;
mod prune;
mod pull;
mod push;
mod record;
mod recover;
mod remedies;
mod render;
mod replay;
mod session_place;
mod sim;
mod slice;
mod smoke;
mod startup;
mod stream_problem;
mod symbols;
mod synthetic;
mod user_folders;
mod verify;
mod whole_file;

use std::process::ExitCode;

use tickdeck::control::signals;

use args::{Cli, Command, LogArgs};
pub use context::Context;
use env::Environment;
use hints::Hints;
use log::WhenFull;
use outcome::{Exit, Outcome, UsageError};

/// The whole program: parse, run, exit code.
#[must_use]
pub fn run() -> ExitCode {
    let _flushed = log::FlushedLog;
    // Without this, a file size limit (`ulimit -f`) kills the process instead of failing a write.
    let _ = signals::report_file_size_limit();
    // Without this, a shell with `stty tostop` stops a replay in the background because of its bar.
    let _ = signals::write_in_background();
    let cli = match Cli::parse_checked(std::env::args_os()) {
        Ok(cli) => cli,
        Err(error) => return print_parser_message(&error).into(),
    };
    let (format, hints) = (cli.log.log_format, hints_of(&cli));
    let (cli, environment) = match with_environment(cli) {
        Ok(Ok(cli)) => cli,
        Ok(Err(error)) => return print_parser_message(&error).into(),
        Err(error) => return outcome::conclude(Err(error), format, &hints).into(),
    };
    let context = Context::new(&cli.log, environment, hints.clone());
    let when_full = if cli.command.is_session() {
        WhenFull::Lose
    } else {
        WhenFull::Wait
    };
    let result =
        set_up_log(&context, &cli.log, when_full).and_then(|()| dispatch(&context, cli.command));
    outcome::conclude(result, context.log_format, &hints).into()
}

fn hints_of(cli: &Cli) -> Hints {
    let command = args::command();
    let verb = command.find_subcommand(&cli.verb);
    verb.map_or_else(Hints::default, Hints::of_verb)
}

/// Prints the parser's message. Help and version go to stdout and are success, even if it is closed.
fn print_parser_message(error: &clap::Error) -> Exit {
    let _ = error.print();
    if error.use_stderr() {
        Exit::Usage
    } else {
        Exit::Done
    }
}

/// Verbs that connect to a front also read variables from a file. The flags name that file, so they
/// are parsed a second time with its values as fallbacks.
fn with_environment(cli: Cli) -> anyhow::Result<Result<(Cli, Environment), clap::Error>> {
    let Some(file) = cli.command.environment_file() else {
        return Ok(Ok((cli, Environment::default())));
    };
    let environment = match Environment::load(file) {
        Ok(environment) => environment,
        Err(error) if cli.command.is_session() => {
            // The flags say how to log. If that fails, the error of the environment still counts.
            let context = Context::new(&cli.log, Environment::default(), hints_of(&cli));
            let _ = set_up_log(&context, &cli.log, WhenFull::Lose);
            return Err(startup::startup_error(error.into()));
        }
        Err(error) => return Err(error.into()),
    };
    let fallback = |name: &str| environment.get(name).map(|value| value.expose().to_owned());
    let again = Cli::parse_with_fallback(std::env::args_os(), &fallback);
    Ok(again.map(|cli| (cli, environment)))
}

fn set_up_log(context: &Context, args: &LogArgs, when_full: WhenFull) -> anyhow::Result<()> {
    let env_filter = std::env::var("RUST_LOG").ok();
    let (env_filter, colour) = (env_filter.as_deref(), context.colour);
    let (bars, hints) = (&context.bars, &context.hints);
    log::init(args, env_filter, colour, bars, hints, when_full)
        .map_err(|error| UsageError::caused_by("the log cannot be set up", error).into())
}

fn dispatch(context: &Context, mut command: Command) -> anyhow::Result<Outcome> {
    if let Some(outcome) = catalog::resolve(&mut command)? {
        return Ok(outcome);
    }
    match command {
        Command::Generate(args) => generate::run(context, &args),
        Command::Import(args) => import::run(context, &args),
        Command::Export(args) => export::run(context, &args),
        Command::Live(args) => live::run(context, &args),
        Command::Record(args) => record::run(context, &args),
        Command::Replay(args) => replay::run(context, &args),
        Command::Capture(args) => capture::run(context, &args),
        Command::Check(args) => check::run(context, &args),
        Command::Diff(args) => diff::run(context, &args),
        Command::Info(args) => info::run(context, &args),
        Command::Cat(args) => cat::run(context, &args),
        Command::Slice(args) => slice::run(context, &args),
        Command::Merge(args) => merge::run(context, &args),
        Command::Verify(args) => verify::run(context, &args),
        Command::Coverage(args) => coverage::run(context, &args),
        Command::Recover(args) => recover::run(context, &args),
        Command::Ls(args) => ls::run(context, &args),
        Command::Push(args) => push::run(context, &args),
        Command::Pull(args) => pull::run(context, &args),
        Command::Prune(args) => prune::run(context, &args),
        Command::Health(args) => health::run(context, &args),
        Command::Smoke(args) => smoke::run(context, &args),
        Command::Doctor(args) => doctor::run(context, &args),
        Command::Sim(args) => sim::run(context, &args),
        Command::Demo(args) => demo::run(context, &args),
        Command::Completions(args) => completions::run(context, &args),
        Command::Man(args) => man::run(context, &args),
    }
}

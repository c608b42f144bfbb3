//! `tickdeck sim`: runs any CTP client on the simulated front, or prints how.

mod client;
mod ended;
mod libraries;
mod locale;
mod observe;
mod shared;
mod summary;
mod unbound;
mod variables;

use std::ffi::OsString;
use std::io::Write as _;
use std::path::Path;

use anyhow::Context as _;
use tickdeck_core::printable::printable;
use tickdeck_front::shared::{self as shared_market, SharedFolder};

use super::args::{SimAction, SimArgs};
use super::context::Context;
use super::outcome::{Outcome, UsageError, after_printing, stdout};
use client::Client;
use ended::Ended;
use libraries::Libraries;
use observe::Observer;
use variables::Variables;

/// Runs the verb.
pub(super) fn run(_: &Context, args: &SimArgs) -> anyhow::Result<Outcome> {
    let libraries = Libraries::find(args.library.as_deref())?;
    let mut variables = Variables::of(args)?;
    variables.preload(&libraries);
    if let Some(word) = variables.run()? {
        variables.set(shared_market::VARIABLE, shared::folder(&word)?);
    }
    if let Some(folders) = locale::folders() {
        variables.set("LOCPATH", folders);
    }
    match args.action {
        SimAction::Env => print_variables(args, &libraries, &variables),
        SimAction::Run => run_client(args, &libraries, variables),
    }
}

fn run_client(
    args: &SimArgs,
    libraries: &Libraries,
    mut variables: Variables,
) -> anyhow::Result<Outcome> {
    let report = tempfile::Builder::new()
        .prefix("tickdeck-sim-")
        .tempdir()
        .context("creating the folder for the client's report")?;
    if let Some(linked) = libraries.linked_if_needed(report.path())? {
        variables.preload(&linked);
    }
    variables.set(tickdeck_front::report::VARIABLE, report.path());
    // Without a word, only the processes of this client share a market.
    let folder = variables
        .shared_folder()
        .unwrap_or_else(|| report.path().to_owned());
    let _member = SharedFolder::join(&folder)
        .with_context(|| format!("using {} for the market", shown(&folder)))?;
    variables.set(shared_market::VARIABLE, folder);
    let mut observer = Observer::new(report.path(), &args.client[0]);
    let client = Client::start(&args.client, &variables, args.json.json)?;
    let ended = client.wait(&mut observer)?;
    observer.last_look();
    let result = verdict(&observer, libraries, &ended);
    let mut summary = observer.into_summary();
    summary.set_end(&ended);
    summary.log();
    if !args.json.json {
        return result;
    }
    let unbound = result.as_ref().err().map(|error| format!("{error:#}"));
    after_printing(summary.print(unbound.as_deref()), result)
}

/// How the verb ends: as the client did, if it used the simulated front.
fn verdict(observer: &Observer, libraries: &Libraries, ended: &Ended) -> anyhow::Result<Outcome> {
    if let Some(reason) = observer.fatal() {
        anyhow::bail!("{reason}");
    }
    if observer.is_bound() || ended.was_stopped() {
        return Ok(Outcome::Client(ended.code()));
    }
    let reason = unbound::reason(&observer.seen(ended), libraries);
    anyhow::bail!("the client never used the simulated front: {reason}")
}

fn print_variables(
    args: &SimArgs,
    libraries: &Libraries,
    variables: &Variables,
) -> anyhow::Result<Outcome> {
    let mut out = stdout();
    if args.json.json {
        serde_json::to_writer(&mut out, &variables.as_json(libraries))?;
        writeln!(out)?;
        out.flush()?;
        return Ok(Outcome::Done);
    }
    for (name, value) in variables.all() {
        writeln!(out, "export {name}={}", quoted(value))?;
    }
    writeln!(
        out,
        "# A client that loads a library by its path gets these, and TICKDECK_SIM_API_VERSION:"
    )?;
    for path in [&libraries.market_data, &libraries.trader] {
        writeln!(out, "#   {}", path.display())?;
    }
    out.flush()?;
    Ok(Outcome::Done)
}

/// A value as a word of the shell.
fn quoted(value: &OsString) -> String {
    let value = value.to_string_lossy();
    format!("'{}'", value.replace('\'', "'\\''"))
}

/// A path in a message.
fn shown(path: &Path) -> String {
    printable(&path.display().to_string()).into_owned()
}

/// A path that stays the same wherever the client goes.
fn absolute(path: &Path) -> anyhow::Result<std::path::PathBuf> {
    let absolute = std::path::absolute(path);
    absolute.map_err(|error| {
        let text = format!("{} has no absolute path", shown(path));
        UsageError::caused_by(text, error).into()
    })
}

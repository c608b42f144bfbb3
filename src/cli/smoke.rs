//! `tickdeck smoke`: can this machine log in to the front?

use std::io::Write as _;
use std::sync::Arc;

use tickdeck::live::smoke::{self, Gate, SmokeError, SmokeOptions, StopTest, Verdict};
use tickdeck_core::clock::{Clock, MonoNanos};

use super::account::Account;
use super::args::SmokeArgs;
use super::context::Context;
use super::front_settings::{
    library_mismatch, make_flow_folder, separate_output, session_name, settings,
};
use super::outcome::{Outcome, UsageError, stdout, unless_closed};
use super::startup::{require, startup_error};
use super::whole_file;

/// Runs the verb.
pub(super) fn run(context: &Context, args: &SmokeArgs) -> anyhow::Result<Outcome> {
    let started = context.clock.now();
    let mut gate = Gate::begun(args.duration, context.clock.wall().to_string());
    // A second signal or a crash of the library may end the process at any time. The verdict of an
    // earlier run must not remain then.
    write(args, &gate)?;
    let tested = test(context, args, started, &mut gate);
    gate.updated = context.clock.wall().to_string();
    gate.elapsed_s = context.clock.now().duration_since(started).as_secs_f64();
    if let Err(error) = tested {
        gate.could_not_begin(&format!("{error:#}"));
        write(args, &gate)?;
        return Err(error);
    }
    write(args, &gate)?;
    report(args, &gate)
}

/// Runs the test and fills in the gate.
fn test(
    context: &Context,
    args: &SmokeArgs,
    started: MonoNanos,
    gate: &mut Gate,
) -> anyhow::Result<()> {
    let environment = &context.environment;
    require(environment).map_err(startup_error)?;
    let account = Account::read(environment, args.front.front_keys)?;
    let now = context.clock.wall();
    let front = settings(&account, &args.front, environment, now);
    make_flow_folder(&front.flow)?;
    context.handle_signals()?;
    separate_output(&front)?;
    let options = SmokeOptions {
        front,
        session: session_name("smoke", now),
        started,
        duration: args.duration,
    };
    let clock: Arc<dyn Clock> = Arc::clone(&context.clock) as _;
    let control = Arc::clone(&context.control);
    let stop_asked: StopTest = Arc::new(move || control.is_stopped());
    let enough = smoke::run(&options, &clock, &stop_asked, gate).map_err(|error| match error {
        SmokeError::Library(mismatch) => library_mismatch(mismatch),
        error => error.into(),
    })?;
    if let Some(enough) = enough {
        let advice = format!(": give it --duration {}s or more", enough.as_secs());
        gate.rationale.push_str(&advice);
    }
    Ok(())
}

fn write(args: &SmokeArgs, gate: &Gate) -> anyhow::Result<()> {
    whole_file::write(&args.gate, gate.to_yaml().as_bytes()).map_err(|error| {
        let message = format!("gate file {} cannot be written", args.gate.display());
        UsageError::caused_by(message, error).into()
    })
}

fn report(args: &SmokeArgs, gate: &Gate) -> anyhow::Result<Outcome> {
    let path = args.gate.display();
    let verdict = gate.verdict.as_str();
    tracing::info!(
        event = "smoke_gate",
        gate = verdict,
        rationale = gate.rationale,
        attempts = gate.attempts,
        path = %path
    );
    let text = match args.json.json {
        true => gate.to_json().to_string(),
        false => format!("{verdict}: {}\ngate file  {path}", gate.rationale),
    };
    let mut out = stdout();
    unless_closed(writeln!(out, "{text}").and_then(|()| out.flush()))?;
    Ok(match gate.verdict {
        Verdict::Pass | Verdict::Concerns => Outcome::Done,
        Verdict::Fail => Outcome::Difference,
    })
}

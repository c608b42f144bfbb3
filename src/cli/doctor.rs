//! `tickdeck doctor`: what is missing on this machine for live CTP, each with its fix. It never
//! logs in.

use std::io::Write as _;
use std::path::Path;

use serde::Serialize;
use tickdeck::encode::subject::DEFAULT_PREFIX;
use tickdeck::live::diagnose::{Finding, Remedy, Status, can_run, diagnose, would_wait};
use tickdeck::live::facts::{
    AccountFacts, CalendarFacts, EnvironmentFacts, Facts, ServerFault, ServerProblem,
};
use tickdeck::live::probe::{probe_account, probe_disk, probe_locale};
use tickdeck::nats::stream::{StreamName, StreamSettings, stream_promise};
use tickdeck::nats::{NatsError, NatsFailure, Secret, probe};
use tickdeck_core::clock::Clock as _;

use super::account::{
    APP_ID, AUTH_CODE, Account, GATEWAY, Missing, SYMBOL, TD_ADDRESS, duration, first_symbols,
};
use super::args::DoctorArgs;
use super::context::Context;
use super::env::Environment;
use super::front_settings::{flow_folder, make_flow_folder, separate_output, settings};
use super::inputs::calendar;
use super::live::is_ingest_allowed;
use super::outcome::{Outcome, stdout, unless_closed};
use super::outputs::nats_options;
use super::remedies;
use super::render::counted;

/// Runs the verb.
pub(super) fn run(context: &Context, args: &DoctorArgs) -> anyhow::Result<Outcome> {
    let facts = facts(context, args)?;
    let findings = diagnose(&facts);
    let where_to_set = context.environment.where_to_set();
    let checks: Vec<Check> = findings
        .iter()
        .map(|one| Check::of(one, &where_to_set))
        .collect();
    let is_fit = can_run(&findings);
    let waits = would_wait(&facts);
    let end = match is_fit {
        true => would_do(&findings, waits),
        false => "live cannot run: fix every check that says FAIL".to_owned(),
    };
    unless_closed(print(args, &checks, is_fit, waits, &end))?;
    Ok(if is_fit {
        Outcome::Done
    } else {
        Outcome::Difference
    })
}

/// What `live` would do where no check fails. Without its switch or its instruments it does nothing.
fn would_do(findings: &[Finding], waits: bool) -> String {
    let wait = match waits {
        true => ", and will wait for a market data front to open",
        false => "",
    };
    let missing: Vec<&str> = findings
        .iter()
        .filter_map(|finding| match &finding.remedy {
            Some(Remedy::AllowIngest) => Some("set MD_RUN_INGEST=1"),
            Some(Remedy::NameSymbols) => Some("set CTP_SYMBOL or give `tickdeck live --symbols`"),
            _ => None,
        })
        .collect();
    if missing.is_empty() {
        return format!("live can run{wait}");
    }
    format!(
        "live can log in{wait}, but it would not start: {}",
        missing.join("; ")
    )
}

/// A finding as it is printed; the key order of the JSON is the order of the fields.
#[derive(Serialize)]
struct Check<'a> {
    check: &'a str,
    status: Status,
    found: &'a str,
    /// Empty when nothing is wrong.
    fix: String,
}

impl<'a> Check<'a> {
    fn of(finding: &'a Finding, where_to_set: &str) -> Self {
        let fix = finding.remedy.as_ref();
        Self {
            check: finding.check,
            status: finding.status,
            found: &finding.found,
            fix: fix.map_or_else(String::new, |remedy| {
                remedies::in_words(remedy, where_to_set)
            }),
        }
    }
}

fn facts(context: &Context, args: &DoctorArgs) -> anyhow::Result<Facts> {
    let environment = &context.environment;
    let now = context.clock.wall();
    let flow = flow_folder(args.front.flow_dir.as_deref(), environment);
    Ok(Facts {
        environment: environment_facts(environment),
        account: account_facts(context, args)?,
        flow_folder: make_flow_folder(&flow)
            .map(|()| flow.display().to_string())
            .map_err(in_words),
        nats: server(args).map_err(server_fault),
        stream: args.stream.as_ref().map(|name| stream(args, name)),
        calendar: calendar(args.calendar.as_deref(), &[])
            .map(|calendar| CalendarFacts::of(&calendar, now))
            .map_err(in_words),
        // The current folder is only the default of the check.
        disk: probe_disk(
            &args.record,
            args.min_free_space,
            args.record != Path::new("."),
        ),
        locale: probe_locale(),
    })
}

/// An error and its causes in one line.
fn in_words(error: impl Into<anyhow::Error>) -> String {
    format!("{:#}", error.into())
}

fn environment_facts(environment: &Environment) -> EnvironmentFacts {
    let Missing(missing) = Account::missing(environment);
    let mut missing_authentication = Vec::new();
    if environment.get(TD_ADDRESS).is_some() {
        missing_authentication.extend([APP_ID, AUTH_CODE]);
        missing_authentication.retain(|name| environment.get(name).is_none());
    }
    let symbols = environment.get(SYMBOL).map(Secret::expose);
    EnvironmentFacts {
        missing,
        missing_authentication,
        is_ingest_allowed: is_ingest_allowed(environment).map_err(in_words),
        symbols: first_symbols(symbols)
            .map(|symbols| symbols.len())
            .map_err(in_words),
        duration_problem: duration(environment).err().map(in_words),
    }
}

fn account_facts(
    context: &Context,
    args: &DoctorArgs,
) -> anyhow::Result<Result<AccountFacts, String>> {
    let environment = &context.environment;
    let account = match Account::read(environment, args.front.front_keys) {
        Ok(account) => account,
        Err(error) => return Ok(Err(in_words(error))),
    };
    let settings = settings(&account, &args.front, environment, context.clock.wall());
    separate_output(&settings)?;
    let is_library_named = environment.get(GATEWAY).is_some();
    Ok(Ok(probe_account(&settings, is_library_named, args.timeout)))
}

/// The NATS server, if it answers.
fn server(args: &DoctorArgs) -> anyhow::Result<String> {
    let mut options = nats_options(&args.nats)?;
    options.connect_timeout = args.timeout;
    let server = options.servers.to_string();
    probe(&options)?;
    Ok(server)
}

/// What the server promises about a stream.
fn stream(args: &DoctorArgs, name: &StreamName) -> Result<String, String> {
    let look = || -> anyhow::Result<String> {
        let mut options = nats_options(&args.nats)?;
        options.connect_timeout = args.timeout;
        let settings = StreamSettings::new(name.clone());
        let promise = stream_promise(&options, &settings, DEFAULT_PREFIX)?;
        Ok(format!(
            "{name} on nats-server {}, {} storage, {}: {promise}",
            promise.version,
            promise.storage.as_str(),
            counted(promise.replicas as u64, "replica")
        ))
    };
    look().map_err(in_words)
}

/// The fault by the type of the error: the fix depends on it.
fn server_fault(error: anyhow::Error) -> ServerFault {
    let failure = error
        .chain()
        .find_map(|cause| cause.downcast_ref::<NatsError>());
    let problem = match failure {
        Some(NatsError::Server { failure, .. }) => match failure {
            NatsFailure::Unreachable { .. } | NatsFailure::StillUnreachable { .. } => {
                ServerProblem::Unreachable
            }
            NatsFailure::LoginRefused => ServerProblem::Login,
            NatsFailure::Tls { .. } | NatsFailure::PlainServer { .. } => ServerProblem::Tls,
            NatsFailure::ConnectionLimit { .. } => ServerProblem::Full,
            NatsFailure::Permission { .. } => ServerProblem::Permission,
            _ => ServerProblem::Other,
        },
        Some(NatsError::Config(_)) | None => ServerProblem::Options,
        Some(_) => ServerProblem::Other,
    };
    ServerFault {
        problem,
        text: in_words(error),
    }
}

fn print(
    args: &DoctorArgs,
    checks: &[Check<'_>],
    is_fit: bool,
    waits: bool,
    end: &str,
) -> std::io::Result<()> {
    let mut out = stdout();
    if args.json.json {
        let result = serde_json::json!({ "ok": is_fit, "waits": waits, "checks": checks });
        writeln!(out, "{result}")?;
    } else {
        for check in checks {
            let word = match check.status {
                Status::Ok => "ok",
                Status::Warn => "warn",
                Status::Fail => "FAIL",
            };
            writeln!(out, "{word:<5} {:<12} {}", check.check, check.found)?;
            if !check.fix.is_empty() {
                writeln!(out, "                   fix: {}", check.fix)?;
            }
        }
        writeln!(out, "{end}")?;
    }
    out.flush()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_last_line_says_what_live_would_do() {
        let finding = |remedy| Finding {
            check: "x",
            status: Status::Warn,
            found: String::new(),
            remedy: Some(remedy),
        };
        let harmless = [finding(Remedy::IgnoreLocale)];
        assert_eq!(would_do(&harmless, false), "live can run");
        let switch = [finding(Remedy::AllowIngest)];
        assert_eq!(
            would_do(&switch, false),
            "live can log in, but it would not start: set MD_RUN_INGEST=1"
        );
        let both = [finding(Remedy::AllowIngest), finding(Remedy::NameSymbols)];
        assert_eq!(
            would_do(&both, true),
            "live can log in, and will wait for a market data front to open, but it would not \
             start: set MD_RUN_INGEST=1; set CTP_SYMBOL or give `tickdeck live --symbols`"
        );
    }
}

//! `tickdeck doctor`: what is missing on this machine for live CTP, each with its fix. Nobody logs in.

use std::io::Write as _;
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::Duration;

use serde::Serialize;
use tickdeck::live::ctp::{CtpLibrary, trader_library_version};
use tickdeck::live::reach;
use tickdeck::nats::probe;
use tickdeck_core::clock::Clock as _;
use tickdeck_core::time::UnixNanos;
use tickdeck_ffi::FrontAddress;

use super::Context;
use super::account::{
    APP_ID, AUTH_CODE, Account, GATEWAY, MD_ADDRESS, Missing, SYMBOL, TD_ADDRESS, duration,
    first_symbols,
};
use super::args::DoctorArgs;
use super::env::Environment;
use super::front::{flow_folder, keep_output_apart, make_flow_folder, refused_front, refused_keys};
use super::inputs::calendar;
use super::outcome::{Outcome, stdout};
use super::outputs::nats_options;

/// How a check came out.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
enum Status {
    Ok,
    /// `live` runs all the same.
    Warn,
    /// `live` cannot run.
    Fail,
}

/// One check.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
struct Finding {
    check: &'static str,
    status: Status,
    found: String,
    /// What mends it; empty when nothing is wrong.
    fix: String,
}

/// The checks so far.
#[derive(Default)]
struct Findings {
    checks: Vec<Finding>,
    /// Whether `live` would run and wait, because no market data front is open now.
    waits: bool,
}

impl Findings {
    fn ok(&mut self, check: &'static str, found: impl Into<String>) {
        self.add(check, Status::Ok, found, "");
    }

    fn warn(&mut self, check: &'static str, found: impl Into<String>, fix: impl Into<String>) {
        self.add(check, Status::Warn, found, fix);
    }

    fn fail(&mut self, check: &'static str, found: impl Into<String>, fix: impl Into<String>) {
        self.add(check, Status::Fail, found, fix);
    }

    fn add(
        &mut self,
        check: &'static str,
        status: Status,
        found: impl Into<String>,
        fix: impl Into<String>,
    ) {
        self.checks.push(Finding {
            check,
            status,
            found: found.into(),
            fix: fix.into(),
        });
    }
}

/// Runs the verb.
pub(super) fn run(context: &Context, args: &DoctorArgs) -> anyhow::Result<Outcome> {
    let environment = &context.environment;
    let mut findings = Findings::default();
    credentials(&mut findings, environment);
    if let Err(error) = duration(environment) {
        let found = format!("{:#}", anyhow::Error::from(error));
        findings.fail("duration", found, "correct the variable");
    }
    match Account::read(environment) {
        Ok(account) => {
            keep_output_apart(&account)?;
            let library = environment
                .get(GATEWAY)
                .and_then(|_| library(&mut findings, &account.library, args));
            let is_simulated = library
                .as_ref()
                .is_some_and(|library| library.library().is_simulated());
            let refused = library.and_then(|library| refused_front(&library, &account));
            if let Some(refusal) = refused {
                let found = format!("CTP_MD_ADDRESS: {refusal}");
                findings.fail("md_front", found, "correct CTP_MD_ADDRESS");
            }
            if environment.get(GATEWAY).is_some() && !account.td_fronts.is_empty() {
                trader_library(&mut findings, &account.library);
            }
            if is_simulated {
                findings.ok(
                    "md_front",
                    "the simulated front is in the library: no address is dialled",
                );
            } else {
                fronts(&mut findings, MD_ADDRESS, &account.md_fronts, args.timeout);
                fronts(&mut findings, TD_ADDRESS, &account.td_fronts, args.timeout);
            }
        }
        Err(error) => {
            let error = anyhow::Error::from(error);
            findings.fail("addresses", format!("{error:#}"), "correct the variable");
        }
    }
    flow(&mut findings, args, environment);
    nats(&mut findings, args);
    covered(
        &mut findings,
        args.calendar.as_deref(),
        context.clock.wall(),
    );
    locale(&mut findings);
    print(args, &findings)
}

fn print(args: &DoctorArgs, findings: &Findings) -> anyhow::Result<Outcome> {
    let Findings { checks, waits } = findings;
    let is_fit = checks.iter().all(|f| f.status != Status::Fail);
    let mut out = stdout();
    if args.json.json {
        let result = serde_json::json!({ "ok": is_fit, "waits": waits, "checks": checks });
        writeln!(out, "{result}")?;
    } else {
        for finding in checks {
            let word = match finding.status {
                Status::Ok => "ok",
                Status::Warn => "warn",
                Status::Fail => "FAIL",
            };
            writeln!(out, "{word:<5} {:<12} {}", finding.check, finding.found)?;
            if !finding.fix.is_empty() {
                writeln!(out, "                   fix: {}", finding.fix)?;
            }
        }
        let end = match (is_fit, waits) {
            (true, false) => "live can run",
            (true, true) => "live can run, and will wait for a market data front to open",
            (false, _) => "live cannot run: mend what says FAIL",
        };
        writeln!(out, "{end}")?;
    }
    out.flush()?;
    Ok(if is_fit {
        Outcome::Done
    } else {
        Outcome::Difference
    })
}

fn credentials(findings: &mut Findings, environment: &Environment) {
    let Missing(missing) = Account::missing(environment);
    if missing.is_empty() {
        findings.ok("environment", "every variable of a login is set");
    } else {
        let names = missing.join(", ");
        let fix = format!("set {names} {}", environment.where_to_set());
        findings.fail("environment", format!("{names} not set"), fix);
    }
    authentication(findings, environment);
    let switch = environment.get("MD_RUN_INGEST");
    if switch.is_none_or(|value| value.expose().trim() != "1") {
        findings.warn(
            "switch",
            "MD_RUN_INGEST is not 1: `live` says so and does nothing",
            "set MD_RUN_INGEST=1 where ingest is wanted",
        );
    }
    let symbols = environment.get(SYMBOL).map(tickdeck::nats::Secret::expose);
    match first_symbols(symbols) {
        Ok(symbols) if symbols.is_empty() => findings.warn(
            "symbols",
            "CTP_SYMBOL is not set: `live` needs --symbols",
            "set CTP_SYMBOL, for example rb2601.SHFE,IF2601.CFFEX",
        ),
        Ok(symbols) => findings.ok("symbols", format!("CTP_SYMBOL names {}", symbols.len())),
        Err(error) => {
            let error = anyhow::Error::from(error);
            findings.fail("symbols", format!("{error:#}"), "correct CTP_SYMBOL");
        }
    }
}

/// Nearly every trader front wants the client to authenticate before it takes a login.
fn authentication(findings: &mut Findings, environment: &Environment) {
    if environment.get(TD_ADDRESS).is_none() {
        return;
    }
    let mut missing = vec![APP_ID, AUTH_CODE];
    missing.retain(|name| environment.get(name).is_none());
    if missing.is_empty() {
        return;
    }
    let names = missing.join(", ");
    findings.warn(
        "td_auth",
        format!(
            "{names} not set: trader fronts refuse a client that does not authenticate, and then \
             contracts cannot be listed"
        ),
        format!("set {names} {}", environment.where_to_set()),
    );
}

/// The library, if it can be used.
fn library(findings: &mut Findings, path: &Path, args: &DoctorArgs) -> Option<CtpLibrary> {
    let library = match CtpLibrary::open(path) {
        Ok(library) => library,
        Err(error) => {
            let error = anyhow::Error::from(error);
            findings.fail(
                "library",
                format!("{error:#}"),
                "let CTP_GATEWAY_CONNECT name the Linux x86-64 thostmduserapi_se.so of your broker, \
                 or the folder that holds it",
            );
            return None;
        }
    };
    findings.ok("library", library.path().display().to_string());
    let details = library.library();
    findings.ok("symbols_md", format!("exports {}", details.create_symbol()));
    let version = format!(
        "{}, tick layout {}, {} callbacks{}",
        library.version(),
        library.layout(),
        details.spi_table().slots(),
        if details.is_simulated() {
            ", simulated front"
        } else {
            ""
        }
    );
    match details.version().knowledge() {
        tickdeck_ffi::abi::Knowledge::Listed => findings.ok("version", version),
        _ => findings.warn(
            "version",
            format!("{version}: this version is not among those that were tested"),
            "compare a short recording with another recorder's before you rely on it",
        ),
    }
    if let Some(refusal) = refused_keys(&library, &args.front) {
        findings.fail(
            "front_keys",
            refusal,
            "leave --front-keys out, or take another library",
        );
    }
    if !details.is_simulated() && !details.version().at_least(6, 5, 1) {
        findings.warn(
            "release",
            "libraries before 6.5.1 can crash the process when a session is closed while the front \
             takes connections and cuts them (measured: 4 of about 11,000 such sessions)",
            "ask your broker for a library of 6.5.1 or later",
        );
    }
    Some(library)
}

/// Contracts are listed by the library beside the one for market data.
fn trader_library(findings: &mut Findings, path: &Path) {
    match trader_library_version(path) {
        Ok(version) => findings.ok("library_td", version),
        Err(error) => {
            let error = anyhow::Error::from(error);
            findings.warn(
                "library_td",
                format!("{error:#}: contracts cannot be listed, so --symbols takes plain ids only"),
                "put the thosttraderapi_se.so of the same version beside thostmduserapi_se.so",
            );
        }
    }
}

fn fronts(
    findings: &mut Findings,
    variable: &'static str,
    fronts: &[FrontAddress],
    timeout: Duration,
) {
    let check = if variable == MD_ADDRESS {
        "md_front"
    } else {
        "td_front"
    };
    if fronts.is_empty() {
        if variable == TD_ADDRESS {
            findings.warn(
                check,
                "CTP_TD_ADDRESS is not set: contracts cannot be listed, so --symbols takes plain ids \
                 or needs --contracts",
                "set CTP_TD_ADDRESS, or give --contracts FILE",
            );
        }
        return;
    }
    let mut reached = 0;
    for (number, front) in (1..).zip(fronts) {
        let Some(reached_it) = reach(front, timeout) else {
            let scheme = front.scheme();
            findings.ok(
                check,
                format!("{variable} {number} is {scheme}://, not tried"),
            );
            reached += 1;
            continue;
        };
        match reached_it {
            Ok(()) => {
                reached += 1;
                let who = if front.is_behind_proxy() {
                    "the proxy of "
                } else {
                    ""
                };
                findings.ok(
                    check,
                    format!("{who}{variable} {number} accepts connections"),
                );
            }
            Err(reason) => findings.warn(
                check,
                format!("{variable} {number} does not accept connections: {reason}"),
                "fronts are open from about 30 minutes before a session to some time after it; \
                 otherwise check the address, the firewall and the VPN",
            ),
        }
    }
    // Fronts are closed most of the day: a session that begins before they open tries until they do.
    if reached == 0 && variable == MD_ADDRESS {
        findings.waits = true;
        findings.warn(
            check,
            "no market data front accepts connections now: `live` tries again until one does",
            "nothing outside of trading hours; within them correct CTP_MD_ADDRESS",
        );
    }
}

fn flow(findings: &mut Findings, args: &DoctorArgs, environment: &Environment) {
    let folder = flow_folder(args.front.flow_dir.as_deref(), environment);
    match make_flow_folder(&folder) {
        Ok(()) => findings.ok("flow_folder", folder.display().to_string()),
        Err(error) => findings.fail(
            "flow_folder",
            format!("{error:#}"),
            "choose a folder that this user can write to with --flow-dir",
        ),
    }
}

fn nats(findings: &mut Findings, args: &DoctorArgs) {
    let asked = nats_options(&args.nats).and_then(|mut options| {
        options.connect_timeout = args.timeout;
        let server = options.servers.to_string();
        probe(&options).map(|()| server).map_err(Into::into)
    });
    match asked {
        Ok(server) => findings.ok("nats", format!("{server} answers")),
        Err(error) => findings.fail(
            "nats",
            format!("{error:#}"),
            "start the server, or correct NATS_URL and the login beside it",
        ),
    }
}

fn covered(findings: &mut Findings, file: Option<&Path>, now: UnixNanos) {
    match calendar(file, &[]) {
        Ok(calendar) => {
            let today = now.to_shanghai().date_naive();
            let day = calendar.trading_day_of(now).0;
            if calendar.covers(today) && calendar.covers(day) {
                findings.ok("calendar", format!("covers {today}, trading day {day}"));
            } else {
                findings.warn(
                    "calendar",
                    format!("does not cover {today}: weekdays count as trading days"),
                    "give --calendar FILE with this year's holidays",
                );
            }
        }
        Err(error) => findings.fail("calendar", format!("{error:#}"), "correct the file"),
    }
}

/// tickdeck needs no locale. Python wrappers of CTP abort without this one.
fn locale(findings: &mut Findings) {
    const CHECK: &str = "locale";
    let listed = Command::new("locale")
        .arg("-a")
        .stdin(Stdio::null())
        .stderr(Stdio::null())
        .output();
    let has = |out: &[u8]| {
        String::from_utf8_lossy(out)
            .lines()
            .any(|line| line.to_ascii_lowercase().starts_with("zh_cn.gb18030"))
    };
    match listed {
        Ok(output) if has(&output.stdout) => {
            findings.ok(CHECK, "zh_CN.GB18030 is installed (for Python wrappers)");
        }
        Ok(_) => findings.warn(
            CHECK,
            "zh_CN.GB18030 is not installed: tickdeck does not need it, Python wrappers of CTP abort \
             without it",
            "Debian: apt-get install locales && echo 'zh_CN.GB18030 GB18030' >> /etc/locale.gen && \
             locale-gen",
        ),
        Err(_) => findings.warn(
            CHECK,
            "the command `locale` is not there: whether Python wrappers of CTP would find \
             zh_CN.GB18030 is not known",
            "tickdeck does not need it",
        ),
    }
}

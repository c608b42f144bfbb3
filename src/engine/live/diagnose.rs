//! What is missing on this machine for a live session, each with its remedy as data: a pure function
//! of facts. The probe collects the facts.

use super::facts::{
    AccountFacts, CalendarFacts, DiskFacts, EnvironmentFacts, Facts, FrontFacts, LibraryFacts,
    LocaleFacts, ServerProblem,
};
use super::front_kind::FrontKind;
use bytesize::ByteSize;
use tickdeck_core::calendar::Coverage;

/// Result of a check.
#[derive(Debug, Clone, Copy, PartialEq, Eq, serde::Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Status {
    /// Nothing is wrong.
    Ok,
    /// A session can still run.
    Warn,
    /// A session cannot run.
    Fail,
}

/// One check.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Finding {
    /// Name of the check.
    pub check: &'static str,
    /// Its result.
    pub status: Status,
    /// What was found.
    pub found: String,
    /// How to fix it; `None` when nothing is wrong.
    pub remedy: Option<Remedy>,
}

/// How to fix what a check found. A caller puts it into words, because it knows how its user sets
/// options and variables.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Remedy {
    /// Set these variables.
    SetVariables(Vec<&'static str>),
    /// Set `MD_RUN_INGEST`, which allows the ingest.
    AllowIngest,
    /// Name the instruments to subscribe.
    NameSymbols,
    /// Correct the list of instruments.
    CorrectSymbols,
    /// Correct the run time.
    CorrectDuration,
    /// Correct an address of a market data front.
    CorrectFront,
    /// Correct the variable that the problem names.
    CorrectVariable,
    /// Name the Linux x86-64 market data library of the broker.
    NameLibrary,
    /// Put the trader library of the same version beside the market data library.
    AddTraderLibrary,
    /// Compare a short recording with another recorder's.
    CompareRecording,
    /// Use the keys that the library has, or another library.
    UseOtherKeys,
    /// Get a library whose sessions can be closed safely.
    UpdateLibrary,
    /// Nothing outside trading hours; otherwise check the address of the market data front.
    WaitForFront,
    /// Nothing outside trading hours; otherwise check the address and the network.
    CheckNetwork,
    /// Name a trader front, or give a contract file.
    NameTraderFront,
    /// Choose another folder for the library's own files.
    ChooseFlowFolder,
    /// Start the NATS server, or correct its address.
    StartServer,
    /// Correct the credentials of the NATS server.
    CorrectLogin,
    /// Correct the TLS options of the NATS server.
    CorrectTls,
    /// Close another connection to the NATS server, or raise its limit.
    FreeConnection,
    /// Give the NATS account the permission that the problem names.
    GrantPermission,
    /// Correct the option of the NATS server that the problem names.
    CorrectServerOption,
    /// Look into the NATS server's log.
    ReadServerLog,
    /// Fix the calendar file.
    FixCalendar,
    /// Give a calendar with the next year's holidays, once they are announced.
    GiveNextCalendar,
    /// Give a calendar with all of this year's holidays, or update tickdeck.
    CompleteCalendar,
    /// Give a calendar with this year's holidays.
    GiveCalendar,
    /// Free space on the disk of the recordings, record elsewhere, or accept less.
    FreeSpace,
    /// Choose a folder for the recordings that this user can write to.
    ChooseRecordingFolder,
    /// Install the locale that Python wrappers need.
    InstallLocale,
    /// Nothing: tickdeck does not need the locale.
    IgnoreLocale,
}

impl Remedy {
    const fn of_server(problem: ServerProblem) -> Self {
        match problem {
            ServerProblem::Unreachable => Self::StartServer,
            ServerProblem::Login => Self::CorrectLogin,
            ServerProblem::Tls => Self::CorrectTls,
            ServerProblem::Full => Self::FreeConnection,
            ServerProblem::Permission => Self::GrantPermission,
            ServerProblem::Options => Self::CorrectServerOption,
            ServerProblem::Other => Self::ReadServerLog,
        }
    }
}

/// All checks, in the order of a start.
#[must_use]
pub fn diagnose(facts: &Facts) -> Vec<Finding> {
    let mut findings = Findings::default();
    findings.environment(&facts.environment);
    match &facts.account {
        Ok(account) => findings.account(account),
        Err(problem) => findings.fail("addresses", problem, Remedy::CorrectVariable),
    }
    match &facts.flow_folder {
        Ok(folder) => findings.ok("flow_folder", folder),
        Err(problem) => findings.fail("flow_folder", problem, Remedy::ChooseFlowFolder),
    }
    match &facts.nats {
        Ok(server) => findings.ok("nats", format!("{server} answers")),
        Err(fault) => findings.fail("nats", &fault.text, Remedy::of_server(fault.problem)),
    }
    // No live session needs it.
    match &facts.stream {
        Some(Ok(promise)) => findings.ok("jetstream", promise),
        Some(Err(problem)) => findings.warn("jetstream", problem, Remedy::CorrectServerOption),
        None => {}
    }
    match &facts.calendar {
        Ok(calendar) => findings.calendar(calendar),
        Err(problem) => findings.fail("calendar", problem, Remedy::FixCalendar),
    }
    findings.disk(&facts.disk);
    findings.locale(facts.locale);
    findings.0
}

/// Whether a session can run.
#[must_use]
pub fn can_run(findings: &[Finding]) -> bool {
    findings
        .iter()
        .all(|finding| finding.status != Status::Fail)
}

/// Whether a session would wait, because no market data front accepts connections now.
#[must_use]
pub fn would_wait(facts: &Facts) -> bool {
    facts
        .account
        .as_ref()
        .is_ok_and(|account| !account.is_simulated() && are_all_closed(&account.md_fronts))
}

fn are_all_closed(fronts: &[FrontFacts]) -> bool {
    let is_closed = |front: &FrontFacts| matches!(front.reached, Some(Err(_)));
    !fronts.is_empty() && fronts.iter().all(is_closed)
}

#[derive(Default)]
struct Findings(Vec<Finding>);

impl Findings {
    fn ok(&mut self, check: &'static str, found: impl Into<String>) {
        self.add(check, Status::Ok, found, None);
    }

    fn warn(&mut self, check: &'static str, found: impl Into<String>, remedy: Remedy) {
        self.add(check, Status::Warn, found, Some(remedy));
    }

    fn fail(&mut self, check: &'static str, found: impl Into<String>, remedy: Remedy) {
        self.add(check, Status::Fail, found, Some(remedy));
    }

    fn add(
        &mut self,
        check: &'static str,
        status: Status,
        found: impl Into<String>,
        remedy: Option<Remedy>,
    ) {
        self.0.push(Finding {
            check,
            status,
            found: found.into(),
            remedy,
        });
    }

    fn environment(&mut self, facts: &EnvironmentFacts) {
        let set = |names: &[&'static str]| Remedy::SetVariables(names.to_vec());
        if facts.missing.is_empty() {
            self.ok("environment", "every variable of a login is set");
        } else {
            let names = facts.missing.join(", ");
            let found = format!("{names} not set");
            self.fail("environment", found, set(&facts.missing));
        }
        // Nearly every trader front requires an authentication before the login.
        if !facts.missing_authentication.is_empty() {
            let names = facts.missing_authentication.join(", ");
            let found = format!(
                "{names} not set: trader fronts refuse a client that does not authenticate, and \
                 then contracts cannot be listed"
            );
            self.warn("td_auth", found, set(&facts.missing_authentication));
        }
        match &facts.is_ingest_allowed {
            Ok(true) => {}
            Ok(false) => self.warn(
                "switch",
                "MD_RUN_INGEST is not 1: `live` logs that and does nothing",
                Remedy::AllowIngest,
            ),
            Err(problem) => self.fail("switch", problem, Remedy::CorrectVariable),
        }
        match &facts.symbols {
            Ok(0) => self.warn(
                "symbols",
                "CTP_SYMBOL is not set: a session has no instruments",
                Remedy::NameSymbols,
            ),
            Ok(symbols) => self.ok("symbols", format!("CTP_SYMBOL names {symbols}")),
            Err(problem) => self.fail("symbols", problem, Remedy::CorrectSymbols),
        }
        if let Some(problem) = &facts.duration_problem {
            self.fail("duration", problem, Remedy::CorrectDuration);
        }
    }

    fn account(&mut self, facts: &AccountFacts) {
        match &facts.library {
            None => {}
            Some(Ok(library)) => self.library(library),
            Some(Err(problem)) => self.fail("library", problem, Remedy::NameLibrary),
        }
        // Contracts are listed by the library beside the one for market data.
        match &facts.trader_library {
            None => {}
            Some(Ok(version)) => self.ok("library_td", version),
            Some(Err(problem)) => self.warn(
                "library_td",
                format!("{problem}: contracts cannot be listed, so patterns match nothing"),
                Remedy::AddTraderLibrary,
            ),
        }
        if facts.is_simulated() {
            self.ok("md_front", "simulated front: no connection is made");
            return;
        }
        self.fronts(FrontKind::MarketData, &facts.md_fronts);
        // Fronts are closed most of the day: a session that begins early retries until one opens.
        if are_all_closed(&facts.md_fronts) {
            self.warn(
                "md_front",
                "no market data front accepts connections now: `live` tries again until one does",
                Remedy::WaitForFront,
            );
        }
        if facts.td_fronts.is_empty() {
            self.warn(
                "td_front",
                "CTP_TD_ADDRESS is not set: contracts cannot be listed, so patterns need a contract \
                 file",
                Remedy::NameTraderFront,
            );
        }
        self.fronts(FrontKind::Trader, &facts.td_fronts);
    }

    fn library(&mut self, facts: &LibraryFacts) {
        self.ok("library", &facts.path);
        let symbol = format!("exports {}", facts.create_symbol);
        self.ok("symbols_md", symbol);
        let version = format!(
            "{}, tick layout {}, {} callbacks{}",
            facts.version,
            facts.layout,
            facts.callbacks,
            if facts.is_simulated {
                ", simulated front"
            } else {
                ""
            }
        );
        if facts.is_version_tested {
            self.ok("version", version);
        } else {
            self.warn(
                "version",
                format!("{version}: this version was never tested"),
                Remedy::CompareRecording,
            );
        }
        if let Some(problem) = &facts.keys_problem {
            self.fail("front_keys", problem, Remedy::UseOtherKeys);
        }
        if !facts.is_simulated && !facts.is_release_safe {
            self.warn(
                "release",
                "libraries before 6.5.1 can crash the process when a session is closed while the \
                 front accepts connections and cuts them (measured: 4 of about 11,000 such sessions)",
                Remedy::UpdateLibrary,
            );
        }
        if let Some(problem) = &facts.front_problem {
            let found = format!("CTP_MD_ADDRESS: {problem}");
            self.fail("md_front", found, Remedy::CorrectFront);
        }
    }

    fn fronts(&mut self, kind: FrontKind, fronts: &[FrontFacts]) {
        let (check, variable) = match kind {
            FrontKind::MarketData => ("md_front", "CTP_MD_ADDRESS"),
            FrontKind::Trader => ("td_front", "CTP_TD_ADDRESS"),
        };
        for (number, front) in (1..).zip(fronts) {
            match &front.reached {
                None => {
                    let scheme = front.scheme;
                    self.ok(
                        check,
                        format!("{variable} {number} is {scheme}://, not tried"),
                    );
                }
                Some(Ok(())) => {
                    let proxy = if front.is_behind_proxy {
                        "the proxy of "
                    } else {
                        ""
                    };
                    let found = format!("{proxy}{variable} {number} accepts connections");
                    self.ok(check, found);
                }
                Some(Err(reason)) => self.warn(
                    check,
                    format!("{variable} {number} does not accept connections: {reason}"),
                    Remedy::CheckNetwork,
                ),
            }
        }
    }

    fn calendar(&mut self, facts: &CalendarFacts) {
        const CHECK: &str = "calendar";
        let CalendarFacts {
            today,
            trading_day,
            coverage,
        } = facts;
        match coverage {
            Coverage::Known => {
                let found = format!("covers {today}, trading day {trading_day}");
                self.ok(CHECK, found);
            }
            Coverage::EndsSoon { known_until } => self.warn(
                CHECK,
                format!(
                    "covers {today}; after {known_until} it is only partly known or not at all"
                ),
                Remedy::GiveNextCalendar,
            ),
            Coverage::Partly => self.warn(
                CHECK,
                format!(
                    "the year of {today} is partly known: bridge days around holidays count as \
                     trading days"
                ),
                Remedy::CompleteCalendar,
            ),
            Coverage::FixedDays => self.warn(
                CHECK,
                format!(
                    "of the year of {today} only holidays with a fixed date are known: moving \
                     festivals and bridge days count as trading days"
                ),
                Remedy::CompleteCalendar,
            ),
            Coverage::Unknown => self.warn(
                CHECK,
                format!("does not cover {today}: weekdays count as trading days"),
                Remedy::GiveCalendar,
            ),
        }
    }

    /// Only a session that records needs space.
    fn disk(&mut self, facts: &DiskFacts) {
        const CHECK: &str = "disk";
        let DiskFacts {
            folder,
            free,
            needed,
            unwritable,
        } = facts;
        if let Some(problem) = unwritable {
            return self.fail(CHECK, problem, Remedy::ChooseRecordingFolder);
        }
        match free {
            Ok(Some(free)) if free < needed => self.warn(
                CHECK,
                format!(
                    "{folder} has {} of free space: a recording there needs {}",
                    ByteSize(*free),
                    ByteSize(*needed)
                ),
                Remedy::FreeSpace,
            ),
            Ok(Some(free)) => {
                let found = format!("{folder} has {} of free space", ByteSize(*free));
                self.ok(CHECK, found);
            }
            Ok(None) => self.ok(CHECK, format!("{folder} states no free space")),
            Err(problem) => self.warn(CHECK, problem, Remedy::FreeSpace),
        }
    }

    /// tickdeck needs no locale. Python wrappers of CTP abort without this one.
    fn locale(&mut self, locale: LocaleFacts) {
        const CHECK: &str = "locale";
        match locale {
            LocaleFacts::Installed => {
                self.ok(CHECK, "zh_CN.GB18030 is installed (for Python wrappers)");
            }
            LocaleFacts::Missing => self.warn(
                CHECK,
                "zh_CN.GB18030 is not installed: tickdeck does not need it, Python wrappers of CTP \
                 abort without it",
                Remedy::InstallLocale,
            ),
            LocaleFacts::Unknown => self.warn(
                CHECK,
                "the command `locale` is not available: whether Python wrappers of CTP would find \
                 zh_CN.GB18030 is unknown",
                Remedy::IgnoreLocale,
            ),
        }
    }
}

#[cfg(test)]
mod tests;

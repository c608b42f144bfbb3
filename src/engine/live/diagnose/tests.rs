use super::*;
use crate::live::facts::ServerFault;
use crate::live::reach::Unreachable;
use tickdeck_core::calendar::Coverage;

fn front(reached: Option<Result<(), Unreachable>>) -> FrontFacts {
    FrontFacts {
        scheme: "tcp",
        is_behind_proxy: false,
        reached,
    }
}

fn closed() -> FrontFacts {
    front(Some(Err(Unreachable::Name)))
}

fn library() -> LibraryFacts {
    LibraryFacts {
        path: "/opt/ctp/thostmduserapi_se.so".into(),
        create_symbol: "create",
        version: "v6.7.11".into(),
        layout: "C".into(),
        callbacks: 13,
        is_simulated: false,
        is_version_tested: true,
        is_release_safe: true,
        keys_problem: None,
        front_problem: None,
    }
}

/// A machine on which nothing is missing.
fn complete() -> Facts {
    Facts {
        environment: EnvironmentFacts {
            missing: Vec::new(),
            missing_authentication: Vec::new(),
            is_ingest_allowed: Ok(true),
            symbols: Ok(2),
            duration_problem: None,
        },
        account: Ok(account()),
        flow_folder: Ok("/var/lib/tickdeck/flow".into()),
        nats: Ok("nats://127.0.0.1:4222".into()),
        stream: None,
        calendar: Ok(CalendarFacts {
            today: "2026-01-05".into(),
            trading_day: "2026-01-05".into(),
            coverage: Coverage::Known,
        }),
        disk: DiskFacts {
            folder: ".".into(),
            free: Ok(Some(2 << 30)),
            needed: 1 << 30,
            unwritable: None,
        },
        locale: LocaleFacts::Installed,
    }
}

fn account() -> AccountFacts {
    AccountFacts {
        library: Some(Ok(library())),
        trader_library: Some(Ok("v6.7.11".into())),
        md_fronts: vec![front(Some(Ok(())))],
        td_fronts: vec![front(Some(Ok(())))],
    }
}

/// Names of the checks with this status.
fn checks(facts: &Facts, status: Status) -> Vec<&'static str> {
    let findings = diagnose(facts);
    let with_status = findings.iter().filter(|finding| finding.status == status);
    with_status.map(|finding| finding.check).collect()
}

#[test]
fn a_complete_machine_passes_every_check() {
    let facts = complete();
    let findings = diagnose(&facts);
    assert!(
        findings
            .iter()
            .all(|f| f.status == Status::Ok && f.remedy.is_none())
    );
    assert!(can_run(&findings) && !would_wait(&facts));
    let order: Vec<&str> = findings.iter().map(|f| f.check).collect();
    assert_eq!(
        order,
        [
            "environment",
            "symbols",
            "library",
            "symbols_md",
            "version",
            "library_td",
            "md_front",
            "td_front",
            "flow_folder",
            "nats",
            "calendar",
            "disk",
            "locale"
        ]
    );
}

#[test]
fn what_keeps_a_session_from_running_fails() {
    let mut facts = complete();
    facts.environment.missing = vec!["CTP_PASSWORD"];
    facts.environment.symbols = Err("no exchange".into());
    facts.environment.duration_problem = Some("not a number".into());
    facts.flow_folder = Err("read-only".into());
    facts.environment.is_ingest_allowed = Err("MD_RUN_INGEST is \"maybe\"".into());
    facts.nats = Err(ServerFault {
        problem: ServerProblem::Login,
        text: "refused".into(),
    });
    facts.calendar = Err("no date".into());
    let mut bad = library();
    bad.keys_problem = Some("no evaluation keys".into());
    bad.front_problem = Some("ssl".into());
    facts.account = Ok(AccountFacts {
        library: Some(Ok(bad)),
        ..account()
    });
    assert_eq!(
        checks(&facts, Status::Fail),
        [
            "environment",
            "switch",
            "symbols",
            "duration",
            "front_keys",
            "md_front",
            "flow_folder",
            "nats",
            "calendar"
        ]
    );
    let findings = diagnose(&facts);
    assert!(!can_run(&findings));
    assert_eq!(
        findings[0].remedy,
        Some(Remedy::SetVariables(vec!["CTP_PASSWORD"]))
    );
    facts.account = Err("address 1 has no port".into());
    assert!(checks(&facts, Status::Fail).contains(&"addresses"));
}

#[test]
fn the_fix_for_a_server_follows_from_its_fault() {
    for (problem, remedy) in [
        (ServerProblem::Unreachable, Remedy::StartServer),
        (ServerProblem::Login, Remedy::CorrectLogin),
        (ServerProblem::Tls, Remedy::CorrectTls),
        (ServerProblem::Full, Remedy::FreeConnection),
        (ServerProblem::Permission, Remedy::GrantPermission),
        (ServerProblem::Options, Remedy::CorrectServerOption),
        (ServerProblem::Other, Remedy::ReadServerLog),
    ] {
        let mut facts = complete();
        let text = "the server said no".to_owned();
        facts.nats = Err(ServerFault { problem, text });
        let findings = diagnose(&facts);
        let nats = findings.iter().find(|finding| finding.check == "nats");
        let nats = nats.unwrap();
        assert_eq!(nats.found, "the server said no");
        assert_eq!(nats.remedy, Some(remedy));
    }
}

#[test]
fn what_a_session_can_do_without_is_a_warning() {
    let mut facts = complete();
    facts.environment.missing_authentication = vec!["CTP_APP_ID"];
    facts.environment.is_ingest_allowed = Ok(false);
    facts.environment.symbols = Ok(0);
    facts.locale = LocaleFacts::Missing;
    let mut old = library();
    (old.is_version_tested, old.is_release_safe) = (false, false);
    facts.account = Ok(AccountFacts {
        library: Some(Ok(old)),
        trader_library: Some(Err("no file".into())),
        td_fronts: Vec::new(),
        ..account()
    });
    assert_eq!(
        checks(&facts, Status::Warn),
        [
            "td_auth",
            "switch",
            "symbols",
            "version",
            "release",
            "library_td",
            "td_front",
            "locale"
        ]
    );
    assert!(can_run(&diagnose(&facts)));
}

#[test]
fn closed_fronts_only_make_a_session_wait() {
    let mut facts = complete();
    facts.account = Ok(AccountFacts {
        md_fronts: vec![closed(), closed()],
        ..account()
    });
    assert_eq!(checks(&facts, Status::Warn), ["md_front"; 3]);
    assert!(would_wait(&facts) && can_run(&diagnose(&facts)));
    // One open front is enough, and an address that cannot be tried counts as one.
    for other in [front(Some(Ok(()))), front(None)] {
        facts.account = Ok(AccountFacts {
            md_fronts: vec![closed(), other],
            ..account()
        });
        assert!(!would_wait(&facts));
    }
}

#[test]
fn a_simulated_front_needs_no_address() {
    let mut facts = complete();
    let mut simulated = library();
    simulated.is_simulated = true;
    facts.account = Ok(AccountFacts {
        library: Some(Ok(simulated)),
        md_fronts: vec![closed()],
        td_fronts: Vec::new(),
        ..account()
    });
    assert_eq!(checks(&facts, Status::Warn), Vec::<&str>::new());
    assert!(!would_wait(&facts));
}

#[test]
fn the_end_of_the_calendar_is_a_warning_with_a_fix() {
    let known_until = chrono::NaiveDate::from_ymd_opt(2026, 12, 31).unwrap();
    for (coverage, found, remedy) in [
        (
            Coverage::EndsSoon { known_until },
            "after 2026-12-31 it is only partly known",
            Remedy::GiveNextCalendar,
        ),
        (Coverage::Partly, "partly known", Remedy::CompleteCalendar),
        (
            Coverage::FixedDays,
            "only holidays with a fixed date are known",
            Remedy::CompleteCalendar,
        ),
        (Coverage::Unknown, "does not cover", Remedy::GiveCalendar),
    ] {
        let mut facts = complete();
        facts.calendar = Ok(CalendarFacts {
            today: "2026-12-01".into(),
            trading_day: "2026-12-01".into(),
            coverage,
        });
        let findings = diagnose(&facts);
        let finding = findings
            .iter()
            .find(|finding| finding.check == "calendar")
            .unwrap();
        assert_eq!(finding.status, Status::Warn);
        assert!(finding.found.contains(found), "{finding:?}");
        assert_eq!(finding.remedy, Some(remedy));
    }
}

#[test]
fn a_disk_with_too_little_space_is_a_warning() {
    let mut facts = complete();
    facts.disk.free = Ok(Some((1 << 30) - 1));
    assert_eq!(checks(&facts, Status::Warn), ["disk"]);
    let findings = diagnose(&facts);
    let disk = findings.iter().find(|finding| finding.check == "disk");
    let found = &disk.unwrap().found;
    assert!(
        found.ends_with("a recording there needs 1.0 GiB"),
        "{found}"
    );
    facts.disk.free = Err("opening x: no such disk".into());
    assert_eq!(checks(&facts, Status::Warn), ["disk"]);
    facts.disk.unwritable = Some("x cannot be written".into());
    assert_eq!(checks(&facts, Status::Fail), ["disk"]);
    facts.disk.unwritable = None;
    facts.disk.free = Ok(None);
    assert_eq!(checks(&facts, Status::Warn), Vec::<&str>::new());
}

use std::collections::BTreeMap;
use std::time::Duration;

use tickdeck::normalize::Flag;
use tickdeck_core::contract::Exchange;
use tickdeck_core::select::TimeSpec;
use tickdeck_core::time::{TradingDay, UnixNanos};
use tickdeck_market::source::{Profile, SyntheticOptions};

use super::help::Detail;
use super::*;

fn parse(line: &str) -> Result<Command, String> {
    let words = std::iter::once("tickdeck").chain(line.split_whitespace());
    Cli::parse_checked(words)
        .map(|cli| cli.command)
        .map_err(|error| error.to_string())
}

fn replay(line: &str) -> ReplayArgs {
    match parse(&format!("replay {line}")).unwrap() {
        Command::Replay(args) => *args,
        other => panic!("{other:?}"),
    }
}

#[test]
fn the_definition_is_consistent() {
    Cli::command().debug_assert();
}

#[test]
fn letters_mean_the_same_in_every_verb() {
    let mut meaning = BTreeMap::new();
    for verb in Cli::command().get_subcommands() {
        for arg in verb.get_arguments() {
            if let Some(letter) = arg.get_short() {
                let long = arg.get_long().unwrap().to_owned();
                assert_eq!(
                    *meaning.entry(letter).or_insert(long.clone()),
                    long,
                    "-{letter}"
                );
            }
        }
    }
    assert_eq!(meaning[&'S'], "start");
    assert_eq!(meaning[&'r'], "rate");
}

/// The help of the program and of every verb, by verb.
fn helps(detail: Detail) -> BTreeMap<String, String> {
    let mut command = help::command(detail).term_width(HELP_WIDTH);
    command.build();
    let mut helps = BTreeMap::from([(String::new(), command.render_help().to_string())]);
    for verb in command.get_subcommands_mut() {
        if verb.get_name() != "help" {
            helps.insert(verb.get_name().to_owned(), verb.render_help().to_string());
        }
    }
    helps
}

#[test]
fn help_is_as_reviewed_and_has_an_example() {
    for (verb, help) in helps(Detail::Full) {
        if verb.is_empty() {
            insta::assert_snapshot!("help", help);
            continue;
        }
        let (_, example) = help.rsplit_once("Example").unwrap();
        assert!(example.contains(&format!("\n  tickdeck {verb}")), "{verb}");
        insta::assert_snapshot!(format!("help_{verb}"), help);
    }
}

#[test]
fn help_states_units_and_ranges() {
    let is_span = |word: &str| {
        word.starts_with(|c: char| c.is_ascii_digit())
            && word.ends_with(['s', 'm', 'h'])
            && word
                .chars()
                .all(|c| c.is_ascii_digit() || "smh".contains(c))
    };
    for verb in command().get_subcommands() {
        for arg in verb.get_arguments().filter(|arg| !arg.is_hide_set()) {
            let value = arg.get_value_names().and_then(|names| names.first());
            let defaults = arg
                .get_default_values()
                .iter()
                .map(|value| value.to_string_lossy());
            let help = arg.get_help().map(ToString::to_string).unwrap_or_default();
            let text = format!("{help} {}", defaults.collect::<String>());
            let words = text.split([' ', ',', ';', ')', ']']);
            let states = match value.map(clap::builder::Str::as_str) {
                Some("SPAN") => words.clone().any(is_span),
                Some("N" | "HZ" | "RATE") => words.clone().any(|word| word.parse::<f64>().is_ok()),
                _ => true,
            };
            assert!(states, "{} {}: {text}", verb.get_name(), arg.get_id());
        }
    }
}

/// Lines of a large terminal window.
const SCREEN: usize = 50;

#[test]
fn short_help_fits_on_a_screen() {
    let lines = |help: &String| help.lines().count();
    let full = helps(Detail::Full);
    let short = helps(Detail::Short);
    let long: Vec<_> = short
        .iter()
        .filter(|(_, help)| lines(help) > SCREEN)
        .map(|(verb, help)| (verb, lines(help)))
        .collect();
    assert!(long.is_empty(), "{long:?}");
    assert!(
        short
            .iter()
            .all(|(verb, help)| lines(help) <= lines(&full[verb]))
    );
}

#[test]
fn shared_flags_are_at_the_end_and_only_there() {
    let end = "Logging and progress:\n";
    for help in helps(Detail::Full)
        .into_values()
        .chain(helps(Detail::Short).into_values())
    {
        let (own, shared) = help.split_once(end).unwrap();
        assert!(
            shared.contains("--log-level") && !own.contains("--log-level"),
            "{help}"
        );
        assert!(!shared.contains(end), "{help}");
    }
}

#[test]
fn a_replay_needs_only_a_recording() {
    let args = replay("rec");
    assert_eq!(args.recordings, [PathBuf::from("rec")]);
    assert_eq!(
        args.pace.options(),
        tickdeck_core::pace::PaceOptions::default()
    );
    assert_eq!(args.sinks.sinks, [SinkSpec::Nats]);
    assert_eq!(args.sinks.subject_prefix, "market.tick");
    assert_eq!(args.nats.connect_timeout, Duration::from_secs(5));
}

#[test]
fn replay_flags_are_parsed() {
    let args = replay(
        "a b --speed 0.5 -S 21:00:00 -E 1757595600000000000 -n 9 --symbols rb*,*.CFFEX \
         --symbols all --exchange shfe,DCE -l -p -d 2s --max-gap 5s --prime --clock 2.5 \
         --sink digest --sink jsonl:out --dry-run --payload decimal --drop stale,out_of_session \
         --salvage --batch-size 7 --subject-prefix a.b --wait-for-subscribers 1 --json",
    );
    let pace = args.pace.options();
    assert_eq!(pace.rate.to_string(), "0.5");
    assert_eq!(
        (pace.delay_ns, pace.max_gap_ns),
        (2_000_000_000, Some(5_000_000_000))
    );
    assert!(
        args.pace.start_paused && args.pace.looping && args.prime && args.salvage && args.dry_run
    );
    assert_eq!(
        args.select.end,
        Some(TimeSpec::At(UnixNanos(1_757_595_600_000_000_000)))
    );
    assert_eq!(args.select.symbols, ["rb*", "*.CFFEX", "all"]);
    assert_eq!(args.select.exchange, [Exchange::Shfe, Exchange::Dce]);
    assert_eq!(args.sinks.sinks.len(), 2);
    assert_eq!(args.normalize.drop, [Flag::Stale, Flag::OutOfSession]);
    assert_eq!((args.batch_size, args.clock), (7, "2.5".parse().ok()));
}

#[test]
fn flags_and_profiles_are_offered() {
    for flag in Flag::ALL {
        let dropped = parse(&format!("replay rec --drop {flag}"));
        assert_eq!(dropped.is_ok(), flag != Flag::Primed, "{flag}");
    }
    for profile in Profile::ALL {
        match parse(&format!("generate -o out --profile {profile}")).unwrap() {
            Command::Generate(args) => assert_eq!(args.profile, profile),
            other => panic!("{other:?}"),
        }
    }
}

#[test]
fn bad_usage_names_what_is_expected() {
    for (line, expected) in [
        ("replay", "REC"),
        (
            "replay rec --rate fast",
            "expected `max`, or a positive decimal number",
        ),
        (
            "replay rec --sink kafka",
            "expected nats, jetstream:STREAM, jsonl:PATH",
        ),
        (
            "replay rec --sink jsonl:",
            "expected nats, jetstream:STREAM, jsonl:PATH",
        ),
        ("replay rec -S noon", "expected RFC 3339"),
        (
            "replay rec -S 09:00 --start-offset 5s",
            "cannot be used with",
        ),
        ("replay rec -E 09:00 --duration 5s", "cannot be used with"),
        ("replay rec --duration 5x", "expected a span such as"),
        ("replay rec --exchange NYMEX", "expected one of SHFE"),
        ("replay rec --clock 0", "expected a number above 0"),
        ("replay rec --clock 1001", "up to 1000"),
        ("replay rec --batch-size 0", "0 is not in"),
        ("replay rec --json --sink jsonl:-", "both write to stdout"),
        ("replay rec --sink jsonl:- --sink jsonl:-", "is given twice"),
        ("replay rec --subject-prefix a..b", "single dots"),
        ("replay rec --drop wet", "possible values"),
        ("replay rec --log-level tickdeck=loud", "expected a level"),
        ("export rec --force", "--output is stdout"),
        ("slice rec", "--output"),
        (
            "record -o out --source synthetic:quick,speed=3",
            "or synthetic:PROFILE[,seed=N][,duration=",
        ),
        (
            "record -o out --source ctp --rate 1",
            "sets the speed itself",
        ),
        (
            "record -o out --source synthetic:quick --symbols rb2601",
            "--symbols is for --source ctp; `slice` cuts",
        ),
        (
            "record -o out --source synthetic:quick --duration 5s",
            "--duration is for --source ctp; a market has its own",
        ),
        ("smoke --duration 121s", "at most 120s"),
        ("smoke --duration 1ms", "at least 1s"),
        (
            "record -o out --source recording:",
            "expected ctp, recording:PATH",
        ),
        (
            "generate -o out --trading-day 2025-02-30",
            "expected a date",
        ),
        ("juggle", "unrecognized subcommand"),
    ] {
        let error = parse(line).unwrap_err();
        assert!(error.contains(expected), "{line}: {error}");
    }
}

#[test]
fn bad_usage_shows_the_usage_of_the_verb() {
    for line in [
        "export rec --force",
        "replay rec --nats-password x",
        "slice rec",
    ] {
        let error = parse(line).unwrap_err();
        let verb = line.split(' ').next().unwrap();
        assert!(
            error.contains(&format!("Usage: tickdeck {verb}")),
            "{error}"
        );
    }
}

#[test]
fn sources_read_as_documented() {
    let source = |text: &str| text.parse::<SourceSpec>().unwrap();
    assert_eq!(source("ctp"), SourceSpec::Ctp);
    assert_eq!(source("recording:a:b"), SourceSpec::Recording("a:b".into()));
    let synthetic = |profile, seed| {
        SourceSpec::Synthetic(SyntheticOptions {
            profile,
            seed,
            ..SyntheticOptions::default()
        })
    };
    assert_eq!(source("synthetic:quick"), synthetic(Profile::Quick, 1));
    assert_eq!(
        source("synthetic:full-market,seed=9"),
        synthetic(Profile::FullMarket, 9)
    );
    let timed = SyntheticOptions {
        duration: Some(Duration::from_secs(5)),
        trading_day: Some(TradingDay::parse_ctp(b"20250915").unwrap()),
        ..SyntheticOptions::default()
    };
    assert_eq!(
        source("synthetic:quick,duration=5s,trading_day=2025-09-15"),
        SourceSpec::Synthetic(timed)
    );
}

#[test]
fn debug_output_hides_secrets() {
    let given = |name: &str| match name {
        "NATS_URL" => Some("nats://me:hunter2@host".to_owned()),
        "NATS_PASSWORD" | "NATS_TOKEN" => Some("hunter2".to_owned()),
        _ => None,
    };
    let cli = Cli::parse_with_fallback("tickdeck replay rec".split_whitespace(), &given).unwrap();
    assert!(!format!("{cli:?}").contains("hunter2"));
    let Command::Replay(args) = cli.command else {
        panic!("not a replay");
    };
    assert_eq!(args.nats.nats_url.expose(), "nats://me:hunter2@host");
    assert_eq!(args.nats.nats_password.unwrap().expose(), "hunter2");
    let args = replay("rec --nats-url= --nats-creds= --nats-user=");
    assert_eq!(args.nats.nats_url.expose(), "");
    assert_eq!((args.nats.nats_creds, args.nats.nats_user), (None, None));
}

#[test]
fn secrets_in_arguments_are_refused() {
    for (words, variable) in [
        ("replay rec --nats-password hunter2", "NATS_PASSWORD"),
        ("live --nats-token=hunter2", "NATS_TOKEN"),
        ("health --nats-url nats://me:hunter2@host", "NATS_URL"),
        ("doctor --nats-url nats://a:1,me:hunter2@host", "NATS_URL"),
    ] {
        let error = parse(words).unwrap_err().to_string();
        assert!(
            error.contains(&format!("set {variable} instead")),
            "{error}"
        );
        assert!(!error.contains("hunter2"), "{error}");
    }
    for words in [
        "replay rec --nats-url nats://host:4222",
        "replay rec --nats-url nats://me@host:4222,host:4223",
        "generate -o out",
    ] {
        assert!(parse(words).is_ok(), "{words}");
    }
}

#[test]
fn recording_is_paced_only_if_published() {
    let rate = |line: &str| match parse(&format!("record --source synthetic:quick -o out {line}"))
        .unwrap()
    {
        Command::Record(args) => args.effective_rate(),
        other => panic!("{other:?}"),
    };
    assert_eq!(rate(""), Rate::Max);
    assert_eq!(rate("--publish"), Rate::RECORDED);
    assert_eq!(rate("--publish --rate 10").to_string(), "10");
}

#[test]
fn capture_flags_are_parsed() {
    let capture = |line: &str| match parse(&format!("capture {line}")).unwrap() {
        Command::Capture(args) => *args,
        other => panic!("{other:?}"),
    };
    let plain = capture("");
    assert!(plain.subjects.is_empty() && plain.subject_prefix.is_none());
    assert_eq!(plain.output, OutputTarget::Stdout);
    assert_eq!(plain.until, Until::End);
    let args = capture(
        "a.> b.* -o out --force --times t --ready-file r --linger 2s --idle 3s -n 9 --duration 1h \
         --subject-prefix a.b --nats-url host:1 --json",
    );
    let subjects: Vec<String> = args.subjects.iter().map(ToString::to_string).collect();
    assert_eq!(subjects, ["a.>", "b.*"]);
    assert_eq!(args.output, OutputTarget::Path("out".into()));
    assert_eq!(args.times, Some("t".into()));
    assert_eq!(args.ready_file, Some("r".into()));
    let seconds = |span: Option<Duration>| span.unwrap().as_secs();
    assert_eq!(
        [args.linger, args.idle, args.duration].map(seconds),
        [2, 3, 3600]
    );
    assert_eq!(args.count, Some(9));
    assert_eq!(args.subject_prefix.as_deref(), Some("a.b"));
    assert!(args.force && args.json.json && !args.no_times);
    assert_eq!(capture("--until signal").until, Until::Signal);
}

#[test]
fn commands_of_the_recipes_parse() {
    for page in ["docs/capture.md", "docs/ci.md"] {
        let path = concat!(env!("CARGO_MANIFEST_DIR"), "/../..").to_owned() + "/" + page;
        let text = std::fs::read_to_string(path).unwrap();
        let mut commands = 0;
        for line in text.lines() {
            let line = line.trim().split(" #").next().unwrap().trim();
            let line = line.trim_end_matches('&').replace('\'', "");
            let is_ours = ["tickdeck capture", "tickdeck replay"];
            if is_ours.iter().any(|start| line.starts_with(start)) {
                let words = line.strip_prefix("tickdeck ").unwrap();
                parse(words).unwrap_or_else(|error| panic!("{page}: {line}: {error}"));
                commands += 1;
            }
        }
        assert!(commands >= 2, "{page} has {commands} commands");
    }
}

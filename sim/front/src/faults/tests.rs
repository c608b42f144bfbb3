use std::path::Path;

use tickdeck_core::clock::MonoNanos;
use tickdeck_core::event::RawTick;

use super::*;
use crate::settings::Settings;

fn script(text: &str) -> Result<Script, ScriptError> {
    Script::parse(text, Path::new("test.toml"))
}

fn rule(at: &str, action: &str) -> Result<Script, ScriptError> {
    script(&format!(
        "[[rule]]\nname = \"r\"\nat = {at}\naction = {action}\n"
    ))
}

/// The ticks 1 to `count` that a client gets, numbered by their volume.
fn sent(script: Script, count: i32) -> Vec<i32> {
    let mut faults = Faults::new(script);
    let mut got = Vec::new();
    for volume in 1..=count {
        let tick = RawTick {
            volume,
            ..RawTick::default()
        };
        let sent = match faults.tick(tick, MonoNanos(0)) {
            Fate::Send(tick) => vec![tick],
            Fate::Hold(ticks) => ticks.into_iter().map(|(_, tick)| tick).collect(),
            Fate::Lose => Vec::new(),
            Fate::Cut(_) => {
                got.push(-1);
                Vec::new()
            }
        };
        for tick in sent {
            faults.sent(&tick);
            got.push(tick.volume);
        }
    }
    while let Some(tick) = faults.last_held() {
        got.push(tick.volume);
    }
    got
}

#[test]
fn each_action_on_ticks_does_what_it_says() {
    for (at, action, expected) in [
        ("{ tick = 2 }", "'drop'", vec![1, 3, 4, 5]),
        ("{ tick = 2 }", "'duplicate'", vec![1, 2, 2, 3, 4, 5]),
        ("{ tick = 2 }", "'reorder'", vec![1, 3, 2, 4, 5]),
        ("{ tick = 5 }", "'reorder'", vec![1, 2, 3, 4, 5]),
        ("{ tick = 2 }", "{ burst = 3 }", vec![1, 2, 3, 4, 5]),
        ("{ tick = 4 }", "{ replay = 2 }", vec![1, 2, 3, 4, 2, 3, 5]),
        (
            "{ tick = 4 }",
            "{ disconnect = 0x1001 }",
            vec![1, 2, 3, -1, 5],
        ),
        (
            "{ tick = 1 }",
            "{ corrupt = { field = 'Volume', value = '77' } }",
            vec![77, 2, 3, 4, 5],
        ),
        ("{ tick = 1 }", "{ delay = 5 }", vec![1, 2, 3, 4, 5]),
        (
            "{ tick = 3 }",
            "{ heartbeat_warning = 61 }",
            vec![1, 2, 3, 4, 5],
        ),
    ] {
        assert_eq!(sent(rule(at, action).unwrap(), 5), expected, "{action}");
    }
}

#[test]
fn a_replay_repeats_as_many_ticks_as_its_rule_says() {
    let replayed = |others: &str, count: i32| {
        let text = format!(
            "{others}[[rule]]\nname='a'\nat={{tick=4}}\naction={{replay=2}}\n\
             [[rule]]\nname='b'\nat={{tick=9}}\naction={{replay=4}}\n"
        );
        sent(script(&text).unwrap(), count)
    };
    assert_eq!(
        replayed("", 10),
        [1, 2, 3, 4, 2, 3, 5, 6, 7, 8, 9, 5, 6, 7, 8, 10]
    );
    // A replay sends the ticks as the client received them, with the changes of other rules.
    for (action, expected) in [
        ("'duplicate'", vec![1, 2, 3, 3, 4, 3, 3]),
        ("{delay=5}", vec![1, 2, 3, 4, 2, 3]),
        ("'drop'", vec![1, 2, 4, 1, 2]),
        (
            "{corrupt={field='Volume',value='77'}}",
            vec![1, 2, 77, 4, 2, 77],
        ),
    ] {
        let other = format!("[[rule]]\nname='o'\nat={{tick=3}}\naction={action}\n");
        assert_eq!(replayed(&other, 4), expected, "{action}");
    }
    let burst = "[[rule]]\nname='o'\nat={tick=1}\naction={burst=3}\n";
    assert_eq!(replayed(burst, 4), [1, 2, 3, 4, 2, 3]);
    let swapped = "[[rule]]\nname='o'\nat={tick=2}\naction='reorder'\n";
    assert_eq!(replayed(swapped, 4), [1, 3, 2, 4, 3, 2]);
    let again = "[[rule]]\nname='o'\nat={tick=2}\naction={replay=1}\n";
    assert_eq!(replayed(again, 4), [1, 2, 1, 3, 4, 1, 3]);
}

#[test]
fn a_rule_by_every_ticks_acts_as_often_as_it_may() {
    let text = "[[rule]]\nname = 'r'\nat = { every_ticks = 2 }\naction = 'drop'\ntimes = 2\n";
    assert_eq!(sent(script(text).unwrap(), 7), [1, 3, 5, 6, 7]);
    let text = text.replace("times = 2", "times = 0");
    assert_eq!(sent(script(&text).unwrap(), 7), [1, 3, 5, 7]);
}

#[test]
fn a_rule_by_seconds_acts_once_per_connection_at_its_time() {
    let mut faults = Faults::new(rule("{ seconds = 2 }", "{ disconnect = 0x2001 }").unwrap());
    let second = 1_000_000_000;
    assert_eq!(faults.connection(), None);
    faults.connected(MonoNanos(second));
    assert_eq!(faults.happening(MonoNanos(2 * second)), None);
    assert_eq!(
        faults.next_happening(MonoNanos(2 * second)),
        Some(MonoNanos(3 * second))
    );
    assert_eq!(
        faults.happening(MonoNanos(3 * second)),
        Some(Happening::Disconnect(0x2001))
    );
    assert_eq!(faults.happening(MonoNanos(4 * second)), None);
}

#[test]
fn logins_requests_and_connections_are_counted_from_one() {
    let mut faults = Faults::new(rule("{ login = 2 }", "{ reject_login = 7 }").unwrap());
    let logins: Vec<_> = (0..3).map(|_| faults.login_error(MonoNanos(0))).collect();
    assert_eq!(logins, [None, Some(7), None]);
    let mut faults = Faults::new(rule("{ request = 1 }", "{ return_code = -3 }").unwrap());
    assert_eq!(faults.request(MonoNanos(0)), Some(RequestFault::Code(-3)));
    assert_eq!(faults.request(MonoNanos(0)), None);
    let mut faults = Faults::new(rule("{ connection = 1 }", "'refuse'").unwrap());
    let refused = Some(ConnectionFault::Refused);
    assert_eq!(faults.connection(), refused);
    assert_eq!(faults.connection(), None);
    let mut faults = Faults::new(rule("{ connection = 2 }", "{ disconnect = 0x1001 }").unwrap());
    assert_eq!(faults.connection(), None);
    let lost = Some(ConnectionFault::Lost(0x1001));
    assert_eq!(faults.connection(), lost);
}

#[test]
fn a_rule_with_an_address_acts_at_that_front_only() {
    let away = "[[rule]]\nname = 'away'\naddress = 'tcp://a:1'\nat = { connection = 2 }\n\
                action = 'refuse'\ntimes = 2\n";
    let rejects = "[[rule]]\nname = 'rejects'\naddress = 'tcp://b:2'\nat = { login = 1 }\n\
                   action = { reject_login = 7 }\n";
    let fronts = vec!["tcp://a:1".to_owned(), "tcp://b:2".to_owned()];
    let faults = Faults::new(script(&format!("{away}{rejects}")).unwrap());
    let mut faults = faults.with_fronts(fronts.clone());
    assert_eq!((faults.connection(), faults.front()), (None, 1));
    assert_eq!(faults.login_error(MonoNanos(0)), None, "another front");
    assert_eq!((faults.connection(), faults.front()), (None, 2));
    assert_eq!(faults.login_error(MonoNanos(0)), Some(7));
    assert_eq!((faults.connection(), faults.front()), (None, 2));
    assert_eq!(
        (faults.connection(), faults.front()),
        (None, 1),
        "it is back"
    );
    // Without an address all fronts refuse.
    let all = Faults::new(rule("{ connection = 1 }", "'refuse'").unwrap());
    let mut all = all.with_fronts(fronts.clone());
    assert_eq!(all.connection(), Some(ConnectionFault::Refused));
    assert_eq!((all.connection(), all.front()), (None, 1));
    // And when each of them refuses by itself, nothing is left.
    let other = away.replace("a:1", "b:2");
    let mut both = Faults::new(script(&format!("{away}{other}")).unwrap()).with_fronts(fronts);
    assert_eq!(both.connection(), None);
    assert_eq!(both.connection(), Some(ConnectionFault::Refused));
}

#[test]
fn a_rule_that_makes_no_sense_is_refused_with_what_would() {
    for (at, action, part) in [
        ("{ tick = 1 }", "'refuse'", "expected connection"),
        ("{ login = 1 }", "'drop'", "expected tick or every_ticks"),
        ("{ every_ticks = 0 }", "'drop'", "1 or more"),
        ("{ tick = 0 }", "'drop'", "tick is 0"),
        ("{ seconds = nan }", "{ disconnect = 1 }", "expected 0 to"),
        ("{ seconds = -1.0 }", "{ disconnect = 1 }", "expected 0 to"),
        ("{ tick = 1 }", "{ silent = 1e300 }", "expected 0 to"),
        ("{ tick = 1 }", "{ delay = 99999999999 }", "at most"),
        ("{ tick = 1 }", "{ burst = 99999999999 }", "1 to 100000"),
        (
            "{ tick = 1 }",
            "{ corrupt = { field = 'X', value = '1' } }",
            "no field `X`",
        ),
        (
            "{ tick = 1 }",
            "{ corrupt = { field = 'Volume', value = 'x' } }",
            "whole number",
        ),
        ("{ tick = 1 }", "'explode'", "explode"),
        (
            "{ tick = 1 }",
            "'silent'",
            "`silent` needs a value: expected { silent = SECONDS }",
        ),
        (
            "{ tick = 1 }",
            "'corrupt'",
            "expected { corrupt = { field = \"LastPrice\", value = \"nan\" } }",
        ),
        ("'tick'", "'drop'", "expected { tick = N }"),
        ("{ tick = 1 }", "7", "a word, or a table"),
        ("{ tick = 1 }", "{ drop = 7 }", "drop"),
        (
            "{ tick = 1 }",
            "{ burst = 5, replay = 3 }",
            "`replay` is one",
        ),
        ("{ moon = 1 }", "'drop'", "moon"),
    ] {
        let refused = rule(at, action).unwrap_err().to_string();
        assert!(refused.contains(part), "{refused}");
    }
}

#[test]
fn rules_are_told_in_the_words_of_a_script() {
    let rules = [
        ("{ connection = 1 }", "\"refuse\""),
        ("{ tick = 300 }", "{ disconnect = 0x1001 }"),
        ("{ seconds = 2.5 }", "{ disconnect = -1 }"),
        ("{ every_ticks = 50 }", "{ silent = 1.0 }"),
        ("{ tick = 1 }", "{ heartbeat_warning = 61 }"),
        ("{ login = 1 }", "{ reject_login = 3 }"),
        ("{ request = 2 }", "{ return_code = -3 }"),
        ("{ tick = 1 }", "{ delay = 20 }"),
        ("{ tick = 1 }", "\"drop\""),
        ("{ tick = 1 }", "\"duplicate\""),
        ("{ tick = 1 }", "\"reorder\""),
        (
            "{ tick = 1 }",
            "{ corrupt = { field = \"UpdateTime\", value = \"\\\"\" } }",
        ),
        ("{ tick = 1 }", "{ burst = 3 }"),
        ("{ tick = 1 }", "{ replay = 3 }"),
        ("{ snapshot = 5 }", "\"lose_snapshot\""),
    ];
    for (at, action) in rules {
        let made = rule(at, action).unwrap();
        if let Some(word) = action.strip_prefix("{ ") {
            let (word, _) = word.split_once(' ').unwrap();
            let alone = rule(at, &format!("'{word}'")).unwrap_err().to_string();
            assert!(alone.contains("needs a value"), "{alone}");
        }
        let told = made.rules[0].log_fields();
        for (field, value) in [
            ("rule", "r".into()),
            ("front", "market_data".into()),
            ("at", at.into()),
            ("action", action.into()),
            ("times", 1.into()),
            ("must_survive", true.into()),
        ] {
            assert!(told.contains(&(field, value)), "{field} of {told:?}");
        }
    }
}

#[test]
fn a_seed_draws_the_same_rules_every_time_and_swarms_differ() {
    let rules = |words: &str| swarm::draw(words).unwrap();
    assert_eq!(rules("seed:1"), rules("seed:1"));
    assert_ne!(rules("seed:1"), rules("seed:2"));
    assert_ne!(rules("seed:1,swarm"), rules("seed:3,swarm"));
    assert_eq!(rules("seed:1").rules.len(), 16);
    assert!(swarm::draw("seed:x").is_err());
    assert!(swarm::draw("seed:1,bees").is_err());
}

#[test]
fn the_next_instance_goes_on_where_the_last_one_was_released() {
    let settings = Settings {
        run: "next-instance".into(),
        script: Some(
            concat!(
                env!("CARGO_MANIFEST_DIR"),
                "/../../fixtures/faults/front_not_ready.toml"
            )
            .into(),
        ),
        ..Settings::default()
    };
    let next = || Faults::from_settings(&settings, Front::MarketData).unwrap();
    let mut first = next();
    assert_eq!(first.login_error(MonoNanos(0)), Some(7));
    first.hand_on(&settings, Front::MarketData);
    let mut second = next();
    // One that lives at the same time counts for itself.
    assert_eq!(next().login_error(MonoNanos(0)), Some(7));
    assert_eq!(second.login_error(MonoNanos(0)), Some(90));
    second.hand_on(&settings, Front::MarketData);
    assert_eq!(next().login_error(MonoNanos(0)), None);
    // The trader front has other rules.
    let mut trader = Faults::from_settings(&settings, Front::Trader).unwrap();
    assert_eq!(trader.login_error(MonoNanos(0)), None);
}

#[test]
fn the_trader_front_has_no_rules_about_ticks() {
    for (at, action, part) in [
        ("{ tick = 1 }", "'drop'", "sends no ticks"),
        ("{ snapshot = 1 }", "'lose_snapshot'", "sends no ticks"),
    ] {
        let text = format!("[[rule]]\nname='x'\nfront='trader'\nat={at}\naction={action}\n");
        let error = Script::parse(&text, "x".as_ref()).unwrap_err().to_string();
        assert!(error.contains(part), "{error}");
    }
    let error = rule("{ request = 1 }", "{ reject_request = 90 }").unwrap_err();
    assert!(error.to_string().contains("front = \"trader\""), "{error}");
}

#[test]
fn rules_of_the_same_name_act_each_at_its_own_moment() {
    let text = "[[rule]]\nname='x'\nat={tick=5}\naction='drop'\n\
                [[rule]]\nname='x'\nat={seconds=1.0}\naction={disconnect=0x1001}\n";
    let mut faults = Faults::new(script(text).unwrap());
    assert_eq!(faults.connection(), None);
    faults.connected(MonoNanos(0));
    let later = MonoNanos(2_000_000_000);
    assert_eq!(faults.happening(later), Some(Happening::Disconnect(0x1001)));
    let sent = (1..=6).filter(|_| faults.tick(RawTick::default(), later) != Fate::Lose);
    assert_eq!(sent.count(), 5, "the fifth tick is still to be dropped");
}

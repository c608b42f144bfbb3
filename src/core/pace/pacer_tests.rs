use proptest::prelude::*;

use super::*;
use crate::clock::{Clock, VirtualClock, WakeFlag};

const SECOND: i64 = 1_000_000_000;
const DAY: i64 = 86_400 * SECOND;
/// A real receive time: nothing may depend on starting at zero.
const BASE: i64 = 1_767_574_800_500_000_123;

fn pacer(rate: &str) -> Pacer {
    pacer_with(rate, PaceOptions::default())
}

fn pacer_with(rate: &str, options: PaceOptions) -> Pacer {
    let rate = rate.parse().unwrap();
    Pacer::new(PaceOptions { rate, ..options })
}

/// Plays receive times on a virtual clock; the instants of release.
fn play(pacer: &mut Pacer, clock: &VirtualClock, recv_ts: &[i64]) -> Vec<i64> {
    let wake = WakeFlag::new();
    let release = |&recv_ts: &i64| {
        loop {
            match pacer.due(UnixNanos(recv_ts), clock.now()) {
                Due::Now => break,
                Due::At(at) => drop(clock.sleep_until(at, &wake)),
                Due::Paused => panic!("paused"),
            }
        }
        pacer.released(clock.now());
        clock.now().0
    };
    recv_ts.iter().map(release).collect()
}

#[test]
fn due_times_are_exact_over_a_day_at_every_rate() {
    // A period that no rate divides, so that summing rounded intervals would drift.
    let period = 499_999_999_i64;
    let count = DAY / period;
    for (rate, times, over) in [
        ("0.5", 2, 1),
        ("1", 1, 1),
        ("3", 1, 3),
        ("10", 1, 10),
        ("0.3", 10, 3),
    ] {
        let (mut pacer, clock) = (pacer(rate), VirtualClock::new());
        clock.advance(77);
        for event in 0..count {
            let at = play(&mut pacer, &clock, &[BASE + event * period])[0];
            assert_eq!(
                at,
                77 + event * period * times / over,
                "rate {rate}, event {event}"
            );
        }
        let report = pacer.report(clock.now());
        assert_eq!(report.lateness.unwrap().max_ns, 0);
        let asked: f64 = rate.parse().unwrap();
        assert!((report.rate_achieved.unwrap() / asked - 1.0).abs() < 1e-9);
    }
}

#[test]
fn an_event_that_is_never_released_was_not_played() {
    let (mut pacer, clock) = (pacer("1"), VirtualClock::new());
    play(&mut pacer, &clock, &[100, 300]);
    pacer.due(UnixNanos(1_300), clock.now());
    let report = pacer.report(clock.now());
    assert_eq!((report.events, report.played_ns), (2, 200));
    assert_eq!(report.rate_achieved, Some(1.0));
}

#[test]
fn an_earlier_receive_time_is_due_at_once() {
    let (mut pacer, clock) = (pacer("1"), VirtualClock::new());
    let released = play(&mut pacer, &clock, &[100, 300, 50, 299, 300, 400]);
    assert_eq!(released, [0, 200, 200, 200, 200, 300]);
}

#[test]
fn a_late_replay_catches_up_and_counts_its_lateness() {
    let (mut pacer, clock) = (pacer("1"), VirtualClock::new());
    play(&mut pacer, &clock, &[0]);
    clock.advance(1_000);
    assert_eq!(play(&mut pacer, &clock, &[100, 200, 999]), [1_000; 3]);
    assert_eq!(play(&mut pacer, &clock, &[1_500]), [1_500], "on time again");
    assert_eq!(pacer.report(clock.now()).lateness.unwrap().max_ns, 900);
}

#[test]
fn a_replay_that_cannot_keep_up_slows_down_in_proportion() {
    let (mut pacer, clock) = (pacer("10"), VirtualClock::new());
    for event in 0..1_000 {
        play(&mut pacer, &clock, &[event * 1_000]);
        clock.advance(200);
    }
    let report = pacer.report(clock.now());
    assert_eq!((report.events, report.played_ns), (1_000, 999_000));
    assert!((report.rate_achieved.unwrap() - 4.995).abs() < 1e-9);
}

#[test]
fn long_pauses_are_shortened_exactly_and_short_ones_kept() {
    let options = PaceOptions {
        max_gap_ns: Some(5 * SECOND),
        ..PaceOptions::default()
    };
    let recv_ts = [
        0,
        5 * SECOND,
        905 * SECOND + 1,
        906 * SECOND,
        50_000 * SECOND,
    ];
    let (mut real, clock) = (pacer_with("1", options), VirtualClock::new());
    let expected = [0, 5 * SECOND, 10 * SECOND, 11 * SECOND - 1, 16 * SECOND - 1];
    assert_eq!(play(&mut real, &clock, &recv_ts), expected);
    let (mut fast, clock) = (pacer_with("2", options), VirtualClock::new());
    assert_eq!(play(&mut fast, &clock, &recv_ts), expected.map(|at| at / 2));
}

#[test]
fn asking_again_for_the_same_event_does_not_shorten_twice() {
    let options = PaceOptions {
        max_gap_ns: Some(10),
        ..PaceOptions::default()
    };
    let mut pacer = pacer_with("1", options);
    assert_eq!(pacer.due(UnixNanos(0), MonoNanos(0)), Due::Now);
    for now in 0..10 {
        let due = pacer.due(UnixNanos(1_000), MonoNanos(now));
        assert_eq!(due, Due::At(MonoNanos(10)));
    }
    assert_eq!(pacer.due(UnixNanos(1_000), MonoNanos(10)), Due::Now);
}

#[test]
fn a_pause_keeps_what_was_left_of_the_wait() {
    let mut pacer = pacer("1");
    assert_eq!(pacer.due(UnixNanos(0), MonoNanos(0)), Due::Now);
    pacer.pause(MonoNanos(400));
    pacer.pause(MonoNanos(900));
    assert_eq!(pacer.due(UnixNanos(1_000), MonoNanos(5_000)), Due::Paused);
    pacer.resume(MonoNanos(10_400));
    let due = pacer.due(UnixNanos(1_000), MonoNanos(10_400));
    assert_eq!(due, Due::At(MonoNanos(11_000)));
    pacer.released(MonoNanos(11_000));
    let report = pacer.report(MonoNanos(11_000));
    assert_eq!(report.elapsed_ns, 1_000, "the pause is not replay time");
    assert_eq!(report.rate_achieved, Some(1.0));
}

#[test]
fn a_replay_that_starts_paused_counts_its_delay_from_the_resume() {
    let options = PaceOptions {
        delay_ns: 50,
        ..PaceOptions::default()
    };
    let mut pacer = pacer_with("1", options);
    pacer.pause(MonoNanos(0));
    assert_eq!(pacer.due(UnixNanos(7), MonoNanos(0)), Due::Paused);
    pacer.resume(MonoNanos(1_000));
    let due = pacer.due(UnixNanos(7), MonoNanos(1_000));
    assert_eq!(due, Due::At(MonoNanos(1_050)));
}

fn set_rate(pacer: &mut Pacer, rate: &str, next: i64, now: i64) {
    pacer.set_rate(rate.parse().unwrap(), UnixNanos(next), MonoNanos(now));
}

#[test]
fn another_rate_keeps_the_recorded_time_to_the_next_event() {
    let due = |pacer: &mut Pacer, recv_ts, now| pacer.due(UnixNanos(recv_ts), MonoNanos(now));
    let at = |nanos| Due::At(MonoNanos(nanos));
    let mut pacer = pacer("1");
    assert_eq!(due(&mut pacer, 0, 0), Due::Now);
    assert_eq!(due(&mut pacer, 1_000, 0), at(1_000));
    set_rate(&mut pacer, "2", 1_000, 400);
    assert_eq!(due(&mut pacer, 1_000, 400), at(700));
    // While paused, the recorded time stands still.
    pacer.pause(MonoNanos(500));
    set_rate(&mut pacer, "0.5", 1_000, 9_000);
    pacer.resume(MonoNanos(10_000));
    assert_eq!(due(&mut pacer, 1_000, 10_000), at(10_800));
    // Without pacing the event is due at once, and the next rate counts from it.
    set_rate(&mut pacer, "max", 1_000, 10_100);
    assert_eq!(due(&mut pacer, 1_000, 10_100), Due::Now);
    set_rate(&mut pacer, "1", 1_050, 10_100);
    assert_eq!(due(&mut pacer, 1_050, 10_100), at(10_150));
}

#[test]
fn another_rate_keeps_the_delay_and_forgets_the_lateness() {
    let options = PaceOptions {
        delay_ns: 50,
        ..PaceOptions::default()
    };
    let mut pacer = pacer_with("1", options);
    assert_eq!(
        pacer.due(UnixNanos(7), MonoNanos(0)),
        Due::At(MonoNanos(50))
    );
    set_rate(&mut pacer, "10", 7, 20);
    assert_eq!(
        pacer.due(UnixNanos(7), MonoNanos(20)),
        Due::At(MonoNanos(50))
    );
    assert_eq!(pacer.due(UnixNanos(107), MonoNanos(1_000)), Due::Now);
    set_rate(&mut pacer, "1", 207, 1_000);
    assert_eq!(pacer.due(UnixNanos(207), MonoNanos(1_000)), Due::Now);
    let next = pacer.due(UnixNanos(307), MonoNanos(1_000));
    assert_eq!(next, Due::At(MonoNanos(1_100)));
}

#[test]
fn each_pass_of_a_loop_restarts_and_delays_once() {
    let options = PaceOptions {
        delay_ns: 10,
        ..PaceOptions::default()
    };
    let (mut pacer, clock) = (pacer_with("1", options), VirtualClock::new());
    assert_eq!(play(&mut pacer, &clock, &[100, 200]), [10, 110]);
    pacer.new_pass();
    assert_eq!(play(&mut pacer, &clock, &[100, 200]), [110, 210]);
    pacer.pause(MonoNanos(210));
    pacer.new_pass();
    pacer.resume(MonoNanos(500));
    clock.advance(290);
    assert_eq!(play(&mut pacer, &clock, &[100, 200]), [500, 600]);
    assert_eq!(pacer.report(clock.now()).played_ns, 300);
}

#[test]
fn extreme_times_saturate_instead_of_overflowing() {
    let mut pacer = pacer("0.000000001");
    assert_eq!(pacer.due(UnixNanos(i64::MIN), MonoNanos(0)), Due::Now);
    let due = pacer.due(UnixNanos(i64::MAX), MonoNanos(i64::MAX - 1));
    assert_eq!(due, Due::At(MonoNanos::NEVER));
    pacer.released(MonoNanos::NEVER);
    assert_eq!(pacer.report(MonoNanos(1)).played_ns, i64::MAX);
}

#[test]
fn stamps_shorten_no_pause() {
    let options = PaceOptions {
        max_gap_ns: Some(10),
        ..PaceOptions::default()
    };
    let mut pacer = pacer_with("1", options);
    assert_eq!(pacer.stamp_due(UnixNanos(0), MonoNanos(0)), Due::Now);
    assert_eq!(pacer.due(UnixNanos(0), MonoNanos(0)), Due::Now);
    let due = |at| Due::At(MonoNanos(at));
    assert_eq!(pacer.stamp_due(UnixNanos(8), MonoNanos(0)), due(8));
    assert_eq!(pacer.stamp_due(UnixNanos(1_000), MonoNanos(0)), due(10));
    assert_eq!(pacer.due(UnixNanos(1_000), MonoNanos(0)), due(10));
}

proptest! {
    #[test]
    fn prop_the_same_rate_again_changes_no_due_time(
        gaps in prop::collection::vec((1..100 * SECOND, 0..100_u8), 1..60),
        rate in prop::sample::select(vec![("0.5", 2, 1), ("1", 1, 1), ("10", 1, 10)]),
    ) {
        let (rate, times, over) = rate;
        let (mut pacer, clock) = (pacer(rate), VirtualClock::new());
        play(&mut pacer, &clock, &[BASE]);
        let mut offset = 0;
        for (asked, (gap, percent)) in (1..).zip(gaps) {
            offset += gap;
            let due = offset * times / over;
            let now = clock.now().0 + (due - clock.now().0).max(0) / 100 * i64::from(percent);
            set_rate(&mut pacer, rate, BASE + offset, now);
            let at = play(&mut pacer, &clock, &[BASE + offset])[0];
            // Each question may round once.
            prop_assert!((at - due).abs() <= asked * times, "{at} {due}");
        }
    }

    #[test]
    fn prop_releases_keep_order_and_last_as_long_as_the_played_time(
        gaps in prop::collection::vec(-SECOND..100 * SECOND, 1..60),
        rate in prop::sample::select(vec![("0.5", 1, 2), ("1", 1, 1), ("3", 3, 1), ("0.7", 7, 10)]),
        max_gap_ns in prop::option::of(0..20 * SECOND),
        busy in prop::collection::vec(0..SECOND, 60),
    ) {
        let (rate, num, den) = rate;
        let options = PaceOptions { max_gap_ns, ..PaceOptions::default() };
        let (mut pacer, clock) = (pacer_with(rate, options), VirtualClock::new());
        let (mut recv_ts, mut newest, mut played, mut before) = (BASE, BASE, 0_i64, 0);
        play(&mut pacer, &clock, &[BASE]);
        for (gap, busy) in gaps.iter().zip(busy) {
            clock.advance(busy);
            recv_ts += gap;
            played += (recv_ts - newest).max(0).min(max_gap_ns.unwrap_or(i64::MAX));
            newest = newest.max(recv_ts);
            let due = played * den / num;
            let at = play(&mut pacer, &clock, &[recv_ts])[0];
            prop_assert_eq!(at, due.max(before + busy));
            before = at;
        }
        prop_assert_eq!(pacer.report(clock.now()).played_ns, played);
    }
}

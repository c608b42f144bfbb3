use std::collections::BTreeSet;

use proptest::prelude::*;

use super::*;

const S: i64 = NANOS_PER_SECOND;

fn options() -> SupervisorOptions {
    SupervisorOptions {
        instruments: 1_200,
        ..SupervisorOptions::default()
    }
}

/// A supervisor in a world that accepts every request.
struct World {
    supervisor: Supervisor,
    now: MonoNanos,
    actions: VecDeque<Action>,
    done: Vec<String>,
}

impl World {
    fn new(options: SupervisorOptions) -> Self {
        Self {
            supervisor: Supervisor::new(options, MonoNanos(0)),
            now: MonoNanos(0),
            actions: VecDeque::new(),
            done: Vec::new(),
        }
    }

    /// Advances time to `seconds` from the start.
    fn until(&mut self, seconds: i64) -> &mut Self {
        let end = MonoNanos(seconds * S);
        while self.supervisor.due() <= end {
            self.now = self.now.max(self.supervisor.due());
            self.supervisor.poll(self.now, &mut self.actions);
            self.perform();
        }
        self.now = end;
        self
    }

    fn on(&mut self, input: &Input) -> &mut Self {
        let attempt = self.supervisor.attempt().number;
        self.supervisor
            .on(self.now, attempt, input, &mut self.actions);
        self.perform();
        self
    }

    fn perform(&mut self) {
        while let Some(action) = self.actions.pop_front() {
            match &action {
                Action::Login => self.supervisor.login_sent(self.now, Ok(())),
                Action::Subscribe { to, .. } => {
                    self.supervisor
                        .subscribe_sent(self.now, *to, Ok(()), &mut self.actions);
                }
                _ => {}
            }
            self.done.push(show(&action));
        }
    }

    #[track_caller]
    fn did(&mut self, expected: &[&str]) -> &mut Self {
        assert_eq!(self.done, expected);
        self.done.clear();
        self
    }
}

fn show(action: &Action) -> String {
    match action {
        Action::Open(attempt) => format!("open {}", attempt.session),
        Action::Login => "login".into(),
        Action::Subscribe { from, to } => format!("subscribe {from}..{to}"),
        Action::Close => "close".into(),
        Action::Retry(report) => format!(
            "retry {} {} {}",
            report.attempt.number,
            report.reason,
            // Whole seconds of the full pause: the jitter takes up to a quarter.
            (report.next_backoff_ns + report.next_backoff_ns / 3) / S
        ),
        Action::Subscribed(progress) => {
            format!("subscribed {} {}", progress.instruments, progress.is_again)
        }
        Action::End(End::Stopped) => "stopped".into(),
        Action::End(End::GaveUp { reason }) => format!("gave up: {reason}"),
    }
}

fn lost(reason: i32) -> Input {
    Input::FrontDisconnected { reason }
}

fn refusal(error_id: i32) -> Input {
    Input::LoginFailed {
        error_id,
        message: "said".into(),
    }
}

fn online(options: SupervisorOptions) -> World {
    let mut world = World::new(options);
    world
        .until(0)
        .on(&Input::FrontConnected)
        .on(&Input::LoginOk)
        .until(5)
        .did(&[
            "open session-a1",
            "login",
            "subscribe 0..500",
            "subscribe 500..1000",
            "subscribe 1000..1200",
            "subscribed 1200 false",
        ]);
    world
}

#[test]
fn a_session_subscribes_in_batches() {
    let world = online(options());
    assert!(world.supervisor.is_online());
    assert_eq!(world.supervisor.due(), MonoNanos::NEVER);
}

#[test]
fn a_silent_front_is_retried_with_longer_pauses() {
    let mut world = World::new(SupervisorOptions {
        backoff: Backoff {
            cap_ns: 3 * S,
            ..Backoff::default()
        },
        ..options()
    });
    world.until(68);
    let opened: Vec<&str> = world.done.iter().map(String::as_str).collect();
    assert_eq!(opened[..3], ["open session-a1", "close", opened[2]]);
    assert!(
        opened[2].starts_with("retry 1 connect_timeout"),
        "{opened:?}"
    );
    assert_eq!(opened[3..5], ["open session-a2", "close"]);
    assert!(opened[5].starts_with("retry 2 connect_timeout"));
    assert_eq!(opened[6], "open session-a3");
}

#[test]
fn a_loss_is_followed_by_a_full_subscription() {
    online(options())
        .on(&lost(4097))
        .until(30)
        .did(&[])
        .on(&Input::FrontConnected)
        .on(&Input::LoginOk)
        .until(40)
        .did(&[
            "login",
            "subscribe 0..500",
            "subscribe 500..1000",
            "subscribe 1000..1200",
            "subscribed 1200 true",
        ]);
}

#[test]
fn a_lost_front_gets_a_new_session_after_grace() {
    let mut world = online(options());
    world.on(&lost(8193)).until(36);
    assert_eq!(world.done[0], "close");
    assert!(world.done[1].starts_with("retry 1 front_lost"));
    assert_eq!(world.done[2], "open session-a2");
}

#[test]
fn a_reconnect_loop_closes_the_session() {
    let mut world = online(options());
    for _ in 0..4 {
        world.on(&lost(4097)).on(&Input::FrontConnected);
    }
    world.did(&["login"; 4]).on(&lost(4097));
    assert_eq!(world.done[0], "close");
    assert!(world.done[1].starts_with("retry 1 reconnect_loop"));
    // Callbacks of the old session are ignored.
    world.done.clear();
    world.on(&lost(4097)).on(&Input::FrontConnected).did(&[]);
    // Slow disconnects are not a loop.
    let mut world = online(options());
    for minute in 1..20 {
        world
            .until(minute * 60)
            .on(&lost(4097))
            .on(&Input::FrontConnected)
            .on(&Input::LoginOk);
    }
    assert!(!world.done.iter().any(|done| done == "close"));
}

#[test]
fn a_loop_before_any_connection_counts() {
    let mut world = World::new(options());
    world.until(1);
    for _ in 0..5 {
        world.on(&lost(0x2003));
    }
    assert_eq!(world.done[1], "close");
    assert!(world.done[2].starts_with("retry 1 reconnect_loop"));
}

#[test]
fn an_unanswered_login_times_out() {
    let mut world = World::new(options());
    world.until(0).on(&Input::FrontConnected).until(10);
    assert_eq!(world.done[..3], ["open session-a1", "login", "close"]);
    assert!(world.done[3].starts_with("retry 1 login_timeout"));
}

#[test]
fn login_errors_are_permanent_by_id() {
    for (error_id, name) in [
        (7, "7 NOT_INITED"),
        (90, "90 NEED_RETRY"),
        (4711, "4711 said"),
    ] {
        let mut world = World::new(options());
        world
            .until(0)
            .on(&Input::FrontConnected)
            .on(&refusal(error_id));
        let reason = format!("retry 1 login_failed: {name} ");
        assert!(world.done[3].starts_with(&reason), "{:?}", world.done);
        assert!(!world.supervisor.has_session());
    }
    for error_id in [3, 49, 60, 63, 75, 131, 140, 143, 144, 3039, 6020] {
        let mut world = World::new(options());
        world
            .until(0)
            .on(&Input::FrontConnected)
            .on(&refusal(error_id))
            .until(1_000);
        assert_eq!(world.done[2], "close");
        let reason =
            format!("gave up: the front refuses the login permanently: CTP error {error_id} ");
        assert!(world.done[3].starts_with(&reason), "{:?}", world.done);
        assert_eq!(world.done.len(), 4);
    }
}

#[test]
fn rejected_requests_are_repeated() {
    let mut supervisor = Supervisor::new(options(), MonoNanos(0));
    let mut actions = VecDeque::new();
    let mut step = |supervisor: &mut Supervisor, at: i64| {
        supervisor.poll(MonoNanos(at * S), &mut actions);
        actions.drain(..).map(|a| show(&a)).collect::<Vec<_>>()
    };
    assert_eq!(step(&mut supervisor, 0), ["open session-a1"]);
    let mut others = VecDeque::new();
    supervisor.on(MonoNanos(0), 1, &Input::FrontConnected, &mut others);
    supervisor.login_sent(MonoNanos(0), Err(RequestError::TooManyPerSecond));
    assert_eq!(step(&mut supervisor, 1), ["login"]);
    supervisor.login_sent(MonoNanos(S), Ok(()));
    supervisor.on(MonoNanos(S), 1, &Input::LoginOk, &mut others);
    assert_eq!(step(&mut supervisor, 1), ["subscribe 0..500"]);
    let refused = Err(RequestError::TooManyOutstanding);
    supervisor.subscribe_sent(MonoNanos(S), 500, refused, &mut others);
    assert_eq!(step(&mut supervisor, 2), ["subscribe 0..500"]);
    supervisor.subscribe_sent(MonoNanos(2 * S), 500, Ok(()), &mut others);
    assert_eq!(step(&mut supervisor, 3), ["subscribe 500..1000"]);
}

#[test]
fn a_failed_open_is_retried_or_permanent() {
    let mut supervisor = Supervisor::new(options(), MonoNanos(0));
    let mut actions = VecDeque::new();
    supervisor.poll(MonoNanos(0), &mut actions);
    supervisor.open_failed(MonoNanos(0), "disk full", false, &mut actions);
    assert!(show(&actions[1]).starts_with("retry 1 open_failed: disk full"));
    assert_eq!(actions.len(), 2, "there is nothing to close");
    let due = supervisor.due();
    supervisor.poll(due, &mut actions);
    supervisor.open_failed(due, "not a library", true, &mut actions);
    assert_eq!(show(&actions[3]), "gave up: not a library");
}

impl World {
    /// Makes the current session fail; `hangs`: the library does not release it.
    fn fail_one(&mut self, hangs: bool) -> &mut Self {
        while !self.supervisor.has_session() {
            self.next();
        }
        while self.supervisor.has_session() {
            self.next();
        }
        if hangs {
            self.supervisor.close_abandoned(&mut self.actions);
            self.perform();
        } else {
            self.supervisor.closed();
        }
        self
    }

    /// Advances time until something is due.
    fn next(&mut self) {
        self.now = self.supervisor.due();
        self.supervisor.poll(self.now, &mut self.actions);
        self.perform();
    }

    fn last(&self) -> &str {
        self.done.last().unwrap()
    }
}

#[test]
fn three_hangs_in_a_row_end_the_run() {
    let mut world = World::new(options());
    for hangs in [true, true, false, true, true] {
        world.fail_one(hangs);
        assert!(world.last().starts_with("retry "), "{}", world.last());
    }
    world.fail_one(true);
    let expected = "gave up: the library did not release 3 sessions in a row: restart the process";
    assert_eq!(world.last(), expected);
    assert!(world.supervisor.has_ended());
}

#[test]
fn sessions_released_late_do_not_count() {
    let mut world = World::new(options());
    for _ in 0..100 {
        world.fail_one(true).fail_one(true);
        world.supervisor.reclaimed(1);
        world.supervisor.reclaimed(1);
    }
    assert!(world.last().starts_with("retry 200 "), "{}", world.last());
}

#[test]
fn at_most_twenty_sessions_may_hang() {
    let mut world = World::new(options());
    for _ in 0..19 {
        world.fail_one(true).fail_one(false);
    }
    assert!(world.last().starts_with("retry 38 "), "{}", world.last());
    world.fail_one(true);
    let expected = "gave up: the library did not release 20 sessions: restart the process";
    assert_eq!(world.last(), expected);
}

#[test]
fn a_stop_closes_the_session_and_ends_once() {
    let mut world = online(options());
    world.supervisor.stop(&mut world.actions);
    world.supervisor.stop(&mut world.actions);
    world.perform();
    world.until(10_000).did(&["close", "stopped"]);
    let mut idle = World::new(options());
    idle.supervisor.stop(&mut idle.actions);
    idle.perform();
    idle.did(&["stopped"]);
}

/// A step of the property test.
#[derive(Debug, Clone)]
enum Step {
    Pass(i64),
    Reported { stale: bool, input: Input },
    OpenFails(bool),
    RefuseNext(bool),
}

fn step() -> impl Strategy<Value = Step> {
    let input = prop_oneof![
        4 => Just(Input::FrontConnected),
        3 => Just(lost(4097)),
        4 => Just(Input::LoginOk),
        1 => prop_oneof![Just(7), Just(3), Just(4711)]
            .prop_map(refusal),
        1 => Just(Input::HeartbeatWarning { elapsed_s: 61 }),
    ];
    prop_oneof![
        4 => (0_i64..40_000).prop_map(|ms| Step::Pass(ms * 1_000_000)),
        6 => (prop::bool::weighted(0.1), input).prop_map(|(stale, input)| Step::Reported { stale, input }),
        1 => prop::bool::weighted(0.1).prop_map(Step::OpenFails),
        1 => any::<bool>().prop_map(Step::RefuseNext),
    ]
}

proptest! {
    #[test]
    fn prop_one_session_new_names_capped_pauses_and_full_subscriptions(
        steps in prop::collection::vec(step(), 1..200),
        seed: u64,
    ) {
        let mut given = options();
        given.backoff.seed = seed;
        let cap = given.backoff.cap_ns;
        let total = given.instruments;
        let mut supervisor = Supervisor::new(given, MonoNanos(0));
        let (mut now, mut refuse, mut open_fails) = (MonoNanos(0), false, None);
        let (mut is_open, mut names, mut ended) = (false, BTreeSet::new(), false);
        let mut subscribed = 0;
        let mut actions = VecDeque::new();
        for step in steps.into_iter().chain([Step::Pass(3_600 * S)]) {
            let mut deadline = now;
            match step {
                Step::Pass(nanos) => deadline = now.plus(nanos),
                Step::Reported { stale, input } => {
                    let attempt = supervisor.attempt().number - u32::from(stale && supervisor.attempt().number > 0);
                    supervisor.on(now, attempt, &input, &mut actions);
                }
                Step::OpenFails(permanent) => open_fails = Some(permanent),
                Step::RefuseNext(yes) => refuse = yes,
            }
            for _ in 0..10_000 {
                while let Some(action) = actions.pop_front() {
                    prop_assert!(!ended, "nothing follows the end: {action:?}");
                    match action {
                        Action::Open(attempt) => {
                            prop_assert!(!is_open, "two sessions");
                            prop_assert!(names.insert(attempt.session), "a name twice");
                            match open_fails.take() {
                                Some(permanent) => supervisor.open_failed(now, "x", permanent, &mut actions),
                                None => is_open = true,
                            }
                        }
                        Action::Login => {
                            prop_assert!(is_open);
                            subscribed = 0;
                            let result = if refuse { Err(RequestError::NotConnected) } else { Ok(()) };
                            supervisor.login_sent(now, result);
                        }
                        Action::Subscribe { from, to } => {
                            prop_assert!(is_open && from == subscribed && to > from && to <= total);
                            let result = if refuse { Err(RequestError::TooManyPerSecond) } else { Ok(()) };
                            if result.is_ok() {
                                subscribed = to;
                            }
                            supervisor.subscribe_sent(now, to, result, &mut actions);
                        }
                        Action::Close => {
                            prop_assert!(is_open, "nothing to close");
                            is_open = false;
                        }
                        Action::Retry(report) => {
                            prop_assert!(report.next_backoff_ns > 0 && report.next_backoff_ns <= cap);
                        }
                        Action::Subscribed(progress) => {
                            prop_assert_eq!(progress.instruments, subscribed);
                            prop_assert_eq!(subscribed, total);
                        }
                        Action::End(_) => {
                            prop_assert!(!is_open, "left open");
                            ended = true;
                        }
                    }
                }
                if supervisor.due() > deadline {
                    break;
                }
                now = now.max(supervisor.due());
                supervisor.poll(now, &mut actions);
            }
            now = now.max(deadline);
            if supervisor.is_online() && !refuse && now == deadline && supervisor.due() == MonoNanos::NEVER {
                prop_assert_eq!(subscribed, total, "everything is subscribed after a login");
            }
        }
    }
}

#[test]
fn the_pause_starts_after_the_release() {
    let mut world = World::new(options());
    world.until(20);
    let report = RetryReport {
        attempt: world.supervisor.attempt(),
        reason: FailReason::ConnectTimeout,
        next_backoff_ns: 800_000_000,
    };
    // Closing took five seconds.
    let closed = MonoNanos(25 * S);
    world.supervisor.pause_begins(closed, &report);
    assert_eq!(world.supervisor.due(), closed.plus(800_000_000));
}

#[test]
fn slow_reconnect_loops_are_detected() {
    let mut world = online(options());
    for round in 1..=10 {
        world.until(5 + round * 4).on(&lost(0x1001));
        if round < 10 {
            world.on(&Input::FrontConnected).on(&Input::LoginOk);
        }
    }
    let last = world.done[world.done.len() - 2..].to_vec();
    assert_eq!(last, ["close", "retry 1 reconnect_loop 1"]);
}

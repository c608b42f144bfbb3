use proptest::prelude::*;

use super::*;

const MS: i64 = 1_000_000;
const S: i64 = 1_000 * MS;

fn options() -> InterviewOptions {
    InterviewOptions {
        authenticate: true,
        confirm_settlement: false,
        connect_timeout: Duration::from_secs(20),
        login_timeout: Duration::from_secs(10),
        timeout: Duration::from_secs(120),
    }
}

fn contract(id: &str) -> QueriedContract {
    QueriedContract {
        instrument_id: id.into(),
        exchange_id: "SHFE".into(),
        product_id: "rb".into(),
        product_class: '1',
        volume_multiple: 10,
        price_tick: 1.0,
        instrument_name: String::new(),
    }
}

fn error(error_id: i32) -> CtpError {
    CtpError {
        error_id,
        message: "said".into(),
    }
}

const LOST: CallbackEvent = CallbackEvent::Disconnected { reason: 0x1001 };

/// An interview with a clock and a library that accepts every request.
struct World {
    interview: Interview,
    now: MonoNanos,
    number: i32,
}

impl World {
    fn new(options: InterviewOptions) -> Self {
        Self {
            interview: Interview::new(options, MonoNanos(0)),
            now: MonoNanos(0),
            number: 0,
        }
    }

    fn on(&mut self, event: CallbackEvent) -> &mut Self {
        self.interview.on(self.now, event);
        self
    }

    /// Advances the clock to the next action.
    fn next(&mut self) -> Action {
        loop {
            if let Some(action) = self.interview.poll(self.now) {
                if matches!(action, Action::Send(_)) {
                    self.number += 1;
                    self.interview.sent(self.number);
                }
                return action;
            }
            let due = self.interview.due();
            assert!(due > self.now && due != MonoNanos::NEVER, "nothing is due");
            self.now = due;
        }
    }

    #[track_caller]
    fn sends(&mut self, request: Request) -> &mut Self {
        assert_eq!(self.next(), Action::Send(request));
        self
    }

    #[track_caller]
    fn fails(&mut self) -> InterviewError {
        match self.next() {
            Action::End(Err(error)) => error,
            other => panic!("{other:?}"),
        }
    }

    /// Answers the last query.
    fn answer(&mut self, result: Result<&str, i32>, is_last: bool) -> &mut Self {
        let result = result.map(|id| Some(contract(id))).map_err(error);
        let request = self.number;
        self.on(CallbackEvent::Queried {
            request,
            result,
            is_last,
        })
    }

    fn log_in(&mut self) -> &mut Self {
        self.on(CallbackEvent::Connected)
            .sends(Request::Authenticate)
            .on(CallbackEvent::Authenticated(Ok(())))
            .sends(Request::Login)
            .on(CallbackEvent::LoggedIn(Ok(())))
    }
}

#[test]
fn every_exchange_is_queried_with_a_pause_before_it() {
    let mut world = World::new(options());
    world.log_in();
    for exchange in Exchange::ALL {
        let before = world.now;
        world.sends(Request::Query(exchange));
        assert_eq!(world.now, before.after(PAUSE));
        world.answer(Ok("a"), false).answer(Ok("b"), true);
    }
    let Action::End(Ok(contracts)) = world.next() else {
        panic!("no list");
    };
    assert_eq!(contracts.len(), 2 * Exchange::ALL.len());
    assert!(world.interview.has_ended());
}

#[test]
fn the_login_depends_on_the_options() {
    let mut world = World::new(InterviewOptions {
        authenticate: false,
        confirm_settlement: true,
        ..options()
    });
    world
        .on(CallbackEvent::Connected)
        .sends(Request::Login)
        .on(CallbackEvent::LoggedIn(Ok(())))
        .sends(Request::ConfirmSettlement)
        .on(CallbackEvent::Confirmed(Ok(())))
        .sends(Request::Query(Exchange::ALL[0]));
}

#[test]
fn each_time_limit_names_its_step() {
    let timed_out = |step, seconds| InterviewError::TimedOut {
        step,
        waited: Duration::from_secs(seconds),
    };
    let mut world = World::new(options());
    assert_eq!(world.fails(), timed_out(Step::Connecting, 20));
    let mut world = World::new(options());
    world
        .on(CallbackEvent::Connected)
        .sends(Request::Authenticate);
    assert_eq!(world.fails(), timed_out(Step::Authenticating, 10));
    let mut world = World::new(options());
    world.log_in().sends(Request::Query(Exchange::ALL[0]));
    assert_eq!(world.fails(), timed_out(Step::ListingContracts, 120));
    let mut world = World::new(options());
    world.log_in().on(LOST);
    assert_eq!(world.fails(), timed_out(Step::Reconnecting, 20));
}

#[test]
fn failed_attempts_to_connect_extend_no_deadline() {
    let mut world = World::new(options());
    world.now = MonoNanos(11 * S);
    world.on(LOST);
    assert_eq!(world.interview.due(), MonoNanos(20 * S));
    world.on(CallbackEvent::Connected);
    world.now = MonoNanos(30 * S);
    world.on(LOST);
    world.now = MonoNanos(41 * S);
    world.on(LOST);
    assert_eq!(world.interview.due(), MonoNanos(50 * S));
}

#[test]
fn a_lost_query_is_repeated_after_a_new_login() {
    let mut world = World::new(options());
    world.log_in().sends(Request::Query(Exchange::ALL[0]));
    world.answer(Ok("a"), true);
    world.sends(Request::Query(Exchange::ALL[1]));
    world.answer(Ok("b"), false).on(LOST).log_in();
    for exchange in &Exchange::ALL[1..] {
        world.sends(Request::Query(*exchange)).answer(Ok("c"), true);
    }
    let Action::End(Ok(contracts)) = world.next() else {
        panic!("no list");
    };
    let ids: Vec<&str> = contracts.iter().map(|c| c.instrument_id.as_str()).collect();
    assert_eq!(ids, ["a", "c", "c", "c", "c", "c"]);
}

#[test]
fn a_query_that_is_not_ready_is_repeated() {
    let mut world = World::new(options());
    let first = Request::Query(Exchange::ALL[0]);
    world.log_in().sends(first);
    world.answer(Ok("a"), false).answer(Err(NEED_RETRY), true);
    world.sends(first).answer(Err(NOT_LOGIN_YET), true);
    world
        .sends(Request::Authenticate)
        .on(CallbackEvent::Authenticated(Ok(())))
        .sends(Request::Login)
        .on(CallbackEvent::LoggedIn(Ok(())))
        .sends(first);
    // The answer to an earlier query is ignored.
    world.on(CallbackEvent::Queried {
        request: 1,
        result: Err(error(3)),
        is_last: true,
    });
    assert!(!world.interview.has_ended());
    world.answer(Err(4_711), true);
    let InterviewError::Refused(refusal) = world.fails() else {
        panic!("not refused");
    };
    assert_eq!(refusal.request, FrontRequest::ContractQuery);
}

#[test]
fn a_refused_login_ends_the_interview() {
    let mut world = World::new(options());
    world
        .on(CallbackEvent::Connected)
        .sends(Request::Authenticate)
        .on(CallbackEvent::Authenticated(Err(error(63))));
    let InterviewError::Refused(refusal) = world.fails() else {
        panic!("not refused");
    };
    assert_eq!(refusal.request, FrontRequest::Authentication);
    assert!(refusal.is_permanent());
}

#[test]
fn a_rejected_request_keeps_its_time_limit() {
    let mut interview = Interview::new(options(), MonoNanos(0));
    interview.on(MonoNanos(0), CallbackEvent::Connected);
    let mut now = MonoNanos(0);
    let mut requests = 0;
    let end = loop {
        match interview.poll(now) {
            Some(Action::Send(_)) => {
                requests += 1;
                interview.not_accepted(now);
            }
            Some(Action::End(result)) => break result,
            None => now = interview.due(),
        }
    };
    let step = Step::Authenticating;
    let waited = Duration::from_secs(10);
    assert_eq!(end, Err(InterviewError::TimedOut { step, waited }));
    assert_eq!((requests, now), (10, MonoNanos(10 * S)));
}

#[test]
fn repeated_losses_are_a_loop() {
    let mut world = World::new(options());
    for _ in 0..5 {
        world.on(CallbackEvent::Connected).on(LOST);
    }
    let step = Step::Reconnecting;
    let reason = 0x1001;
    assert_eq!(
        world.fails(),
        InterviewError::ReconnectLoop { step, reason }
    );
}

/// A step of the property test.
#[derive(Debug, Clone)]
enum Happening {
    Pass(i64),
    Event(CallbackEvent),
    /// An answer to the last request.
    Answer(Result<(), i32>, bool),
    RejectNext,
}

fn happening() -> impl Strategy<Value = Happening> {
    let result =
        prop_oneof![8 => Just(Ok(())), 1 => prop_oneof![Just(90), Just(6), Just(7)].prop_map(Err)];
    let event = prop_oneof![
        4 => Just(CallbackEvent::Connected),
        1 => Just(LOST),
        4 => Just(CallbackEvent::Authenticated(Ok(()))),
        4 => Just(CallbackEvent::LoggedIn(Ok(()))),
        1 => Just(CallbackEvent::Confirmed(Ok(()))),
    ];
    prop_oneof![
        4 => (0_i64..3_000).prop_map(|ms| Happening::Pass(ms * MS)),
        4 => event.prop_map(Happening::Event),
        6 => (result, any::<bool>()).prop_map(|(result, is_last)| Happening::Answer(result, is_last)),
        1 => Just(Happening::RejectNext),
    ]
}

proptest! {
    #[test]
    fn prop_requests_need_a_connection_and_the_end_comes_in_time(
        happenings in prop::collection::vec(happening(), 1..120),
    ) {
        let options = options();
        let limit = MonoNanos(0).after(options.timeout);
        let mut interview = Interview::new(options, MonoNanos(0));
        let (mut now, mut number, mut reject) = (MonoNanos(0), 0, false);
        let (mut is_up, mut is_logged_in, mut exchange) = (false, false, 0);
        let mut end = None;
        for happening in happenings.into_iter().chain([Happening::Pass(200 * S)]) {
            let mut until = now;
            match happening {
                Happening::Pass(nanos) => until = now.plus(nanos),
                Happening::Event(event) => {
                    match event {
                        CallbackEvent::Connected => (is_up, is_logged_in) = (true, false),
                        CallbackEvent::Disconnected { .. } => (is_up, is_logged_in) = (false, false),
                        CallbackEvent::LoggedIn(_) => is_logged_in = true,
                        _ => {}
                    }
                    interview.on(now, event);
                }
                Happening::Answer(result, is_last) => {
                    let result = result.map(|()| Some(contract("a"))).map_err(error);
                    interview.on(now, CallbackEvent::Queried { request: number, result, is_last });
                }
                Happening::RejectNext => reject = true,
            }
            loop {
                while let Some(action) = interview.poll(now) {
                    prop_assert!(end.is_none(), "nothing follows the end: {:?}", action);
                    match action {
                        Action::Send(request) => {
                            prop_assert!(is_up, "{:?} without a connection", request);
                            if let Request::Query(asked) = request {
                                prop_assert!(is_logged_in, "a query without a login");
                                let index = Exchange::ALL.iter().position(|e| *e == asked).unwrap();
                                prop_assert!(index == exchange || index == exchange + 1);
                                exchange = index;
                            }
                            if std::mem::take(&mut reject) {
                                interview.not_accepted(now);
                            } else {
                                number += 1;
                                interview.sent(number);
                            }
                        }
                        Action::End(result) => {
                            prop_assert!(now <= limit);
                            end = Some(result);
                        }
                    }
                }
                let due = interview.due();
                if due > until {
                    break;
                }
                prop_assert!(due > now, "due in the past without an action");
                now = due;
            }
            now = until;
        }
        prop_assert!(end.is_some(), "it ends in time");
        if let Some(Ok(_)) = end {
            prop_assert_eq!(exchange, Exchange::ALL.len() - 1);
        }
    }
}

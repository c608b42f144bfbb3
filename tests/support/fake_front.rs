//! A front in memory: a closure of the test answers the supervisor's requests.

use std::sync::{Arc, Mutex};
use std::time::Duration;

use tickdeck::control::{Command, Control};
use tickdeck::event::{InstrumentId, RawTick};
use tickdeck::live::{
    Abandoned, Attempt, Connector, Inlet, MarketDataSession, OpenError, RequestError,
};

/// A request of the supervisor to a session.
pub(crate) enum Asked<'a> {
    Open,
    Login,
    Subscribe(&'a [InstrumentId]),
    Close,
}

type Answer = dyn FnMut(u32, &Asked<'_>, &Inlet) -> Result<(), RequestError> + Send;

/// Makes sessions that the closure answers for. A session that cannot be closed is one whose
/// `Close` is answered with an error.
pub(crate) struct FakeFront(Arc<Mutex<Box<Answer>>>);

impl FakeFront {
    pub(crate) fn new(
        answer: impl FnMut(u32, &Asked<'_>, &Inlet) -> Result<(), RequestError> + Send + 'static,
    ) -> Box<Self> {
        Box::new(Self(Arc::new(Mutex::new(Box::new(answer)))))
    }

    /// Connects, logs in and acknowledges at once; `play` is called after each subscription.
    pub(crate) fn ready(mut play: impl FnMut(u32, &Inlet) + Send + 'static) -> Box<Self> {
        Self::new(move |attempt, asked, inlet| {
            match asked {
                Asked::Open => inlet.front_connected(),
                Asked::Login => inlet.login_ok("20260105"),
                Asked::Subscribe(ids) => {
                    for id in *ids {
                        inlet.subscribed(id.as_bytes(), 0);
                    }
                    play(attempt, inlet);
                }
                Asked::Close => {}
            }
            Ok(())
        })
    }
}

impl Connector for FakeFront {
    fn open(
        &mut self,
        attempt: &Attempt,
        inlet: Inlet,
    ) -> Result<Box<dyn MarketDataSession>, OpenError> {
        let number = attempt.number;
        self.0.lock().unwrap()(number, &Asked::Open, &inlet).map_err(|error| OpenError {
            reason: error.to_string(),
            is_permanent: false,
        })?;
        let answer = Arc::clone(&self.0);
        Ok(Box::new(FakeSession {
            answer,
            number,
            inlet,
        }))
    }
}

struct FakeSession {
    answer: Arc<Mutex<Box<Answer>>>,
    number: u32,
    inlet: Inlet,
}

impl FakeSession {
    fn ask(&self, asked: &Asked<'_>) -> Result<(), RequestError> {
        self.answer.lock().unwrap()(self.number, asked, &self.inlet)
    }
}

impl MarketDataSession for FakeSession {
    fn login(&mut self) -> Result<(), RequestError> {
        self.ask(&Asked::Login)
    }

    fn subscribe(&mut self, instruments: &[InstrumentId]) -> Result<(), RequestError> {
        self.ask(&Asked::Subscribe(instruments))
    }

    fn close(self: Box<Self>, at_most: Duration) -> Result<(), Abandoned> {
        self.ask(&Asked::Close).map_err(|_| Abandoned { at_most })
    }
}

/// A stop request from a test.
#[derive(Clone, Default)]
pub(crate) struct Stop(Arc<Control>);

impl Stop {
    pub(crate) fn stop(&self) {
        self.0.send(Command::Stop);
    }

    pub(crate) fn control(&self) -> Arc<Control> {
        Arc::clone(&self.0)
    }
}

/// Pushes `ticks` in order.
pub(crate) fn push(inlet: &Inlet, ticks: &[RawTick]) {
    for tick in ticks {
        inlet.tick(tick);
    }
}

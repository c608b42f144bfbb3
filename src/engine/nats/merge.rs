//! Several subscriptions of one connection as one stream, in the order in which the server sent.
//!
//! The client library sorts messages into one channel per subscription, which loses the order between
//! them. Its connection task does so one message at a time, in the order of the wire, and a channel
//! wakes its reader at once. So the reader of every subscription here is a waker that moves the
//! message into a common queue on the spot.
//!
//! It must be made and read on the runtime of the connection, which has one thread.

use std::future::Future as _;
use std::pin::pin;
use std::sync::{Arc, Mutex, PoisonError, Weak};
use std::task::{Context, Poll, Wake, Waker};

use async_nats::{Message, Subscriber};
use futures_util::StreamExt as _;
use tokio::sync::mpsc;

/// The merged stream.
#[derive(Debug)]
pub(super) struct Merged {
    messages: mpsc::UnboundedReceiver<Message>,
    /// Dropped with the stream, which ends the subscriptions.
    _taps: Vec<Arc<Tap>>,
}

impl Merged {
    /// Merges subscriptions that no message has come for yet.
    pub(super) fn of(subscriptions: Vec<Subscriber>) -> Self {
        let (sender, messages) = mpsc::unbounded_channel();
        let taps: Vec<Arc<Tap>> = subscriptions
            .into_iter()
            .map(|subscription| Tap::new(subscription, sender.clone()))
            .collect();
        for tap in &taps {
            tap.drain();
        }
        Self {
            messages,
            _taps: taps,
        }
    }

    /// The next message; `None` when every subscription has ended.
    pub(super) async fn next(&mut self) -> Option<Message> {
        self.messages.recv().await
    }
}

/// One subscription, emptied by its own waker.
#[derive(Debug)]
struct Tap {
    waker: Waker,
    state: Mutex<State>,
}

#[derive(Debug)]
struct State {
    subscription: Subscriber,
    /// `None` when the subscription has ended.
    messages: Option<mpsc::UnboundedSender<Message>>,
}

impl Tap {
    fn new(subscription: Subscriber, messages: mpsc::UnboundedSender<Message>) -> Arc<Self> {
        Arc::new_cyclic(|tap: &Weak<Self>| Self {
            waker: Waker::from(Arc::new(Drain(Weak::clone(tap)))),
            state: Mutex::new(State {
                subscription,
                messages: Some(messages),
            }),
        })
    }

    /// Moves on what has come. Leaves the waker for what comes next.
    fn drain(&self) {
        let mut state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        let State {
            subscription,
            messages,
        } = &mut *state;
        let mut context = Context::from_waker(&self.waker);
        while let Some(sender) = messages {
            // Not limited by the budget of the task that calls, which is the connection's: the waker
            // would be called from inside, and the order would be lost.
            let next = pin!(tokio::task::unconstrained(subscription.next()));
            match next.poll(&mut context) {
                Poll::Ready(Some(message)) => {
                    // The reader is gone only when the whole stream is.
                    let _ = sender.send(message);
                }
                Poll::Ready(None) => *messages = None,
                Poll::Pending => return,
            }
        }
    }
}

/// Empties a subscription when it is woken.
struct Drain(Weak<Tap>);

impl Wake for Drain {
    fn wake(self: Arc<Self>) {
        if let Some(tap) = self.0.upgrade() {
            tap.drain();
        }
    }
}

//! The state that commands lead to, shared between the threads of a session, and the queue of the
//! commands that only the player can carry out.

use std::collections::VecDeque;
use std::sync::atomic::{AtomicU8, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};

use tickdeck_core::clock::WakeFlag;

use super::command::{Command, Order};

const STOPPED: u8 = 1;
const PAUSED: u8 = 2;
/// The queue has an order.
const ORDERED: u8 = 4;
/// The player should look at its sinks.
const NOTIFIED: u8 = 8;

/// Takes commands and holds the state they lead to. Each command wakes the one thread that sleeps on
/// [`wake_flag`](Self::wake_flag).
///
/// Stop and pause requests take effect at once, because more threads than the player follow them.
/// Everything else waits in a queue for the player. The state is a single atomic byte, because the
/// player checks it for every event.
#[derive(Debug, Default)]
pub struct Control {
    state: AtomicU8,
    orders: Mutex<Orders>,
    wake: WakeFlag,
}

/// What the player has still to do.
#[derive(Debug, Default)]
struct Orders {
    queue: VecDeque<Order>,
    /// Whether there is a player. Without one, orders would only pile up.
    has_player: bool,
}

/// What the commands so far lead to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ControlState {
    /// Whether a stop was requested.
    pub is_stopped: bool,
    /// Whether a pause is requested.
    pub is_paused: bool,
}

impl ControlState {
    const fn of(bits: u8) -> Self {
        Self {
            is_stopped: bits & STOPPED != 0,
            is_paused: bits & PAUSED != 0,
        }
    }
}

impl Control {
    /// Neither stopped nor paused.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Applies or queues a command and returns the state after it.
    pub fn send(&self, command: Command) -> ControlState {
        let after = match command {
            Command::Stop => self.state.fetch_or(STOPPED, Ordering::AcqRel) | STOPPED,
            Command::Pause => self.state.fetch_or(PAUSED, Ordering::AcqRel) | PAUSED,
            Command::Resume => self.state.fetch_and(!PAUSED, Ordering::AcqRel) & !PAUSED,
            Command::TogglePause => self.state.fetch_xor(PAUSED, Ordering::AcqRel) ^ PAUSED,
            Command::SetRate(rate) => self.push(Order::SetRate(rate)),
        };
        self.wake.raise();
        ControlState::of(after)
    }

    /// Whether a stop was requested.
    #[inline]
    #[must_use]
    pub fn is_stopped(&self) -> bool {
        self.state.load(Ordering::Acquire) & STOPPED != 0
    }

    /// Whether a pause is requested.
    #[inline]
    #[must_use]
    pub fn is_paused(&self) -> bool {
        self.state.load(Ordering::Acquire) & PAUSED != 0
    }

    /// Makes the player look at its sinks, even if it sleeps until an event far away.
    pub(crate) fn notify(&self) {
        self.state.fetch_or(NOTIFIED, Ordering::AcqRel);
        self.wake.raise();
    }

    /// Whether [`notify`](Self::notify) was called since the last time.
    pub(crate) fn take_notification(&self) -> bool {
        self.state.load(Ordering::Acquire) & NOTIFIED != 0
            && self.state.fetch_and(!NOTIFIED, Ordering::AcqRel) & NOTIFIED != 0
    }

    /// The next order for the player, in the order in which they were sent.
    pub(crate) fn next_order(&self) -> Option<Order> {
        if self.state.load(Ordering::Acquire) & ORDERED == 0 {
            return None;
        }
        let mut orders = self.orders();
        let order = orders.queue.pop_front();
        if orders.queue.is_empty() {
            // Under the lock, so that an order that is being pushed keeps its mark.
            self.state.fetch_and(!ORDERED, Ordering::AcqRel);
        }
        order
    }

    /// Begins or ends the time in which orders are taken.
    pub(crate) fn set_player(&self, has_player: bool) {
        let mut orders = self.orders();
        orders.has_player = has_player;
        orders.queue.clear();
        self.state.fetch_and(!ORDERED, Ordering::AcqRel);
    }

    /// Queues an order, if there is a player. Returns the state.
    fn push(&self, order: Order) -> u8 {
        let mut orders = self.orders();
        if !orders.has_player {
            return self.state.load(Ordering::Acquire);
        }
        orders.queue.push_back(order);
        self.state.fetch_or(ORDERED, Ordering::AcqRel)
    }

    fn orders(&self) -> MutexGuard<'_, Orders> {
        // Plain values: a holder that panicked leaves nothing broken.
        self.orders.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Whether nothing is requested: one load, checked for every event.
    #[inline]
    #[must_use]
    pub fn is_clear(&self) -> bool {
        self.state.load(Ordering::Acquire) == 0
    }

    /// The flag that every command raises, for the player's sleeps.
    #[must_use]
    pub const fn wake_flag(&self) -> &WakeFlag {
        &self.wake
    }
}

#[cfg(test)]
mod tests {
    use tickdeck_core::pace::Rate;

    use super::*;

    #[test]
    fn every_command_returns_the_state_it_leads_to() {
        let control = Control::new();
        let state = |is_stopped, is_paused| ControlState {
            is_stopped,
            is_paused,
        };
        assert!(control.is_clear());
        assert_eq!(control.send(Command::Pause), state(false, true));
        assert_eq!(control.send(Command::Pause), state(false, true));
        assert_eq!(control.send(Command::TogglePause), state(false, false));
        assert_eq!(control.send(Command::TogglePause), state(false, true));
        assert_eq!(control.send(Command::Resume), state(false, false));
        assert_eq!(control.send(Command::Stop), state(true, false));
        assert_eq!(control.send(Command::Resume), state(true, false));
        assert!(control.is_stopped() && !control.is_paused());
    }

    #[test]
    fn orders_are_taken_once_and_in_sequence() {
        let control = Control::new();
        control.set_player(true);
        let rates = ["2", "0.5", "max"].map(|rate| rate.parse().unwrap());
        for rate in rates {
            control.send(Command::SetRate(rate));
        }
        assert!(!control.is_clear());
        for rate in rates {
            assert_eq!(control.next_order(), Some(Order::SetRate(rate)));
        }
        assert_eq!(control.next_order(), None);
        assert!(control.is_clear());
    }

    #[test]
    fn without_a_player_no_order_is_kept() {
        let control = Control::new();
        let faster = Command::SetRate(Rate::Max);
        control.send(faster);
        assert!(control.is_clear());
        control.set_player(true);
        assert_eq!(control.next_order(), None);
        control.send(faster);
        control.set_player(false);
        assert!(control.is_clear());
    }

    #[test]
    fn every_command_wakes_the_player() {
        let control = Control::new();
        let faster = Command::SetRate(Rate::Max);
        for command in [Command::Pause, Command::Resume, faster, Command::Stop] {
            control.send(command);
            assert!(control.wake_flag().take());
        }
    }
}

//! Options of a live session.

use std::time::Duration;

use tickdeck_core::event::InstrumentId;

use super::queue::DEFAULT_QUEUE_SLOTS;
use super::supervisor::SupervisorOptions;

/// Time for the library to release a session between two attempts.
///
/// Its Release waits for a connection attempt in progress. Such an attempt takes 5 s when no packet
/// comes back (measured, all versions): a firewall, a VPN that is down, a front outside its hours.
pub(super) const CLOSE_BETWEEN_ATTEMPTS: Duration = Duration::from_secs(8);

/// Options of a live session.
#[derive(Debug, Clone)]
pub struct LiveOptions {
    /// What to subscribe, in this order.
    pub instruments: Vec<InstrumentId>,
    /// Time limits and pauses. The number of instruments is filled in.
    pub supervisor: SupervisorOptions,
    /// Slots of the queue between callback and pipeline.
    pub queue_slots: usize,
    /// Ends the session after this time; `None`: when it is stopped.
    pub run_for: Option<Duration>,
    /// Ends the session at the first login, for a connectivity test.
    pub end_at_login: bool,
    /// Time for the library to release the last session.
    pub close_timeout: Duration,
    /// The same for a session that another one follows.
    pub retry_close_timeout: Duration,
}

impl Default for LiveOptions {
    fn default() -> Self {
        Self {
            instruments: Vec::new(),
            supervisor: SupervisorOptions::default(),
            queue_slots: DEFAULT_QUEUE_SLOTS,
            run_for: None,
            end_at_login: false,
            close_timeout: Duration::from_secs(5),
            retry_close_timeout: CLOSE_BETWEEN_ATTEMPTS,
        }
    }
}

/// Whether the session is to end. Called about twenty times a second.
pub type StopAsked = Box<dyn Fn() -> bool + Send>;

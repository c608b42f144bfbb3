//! Why no front answers: said in the log, because the library never says it.

use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use tickdeck_core::thread;
use tickdeck_ffi::FrontAddress;

use crate::live::front::reach;

/// How long a front may take to accept a plain connection.
const TRY_FRONT: Duration = Duration::from_secs(3);

/// One look at a time; names may take longer to resolve than a pause is long.
static IS_LOOKING: AtomicBool = AtomicBool::new(false);

/// Tries each of `fronts` (`kind` of them, for the log) with a plain connection and logs what it
/// says. Returns at once: a thread of its own takes the time that names and silent hosts need.
/// Addresses are not repeated: their place in the list is.
pub fn explain_silence(kind: &'static str, fronts: &[FrontAddress]) {
    if IS_LOOKING.swap(true, Ordering::AcqRel) {
        return;
    }
    let fronts = fronts.to_vec();
    let look = move || {
        tell_reach(kind, &fronts);
        IS_LOOKING.store(false, Ordering::Release);
    };
    if thread::spawn("front-reach", look).is_err() {
        IS_LOOKING.store(false, Ordering::Release);
    }
}

fn tell_reach(kind: &'static str, fronts: &[FrontAddress]) {
    for (number, front) in (1..).zip(fronts) {
        match reach(front, TRY_FRONT) {
            Some(Err(error)) => tracing::warn!(
                event = "ctp_front_unreachable",
                kind,
                front = number,
                reason = %error
            ),
            Some(Ok(())) if front.is_behind_proxy() => tracing::warn!(
                event = "ctp_front_silent",
                kind,
                front = number,
                "its proxy accepts connections, and the front behind it was not reached: look at the \
                 proxy's log, and check user, password and the front's address"
            ),
            Some(Ok(())) => tracing::warn!(
                event = "ctp_front_silent",
                kind,
                front = number,
                "it accepts connections and does not speak CTP: another service, or one that this \
                 library does not understand"
            ),
            None => {}
        }
    }
}

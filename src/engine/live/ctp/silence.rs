//! Finds out why no front answers, and logs it. The library does not report this.

use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use tickdeck_core::thread;
use tickdeck_ffi::FrontAddress;

use crate::live::front_kind::FrontKind;
use crate::live::reach::reach;

/// Time for a front to accept a plain connection.
const REACH_TIMEOUT: Duration = Duration::from_secs(3);

/// One check at a time. Resolving a name may take longer than a pause between attempts.
static IS_CHECKING: AtomicBool = AtomicBool::new(false);

/// Tries a plain connection to each of `fronts`, and logs the result.
///
/// Returns at once: a separate thread spends the time that names and silent hosts take. The log
/// names a front by its place in the list, not by its address.
pub fn explain_silence(kind: FrontKind, fronts: &[FrontAddress]) {
    if IS_CHECKING.swap(true, Ordering::AcqRel) {
        return;
    }
    let fronts = fronts.to_vec();
    let check = move || {
        log_reach(kind.as_str(), &fronts);
        IS_CHECKING.store(false, Ordering::Release);
    };
    if thread::spawn("front-reach", check).is_err() {
        IS_CHECKING.store(false, Ordering::Release);
    }
}

fn log_reach(kind: &'static str, fronts: &[FrontAddress]) {
    for (number, front) in (1..).zip(fronts) {
        match reach(front, REACH_TIMEOUT) {
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
                "its proxy accepts connections, but the front was not reached through it: check the \
                 proxy's log, user, password and the front's address"
            ),
            Some(Ok(())) => tracing::warn!(
                event = "ctp_front_silent",
                kind,
                front = number,
                "it accepts connections but does not speak CTP: another service, or one that this \
                 library does not understand"
            ),
            None => {}
        }
    }
}

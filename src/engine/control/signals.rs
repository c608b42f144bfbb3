//! Signals as an input.
//!
//! | signal | effect |
//! |---|---|
//! | SIGINT, SIGTERM | stop; the second one exits at once |
//! | SIGHUP | stop, unless the process was started with it ignored (`nohup`) |
//! | SIGUSR1 | pause or continue |
//!
//! The Rust runtime ignores SIGPIPE, so a closed stdout is an error value and no signal.

use std::io;
use std::sync::Arc;
use std::sync::atomic::AtomicBool;

use signal_hook::consts::{SIGHUP, SIGINT, SIGTERM, SIGUSR1};
use signal_hook::flag;
use signal_hook::iterator::Signals;
use tickdeck_core::thread;

use super::keyboard::toggle_pause;
use super::{Command, Control};

/// Connects signals to `control`, for the life of the process. A second SIGINT or SIGTERM exits at once
/// with `exit_code`.
///
/// # Errors
/// When the system refuses a handler or a thread.
pub fn install(control: &Arc<Control>, exit_code: i32) -> io::Result<()> {
    let is_second = Arc::new(AtomicBool::new(false));
    for signal in [SIGINT, SIGTERM] {
        // The order matters: the first signal finds the flag unset and sets it, the second finds it
        // set. Both happen in the handler, so that a hanging process ends too.
        flag::register_conditional_shutdown(signal, exit_code, Arc::clone(&is_second))?;
        flag::register(signal, Arc::clone(&is_second))?;
    }
    // Waking a sleeper takes a lock, which a handler must not take. A thread does it.
    let mut signals = Signals::new([SIGINT, SIGTERM, SIGUSR1])?;
    // A closed terminal sends SIGHUP twice (system and shell), so it never exits at once. Under `nohup`
    // the signal is ignored, and a handler would undo that.
    if !is_ignored(SIGHUP) {
        signals.add_signal(SIGHUP)?;
    }
    let control = Arc::clone(control);
    let follow = move || {
        for signal in &mut signals {
            obey(signal, &control);
        }
    };
    thread::spawn("signals", follow)?;
    Ok(())
}

fn obey(signal: i32, control: &Control) {
    if signal == SIGUSR1 {
        toggle_pause(control);
    } else {
        // Stop first: the log may block.
        control.send(Command::Stop);
        tracing::info!(event = "stop_requested", signal = signal_name(signal));
    }
}

/// Whether the process was started with `signal` ignored.
fn is_ignored(signal: i32) -> bool {
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let mask = status
        .lines()
        .find_map(|line| line.strip_prefix("SigIgn:"))
        .and_then(|mask| u64::from_str_radix(mask.trim(), 16).ok());
    mask.is_some_and(|mask| mask & (1 << (signal - 1)) != 0)
}

const fn signal_name(signal: i32) -> &'static str {
    match signal {
        SIGINT => "SIGINT",
        SIGTERM => "SIGTERM",
        SIGHUP => "SIGHUP",
        _ => "other",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn signals_become_stop_and_pause() {
        let control = Control::new();
        obey(SIGUSR1, &control);
        assert!(control.is_paused() && !control.is_stopped());
        obey(SIGUSR1, &control);
        assert!(!control.is_paused());
        obey(SIGTERM, &control);
        assert!(control.is_stopped() && control.wake_flag().is_raised());
    }

    /// Set for the process that the next test starts from its own executable.
    const CHILD: &str = "TICKDECK_TEST_SIGNALS_CHILD";

    #[test]
    fn a_second_signal_exits_at_once() {
        if std::env::var_os(CHILD).is_some() {
            raise_twice();
        }
        let name = "control::signals::tests::a_second_signal_exits_at_once";
        let child = std::process::Command::new(std::env::current_exe().unwrap())
            .args(["--exact", name, "--nocapture"])
            .env(CHILD, "1")
            .output()
            .unwrap();
        let said = String::from_utf8_lossy(&child.stdout);
        assert!(said.contains("stop requested"), "{child:?}");
        assert!(!said.contains("still alive"), "{child:?}");
        assert_eq!(child.status.code(), Some(4));
    }

    fn raise_twice() {
        let control = Arc::new(Control::new());
        install(&control, 4).unwrap();
        signal_hook::low_level::raise(SIGINT).unwrap();
        while !control.is_stopped() {
            std::thread::yield_now();
        }
        println!("stop requested");
        signal_hook::low_level::raise(SIGTERM).unwrap();
        println!("still alive");
    }
}

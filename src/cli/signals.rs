//! Signals and the keyboard: SIGINT, SIGTERM and SIGHUP ask for an orderly end, a second SIGINT or
//! SIGTERM ends the process at once, SIGUSR1 and Enter pause and go on. (SIGPIPE is ignored by the Rust runtime, so a
//! closed stdout is an error value.)

use std::io::{self, BufRead as _, IsTerminal as _};
use std::sync::Arc;
use std::sync::atomic::AtomicBool;
use std::thread;

use signal_hook::consts::{SIGHUP, SIGINT, SIGTERM, SIGUSR1};
use signal_hook::flag;
use signal_hook::iterator::Signals;
use tickdeck_core::pace::Control;

use super::outcome::Exit;

/// Connects signals to `control`, for the life of the process.
///
/// # Errors
/// When the system refuses a handler or a thread.
pub(super) fn install(control: &Arc<Control>) -> io::Result<()> {
    let asked_before = Arc::new(AtomicBool::new(false));
    for signal in [SIGINT, SIGTERM] {
        // In this order: the first signal finds the flag down and puts it up, the second finds it
        // up. Both happen in the handler, so a process that hangs still ends.
        let exit_code = i32::from(Exit::Failed.code());
        flag::register_conditional_shutdown(signal, exit_code, Arc::clone(&asked_before))?;
        flag::register(signal, Arc::clone(&asked_before))?;
    }
    // Waking a sleeper takes a lock, which a handler may not: a thread does it.
    let mut signals = Signals::new([SIGINT, SIGTERM, SIGUSR1])?;
    // The end of a terminal comes twice, from the system and from the shell: it only asks. Under
    // `nohup` it is ignored, which a handler would undo.
    if !is_ignored(SIGHUP) {
        signals.add_signal(SIGHUP)?;
    }
    let control = Arc::clone(control);
    let follow = move || {
        for signal in &mut signals {
            obey(signal, &control);
        }
    };
    thread::Builder::new()
        .name("signals".into())
        .spawn(follow)?;
    Ok(())
}

fn obey(signal: i32, control: &Control) {
    if signal == SIGUSR1 {
        toggle(control);
    } else {
        // In this order: the wish does not wait for a log that nobody reads.
        control.stop();
        tracing::info!(event = "stop_requested", signal = signal_name(signal));
    }
}

/// Whether the process was started with a signal ignored, as the system tells.
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

fn toggle(control: &Control) {
    let event = if control.toggle_paused() {
        "paused"
    } else {
        "resumed"
    };
    tracing::info!(event);
}

/// Lets Enter pause and go on, where stdin is a terminal: elsewhere it may be the script that runs
/// us. The thread ends with the process.
///
/// # Errors
/// When the system refuses a thread.
pub(super) fn watch_keyboard(control: &Arc<Control>) -> io::Result<()> {
    if !io::stdin().is_terminal() {
        return Ok(());
    }
    let control = Arc::clone(control);
    let follow = move || {
        for _ in io::stdin().lock().lines().map_while(Result::ok) {
            toggle(&control);
        }
    };
    thread::Builder::new()
        .name("keyboard".into())
        .spawn(follow)?;
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn stop_and_pause_follow_the_signals() {
        let control = Control::new();
        obey(SIGUSR1, &control);
        assert!(control.is_paused() && !control.is_stopped());
        obey(SIGUSR1, &control);
        assert!(!control.is_paused());
        obey(SIGTERM, &control);
        assert!(control.is_stopped() && control.wake_flag().is_raised());
    }

    /// Set for the process that the next test starts from its own binary.
    const CHILD: &str = "TICKDECK_TEST_SIGNALS_CHILD";

    #[test]
    fn the_first_signal_asks_and_the_second_ends_at_once() {
        if std::env::var_os(CHILD).is_some() {
            raise_twice();
        }
        let name = "signals::tests::the_first_signal_asks_and_the_second_ends_at_once";
        let child = std::process::Command::new(std::env::current_exe().unwrap())
            .args(["--exact", name, "--nocapture"])
            .env(CHILD, "1")
            .output()
            .unwrap();
        let said = String::from_utf8_lossy(&child.stdout);
        assert!(said.contains("asked for an orderly end"), "{child:?}");
        assert!(!said.contains("still alive"), "{child:?}");
        assert_eq!(child.status.code(), Some(4));
    }

    fn raise_twice() {
        let control = Arc::new(Control::new());
        install(&control).unwrap();
        signal_hook::low_level::raise(SIGINT).unwrap();
        while !control.is_stopped() {
            thread::yield_now();
        }
        println!("asked for an orderly end");
        signal_hook::low_level::raise(SIGTERM).unwrap();
        println!("still alive");
    }
}

//! Signals as an input.
//!
//! | signal | effect |
//! |---|---|
//! | SIGINT, SIGTERM | stop; another one, at least a second later, exits at once |
//! | SIGHUP | stop, unless the process was started with it ignored (`nohup`) |
//! | SIGUSR1 | pause or continue |
//! | SIGUSR2 | what the caller says; by default nothing |
//!
//! The Rust runtime ignores SIGPIPE, so a closed stdout is an error value and no signal.

use std::io;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use nix::sys::signal::{SigSet, Signal};
use signal_hook::consts::{SIGHUP, SIGINT, SIGQUIT, SIGTERM, SIGUSR1, SIGUSR2};
use signal_hook::flag;
use signal_hook::iterator::exfiltrator::WithOrigin;
use signal_hook::iterator::{Signals, SignalsInfo};
use signal_hook::low_level::siginfo::Cause;
use tickdeck_core::thread;
use tickdeck_core::wait::nap;

use super::keyboard::toggle_pause;
use super::{Command, Control};

/// How long after the first signal another one counts as "at once". `timeout` of GNU coreutils sends
/// its signal to the process and then to the group, so the process receives it twice.
const APART: Duration = Duration::from_secs(1);

/// Connects signals to `control`, for the life of the process. Another SIGINT or SIGTERM exits at once
/// with `exit_code`, if it comes a second or more after the first.
///
/// # Errors
/// When the system refuses a handler or a thread.
pub fn install(control: &Arc<Control>, exit_code: i32) -> io::Result<()> {
    install_apart(control, exit_code, APART)
}

/// Does something at each SIGUSR2, for the life of the process.
///
/// # Errors
/// When the system refuses a handler or a thread.
pub fn at_sigusr2(act: impl Fn() + Send + 'static) -> io::Result<()> {
    let mut signals = Signals::new([SIGUSR2])?;
    thread::spawn("sigusr2", move || signals.forever().for_each(|_| act()))?;
    Ok(())
}

/// Keeps signals from ending this process and hands them to `act`, for a process that waits for another
/// one. The second value is false for a signal of the terminal (Ctrl-C): the system sends it to the
/// other process as well. A signal that was ignored at the start, as by `nohup`, stays ignored.
///
/// # Errors
/// When the system refuses a handler or a thread.
pub fn pass_on(act: impl Fn(Signal, bool) + Send + 'static) -> io::Result<()> {
    let all = [SIGHUP, SIGINT, SIGQUIT, SIGTERM, SIGUSR1, SIGUSR2];
    let mut signals = SignalsInfo::<WithOrigin>::new(all.iter().filter(|it| !is_ignored(**it)))?;
    let follow = move || {
        for origin in &mut signals {
            if let Ok(signal) = Signal::try_from(origin.signal) {
                act(signal, origin.cause != Cause::Kernel);
            }
        }
    };
    thread::spawn("signals", follow)?;
    Ok(())
}

/// Lets the process write to its terminal from the background, even after `stty tostop`. Call it before
/// any thread is started: threads inherit it.
///
/// # Errors
/// When the system refuses.
pub fn write_in_background() -> io::Result<()> {
    let mut output = SigSet::empty();
    output.add(Signal::SIGTTOU);
    output.thread_block().map_err(io::Error::from)
}

/// Makes a write beyond the file size limit an error instead of the end of the process (SIGXFSZ).
///
/// # Errors
/// When the system refuses a handler.
pub fn report_file_size_limit() -> io::Result<()> {
    // With any handler, the write fails with EFBIG.
    let signal = Signal::SIGXFSZ as i32;
    flag::register(signal, Arc::new(AtomicBool::new(false))).map(drop)
}

fn install_apart(control: &Arc<Control>, exit_code: i32, apart: Duration) -> io::Result<()> {
    let exits = Arc::new(AtomicBool::new(false));
    for signal in [SIGINT, SIGTERM] {
        // The exit happens in the handler, so that a hanging process ends too.
        flag::register_conditional_shutdown(signal, exit_code, Arc::clone(&exits))?;
    }
    // It ends a process by default, and is the trigger of a ring only.
    flag::register(SIGUSR2, Arc::new(AtomicBool::new(false)))?;
    // Waking a sleeper takes a lock, which a handler must not take. A thread does it.
    let mut signals = Signals::new([SIGINT, SIGTERM, SIGUSR1])?;
    // A closed terminal sends SIGHUP twice (system and shell), so it never exits at once. Under `nohup`
    // the signal is ignored, and a handler would undo that.
    if !is_ignored(SIGHUP) {
        signals.add_signal(SIGHUP)?;
    }
    let control = Arc::clone(control);
    let follow = move || {
        let mut exits = Some(exits);
        for signal in &mut signals {
            apply(signal, &control);
            if matches!(signal, SIGINT | SIGTERM)
                && let Some(exits) = exits.take()
            {
                exit_at_next(exits, apart);
            }
        }
    };
    thread::spawn("signals", follow)?;
    Ok(())
}

/// Lets the next signal exit, after a pause.
fn exit_at_next(exits: Arc<AtomicBool>, apart: Duration) {
    let arm = {
        let exits = Arc::clone(&exits);
        move || {
            nap(apart);
            exits.store(true, Ordering::Relaxed);
        }
    };
    if thread::spawn("second-signal", arm).is_err() {
        exits.store(true, Ordering::Relaxed);
    }
}

fn apply(signal: i32, control: &Control) {
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
        apply(SIGUSR1, &control);
        assert!(control.is_paused() && !control.is_stopped());
        apply(SIGUSR1, &control);
        assert!(!control.is_paused());
        apply(SIGTERM, &control);
        assert!(control.is_stopped() && control.wake_flag().is_raised());
    }

    /// Set for the processes that the next tests start from this executable.
    const CHILD: &str = "TICKDECK_TEST_SIGNALS_CHILD";

    /// Runs `test` of this module in another process. Returns its exit code and output.
    fn in_child(test: &str) -> (Option<i32>, String) {
        let child = std::process::Command::new(std::env::current_exe().unwrap())
            .args(["--exact", &format!("control::signals::tests::{test}")])
            .args(["--nocapture"])
            .env(CHILD, "1")
            .output()
            .unwrap();
        let output = String::from_utf8_lossy(&child.stdout).into_owned();
        (child.status.code(), output)
    }

    #[test]
    fn a_later_second_signal_exits_at_once() {
        if std::env::var_os(CHILD).is_some() {
            raise_twice(Duration::ZERO);
            // The second signal may have come before the pause was over.
            loop {
                signal_hook::low_level::raise(SIGTERM).unwrap();
                std::thread::yield_now();
            }
        }
        let (code, output) = in_child("a_later_second_signal_exits_at_once");
        assert!(output.contains("stop requested"), "{output}");
        assert_eq!(code, Some(4), "{output}");
    }

    #[test]
    fn signals_in_quick_succession_are_one() {
        if std::env::var_os(CHILD).is_some() {
            raise_twice(Duration::from_secs(3_600));
            println!("still alive");
            return;
        }
        let (code, output) = in_child("signals_in_quick_succession_are_one");
        assert!(output.contains("still alive"), "{output}");
        assert_eq!(code, Some(0), "{output}");
    }

    fn raise_twice(apart: Duration) {
        let control = Arc::new(Control::new());
        install_apart(&control, 4, apart).unwrap();
        signal_hook::low_level::raise(SIGINT).unwrap();
        while !control.is_stopped() {
            std::thread::yield_now();
        }
        println!("stop requested");
        signal_hook::low_level::raise(SIGTERM).unwrap();
    }
}

//! A shell with job control in a real terminal: background, suspend, foreground, keys, the bar, the
//! colours of the log, the size of the window, closed streams.

use crate::support::cli::{binary, command_of};
use crate::support::recordings::{Folder, quick};
use crate::support::shell::{CTRL_C, CTRL_Z, Shell};
use crate::support::wait_until;

/// Whether the terminal belongs to a process.
fn is_in_foreground(pid: u32) -> bool {
    let stat = std::fs::read_to_string(format!("/proc/{pid}/stat")).unwrap_or_default();
    let Some((_, fields)) = stat.rsplit_once(") ") else {
        return false;
    };
    // State, parent, process group, session, terminal, process group in its foreground.
    let fields: Vec<&str> = fields.split(' ').collect();
    fields[2] == fields[5]
}

/// The lines that a terminal drew: a carriage return begins one too.
fn lines(screen: &str) -> impl Iterator<Item = &str> {
    screen.split(['\r', '\n'])
}

#[test]
fn a_background_replay_is_never_stopped() {
    let mut shell = Shell::start();
    shell.replay("--rate max --delay 1s' &");
    shell.plays_to_the_end();
}

/// `stty tostop` stops background jobs that write to the terminal.
#[test]
fn the_bar_stops_no_background_replay() {
    let mut shell = Shell::start();
    shell.enter("stty tostop rows 30 cols 80");
    let (binary, recording) = (binary().display(), quick());
    let recording = recording.display();
    shell.enter(&format!(
        "{binary} replay {recording} --rate 40 --sink null &"
    ));
    shell.plays_to_the_end();
    assert!(!shell.screen().contains("Stopped"));
}

#[test]
fn a_suspended_replay_goes_on_in_the_background() {
    let mut shell = Shell::start();
    let pid = shell.replay("--rate max --start-paused'");
    shell.press(CTRL_Z);
    shell.wait_for("Stopped");
    shell.enter(&format!("bg; kill -USR1 {pid}"));
    shell.plays_to_the_end();
}

#[test]
fn space_resumes_a_replay_after_fg() {
    let mut shell = Shell::start();
    let pid = shell.replay("--rate max --start-paused'");
    shell.press(CTRL_Z);
    shell.wait_for("Stopped");
    shell.enter("bg; echo in-the-background,");
    shell.wait_for("in-the-background,\r\n");
    shell.enter("fg; echo code=$?,");
    wait_until("fg gives it the terminal", || is_in_foreground(pid));
    shell.press(" ");
    shell.wait_for("code=0,");
}

#[test]
fn ctrl_c_stops_a_replay_after_fg() {
    let mut shell = Shell::start();
    let pid = shell.replay("--rate max --start-paused'");
    shell.press(CTRL_Z);
    shell.wait_for("Stopped");
    shell.enter("fg; echo code=$?,");
    wait_until("fg gives it the terminal", || is_in_foreground(pid));
    shell.press(CTRL_C);
    shell.wait_for("published      0");
    assert_eq!(shell.code(), 0);
}

/// On a terminal of the usual width.
#[test]
fn the_bar_has_market_time_rate_and_pause() {
    let mut shell = Shell::start();
    shell.enter("stty rows 30 cols 80");
    shell.foreground("--rate 2 --sink null");
    wait_until("the bar shows it", || {
        let screen = shell.screen();
        let has = |line: &str| {
            let parts = [
                "replay [00:0",
                "09-12 09:30:0",
                "/928 events, ",
                " events/s, eta ",
            ];
            parts.iter().all(|part| line.contains(part))
        };
        lines(&screen).any(has)
    });
    let running = shell.screen().len();
    shell.enter("");
    wait_until("the bar says that it is paused", || {
        let screen = shell.since(running);
        lines(&screen)
            .any(|line| line.contains(" 09-12 09:30:") && line.contains(" paused, space resumes"))
    });
    let paused = shell.screen().len();
    shell.enter("");
    wait_until("the bar continues", || {
        let screen = shell.since(paused);
        let (_, after) = screen.split_once("resumed").unwrap_or_default();
        lines(after).any(|line| line.contains(" 09-12 09:30:") && !line.contains("paused"))
    });
    shell.press(CTRL_C);
    assert_eq!(shell.code(), 0);
    // The bar is gone, and the summary is complete.
    let screen = shell.screen();
    let (_, summary) = screen.rsplit_once("session ").unwrap();
    assert!(!summary.contains("events/s"), "{summary}");
    assert!(summary.contains("payload digest"), "{summary}");
}

#[test]
fn a_key_resumes_a_replay_that_begins_paused() {
    let mut shell = Shell::start();
    shell.enter("stty rows 30 cols 80");
    shell.foreground("--rate max --start-paused --sink null");
    shell.wait_for("paused, space resumes");
    shell.enter("");
    shell.plays_to_the_end();
    assert_eq!(shell.code(), 0);
}

/// In a narrow window the bar wraps, and is erased line by line.
#[test]
fn the_bar_follows_the_size_of_the_window() {
    const ONE_LINE_UP: &str = "\u{1b}[1A";
    let mut shell = Shell::start();
    shell.enter("stty rows 30 cols 160; echo terminal=$(tty | tr -dc 0-9),");
    wait_until("it says its name", || shell.number("terminal=").is_some());
    let terminal = format!("/dev/pts/{}", shell.number("terminal=").unwrap());
    let before = shell.screen().len();
    shell.foreground("--rate 2 --sink null");
    shell.wait_for("10/928 events");
    assert!(!shell.since(before).contains(ONE_LINE_UP));
    let resized = command_of("stty")
        .args(["-F", &terminal, "cols", "60"])
        .status();
    assert!(resized.unwrap().success());
    let before = shell.screen().len();
    wait_until("the bar wraps", || {
        shell.since(before).contains(ONE_LINE_UP)
    });
    shell.press(CTRL_C);
    assert_eq!(shell.code(), 0);
}

#[test]
fn no_bar_is_drawn_when_it_is_not_wanted() {
    for (words, has_log) in [
        ("--no-progress", true),
        ("-q", false),
        ("--log-format json", true),
        ("2>/dev/null", false),
    ] {
        let mut shell = Shell::start();
        let before = shell.screen().len();
        shell.foreground(&format!("--rate max --start-paused --sink null {words}"));
        wait_until("the replay runs", || shell.has_foreground_replay());
        shell.enter("");
        shell.plays_to_the_end();
        assert_eq!(shell.code(), 0);
        let screen = shell.since(before);
        assert!(!screen.contains("events/s"), "{words}: {screen}");
        assert!(!screen.contains("space resumes"), "{words}: {screen}");
        assert_eq!(screen.contains("resumed"), has_log, "{words}: {screen}");
    }
}

#[test]
fn the_log_is_coloured_on_a_terminal_only() {
    const YELLOW: &str = "\u{1b}[33mWARN";
    let folder = Folder::new();
    let file = folder.join("log");
    let to_file = format!("2>{}", file.display());
    for (before, after, coloured) in [
        ("", "", true),
        ("NO_COLOR=1", "", false),
        ("NO_COLOR=", "", true),
        ("", "--log-format json", false),
        ("", to_file.as_str(), false),
    ] {
        let mut shell = Shell::start();
        let (binary, recording) = (binary().display(), quick());
        let recording = recording.display();
        shell.enter(&format!(
            "{before} {binary} replay {recording} --rate max --sink null --symbols nosuch {after}; \
             echo code=$?,"
        ));
        assert_eq!(shell.code(), 3);
        let screen = shell.screen();
        assert_eq!(
            screen.contains(YELLOW),
            coloured,
            "{before} {after}: {screen}"
        );
    }
    let log = std::fs::read_to_string(file).unwrap();
    assert!(log.contains("WARN  nothing_selected"), "{log}");
    assert!(!log.contains('\u{1b}'), "{log}");
}

#[test]
fn closed_streams_end_no_replay() {
    let folder = Folder::new();
    let out = folder.join("out").display().to_string();
    for words in [
        "--sink null >&-",
        "--sink null --json >&-",
        "--sink jsonl:- >&-",
        "--sink null 2>&-",
        "--sink null <&-",
        &format!("--sink jsonl:{out} >&- 2>&- <&-"),
    ] {
        let mut shell = Shell::start();
        shell.foreground(&format!("--rate max {words}"));
        assert_eq!(shell.code(), 0, "{words}: {}", shell.screen());
    }
    assert_eq!(std::fs::read_to_string(out).unwrap().lines().count(), 918);
}

#[test]
fn each_space_pauses_or_resumes_and_other_keys_do_nothing() {
    let mut shell = Shell::start();
    let (binary, recording) = (binary().display(), quick());
    let recording = recording.display();
    shell.enter(&format!(
        "{binary} replay {recording} --sink jsonl:- --log-format json"
    ));
    shell.wait_for("market.tick.");
    for (count, keys, event) in [
        (1, " ", "paused"),
        (1, " ", "resumed"),
        (2, "x \u{1b}[A", "paused"),
    ] {
        shell.press(keys);
        let logged = format!("\"event\":\"{event}\"");
        wait_until(&logged, || shell.screen().matches(&logged).count() == count);
    }
    shell.press(CTRL_C);
    shell.wait_for("stop_requested");
}

#[test]
fn the_terminal_is_as_before_after_every_end() {
    for (words, ready, end) in [
        ("--sink null --rate max", "", ""),
        ("--sink jsonl:-", "market.tick.", CTRL_C),
        (
            "--sink null --rate max --start-paused",
            "paused, space resumes",
            " ",
        ),
    ] {
        let mut shell = Shell::start();
        shell.enter("stty cols 160");
        let (binary, recording) = (binary().display(), quick());
        let recording = recording.display();
        // A script restores nothing by itself.
        shell.enter(&format!(
            "sh -c 'trap : INT; {binary} replay {recording} {words}; \
             echo mode=$(stty -a | grep -Eo \"[-]?(icanon|echo) \")end'"
        ));
        shell.wait_for(ready);
        shell.press(end);
        shell.wait_for("mode=icanon echo end");
    }
}

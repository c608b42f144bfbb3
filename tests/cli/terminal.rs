//! A shell with job control in a real terminal: background, suspend, foreground, keys.

use std::process::Stdio;

use crate::support::cli::{Running, binary, command_of, has_handlers};
use crate::support::recordings::quick;
use crate::support::wait_until;

/// An interactive shell in a pseudo-terminal, by `script` of util-linux.
struct Shell(Running);

impl Shell {
    fn start() -> Self {
        let mut command = command_of("script");
        command.args(["-qec", "bash --norc --noprofile -i", "/dev/null"]);
        command.stdin(Stdio::piped());
        Self(Running::start(command))
    }

    fn enter(&mut self, line: &str) {
        self.0.type_text(&format!("{line}\n"));
    }

    /// Starts a replay with more words. Returns its process id when it handles signals.
    fn replay(&mut self, words: &str) -> u32 {
        let (binary, recording) = (binary().display(), quick());
        let recording = recording.display();
        self.enter(&format!(
            "sh -c 'echo pid=$$,; exec {binary} replay {recording} --sink null -q {words}"
        ));
        let mut pid = None;
        wait_until("the replay runs", || {
            pid = self.pid();
            pid.is_some_and(has_handlers)
        });
        pid.unwrap_or_default()
    }

    fn pid(&self) -> Option<u32> {
        let screen = self.0.stdout();
        let (_, rest) = screen.rsplit_once("pid=")?;
        rest.split_once(',')?.0.parse().ok()
    }

    fn wait_for(&self, text: &str) {
        wait_until(text, || self.0.stdout().contains(text));
    }

    /// Waits until the replay has printed its summary.
    fn plays_to_the_end(&self) {
        self.wait_for("published      918");
    }
}

const CTRL_C: &str = "\u{3}";
const CTRL_Z: &str = "\u{1a}";

#[test]
fn a_background_replay_is_never_stopped() {
    let mut shell = Shell::start();
    shell.replay("--rate max --delay 1s' &");
    shell.plays_to_the_end();
}

#[test]
fn a_suspended_replay_goes_on_in_the_background() {
    let mut shell = Shell::start();
    let pid = shell.replay("--rate max --start-paused'");
    shell.0.type_text(CTRL_Z);
    shell.wait_for("Stopped");
    shell.enter(&format!("bg; kill -USR1 {pid}"));
    shell.plays_to_the_end();
}

#[test]
fn space_resumes_a_replay_after_fg() {
    let mut shell = Shell::start();
    shell.replay("--rate max --start-paused'");
    shell.0.type_text(CTRL_Z);
    shell.wait_for("Stopped");
    shell.enter("bg; echo in-the-background,");
    shell.wait_for("in-the-background,\r\n");
    shell.enter("fg; echo code=$?,");
    // The line that fg prints: by then the terminal is the replay's.
    wait_until("fg prints the command", || {
        shell.0.stdout().matches("exec ").count() >= 4
    });
    shell.0.type_text(" ");
    shell.wait_for("code=0,");
}

#[test]
fn the_bar_says_that_a_replay_is_paused() {
    let mut shell = Shell::start();
    shell.enter("stty cols 160");
    let (binary, recording) = (binary().display(), quick());
    let recording = recording.display();
    shell.enter(&format!(
        "{binary} replay {recording} --rate max --start-paused --sink null"
    ));
    shell.wait_for("paused, space resumes");
    shell.0.type_text(" ");
    shell.plays_to_the_end();
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
        shell.0.type_text(keys);
        let logged = format!("\"event\":\"{event}\"");
        wait_until(&logged, || {
            shell.0.stdout().matches(&logged).count() == count
        });
    }
    shell.0.type_text(CTRL_C);
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
        shell.0.type_text(end);
        shell.wait_for("mode=icanon echo end");
    }
}

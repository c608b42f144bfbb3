//! A shell with job control in a real terminal.

use std::path::Path;
use std::process::Stdio;

use super::cli::{Ended, Running, binary, command_of, finish, has_handlers};
use super::recordings::quick;
use super::wait_until;

pub(crate) const CTRL_C: &str = "\u{3}";
pub(crate) const CTRL_Z: &str = "\u{1a}";

/// An interactive shell in a pseudo-terminal, by `script` of util-linux.
pub(crate) struct Shell(Running);

impl Shell {
    pub(crate) fn start() -> Self {
        let mut command = command_of("script");
        command.args(["-qec", "bash --norc --noprofile -i", "/dev/null"]);
        command.stdin(Stdio::piped());
        Self(Running::start(command))
    }

    /// One in `folder`, in which `tickdeck` is the binary under test.
    pub(crate) fn start_in(folder: &Path) -> Self {
        let mut shell = Self::start();
        let programs = binary().parent().unwrap_or(folder).display();
        // No line that is typed or printed wraps.
        let line = format!(
            "stty rows 60 cols 400; PATH={programs}:$PATH; cd {}",
            folder.display()
        );
        shell.run(&line);
        shell
    }

    /// Runs a command to its end. Returns its exit code and what it printed, without the colours.
    pub(crate) fn run(&mut self, line: &str) -> (u32, String) {
        let before = self.screen().len();
        self.enter(&format!("{line}; echo code=$?,"));
        let code = |printed: &str| {
            let (_, rest) = printed.rsplit_once("\ncode=")?;
            rest.split_once(',')?.0.parse().ok()
        };
        let mut ended = None;
        wait_until(line, || {
            ended = code(&plain(&self.since(before)));
            ended.is_some()
        });
        let printed = plain(&self.since(before));
        let lines = printed.lines().filter(|line| !line.contains("code="));
        let text = lines.map(|line| format!("{line}\n")).collect();
        (ended.unwrap_or_default(), text)
    }

    /// Types keys.
    pub(crate) fn press(&mut self, keys: &str) {
        self.0.type_text(keys);
    }

    /// Everything that has been printed.
    pub(crate) fn screen(&self) -> String {
        self.0.stdout()
    }

    /// Whether a replay is in the foreground, and handles signals.
    pub(crate) fn has_foreground_replay(&self) -> bool {
        foreground_replay(self.0.pid()).is_some_and(has_handlers)
    }

    pub(crate) fn enter(&mut self, line: &str) {
        self.0.type_text(&format!("{line}\n"));
    }

    /// Starts a replay with more words. Returns its process id when it handles signals.
    pub(crate) fn replay(&mut self, words: &str) -> u32 {
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

    pub(crate) fn pid(&self) -> Option<u32> {
        self.number("pid=")
    }

    /// The number between `name` and a comma that was printed last.
    pub(crate) fn number(&self, name: &str) -> Option<u32> {
        let screen = self.screen();
        let (_, rest) = screen.rsplit_once(name)?;
        rest.split_once(',')?.0.parse().ok()
    }

    /// Starts a replay in the foreground, of the recording with these words. `code=N,` follows it.
    pub(crate) fn foreground(&mut self, words: &str) {
        let (binary, recording) = (binary().display(), quick());
        let recording = recording.display();
        self.enter(&format!(
            "{binary} replay {recording} {words}; echo code=$?,"
        ));
    }

    /// What has been printed since `before`, a length of the screen.
    pub(crate) fn since(&self, before: usize) -> String {
        self.screen()[before..].to_owned()
    }

    /// Waits for the end of a replay in the foreground, and returns its exit code.
    pub(crate) fn code(&self) -> u32 {
        wait_until("the replay ends", || self.number("code=").is_some());
        self.number("code=").unwrap_or_default()
    }

    pub(crate) fn wait_for(&self, text: &str) {
        wait_until(text, || self.screen().contains(text));
    }

    /// Waits until the replay has printed its summary.
    pub(crate) fn plays_to_the_end(&self) {
        self.wait_for("published      918");
    }
}

/// The replay in the foreground of the terminal that `script` has made. A shell between it and
/// `script`, or one that has not yet become the replay, is not it.
fn foreground_replay(script: u32) -> Option<u32> {
    let read = |path: String| std::fs::read_to_string(path).ok();
    let children = read(format!("/proc/{script}/task/{script}/children"))?;
    let inside: u32 = children.split_whitespace().next()?.parse().ok()?;
    let stat = read(format!("/proc/{inside}/stat"))?;
    // State, parent, process group, session, terminal, process group in its foreground.
    let pid: u32 = stat.rsplit_once(") ")?.1.split(' ').nth(5)?.parse().ok()?;
    let name = read(format!("/proc/{pid}/comm"))?;
    (name.trim_end() == "tickdeck").then_some(pid)
}

/// What a terminal shows, without colours and other sequences; each redrawing is a line.
pub(crate) fn plain(screen: &str) -> String {
    let mut parts = screen.split("\u{1b}[");
    let mut text = parts.next().unwrap_or_default().to_owned();
    for part in parts {
        let end = part.find(|c: char| c.is_ascii_alphabetic());
        text.push_str(end.map_or("", |end| &part[end + 1..]));
    }
    text.replace("\r\n", "\n").replace('\r', "\n")
}

/// Runs one command in a terminal to its end. What it prints is on `stdout`.
pub(crate) fn on_a_terminal(folder: &Path, line: &str, variables: &[(&str, &str)]) -> Ended {
    let mut command = command_of("script");
    command
        .args(["-qec", line, "/dev/null"])
        .current_dir(folder);
    command.env_remove("NO_COLOR");
    for (name, value) in variables {
        command.env(name, value);
    }
    finish(command)
}

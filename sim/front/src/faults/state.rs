//! The rules at work in one session.

use std::collections::VecDeque;

use tickdeck::clock::MonoNanos;
use tickdeck::event::RawTick;
use tickdeck::time::{NANOS_PER_MILLI, NANOS_PER_SECOND};

use super::corrupt;
use super::rule::{Action, Moment, Rule, Script, ScriptError};
use super::swarm;
use crate::log;
use crate::settings::Settings;

/// What becomes of a tick.
#[derive(Debug, Clone, PartialEq)]
#[expect(
    clippy::large_enum_variant,
    reason = "nearly every value is a tick; a box would cost an allocation for each"
)]
pub enum Fate {
    /// It is sent.
    Send(RawTick),
    /// It is lost, or kept for later.
    Lose,
    /// These are sent instead, each not before its instant.
    Hold(Vec<(MonoNanos, RawTick)>),
    /// The connection is lost with this reason, and the tick with it.
    Cut(i32),
}

/// What happens to the session besides ticks.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Happening {
    /// The connection is lost with this reason.
    Disconnect(i32),
    /// `OnHeartBeatWarning` with so many seconds.
    HeartBeatWarning(i32),
    /// Nothing is sent until this instant.
    SilentUntil(MonoNanos),
}

/// The rules of a session and how far it has got.
#[derive(Debug, Clone, Default)]
pub struct Faults {
    rules: Vec<Armed>,
    connections: u64,
    logins: u64,
    requests: u64,
    ticks: u64,
    snapshots: u64,
    connected_at: Option<MonoNanos>,
    silent_until: Option<MonoNanos>,
    /// Happenings that a tick has brought about.
    due: VecDeque<Happening>,
    /// Ticks kept for later: swapped, or gathered for a burst.
    kept: VecDeque<RawTick>,
    /// The last ticks sent, for a replay.
    recent: VecDeque<RawTick>,
    recent_max: usize,
    /// How many ticks are gathered before they are sent at once; 0: none are.
    gathering: usize,
}

#[derive(Debug, Clone)]
struct Armed {
    rule: Rule,
    acted: u32,
    /// Connection in which a rule by `seconds` has acted already.
    acted_in: u64,
}

impl Armed {
    const fn is_used_up(&self) -> bool {
        self.rule.times != 0 && self.acted >= self.rule.times
    }
}

impl Faults {
    /// The rules of a script.
    #[must_use]
    pub fn new(script: Script) -> Self {
        let recent_max = script.rules.iter().map(|rule| match rule.action {
            Action::Replay(count) => count,
            _ => 0,
        });
        Self {
            recent_max: recent_max.max().unwrap_or(0),
            rules: script
                .rules
                .into_iter()
                .map(|rule| Armed {
                    rule,
                    acted: 0,
                    acted_in: 0,
                })
                .collect(),
            ..Self::default()
        }
    }

    /// The rules that the settings ask for: a script, drawn faults, both, or none.
    ///
    /// # Errors
    /// When the script cannot be used.
    pub fn from_settings(settings: &Settings) -> Result<Self, ScriptError> {
        let mut script = match &settings.script {
            Some(path) => Script::read(path)?,
            None => Script::default(),
        };
        if let Some(words) = &settings.faults {
            script.rules.extend(swarm::draw(words)?.rules);
        }
        for rule in &script.rules {
            let text = format!("{rule:?}");
            log::info("sim_fault_rule", &[("rule", text.into())]);
        }
        Ok(Self::new(script))
    }

    /// The first rule that acts now; it is counted and logged.
    fn act(&mut self, is_now: impl Fn(&Rule) -> bool) -> Option<Action> {
        let armed = self
            .rules
            .iter_mut()
            .find(|armed| !armed.is_used_up() && is_now(&armed.rule))?;
        armed.acted += 1;
        armed.acted_in = self.connections;
        let name = armed.rule.name.clone();
        log::info(
            "sim_fault",
            &[("rule", name.into()), ("tick", self.ticks.into())],
        );
        Some(armed.rule.action.clone())
    }

    /// A connection is tried: whether it is refused.
    pub fn refuses_connection(&mut self, _now: MonoNanos) -> bool {
        self.connections += 1;
        let number = self.connections;
        self.act(|rule| matches!(rule.at, Moment::Connection(from) if number >= from))
            .is_some()
    }

    /// The connection stands.
    pub fn connected(&mut self, now: MonoNanos) {
        self.connected_at = Some(now);
    }

    /// The connection is gone, and what was kept with it.
    pub fn disconnected(&mut self) {
        self.connected_at = None;
        self.silent_until = None;
        self.kept.clear();
        self.due.clear();
    }

    /// A login came: the error that it gets.
    pub fn login_error(&mut self, _now: MonoNanos) -> Option<i32> {
        self.logins += 1;
        let number = self.logins;
        let acts = |rule: &Rule| matches!(rule.at, Moment::Login(from) if number >= from);
        match self.act(acts)? {
            Action::RejectLogin(error_id) => Some(error_id),
            _ => None,
        }
    }

    /// A request came: the code that its function returns instead of taking it.
    pub fn request_code(&mut self, _now: MonoNanos) -> Option<i32> {
        self.requests += 1;
        let number = self.requests;
        let acts = |rule: &Rule| matches!(rule.at, Moment::Request(from) if number >= from);
        match self.act(acts)? {
            Action::ReturnCode(code) => Some(code),
            _ => None,
        }
    }

    /// A snapshot is to be sent: whether it is lost.
    pub fn loses_snapshot(&mut self) -> bool {
        self.snapshots += 1;
        let number = self.snapshots;
        self.act(|rule| matches!(rule.at, Moment::Snapshot(from) if number >= from))
            .is_some()
    }

    /// What happens at `now` besides ticks.
    pub fn happening(&mut self, now: MonoNanos) -> Option<Happening> {
        if let Some(happening) = self.due.pop_front() {
            return Some(self.note(happening));
        }
        if let Some(until) = self.silent_until {
            if now < until {
                return Some(Happening::SilentUntil(until));
            }
            self.silent_until = None;
        }
        let connected_at = self.connected_at?;
        let connection = self.connections;
        let armed = self.rules.iter().position(|armed| {
            !armed.is_used_up()
                && armed.acted_in != connection
                && moment_ns(&armed.rule).is_some_and(|ns| now >= connected_at.plus(ns))
        })?;
        let name = self.rules[armed].rule.name.clone();
        let action = self.act(|rule| rule.name == name)?;
        Some(self.note(happening_of(&action, now)?))
    }

    fn note(&mut self, happening: Happening) -> Happening {
        if let Happening::SilentUntil(until) = happening {
            self.silent_until = Some(until);
        }
        happening
    }

    /// When the next thing happens that is not brought about by a tick.
    #[must_use]
    pub fn next_happening(&self, now: MonoNanos) -> Option<MonoNanos> {
        if !self.due.is_empty() {
            return Some(now);
        }
        let connected_at = self.connected_at?;
        let waiting = self
            .rules
            .iter()
            .filter(|armed| !armed.is_used_up() && armed.acted_in != self.connections);
        waiting
            .filter_map(|armed| moment_ns(&armed.rule))
            .map(|ns| connected_at.plus(ns))
            .min()
    }

    /// A tick is to be sent: what becomes of it.
    pub fn tick(&mut self, tick: RawTick, now: MonoNanos) -> Fate {
        if self.rules.is_empty() {
            return Fate::Send(tick);
        }
        self.ticks += 1;
        let number = self.ticks;
        if let Some(fate) = self.gathered(tick, now) {
            return fate;
        }
        let action = self.act(|rule| match rule.at {
            Moment::Tick(from) => number >= from,
            Moment::EveryTicks(step) => number.is_multiple_of(step),
            _ => false,
        });
        let Some(action) = action else {
            self.remember(tick);
            return Fate::Send(tick);
        };
        match action {
            Action::Drop => Fate::Lose,
            Action::Duplicate => Fate::Hold(vec![(now, tick), (now, tick)]),
            Action::Reorder => {
                self.kept.push_back(tick);
                self.gathering = 0;
                Fate::Lose
            }
            Action::Burst(count) => {
                self.kept.push_back(tick);
                self.gathering = count.max(1);
                Fate::Lose
            }
            Action::Delay(ms) => {
                let late = i64::try_from(ms)
                    .unwrap_or(0)
                    .saturating_mul(NANOS_PER_MILLI);
                Fate::Hold(vec![(now.plus(late), tick)])
            }
            Action::Corrupt { field, value } => {
                let mut tick = tick;
                // Field and value were checked when the script was read.
                let _ = corrupt::set(&mut tick, &field, &value);
                Fate::Send(tick)
            }
            Action::Replay(_) => {
                let again = self.recent.iter().map(|old| (now, *old));
                let mut all = vec![(now, tick)];
                all.extend(again);
                Fate::Hold(all)
            }
            Action::Disconnect(reason) => Fate::Cut(reason),
            other => {
                self.due.extend(happening_of(&other, now));
                self.remember(tick);
                Fate::Hold(vec![(now, tick)])
            }
        }
    }

    /// Ticks that were kept: the one that was overtaken, or those of a burst that is complete.
    fn gathered(&mut self, tick: RawTick, now: MonoNanos) -> Option<Fate> {
        if self.kept.is_empty() {
            return None;
        }
        if self.gathering == 0 {
            self.kept.push_front(tick);
        } else {
            self.kept.push_back(tick);
            if self.kept.len() < self.gathering {
                return Some(Fate::Lose);
            }
        }
        Some(Fate::Hold(
            self.kept.drain(..).map(|tick| (now, tick)).collect(),
        ))
    }

    /// At the end of the session: what is still kept comes out, one by one.
    pub fn last_held(&mut self) -> Option<RawTick> {
        self.kept.pop_front()
    }

    fn remember(&mut self, tick: RawTick) {
        if self.recent_max > 0 {
            if self.recent.len() == self.recent_max {
                self.recent.pop_front();
            }
            self.recent.push_back(tick);
        }
    }
}

/// Since when a rule by `seconds` acts, ns after the connection.
#[expect(
    clippy::cast_possible_truncation,
    reason = "saturates, and a script has seconds"
)]
fn moment_ns(rule: &Rule) -> Option<i64> {
    match rule.at {
        Moment::Seconds(seconds) => Some((seconds * NANOS_PER_SECOND as f64) as i64),
        _ => None,
    }
}

#[expect(
    clippy::cast_possible_truncation,
    reason = "saturates, and a script has seconds"
)]
fn happening_of(action: &Action, now: MonoNanos) -> Option<Happening> {
    match action {
        Action::Disconnect(reason) => Some(Happening::Disconnect(*reason)),
        Action::HeartbeatWarning(lapse_s) => Some(Happening::HeartBeatWarning(*lapse_s)),
        Action::Silent(seconds) => {
            let ns = (seconds * NANOS_PER_SECOND as f64) as i64;
            Some(Happening::SilentUntil(now.plus(ns)))
        }
        _ => None,
    }
}

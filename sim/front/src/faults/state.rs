//! The state of the rules in one session.

use std::collections::VecDeque;
use std::path::PathBuf;
use std::sync::{Mutex, MutexGuard, PoisonError};

use tickdeck_core::clock::MonoNanos;
use tickdeck_core::event::RawTick;
use tickdeck_core::time::{NANOS_PER_MILLI, NANOS_PER_SECOND};

use super::corrupt;
use super::rule::{Action, Front, Moment, Rule, Script, ScriptError};
use super::swarm;
use crate::log;
use crate::settings::Settings;

/// The fate of a tick.
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

/// An event of the session besides ticks.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Happening {
    /// The connection is lost with this reason.
    Disconnect(i32),
    /// `OnHeartBeatWarning` with this many seconds.
    HeartBeatWarning(i32),
    /// Nothing is sent until this instant.
    SilentUntil(MonoNanos),
}

/// A fault of a connection attempt.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ConnectionFault {
    /// It is refused.
    Refused,
    /// It is lost with this reason before the front has answered.
    Lost(i32),
}

/// A fault of a request.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum RequestFault {
    /// Its function returns this code instead of taking it.
    Code(i32),
    /// It is answered with this error id.
    Answer(i32),
}

/// The rules of a session and their progress.
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
    /// Events that a tick has triggered.
    due: VecDeque<Happening>,
    /// Ticks kept for later: swapped, or gathered for a burst.
    kept: VecDeque<RawTick>,
    /// The last ticks sent, as many as the largest replay wants.
    recent: VecDeque<RawTick>,
    recent_max: usize,
    /// The addresses that the client registered.
    fronts: Vec<String>,
    /// The one that it is connected to, or tries.
    at_front: usize,
    /// How many ticks are gathered before they are sent at once; 0: none are.
    gathering: usize,
}

/// Instances with the same words follow each other.
#[derive(Debug, PartialEq)]
struct Key {
    front: Front,
    run: String,
    script: Option<PathBuf>,
    faults: Option<String>,
}

impl Key {
    fn of(settings: &Settings, front: Front) -> Self {
        Self {
            front,
            run: settings.run.clone(),
            script: settings.script.clone(),
            faults: settings.faults.clone(),
        }
    }
}

/// States of released instances.
fn handed_on() -> MutexGuard<'static, Vec<(Key, Faults)>> {
    static HANDED_ON: Mutex<Vec<(Key, Faults)>> = Mutex::new(Vec::new());
    HANDED_ON.lock().unwrap_or_else(PoisonError::into_inner)
}

/// The state of the instance that was released last.
fn heir_of(settings: &Settings, front: Front) -> Option<Faults> {
    let key = Key::of(settings, front);
    let mut states = handed_on();
    let index = states.iter().rposition(|(known, _)| *known == key)?;
    Some(states.remove(index).1)
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

    /// The rules that settings ask for, of both fronts: a script, drawn faults, both, or none.
    ///
    /// # Errors
    /// When the script or the words of the drawn faults cannot be used.
    pub fn script(settings: &Settings) -> Result<Script, ScriptError> {
        let mut script = match &settings.script {
            Some(path) => Script::read(path)?,
            None => Script::default(),
        };
        if let Some(words) = &settings.faults {
            script.rules.extend(swarm::draw(words)?.rules);
        }
        Ok(script)
    }

    /// The rules for `front` that the settings ask for: a script, drawn faults, both, or none.
    ///
    /// # Errors
    /// When the script cannot be used.
    pub fn from_settings(settings: &Settings, front: Front) -> Result<Self, ScriptError> {
        if let Some(handed_on) = heir_of(settings, front) {
            return Ok(handed_on);
        }
        let mut script = Self::script(settings)?;
        script.rules.retain(|rule| rule.front == front);
        for rule in &script.rules {
            log::notice("sim_fault_rule", &rule.log_fields());
        }
        Ok(Self::new(script))
    }

    /// The settings of a session and the rules for `front`. Neither if the script is unusable,
    /// which is logged: the session then never connects.
    #[must_use]
    pub fn for_session(
        settings: Option<Settings>,
        front: Front,
        fronts: Vec<String>,
    ) -> (Option<Settings>, Self) {
        let Some(settings) = settings else {
            return (None, Self::default());
        };
        match Self::from_settings(&settings, front) {
            Ok(faults) => (Some(settings), faults.with_fronts(fronts)),
            Err(error) => {
                log::warn("sim_settings_error", &[("text", error.to_string().into())]);
                (None, Self::default())
            }
        }
    }

    /// The rules for a client that registered these fronts. A rule for another front is logged: it
    /// would never act.
    #[must_use]
    pub fn with_fronts(self, fronts: Vec<String>) -> Self {
        for Armed { rule, .. } in &self.rules {
            if rule.address.as_ref().is_some_and(|it| !fronts.contains(it)) {
                let fields = [
                    ("rule", rule.name.clone().into()),
                    ("text", "no front is registered under its address".into()),
                ];
                log::warn("sim_fault_rule_idle", &fields);
            }
        }
        Self {
            fronts,
            at_front: 0,
            ..self
        }
    }

    /// Keeps the progress of the rules for the client's next API instance: a front counts the
    /// logins of a client, not of its objects.
    pub fn hand_on(&mut self, settings: &Settings, front: Front) {
        self.disconnected();
        let state = std::mem::take(self);
        if !state.rules.is_empty() {
            let key = Key::of(settings, front);
            handed_on().push((key, state));
        }
    }

    /// The first rule that acts now; it is counted and logged.
    fn act(&mut self, is_now: impl Fn(&Rule) -> bool) -> Option<Action> {
        let acts = |armed: &Armed| self.can_act(armed) && is_now(&armed.rule);
        let index = self.rules.iter().position(acts)?;
        Some(self.act_at(index))
    }

    /// Whether a rule may still act, and at this front.
    fn can_act(&self, armed: &Armed) -> bool {
        let here = self.fronts.get(self.at_front);
        let is_here = armed.rule.address.is_none() || armed.rule.address.as_ref() == here;
        !armed.is_used_up() && is_here
    }

    fn act_at(&mut self, index: usize) -> Action {
        let armed = &mut self.rules[index];
        armed.acted += 1;
        armed.acted_in = self.connections;
        let fields = [
            ("rule", armed.rule.name.clone().into()),
            ("tick", self.ticks.into()),
            ("must_survive", armed.rule.must_survive.into()),
        ];
        log::info("sim_fault", &fields);
        armed.rule.action.clone()
    }

    /// The number of the front that the client is connected to, as it registered them, from 1.
    #[must_use]
    pub const fn front(&self) -> usize {
        self.at_front + 1
    }

    /// The fault of a connection attempt. The vendor's library calls all fronts at once and takes
    /// the first that answers; here that is the first one that does not refuse.
    pub fn connection(&mut self) -> Option<ConnectionFault> {
        self.connections += 1;
        let number = self.connections;
        let is_now = |rule: &Rule| matches!(rule.at, Moment::Connection(from) if number >= from);
        self.at_front = 0;
        match self.act(|rule| rule.address.is_none() && is_now(rule)) {
            Some(Action::Disconnect(reason)) => return Some(ConnectionFault::Lost(reason)),
            Some(_) => return Some(ConnectionFault::Refused),
            None => {}
        }
        for front in 0..self.fronts.len() {
            self.at_front = front;
            match self.act(|rule| rule.address.is_some() && is_now(rule)) {
                Some(Action::Disconnect(reason)) => return Some(ConnectionFault::Lost(reason)),
                Some(_) => {}
                None => return None,
            }
        }
        (!self.fronts.is_empty()).then_some(ConnectionFault::Refused)
    }

    /// The connection is up.
    pub fn connected(&mut self, now: MonoNanos) {
        self.connected_at = Some(now);
    }

    /// The connection is gone, with everything kept for it.
    pub fn disconnected(&mut self) {
        self.connected_at = None;
        self.silent_until = None;
        self.kept.clear();
        self.due.clear();
    }

    /// The error for a login.
    pub fn login_error(&mut self, _now: MonoNanos) -> Option<i32> {
        self.logins += 1;
        let number = self.logins;
        let acts = |rule: &Rule| matches!(rule.at, Moment::Login(from) if number >= from);
        match self.act(acts)? {
            Action::RejectLogin(error_id) => Some(error_id),
            _ => None,
        }
    }

    /// The fault of a request.
    pub fn request(&mut self, _now: MonoNanos) -> Option<RequestFault> {
        self.requests += 1;
        let number = self.requests;
        let acts = |rule: &Rule| matches!(rule.at, Moment::Request(from) if number >= from);
        match self.act(acts)? {
            Action::ReturnCode(code) => Some(RequestFault::Code(code)),
            Action::RejectRequest(error_id) => Some(RequestFault::Answer(error_id)),
            _ => None,
        }
    }

    /// Whether a snapshot is lost.
    pub fn loses_snapshot(&mut self) -> bool {
        self.snapshots += 1;
        let number = self.snapshots;
        self.act(|rule| matches!(rule.at, Moment::Snapshot(from) if number >= from))
            .is_some()
    }

    /// The event at `now` besides ticks.
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
            self.can_act(armed)
                && armed.acted_in != connection
                && moment_ns(&armed.rule).is_some_and(|ns| now >= connected_at.plus(ns))
        })?;
        let action = self.act_at(armed);
        Some(self.note(happening_of(&action, now)?))
    }

    fn note(&mut self, happening: Happening) -> Happening {
        if let Happening::SilentUntil(until) = happening {
            self.silent_until = Some(until);
        }
        happening
    }

    /// The time of the next event that no tick triggers.
    #[must_use]
    pub fn next_happening(&self, now: MonoNanos) -> Option<MonoNanos> {
        if !self.due.is_empty() {
            return Some(now);
        }
        let connected_at = self.connected_at?;
        let waiting = self
            .rules
            .iter()
            .filter(|armed| self.can_act(armed) && armed.acted_in != self.connections);
        waiting
            .filter_map(|armed| moment_ns(&armed.rule))
            .map(|ns| connected_at.plus(ns))
            .min()
    }

    /// The fate of a tick.
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
            Action::Replay(count) => {
                let older = self.recent.len().saturating_sub(count);
                let again = self.recent.iter().skip(older).map(|old| (now, *old));
                Fate::Hold(std::iter::once((now, tick)).chain(again).collect())
            }
            Action::Disconnect(reason) => Fate::Cut(reason),
            other => {
                self.due.extend(happening_of(&other, now));
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

    /// At the end of the session: yields the kept ticks, one by one.
    pub fn last_held(&mut self) -> Option<RawTick> {
        self.kept.pop_front()
    }

    /// A tick goes to the client. A replay may send it again, whatever other rules did to it.
    pub fn sent(&mut self, tick: &RawTick) {
        if self.recent_max > 0 {
            if self.recent.len() == self.recent_max {
                self.recent.pop_front();
            }
            self.recent.push_back(*tick);
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

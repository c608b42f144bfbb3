//! Faults drawn from a seed, before the session begins.
//!
//! `seed:N` draws a few rules of every kind that a client must survive. `seed:N,swarm` first draws
//! which kinds occur and how often, so that seeds differ in emphasis. The draw is SplitMix64 and
//! integer arithmetic: the same seed yields the same rules everywhere.

use super::rule::{Action, Front, Moment, Rule, Script, ScriptError};

/// SplitMix64 (Steele, Lea, Flood 2014).
#[derive(Debug)]
struct Draw(u64);

impl Draw {
    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }

    /// Below `bound`, which is small, so the bias is negligible.
    fn below(&mut self, bound: u64) -> u64 {
        self.next() % bound.max(1)
    }
}

/// The kinds that are drawn: each with what it does.
fn action(kind: u64, draw: &mut Draw) -> Action {
    const REASONS: [i32; 5] = [0x1001, 0x1002, 0x2001, 0x2002, 0x2003];
    match kind {
        0 => {
            let index = usize::try_from(draw.below(5)).unwrap_or(0);
            Action::Disconnect(REASONS[index])
        }
        1 => Action::Delay(1 + draw.below(50)),
        2 => Action::Drop,
        3 => Action::Duplicate,
        4 => Action::Reorder,
        5 => Action::Burst(2 + usize::try_from(draw.below(30)).unwrap_or(0)),
        6 => Action::Replay(1 + usize::try_from(draw.below(20)).unwrap_or(0)),
        _ => Action::HeartbeatWarning(61),
    }
}

/// Number of kinds of [`action`].
const KINDS: u64 = 8;

/// Draws the rules of `seed:N` or `seed:N,swarm`.
///
/// # Errors
/// When the words are others.
pub fn draw(words: &str) -> Result<Script, ScriptError> {
    let refuse = || ScriptError::Seed {
        found: words.to_owned(),
    };
    let rest = words.strip_prefix("seed:").ok_or_else(refuse)?;
    let (seed, is_swarm) = match rest.split_once(',') {
        None => (rest, false),
        Some((seed, "swarm")) => (seed, true),
        Some(_) => return Err(refuse()),
    };
    let mut draw = Draw(seed.parse().map_err(|_| refuse())?);
    let mut rules = Vec::new();
    for kind in 0..KINDS {
        let count = match is_swarm {
            false => 2,
            // Half of the kinds stay out, the others occur once to many times.
            true if draw.below(2) == 0 => 0,
            true => 1 << draw.below(4),
        };
        for number in 0..count {
            let tick = 1 + draw.below(900);
            let action = action(kind, &mut draw);
            rules.push(Rule {
                name: format!("drawn {kind}.{number} of seed {seed}"),
                front: Front::MarketData,
                address: None,
                at: Moment::Tick(tick),
                action,
                times: 1,
                must_survive: true,
            });
        }
    }
    rules.sort_by_key(|rule| match rule.at {
        Moment::Tick(tick) => tick,
        _ => 0,
    });
    Ok(Script { rules })
}

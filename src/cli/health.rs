//! `tickdeck health`: queries the health of a running session.

use std::io::Write as _;

use tickdeck::nats::request_health;
use tickdeck_core::printable::printable_value;

use super::args::HealthArgs;
use super::context::Context;
use super::outcome::{Outcome, stdout};
use super::outputs::nats_options;

/// Runs the verb.
pub(super) fn run(_context: &Context, args: &HealthArgs) -> anyhow::Result<Outcome> {
    let nats = nats_options(&args.nats)?;
    let answer = request_health(&nats, &args.subject, args.timeout)?;
    let mut out = stdout();
    match serde_json::from_slice::<serde_json::Value>(&answer) {
        Ok(serde_json::Value::Object(fields)) if !args.json.json => {
            for (key, value) in &fields {
                let text = value
                    .as_str()
                    .map_or_else(|| value.to_string(), str::to_owned);
                writeln!(
                    out,
                    "{:<10} {}",
                    printable_value(key),
                    printable_value(&text)
                )?;
            }
        }
        _ => {
            out.write_all(&answer)?;
            writeln!(out)?;
        }
    }
    out.flush()?;
    Ok(Outcome::Done)
}

//! The integration tests: one binary, one module per boundary.
//!
//! - `nats`: what leaves through a real `nats-server` arrives, whatever happens on the way.
//! - `support`: the only places that start servers and speak to them.

#![expect(
    clippy::unwrap_used,
    reason = "tests may unwrap; the lint's own exception covers test functions, not their helpers"
)]

mod nats;
mod support;

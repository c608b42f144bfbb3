//! The promises of `docs/determinism.md`, each as a test of what users see.

mod ledger;
mod order;
mod replay_is_replay;
mod seed_is_market;
mod segmentation;

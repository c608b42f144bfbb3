//! The promises of `docs/determinism.md`, each as a test of visible behaviour.

mod end_marker;
mod jobs;
mod ledger;
mod order;
mod partitions;
mod record_is_record;
mod replay_is_replay;
mod seed_is_market;
mod segmentation;

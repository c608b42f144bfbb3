//! Recordings on an object store, through a real server of the S3 protocol on loopback.

use std::path::Path;
use std::process::Command;

use serde_json::Value;

use crate::support::cli::{Ended, finish, run, tickdeck};
use crate::support::recordings::{Folder, names, quick, quirks, replay_digest, repository};
use crate::support::s3_server::{ACCESS_KEY, BUCKET, S3Server, SECRET_KEY};

mod copies;
mod part;
mod record;
mod secrets;
mod verbs;

/// A command with words split at spaces, for the store of `server`.
fn command(server: &S3Server, words: &str) -> Command {
    let mut command = tickdeck(words.split(' '));
    for (name, value) in server.environment() {
        command.env(name, value);
    }
    command
}

fn run_there(server: &S3Server, words: &str) -> Ended {
    finish(command(server, words))
}

fn url(name: &str) -> String {
    format!("s3://{BUCKET}/{name}")
}

/// Pushes a recording and returns the result.
fn push(server: &S3Server, recording: &Path, name: &str) -> Value {
    let recording = recording.display();
    let words = format!("push {recording} {} --json", url(name));
    run_there(server, &words).done().json()
}

//! Runs a job in a child process, so that a library that ends its process, prints to stdout or
//! leaks threads does that to the child alone.

use std::fs::File;
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::Duration;

use serde_json::Value;

/// Variable that holds the job for the child, and the file for its answer.
pub(crate) const JOB: &str = "TICKDECK_FFI_CHILD_JOB";

/// How long a child may take: most work for some seconds, the longest for two minutes. Somewhat
/// shorter than what the test runner allows a test, so that the child's words are seen.
const PATIENCE: Duration = Duration::from_secs(280);

/// Runs the job and returns what the child wrote. Panics, with what the child printed, when it
/// did not end cleanly.
pub(crate) fn run(job: Value) -> Value {
    run_until(job, || true)
}

/// The same; the child's sessions wait for what is only seen from here.
pub(crate) fn run_until(mut job: Value, is_enough: impl Fn() -> bool) -> Value {
    let folder = tempfile::tempdir().unwrap();
    let enough = folder.path().join("enough");
    if !is_enough() {
        job["enough"] = enough.to_str().unwrap().into();
    }
    let answer = folder.path().join("answer.json");
    job["answer"] = answer.to_str().unwrap().into();
    job["scratch"] = folder.path().to_str().unwrap().into();
    let printed = folder.path().join("printed");
    let output = File::create(&printed).unwrap();
    let mut child = Command::new(std::env::current_exe().unwrap())
        .args([
            "child::process_of_the_other_tests",
            "--exact",
            "--nocapture",
        ])
        .env(JOB, job.to_string())
        .stdin(Stdio::null())
        .stdout(output.try_clone().unwrap())
        .stderr(output)
        .spawn()
        .unwrap();
    let step = Duration::from_millis(20);
    let mut waited = Duration::ZERO;
    let status = loop {
        if let Some(status) = child.try_wait().unwrap() {
            break Some(status);
        }
        if is_enough() {
            File::create(&enough).unwrap();
        }
        if waited > PATIENCE {
            child.kill().unwrap();
            child.wait().unwrap();
            break None;
        }
        std::thread::sleep(step);
        waited += step;
    };
    let printed = beginning(&printed);
    let status = status.unwrap_or_else(|| panic!("{job} did not end: {printed}"));
    assert!(status.success(), "{job} ended with {status}: {printed}");
    let text = std::fs::read_to_string(&answer).unwrap();
    serde_json::from_str(&text).unwrap()
}

/// The vendor may print hundreds of lines a second.
fn beginning(path: &Path) -> String {
    let bytes = std::fs::read(path).unwrap();
    String::from_utf8_lossy(&bytes[..bytes.len().min(4000)]).into_owned()
}

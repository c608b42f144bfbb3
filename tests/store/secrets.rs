//! Credentials come from the environment alone and are never shown.

use super::*;

/// Runs a command at every level of the log and searches what it prints.
fn search(server: &S3Server, words: &str, secrets: &[&str]) {
    for level in ["info", "trace"] {
        let mut command = command(server, words);
        command.env("RUST_LOG", level);
        let ended = finish(command);
        for secret in secrets {
            assert!(!ended.stdout.contains(secret), "{words}: {}", ended.stdout);
            assert!(!ended.stderr.contains(secret), "{words}: {}", ended.stderr);
        }
    }
}

#[test]
fn credentials_are_in_no_output() {
    let Some(server) = S3Server::start("credentials in the log") else {
        return;
    };
    let push_words = format!(
        "push {} {} --log-format json",
        quick().display(),
        url("quick")
    );
    search(&server, &push_words, &[SECRET_KEY]);
    for words in [
        format!("info {} -vv", url("quick")),
        format!("info {} -vv", url("nothing")),
        "info s3://no-such-bucket/x -vv".to_owned(),
    ] {
        search(&server, &words, &[SECRET_KEY]);
    }
}

#[test]
fn a_wrong_key_is_refused_and_not_shown() {
    let Some(server) = S3Server::start("a wrong key") else {
        return;
    };
    for (name, value, canary) in [
        (
            "AWS_SECRET_ACCESS_KEY",
            "another/marked+secret",
            "another/marked+secret",
        ),
        ("AWS_ACCESS_KEY_ID", "AKIAMARKEDWRONG", "AKIAMARKEDWRONG"),
    ] {
        let mut command = command(&server, &format!("info {}", url("quick")));
        command.env(name, value);
        let ended = finish(command);
        assert!(matches!(ended.code, Some(2 | 4)), "{ended:?}");
        for secret in [canary, SECRET_KEY, ACCESS_KEY] {
            assert!(!ended.stderr.contains(secret), "{}", ended.stderr);
        }
    }
}

#[test]
fn a_url_with_credentials_is_refused_and_not_shown() {
    for url in [
        "s3://AKIAMARKED:marked-secret@bucket/rec",
        "az://container/rec?sig=marked-secret",
    ] {
        let ended = run(["info", url]);
        assert_eq!(ended.code, Some(2), "{}", ended.stderr);
        assert!(ended.stderr.contains("environment"), "{}", ended.stderr);
        assert!(!ended.stderr.contains("marked-secret"), "{}", ended.stderr);
    }
}

//! Seed = market: the same seed yields the same bytes of every file in any environment.

use std::path::Path;

use crate::support::cli::{finish, release_binary, tickdeck};
use crate::support::recordings::{Folder, info_digest, names};
use crate::support::skipped;

#[track_caller]
fn assert_same_files(one: &Path, other: &Path) {
    assert_eq!(names(one), names(other));
    for file in names(one) {
        let same =
            std::fs::read(one.join(&file)).unwrap() == std::fs::read(other.join(&file)).unwrap();
        assert!(same, "{file} differs");
    }
}

/// Arguments that make a small recording of each profile.
const SMALL: [&str; 5] = [
    "--profile quick",
    "--profile quirks",
    "--profile day --duration 5s",
    "--profile night --duration 5s",
    "--profile full-market --duration 2s --symbols TA509,TA509C4200",
];

#[test]
fn one_seed_gives_the_same_bytes_twice() {
    let folder = Folder::new();
    for (number, words) in SMALL.iter().enumerate() {
        let words = format!("{words} --seed 7");
        let one = folder.generate(&format!("one{number}"), &words);
        let other = folder.generate(&format!("other{number}"), &words);
        assert_same_files(&one, &other);
    }
}

#[test]
fn another_seed_or_day_gives_another_market() {
    let folder = Folder::new();
    let one = info_digest(&folder.generate("one", "--seed 7"));
    assert_ne!(info_digest(&folder.generate("two", "--seed 8")), one);
    let day = folder.generate("day", "--seed 7 --trading-day 2025-09-15");
    assert_ne!(info_digest(&day), one);
}

#[test]
fn the_environment_is_not_in_the_market() {
    let folder = Folder::new();
    let expected = folder.generate("expected", "--profile quirks --seed 7");
    for (name, variable, value) in [
        ("zone", "TZ", "America/New_York"),
        ("locale", "LC_ALL", "tr_TR.UTF-8"),
    ] {
        let made = folder.join(name);
        let mut command = tickdeck(["generate", "--profile", "quirks", "--seed", "7", "-o"]);
        command.arg(&made).env(variable, value);
        finish(command).done();
        assert_same_files(&made, &expected);
    }
}

#[test]
fn debug_and_release_markets_are_equal() {
    let Some(release) = release_binary() else {
        skipped(
            "debug and release builds make the same market",
            "TICKDECK_RELEASE_BIN names no release build; `cargo xtask test` makes one (the \
             committed recordings, which this build was compared with, hold for both)",
        );
        return;
    };
    let folder = Folder::new();
    for (number, words) in SMALL.iter().enumerate() {
        let tested = folder.generate(&format!("tested{number}"), words);
        let made = folder.join(&format!("release{number}"));
        let mut command = crate::support::cli::command_of(&release);
        command.arg("generate").args(words.split(' '));
        command.arg("-o").arg(&made);
        finish(command).done();
        assert_same_files(&made, &tested);
    }
}

//! Completions and manual pages are put where shells and `man` look for them.

use super::json::keys;
use crate::support::cli::{Ended, finish, tickdeck};
use crate::support::recordings::Folder;

/// Runs a command of a user whose folders are below `home`.
fn at_home(home: &Folder, words: &str) -> Ended {
    let mut command = tickdeck(words.split(' '));
    for name in [
        "XDG_DATA_HOME",
        "XDG_CONFIG_HOME",
        "BASH_COMPLETION_USER_DIR",
    ] {
        command.env_remove(name);
    }
    command.env("HOME", home.path()).current_dir(home.path());
    finish(command)
}

#[test]
fn completions_are_installed_where_the_shell_looks() {
    let home = Folder::new();
    for (shell, place) in [
        ("bash", ".local/share/bash-completion/completions/tickdeck"),
        ("zsh", ".local/share/zsh/site-functions/_tickdeck"),
        ("fish", ".config/fish/completions/tickdeck.fish"),
        ("elvish", ".config/elvish/lib/tickdeck.elv"),
    ] {
        let printed = at_home(&home, &format!("completions {shell}"))
            .done()
            .stdout;
        // A second time replaces the file.
        for _ in 0..2 {
            let said = at_home(&home, &format!("completions {shell} --install")).done();
            let path = home.join(place);
            assert!(
                said.stdout.contains(&path.display().to_string()),
                "{said:?}"
            );
            assert_eq!(std::fs::read_to_string(&path).unwrap(), printed, "{shell}");
        }
    }
    let named = at_home(&home, "completions fish -o there").done();
    assert!(named.stdout.contains("there/tickdeck.fish"), "{named:?}");
    assert!(home.join("there/tickdeck.fish").is_file());
    let told = at_home(&home, "completions fish --install --json").done();
    assert_eq!(keys(&told.stdout), "path shell next_step");
    let path = told.json()["path"].as_str().unwrap().to_owned();
    assert!(path.ends_with(".config/fish/completions/tickdeck.fish"));
    let refused = at_home(&home, "completions fish --json");
    assert_eq!(refused.code, Some(2), "nothing was written: {refused:?}");
    let refused = at_home(&home, "completions powershell --install");
    assert_eq!(refused.code, Some(2), "{refused:?}");
    assert!(refused.stderr.contains("$PROFILE"), "{refused:?}");
}

#[test]
fn manual_pages_are_installed_where_man_looks() {
    let home = Folder::new();
    let said = at_home(&home, "man --install").done();
    let folder = home.join(".local/share/man/man1");
    assert!(
        said.stdout.contains(&folder.display().to_string()),
        "{said:?}"
    );
    assert!(said.stdout.contains("`manpath`"), "{said:?}");
    let page = std::fs::read_to_string(folder.join("tickdeck-replay.1")).unwrap();
    assert!(page.contains("max\\-gap"), "{page}");
    let named = at_home(&home, "man -o pages").done();
    assert!(named.stdout.starts_with("pages: "), "{named:?}");
    assert!(home.join("pages/tickdeck.1").is_file());
    let told = at_home(&home, "man -o pages --json").done();
    assert_eq!(keys(&told.stdout), "path pages");
    assert_eq!(told.json()["path"], "pages");
    for words in ["man", "man --json", "man --install -o pages"] {
        let refused = at_home(&home, words);
        assert_eq!(refused.code, Some(2), "{refused:?}");
        let usage = "<--install|--output <DIR>>";
        assert!(refused.stderr.contains(usage), "{refused:?}");
    }
}

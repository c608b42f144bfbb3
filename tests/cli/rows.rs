//! What a user types at a prompt: the same commands as elsewhere, here in a real terminal.

use std::io::Read as _;

use serde_json::Value;

use super::json::keys;
use crate::support::recordings::{Folder, names, repository};
use crate::support::shell::{CTRL_C, Shell};
use crate::support::wait_until;

/// A folder with the committed recordings, and a shell in it.
fn at_home() -> (Folder, Shell) {
    let home = Folder::new();
    std::fs::create_dir(home.join("recordings")).unwrap();
    for name in names(&repository("recordings")) {
        let from = repository("recordings").join(&name);
        let name = format!("recordings/{name}");
        if from.is_dir() {
            home.copy_of(&from, &name);
        } else {
            std::fs::copy(from, home.join(&name)).unwrap();
        }
    }
    let shell = Shell::start_in(home.path());
    (home, shell)
}

/// Types the commands one after another: each has its exit code, and prints these texts.
#[track_caller]
fn types(shell: &mut Shell, rows: &[(&str, u32, &[&str])]) {
    for (line, code, texts) in rows {
        let (ended, printed) = shell.run(line);
        assert_eq!(ended, *code, "{line}: {printed}");
        for text in *texts {
            assert!(printed.contains(text), "{text:?} of {line}: {printed}");
        }
    }
}

#[test]
fn a_result_is_replaced_with_force_only() {
    let (home, mut shell) = at_home();
    let replay = "tickdeck replay recordings/quick --rate max --sink jsonl:out";
    types(
        &mut shell,
        &[
            ("echo mine > out", 0, &[]),
            (replay, 2, &["out already exists", "--force"]),
            ("cat out", 0, &["mine"]),
            (&format!("{replay} --force"), 0, &["published      918"]),
            ("wc -l < out", 0, &["918"]),
            ("tickdeck slice recordings/quick -o made -q", 0, &[]),
            ("tickdeck slice recordings/quick -o made", 2, &["--force"]),
        ],
    );
    assert_eq!(home.names(), ["made", "out", "recordings"]);
}

#[test]
fn a_glob_lists_recordings_and_skips_the_rest() {
    let (_home, mut shell) = at_home();
    let skipped = "input_skipped";
    types(
        &mut shell,
        &[
            (
                "tickdeck verify recordings/*",
                0,
                &[skipped, "recordings/quick: intact", "quirks: intact"],
            ),
            (
                "tickdeck info recordings/*",
                0,
                &[
                    skipped,
                    "by id        MA601 374, ",
                    "exchanges    SHFE, INE, DCE, CZCE, GFEX, CFFEX",
                    "gap          2025-09-13T02:31:00",
                ],
            ),
            ("tickdeck verify recordings/README.md", 2, &["error: "]),
            (
                "tickdeck check recordings/*",
                0,
                &["recordings/quick: as recordings/quick.golden.json says"],
            ),
        ],
    );
}

#[test]
fn times_are_typed_as_people_write_them() {
    let (_home, mut shell) = at_home();
    for (time, ticks) in [
        ("9:30", 889),
        ("09:30:00", 889),
        ("'2025-09-12 09:30:10'", 734),
        ("2025-09-12T09:30:10", 734),
        ("2025-09-12T01:30:10Z", 734),
        ("2025-09-12", 918),
        ("20250912", 918),
    ] {
        let line = format!("tickdeck replay recordings/quick --rate max --sink null -S {time}");
        let published = format!("published      {ticks}\n");
        types(&mut shell, &[(&line, 0, &[&published])]);
    }
    let wrong = "tickdeck replay recordings/quick --sink null -S 25:00";
    types(&mut shell, &[(wrong, 2, &["HH:MM[:SS[.mmm]]"])]);
}

#[test]
fn a_hint_names_flags_of_its_verb() {
    let (home, mut shell) = at_home();
    let segment = home.join("recordings/quick/part-00000.parquet");
    let mut bytes = std::fs::read(&segment).unwrap();
    bytes[100] ^= 1;
    std::fs::write(segment, bytes).unwrap();
    let other = "`tickdeck replay --salvage`";
    types(
        &mut shell,
        &[
            (
                "tickdeck replay recordings/quick --sink null",
                4,
                &["; --salvage plays the intact parts"],
            ),
            ("tickdeck cat recordings/quick", 4, &[other]),
            ("tickdeck export recordings/quick", 4, &[other]),
            ("tickdeck check recordings/quick", 1, &[other]),
            ("tickdeck slice recordings/quick -o x", 4, &[other]),
        ],
    );
}

/// Text and JSON of each verb that makes a recording or a file.
#[test]
fn a_verb_that_makes_something_says_what() {
    let (home, mut shell) = at_home();
    let dump = repository("fixtures/dumps/vnpy_nan.csv");
    std::fs::copy(dump, home.join("day.csv")).unwrap();
    let recording = "path session events ticks symbols segments bytes event_digest digest complete";
    for (line, text, expected) in [
        (
            "generate --profile quick -o made",
            "made: 928 ev",
            recording,
        ),
        (
            "slice recordings/quick -n 9 -o made",
            "made: 19 ev",
            recording,
        ),
        ("merge recordings/* -o made", "made: 6,635 ev", recording),
        (
            "record --source synthetic:quick -o made",
            "made: 928 events",
            "session received",
        ),
        ("import day.csv -o made", "made: 1 event, 1 tick", recording),
        (
            "export recordings/quick -o made",
            "made: 918 ticks, ",
            "path ticks left_out bytes complete",
        ),
        (
            "check recordings/quick --golden made --update",
            "made made, 918 messages",
            "passed checks errors unreferenced",
        ),
        ("man -o made", "made: ", "path pages"),
        (
            "completions fish -o made",
            "made/tickdeck.fish\n",
            "path shell next_step",
        ),
    ] {
        let line = line.replace("recordings/*", "recordings/quick recordings/quirks");
        let line = format!("tickdeck {line}");
        types(&mut shell, &[(&line, 0, &[text]), ("rm -r made*", 0, &[])]);
        let (code, printed) = shell.run(&format!("{line} --json"));
        assert_eq!(code, 0, "{line}: {printed}");
        let json = printed.lines().find(|line| line.starts_with('{'));
        let json = json.unwrap_or_else(|| panic!("{line}: {printed}"));
        assert!(keys(json).starts_with(expected), "{line}: {json}");
        types(&mut shell, &[("rm -r made*", 0, &[])]);
    }
}

#[test]
fn the_two_digests_have_two_names() {
    let (_home, mut shell) = at_home();
    let digest = |shell: &mut Shell, line: &str, name: &str| {
        let (code, printed) = shell.run(line);
        assert_eq!(code, 0, "{line}: {printed}");
        let named = printed.lines().find_map(|line| line.strip_prefix(name));
        named
            .unwrap_or_else(|| panic!("{printed}"))
            .trim()
            .to_owned()
    };
    let info = digest(
        &mut shell,
        "tickdeck info recordings/quick",
        "event digest ",
    );
    let replay = "tickdeck replay recordings/quick --rate max --sink null";
    let published = digest(&mut shell, replay, "payload digest ");
    assert_ne!(info, published);
    for (line, key, value) in [
        ("tickdeck info recordings/quick", "event_digest", info),
        (replay, "payload_digest", published),
    ] {
        let (_, printed) = shell.run(&format!("{line} --json -q"));
        let json = printed.lines().find(|line| line.starts_with('{')).unwrap();
        let json: Value = serde_json::from_str(json).unwrap();
        assert_eq!(json[key], value, "{json}");
    }
}

#[test]
fn help_is_grouped_and_ends_with_the_shared_flags() {
    let (_home, mut shell) = at_home();
    let groups = [
        "Make recordings:\n",
        "Replay, capture and compare:\n",
        "Inspect, edit and copy recordings:\n",
        "Live CTP, and its clients without CTP:\n",
        "Set-up:\n",
    ];
    types(&mut shell, &[("tickdeck --help", 0, &groups)]);
    let (_, verbs) = shell.run("tickdeck --help");
    let verbs = verbs.lines().filter_map(|line| {
        let verb = line.strip_prefix("  ")?.split(' ').next()?;
        let is_verb = verb.starts_with(|c: char| c.is_ascii_lowercase());
        (is_verb && verb != "help").then_some(verb)
    });
    let verbs: Vec<&str> = verbs.collect();
    assert!(verbs.len() > 20, "{verbs:?}");
    for verb in verbs {
        let (code, help) = shell.run(&format!("tickdeck {verb} --help"));
        assert_eq!(code, 0, "{help}");
        assert_eq!(help.matches("--log-format <").count(), 1, "{help}");
        let (_, shared) = help.split_once("\nLogging and progress:\n").unwrap();
        let mut headings = shared.lines().filter(|line| line.ends_with(':'));
        let is_last = |line: &str| line.starts_with(' ') || line.starts_with("Example");
        assert!(headings.all(is_last), "{verb}: {shared}");
        let (_, short) = shell.run(&format!("tickdeck {verb} -h"));
        assert!(!short.contains("--log-format <"), "{short}");
        assert!(short.contains("see --help"), "{short}");
    }
}

#[test]
fn v_shows_more_of_the_log() {
    let (_home, mut shell) = at_home();
    let replay = "tickdeck replay recordings/quick --rate max --sink null";
    let (_, usual) = shell.run(replay);
    assert!(!usual.contains("DEBUG"), "{usual}");
    let more = ["DEBUG recording_opened"].as_slice();
    types(
        &mut shell,
        &[
            (&format!("{replay} -v"), 0, more),
            (&format!("{replay} -vv"), 0, more),
            (&format!("{replay} --verbose"), 0, more),
            (&format!("{replay} -v -q"), 2, &["cannot be used"]),
        ],
    );
}

#[test]
fn a_difference_is_coloured_and_has_a_page() {
    let (home, mut shell) = at_home();
    let check = "tickdeck check live.jsonl --golden goldens/";
    let ways = [
        "to accept this",
        "tickdeck check live.jsonl --golden goldens/live.golden.json --update",
        "--accept-field last_price ",
    ];
    types(
        &mut shell,
        &[
            (
                "tickdeck export recordings/quick --format payload -o live.jsonl",
                0,
                &[],
            ),
            (&format!("{check} --update"), 0, &[]),
            (
                "sed -i 's/\"last_price\":3151.0/\"last_price\":3152.0/' live.jsonl",
                0,
                &[],
            ),
            (&format!("{check} --html page.html"), 1, &ways),
        ],
    );
    let previous = "2025-09-12T09:29:58.500+08:00";
    let screen = shell.screen();
    let coloured = "\u{1b}[31m3151.0\u{1b}[0m -> \u{1b}[32m3152.0\u{1b}[0m";
    for text in [coloured, "seq 27 ", previous] {
        assert!(screen.contains(text), "{text:?}: {screen}");
    }
    let page = std::fs::read_to_string(home.join("page.html")).unwrap();
    let exchange_time = "2025-09-12T09:29:59.000+08:00";
    for text in [exchange_time, previous, "normalizer", ways[1], ways[2]] {
        assert!(page.contains(text), "{text}");
    }
    assert!(!page.contains('\u{1b}'));
}

#[test]
fn a_redirected_result_has_no_bar_and_no_colour() {
    let (home, mut shell) = at_home();
    for words in [
        "replay recordings/quirks --rate max --sink jsonl:-",
        "export recordings/quirks",
        "cat recordings/quirks",
        "info recordings/quirks",
        "check recordings/quirks --drop stale",
        "diff recordings/quick recordings/quirks",
        "check --help",
    ] {
        let (_, printed) = shell.run(&format!("tickdeck {words} > out"));
        assert!(!printed.contains("error"), "{words}: {printed}");
        let out = std::fs::read_to_string(home.join("out")).unwrap();
        assert!(!out.is_empty(), "{words}");
        assert!(!out.contains(['\u{1b}', '\r']), "{words}: {out}");
    }
}

/// The shell would print what killed the verb.
#[test]
fn a_file_size_limit_kills_no_verb() {
    let (home, mut shell) = at_home();
    let line = "(ulimit -f 4; tickdeck generate --profile quick -o made)";
    let (code, printed) = shell.run(line);
    assert_eq!(code, 4, "{printed}");
    assert!(printed.contains("File too large"), "{printed}");
    assert!(!printed.contains("limit exceeded"), "{printed}");
    assert_eq!(home.names(), ["recordings"]);
}

#[test]
fn git_does_not_see_the_environment_file() {
    let (home, mut shell) = at_home();
    std::fs::copy(repository(".gitignore"), home.join(".gitignore")).unwrap();
    types(
        &mut shell,
        &[
            ("git init -q .", 0, &[]),
            ("touch live.env .env seen", 0, &[]),
            ("git status --porcelain", 0, &["?? seen"]),
        ],
    );
    let (_, untracked) = shell.run("git status --porcelain --untracked-files=all");
    assert!(!untracked.contains(".env"), "{untracked}");
}

#[test]
fn a_pipe_without_a_reader_ends_at_ctrl_c() {
    let (_home, mut shell) = at_home();
    types(&mut shell, &[("mkfifo pipe", 0, &[])]);
    shell.enter("tickdeck replay recordings/quick --rate max --sink jsonl:pipe; echo code=$?,");
    wait_until("the replay waits", || shell.has_foreground_replay());
    shell.press(CTRL_C);
    assert_eq!(shell.code(), 0, "{}", shell.screen());
    shell.wait_for("published      0");
}

/// The first signal cannot be obeyed: the pipe is full.
#[test]
fn a_second_ctrl_c_counts_after_a_second() {
    let (home, mut shell) = at_home();
    types(&mut shell, &[("mkfifo pipe; exec 3<> pipe", 0, &[])]);
    let mut pipe = std::fs::File::open(home.join("pipe")).unwrap();
    shell.enter(
        "tickdeck replay recordings/quick --rate max --loop --sink jsonl:- >&3; echo code=$?,",
    );
    // The pipe takes less than the first batch, so the replay blocks in its write.
    pipe.read_exact(&mut [0]).unwrap();
    shell.press(&format!("{CTRL_C}{CTRL_C}{CTRL_C}"));
    shell.wait_for("stop_requested");
    assert!(shell.has_foreground_replay(), "{}", shell.screen());
    wait_until("a later one ends it", || {
        shell.press(CTRL_C);
        shell.number("code=").is_some()
    });
    assert_eq!(shell.code(), 4, "{}", shell.screen());
}

/// GNU `timeout` puts the replay into the background of the terminal, and signals it twice.
#[test]
fn a_replay_under_timeout_ends_cleanly() {
    let (_home, mut shell) = at_home();
    let line = "timeout --preserve-status -s INT 3 tickdeck replay recordings/quick --sink null";
    let (code, printed) = shell.run(line);
    assert_eq!(code, 0, "{printed}");
    assert!(printed.contains("payload digest "), "{printed}");
    assert!(!printed.contains("Stopped"), "{printed}");
}

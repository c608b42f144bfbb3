//! Verbs that read, given a URL.

use super::*;

#[test]
fn every_verb_that_reads_takes_a_url() {
    let Some(server) = S3Server::start("verbs on a URL") else {
        return;
    };
    push(&server, &quick(), "quick");
    let local = quick().display().to_string();
    let there = url("quick");
    let folder = Folder::new();
    let golden = format!("{local}.golden.json");
    for words in [
        "info REC --json",
        "cat REC --symbols rb* -n 20",
        "verify REC --json",
        "replay REC --rate max --sink jsonl:-",
        "replay REC --rate max --sink jsonl:- --symbols rb*",
        "replay REC --rate max --sink digest --json --jobs 2",
        "replay REC --dry-run",
        "diff REC REC",
    ] {
        let of = |recording: &str| {
            let ended = run_there(&server, &words.replace("REC", recording));
            let stdout = ended.stdout.replace(recording, "REC");
            let stdout: Vec<&str> = stdout
                .lines()
                .filter(|line| !line.contains("elapsed"))
                .collect();
            (ended.code, stdout.join("\n"))
        };
        let (expected, found) = (of(&local), of(&there));
        assert_eq!(found.0, expected.0, "{words}: {}", found.1);
        if !words.contains("--sink digest") {
            assert_eq!(found.1, expected.1, "{words}");
        }
    }
    let digest = |recording: &str| {
        let words = format!("replay {recording} --rate max --sink digest --json");
        run_there(&server, &words).done().digest()
    };
    assert_eq!(digest(&there), digest(&local));
    let part = |recording: &str, name: &str| {
        let output = folder.join(name);
        let words = format!("slice {recording} --symbols rb* -o {}", output.display());
        run_there(&server, &words).done();
        replay_digest(&output)
    };
    assert_eq!(part(&there, "a"), part(&local, "b"));
    run_there(&server, &format!("check {there} --golden {golden}")).done();
}

#[test]
fn what_is_not_there_is_refused_with_the_url() {
    let Some(server) = S3Server::start("a URL without a recording") else {
        return;
    };
    let ended = run_there(&server, &format!("info {}", url("nothing")));
    assert_eq!(ended.code, Some(2), "{}", ended.stderr);
    assert!(
        ended.stderr.contains("s3://ticks/nothing"),
        "{}",
        ended.stderr
    );
    let ended = run_there(&server, "info s3://no-such-bucket/rec");
    assert!(matches!(ended.code, Some(2 | 4)), "{ended:?}");
}

#[test]
fn verbs_that_write_take_no_url() {
    for words in [
        "recover s3://ticks/rec",
        "prune s3://ticks/root --keep-days 3",
        "generate --profile quick -o s3://ticks/rec",
        "slice recordings/quick -o s3://ticks/rec",
    ] {
        let ended = run(words.split(' '));
        assert_eq!(ended.code, Some(2), "{words}: {}", ended.stderr);
        assert!(ended.stderr.contains("URL"), "{words}: {}", ended.stderr);
    }
}

#[test]
fn damage_in_a_store_is_found_by_a_replay_and_by_verify() {
    let Some(server) = S3Server::start("damage in a store") else {
        return;
    };
    push(&server, &quick(), "quick");
    let folder = server.files().join("quick");
    let segment = names(&folder)
        .into_iter()
        .find(|name| name.starts_with("part-"));
    let segment = folder.join(segment.unwrap());
    let mut bytes = std::fs::read(&segment).unwrap();
    bytes[40] ^= 1;
    std::fs::write(&segment, bytes).unwrap();
    let ended = run_there(&server, &format!("verify {}", url("quick")));
    assert_eq!(ended.code, Some(1), "{ended:?}");
    assert!(ended.stdout.contains("BLAKE3"), "{}", ended.stdout);
    let replay = format!("replay {} --rate max --sink digest", url("quick"));
    let ended = run_there(&server, &replay);
    assert!(!matches!(ended.code, Some(0)), "{ended:?}");
    assert!(ended.stderr.contains("BLAKE3"), "{}", ended.stderr);
}

#[test]
fn the_commands_of_the_page_run_as_printed() {
    let Some(server) = S3Server::start("the page about object stores") else {
        return;
    };
    let page = std::fs::read_to_string(repository("docs/object-store.md")).unwrap();
    let (_, block) = page.split_once("```sh\n").unwrap();
    let (block, _) = block.split_once("```").unwrap();
    let folder = Folder::new();
    std::fs::create_dir(folder.join("recordings")).unwrap();
    folder.copy_of(&quick(), "recordings/quick");
    for line in block.lines() {
        let words = line.strip_prefix("tickdeck ").unwrap().replace('\'', "");
        let mut command = command(&server, &words);
        command.current_dir(folder.path());
        finish(command).done();
    }
    assert_eq!(names(&folder.join("recordings/pulled")), names(&quick()));
}

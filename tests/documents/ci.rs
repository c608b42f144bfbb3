//! `docs/ci.md`: the steps of its jobs run as printed, on a stand-in for the CI's machine.
//!
//! The stand-in has a user's repository with tickdeck as a submodule. Its `cargo` and `make` put what
//! is already built where the printed commands tell them to. Everything else is real: git, the shell,
//! the server, the simulated front, and a client that loads it.

use std::os::unix::fs::{PermissionsExt as _, symlink};
use std::path::{Path, PathBuf};
use std::process::Command;

use regex::{Captures, Regex};
use serde_json::Value;

use super::blocks::{block, blocks};
use super::yaml::load;
use super::{Clone, copy};
use crate::support::cli::{Ended, binary, finish};
use crate::support::ctp::simulated_library;
use crate::support::nats_client::{RawPublisher, RawSubscriber};
use crate::support::nats_server::NatsServer;
use crate::support::recordings::{repository, split};
use crate::support::skipped;

const PAGE: &str = "docs/ci.md";
const REVISION: &str = "0123456789abcdef0123456789abcdef01234567";
/// Actions with the tags that exist.
const ACTIONS: [&str; 3] = [
    "actions/checkout@v4",
    "actions/cache@v4",
    "actions/upload-artifact@v4",
];
/// Images with tags that exist.
const IMAGES: [&str; 2] = ["rust:1", "nats:2"];

/// Puts what was built where `cargo install` and `cargo xtask sim` put it.
const CARGO: &str = r#"#!/bin/sh
set -eu
case "$1" in +*) test "$1" = "+$(cat "$MACHINE/toolchain")"; shift ;; esac
case "$1 $2" in
"install --locked")
  test "$3 $5" = "--path --root"
  grep -q '^name = "tickdeck"' "$4/Cargo.toml"
  mkdir -p "$6/bin"
  ln -s "$BUILT/tickdeck" "$6/bin/tickdeck" ;;
"xtask sim")
  test "$3" = --output
  test -f .cargo/xtask/Cargo.toml
  mkdir -p "$4"
  cp "$SIMULATED"/*.so "$4" ;;
*) echo "unexpected: cargo $*" >&2; exit 64 ;;
esac
"#;

/// Notes the toolchain that is installed.
const RUSTUP: &str = r#"#!/bin/sh
set -eu
test "$1 $2 $4 $5" = "toolchain install --profile minimal"
echo "$3" > "$MACHINE/toolchain"
"#;

/// The user's build.
const MAKE: &str = "#!/bin/sh\ncp \"$MACHINE/$1\" .\n";

/// A service: a CTP client that publishes on NATS under its subjects. It loads the library from the
/// path that the page sets. Its payload has no receive time, so each run publishes the same.
const SERVICE: &str = r#"#!/bin/sh
export MD_RUN_INGEST=1 CTP_GATEWAY_CONNECT="$LD_LIBRARY_PATH" CTP_MD_ADDRESS=tcp://127.0.0.1:1
export CTP_BROKER_ID=b CTP_USER_ID=u CTP_PASSWORD=p CTP_SYMBOL=rb2510.SHFE,m2601.DCE
exec tickdeck live --payload decimal --subject-prefix bars
"#;

/// The CI's machine, with the user's repository.
struct Machine {
    clone: Clone,
    simulated: PathBuf,
    nats_url: Option<String>,
}

impl Machine {
    /// `None` after a visible skip.
    fn new(test: &str) -> Option<Self> {
        let is_there = |command: &mut Command| command.output().is_ok();
        if !is_there(Command::new("git").arg("--version")) {
            skipped(test, "no git");
            return None;
        }
        let clone = Clone::new();
        for name in ["src", "docs", "fixtures", "bin"] {
            std::fs::remove_dir_all(clone.join(name)).unwrap();
        }
        std::fs::create_dir(clone.join("bin")).unwrap();
        std::fs::create_dir(clone.join("ci")).unwrap();
        let script = script(0);
        std::fs::write(clone.join("ci/service.sh"), script).unwrap();
        symlink(repository("."), clone.join("tickdeck")).unwrap();
        let machine = Self {
            clone,
            simulated: PathBuf::new(),
            nats_url: None,
        };
        for (name, text) in [("cargo", CARGO), ("rustup", RUSTUP), ("make", MAKE)] {
            machine.program(&format!("bin/{name}"), text);
        }
        machine.program("bin/my_service", SERVICE);
        let git = format!(
            "git init -q . && git add recordings ci && \
             git update-index --add --cacheinfo 160000,{REVISION},tickdeck && \
             git -c user.name=u -c user.email=u@example.com commit -qm all"
        );
        machine.run("set -e", &git).done();
        Some(machine)
    }

    /// The same with a server and the simulated front.
    fn with_service(test: &str, server: &NatsServer) -> Option<Self> {
        Some(Self {
            simulated: simulated_library(test)?,
            nats_url: Some(server.url()),
            ..Self::new(test)?
        })
    }

    fn program(&self, name: &str, text: &str) {
        let path = self.clone.join(name);
        std::fs::write(&path, text).unwrap();
        let mode = std::fs::Permissions::from_mode(0o755);
        std::fs::set_permissions(path, mode).unwrap();
    }

    fn run(&self, setting: &str, script: &str) -> Ended {
        let mut command = self.clone.command("bash");
        command
            .args(["-c", &format!("{setting}\n{script}")])
            .envs(self.nats_url.iter().map(|url| ("NATS_URL", url)))
            .env("CI", "true")
            .env("GIT_CONFIG_GLOBAL", "/dev/null")
            .env("MACHINE", self.clone.join("bin"))
            .env("BUILT", binary().parent().unwrap())
            .env("SIMULATED", &self.simulated)
            .env("GITHUB_OUTPUT", self.clone.join("output"))
            .env("GITHUB_STEP_SUMMARY", self.clone.join("summary"));
        finish(command)
    }

    fn has(&self, paths: &str) -> bool {
        paths.lines().all(|path| self.clone.join(path).exists())
    }

    /// Runs the steps of a job as GitHub does. Returns the result of the last `run` and everything
    /// that was printed.
    fn github(&self, job: &Value) -> (Ended, String) {
        let mut last: Option<Ended> = None;
        let mut printed = String::new();
        for step in job["steps"].as_array().unwrap() {
            let has_failed = last.as_ref().is_some_and(|ended| ended.code != Some(0));
            match step["if"].as_str() {
                Some("${{ !cancelled() }}") => {}
                // Nothing is in the cache.
                Some("steps.cache.outputs.cache-hit != 'true'") | None if has_failed => continue,
                Some("steps.cache.outputs.cache-hit != 'true'") | None => {}
                Some(other) => panic!("{other}"),
            }
            if let Some(action) = step["uses"].as_str() {
                assert!(ACTIONS.contains(&action), "{action}");
                match action.split('@').next().unwrap() {
                    "actions/checkout" => assert_eq!(step["with"]["submodules"], "true"),
                    "actions/cache" => {
                        let key = self.expand(step["with"]["key"].as_str().unwrap());
                        assert!(key.ends_with(REVISION), "{key}");
                    }
                    _ => assert!(self.has(step["with"]["path"].as_str().unwrap())),
                }
                continue;
            }
            let variables = job["env"].as_object().into_iter().flatten();
            let exports: String = variables
                .map(|(name, value)| {
                    format!("export {name}='{}'\n", self.expand(value.as_str().unwrap()))
                })
                .collect();
            let script = self.expand(step["run"].as_str().unwrap());
            // GitHub's shell of a `run`.
            let ended = self.run(&format!("set -e\n{exports}"), &script);
            printed.push_str(&ended.stdout);
            last = Some(ended);
        }
        (last.unwrap(), printed)
    }

    /// Replaces GitHub's expressions.
    fn expand(&self, text: &str) -> String {
        let expression = Regex::new(r"\$\{\{ *(.*?) *\}\}").unwrap();
        let value = |found: &Captures<'_>| match &found[1] {
            "github.workspace" => self.clone.join("").display().to_string(),
            "runner.os" => "Linux".to_owned(),
            "steps.tickdeck.outputs.revision" => {
                let outputs = std::fs::read_to_string(self.clone.join("output")).unwrap();
                outputs.trim().strip_prefix("revision=").unwrap().to_owned()
            }
            other => panic!("{other}"),
        };
        expression.replace_all(text, value).into_owned()
    }

    /// Runs the scripts of a job as GitLab does.
    fn gitlab(&self, job: &Value) -> Ended {
        assert!(IMAGES.contains(&job["image"].as_str().unwrap()));
        assert_eq!(job["variables"]["GIT_SUBMODULE_STRATEGY"], "normal");
        let lines = ["before_script", "script"].map(|part| job[part].as_array().unwrap().clone());
        let lines: Vec<&str> = lines.iter().flatten().filter_map(Value::as_str).collect();
        self.run("set -eo pipefail", &lines.join("\n"))
    }
}

/// The printed jobs under a heading, in the order of the page.
fn jobs(heading: &str) -> Vec<Value> {
    blocks(PAGE)
        .into_iter()
        .filter(|block| block.heading == heading && block.language == "yaml")
        .map(|block| load(&block.text))
        .collect()
}

/// The printed scripts of the section about services.
fn script(index: usize) -> String {
    let scripts = blocks(PAGE)
        .into_iter()
        .filter(|block| block.heading == "Your service" && block.language == "sh");
    scripts.map(|block| block.text).nth(index).unwrap()
}

/// Replaces a recording by another market.
fn change_quick(machine: &Machine) {
    let words = "generate --profile quick --seed 2 -q --force -o recordings/quick";
    let mut command = machine.clone.command(binary());
    command.args(words.split(' '));
    finish(command).done();
}

#[test]
fn the_toolchain_is_the_oldest_that_works() {
    let manifest = std::fs::read_to_string(repository("Cargo.toml")).unwrap();
    let (_, version) = manifest.split_once("rust-version = \"").unwrap();
    let (version, _) = version.split_once('"').unwrap();
    let page = std::fs::read_to_string(repository(PAGE)).unwrap();
    assert_eq!(page.matches("rustup toolchain install ").count(), 2);
    let install = format!("rustup toolchain install {version} ");
    assert_eq!(page.matches(&install).count(), 2, "{install}");
}

#[test]
fn the_github_check_passes_and_summarizes() {
    let Some(machine) = Machine::new("the check on GitHub") else {
        return;
    };
    let job = &jobs("GitHub Actions")[0]["jobs"]["check"];
    let (ended, printed) = machine.github(job);
    assert_eq!(ended.code, Some(0), "{ended:?}");
    assert!(!printed.contains("::error"), "{printed}");
    let summary = std::fs::read_to_string(machine.clone.join("summary")).unwrap();
    assert_eq!(
        summary,
        "- `recordings/quick`: as recordings/quick.golden.json says, 918 messages\n\
         - `recordings/quirks`: as recordings/quirks.golden.json says, 5,630 messages\n"
    );
    assert!(machine.has("check.html\ncheck.xml"));
}

#[test]
fn the_github_check_annotates_a_difference() {
    let Some(machine) = Machine::new("a difference on GitHub") else {
        return;
    };
    change_quick(&machine);
    let job = &jobs("GitHub Actions")[0]["jobs"]["check"];
    let (ended, printed) = machine.github(job);
    assert_eq!(ended.code, Some(1), "{ended:?}");
    let what = "differs from recordings/quick.golden.json: 914 changed";
    let annotations = annotations(&printed);
    assert_eq!(annotations.len(), 2, "{annotations:?}");
    let expected = format!("::error title=recordings/quick::{what}");
    assert!(annotations[0].starts_with(&expected), "{annotations:?}");
    assert_eq!(annotations[1], ended_with(1));
    let summary = std::fs::read_to_string(machine.clone.join("summary")).unwrap();
    assert!(summary.starts_with(&format!("- `recordings/quick`: {what}")));
    assert_eq!(summary.lines().count(), 2, "{summary}");
}

/// The annotation of each failed check.
fn ended_with(code: i32) -> String {
    format!("::error::tickdeck check ended with exit code {code}")
}

fn annotations(printed: &str) -> Vec<&str> {
    let lines = printed.lines();
    lines.filter(|line| line.starts_with("::error")).collect()
}

#[test]
fn the_github_check_annotates_what_cannot_be_checked() {
    let Some(machine) = Machine::new("a failure on GitHub") else {
        return;
    };
    let job = &jobs("GitHub Actions")[0]["jobs"]["check"];
    let git = "git rm -rq --cached recordings/quick && rm -r recordings/quick";
    machine.run("set -e", git).done();
    let (ended, printed) = machine.github(job);
    assert_eq!(ended.code, Some(1), "{ended:?}");
    let lost: Vec<String> = ["decimal.golden.json", "golden.json", "golden.jsonl.zst"]
        .map(|name| {
            format!(
                "::error title=recordings/quick.{name}::no recording matches it: remove it, or \
                 restore the recording"
            )
        })
        .into();
    let expected: Vec<String> = lost.into_iter().chain([ended_with(1)]).collect();
    assert_eq!(annotations(&printed), expected);

    for name in ["first", "second"] {
        copy(
            &repository("recordings/quick"),
            &machine.clone.join("recordings").join(name),
        );
    }
    std::fs::remove_dir_all(machine.clone.join("tools")).unwrap();
    let (ended, printed) = machine.github(job);
    assert_eq!(ended.code, Some(2), "{ended:?}");
    let annotations = annotations(&printed);
    for name in ["first", "second"] {
        let missing = format!("there is no golden at recordings/{name}.golden.json");
        let is_named = annotations.iter().any(|line| line.contains(&missing));
        assert!(is_named, "{name}: {annotations:?}");
    }
    assert_eq!(*annotations.last().unwrap(), ended_with(2));
}

#[test]
fn the_gitlab_check_finds_a_difference() {
    let Some(machine) = Machine::new("the check on GitLab") else {
        return;
    };
    let job = &jobs("GitLab")[0]["recordings"];
    let ended = machine.gitlab(job);
    assert_eq!(ended.code, Some(0), "{ended:?}");
    let report = job["artifacts"]["reports"]["junit"].as_str().unwrap();
    assert!(machine.has("check.html") && machine.has(report));
    // The second job finds tickdeck in the cache.
    std::fs::remove_file(machine.clone.join("bin/cargo")).unwrap();
    change_quick(&machine);
    assert_eq!(machine.gitlab(job).code, Some(1));
}

#[test]
fn a_service_on_the_front_is_checked() {
    let Some(server) = NatsServer::start("a service in CI") else {
        return;
    };
    let Some(machine) = Machine::with_service("a service in CI", &server) else {
        return;
    };
    let jobs = jobs("Your service");
    let (github, gitlab) = (&jobs[0]["jobs"]["service"], &jobs[1]["service"]);
    for image in [
        &github["services"]["nats"]["image"],
        &gitlab["services"][0]["name"],
    ] {
        assert!(IMAGES.contains(&image.as_str().unwrap()));
    }
    // The server is where the script looks for it.
    assert_eq!(github["services"]["nats"]["ports"][0], "4222:4222");
    assert!(script(0).contains("nats://127.0.0.1:4222"));
    assert_eq!(gitlab["services"][0]["alias"], "nats");
    assert_eq!(gitlab["variables"]["NATS_URL"], "nats://nats:4222");

    // There is no golden yet. The last command creates it with --update.
    let ended = machine.gitlab(gitlab);
    assert_eq!(ended.code, Some(2), "{ended:?}");
    assert!(ended.stderr.contains("bars.golden.json"), "{ended:?}");
    let printed = script(0);
    let (_, last) = printed.rsplit_once("\n\n").unwrap();
    let update = format!("{} --update", last.trim_end());
    let setting = format!("set -e\nPATH=\"$PWD/tools/{REVISION}/bin:$PATH\"");
    machine.run(&setting, &update).done();

    let (ended, _) = machine.github(github);
    assert_eq!(ended.code, Some(0), "{ended:?}");
    assert!(machine.has("out/check.xml\nout/check.html"));
    let published = published(&machine.clone.join("out/bars.jsonl.zst"));
    assert_eq!(published.len(), 115 + 119, "ticks of rb2510 and m2601");
}

#[test]
fn a_service_without_the_front_is_found() {
    let Some(server) = NatsServer::start("a service with another library") else {
        return;
    };
    let Some(machine) = Machine::with_service("a service with another library", &server) else {
        return;
    };
    // The service publishes, but from somewhere else.
    machine.program(
        "my_service",
        "#!/bin/sh\nexec tickdeck replay recordings/quick --subject-prefix bars.x --rate max\n",
    );
    symlink(binary(), machine.clone.join("bin/tickdeck")).unwrap();
    let setting = format!(
        "SIM_LIBRARIES={}\nexport SIM_LIBRARIES",
        machine.clone.join("sim").display()
    );
    std::fs::create_dir(machine.clone.join("sim")).unwrap();
    let ended = machine.run(&setting, "sh ci/service.sh");
    assert_eq!(ended.code, Some(4), "{ended:?}");
    let message = "the service did not log in to the simulated front: see out/service.log";
    assert!(ended.stderr.contains(message), "{ended:?}");
}

#[test]
fn a_capture_that_fails_is_reported() {
    let Some(machine) = Machine::new("a capture that fails in CI") else {
        return;
    };
    machine.program(
        "my_service",
        "#!/bin/sh\necho sim_md_login > \"$TICKDECK_SIM_LOG\"\n",
    );
    std::fs::create_dir(machine.clone.join("sim")).unwrap();
    let setting = "export SIM_LIBRARIES=\"$PWD/sim\"";
    for (capture, code, message) in [
        ("exit 2", 4, "tickdeck capture ended before it was ready"),
        (
            "touch out/ready; sleep 1; exit 3",
            3,
            "tickdeck capture ended with exit code 3",
        ),
    ] {
        machine.program("bin/tickdeck", &format!("#!/bin/sh\n{capture}\n"));
        let ended = machine.run(setting, "sh ci/service.sh");
        assert_eq!(ended.code, Some(code), "{ended:?}");
        assert!(ended.stderr.contains(message), "{ended:?}");
    }
}

#[test]
fn the_printed_field_is_declared_volatile() {
    let clone = Clone::new();
    let line = |time: u32| format!("bars.rb2605 {{\"close\":3110,\"published_at\":{time}}}\n");
    let run = |words: &str| finish(clone.shell(&format!("tickdeck check bars.jsonl {words}")));
    std::fs::write(clone.join("bars.jsonl"), line(1)).unwrap();
    run("--update").done();
    std::fs::write(clone.join("bars.jsonl"), line(2)).unwrap();
    assert_eq!(run("").code, Some(1));
    let golden = clone.join("bars.golden.json");
    let text = std::fs::read_to_string(&golden).unwrap();
    let printed = block(PAGE, "Your service", "json");
    let declared = text.replacen("  \"volatile\": [],\n", &printed, 1);
    assert_ne!(declared, text);
    std::fs::write(golden, declared).unwrap();
    run("").done();
}

/// The lines of a compressed payload stream.
fn published(path: &Path) -> Vec<String> {
    let bytes = zstd::decode_all(std::fs::File::open(path).unwrap()).unwrap();
    let text = String::from_utf8(bytes).unwrap();
    text.lines().map(str::to_owned).collect()
}

#[test]
fn a_service_on_nats_is_captured() {
    let Some(server) = NatsServer::start("a service on NATS in CI") else {
        return;
    };
    let clone = Clone::new();
    // A service that publishes each tick under its subject.
    let mut ticks = RawSubscriber::connect(server.port(), "market.tick.>");
    let mut bars = RawPublisher::connect(server.port());
    let service = std::thread::spawn(move || {
        while let Some((subject, payload)) = ticks.next() {
            let subject = subject.replacen("market.tick.", "bars.", 1);
            bars.publish(&subject, &payload);
        }
    });
    let mut command = clone.shell(&script(1));
    command.env("NATS_URL", server.url());
    finish(command).done();
    let lines = published(&clone.join("out/bars.jsonl.zst"));
    assert_eq!(lines.len(), 918);
    assert!(lines.iter().all(|line| split(line).0.starts_with("bars.")));
    drop(server);
    service.join().unwrap();
}

#[test]
fn the_submodule_is_added_as_printed() {
    let Some(machine) = Machine::new("a submodule") else {
        return;
    };
    // Any repository will do, and git clones a file's only on request.
    let commands = block(PAGE, "tickdeck as a submodule", "sh");
    let setting = "set -e\nexport GIT_ALLOW_PROTOCOL=file TICKDECK_REPOSITORY=\"$PWD/other\"\n\
                   export GIT_AUTHOR_NAME=u GIT_AUTHOR_EMAIL=u@example.com\n\
                   export GIT_COMMITTER_NAME=u GIT_COMMITTER_EMAIL=u@example.com\n\
                   git rm -q --cached tickdeck && rm tickdeck && git commit -qm without\n\
                   git init -q other && git -C other commit -q --allow-empty -m first\n";
    machine.run(setting, &commands).done();
    let ended = machine.run(
        "set -e",
        "git rev-parse HEAD:tickdeck && git -C other rev-parse HEAD",
    );
    let revisions: Vec<String> = ended.done().stdout.lines().map(str::to_owned).collect();
    assert_eq!(revisions[0], revisions[1], "the submodule's commit");
}

#[test]
fn a_recording_is_added_as_printed() {
    let Some(machine) = Machine::new("a recording of one's own") else {
        return;
    };
    std::fs::remove_dir_all(machine.clone.join("recordings")).unwrap();
    let commands = block(PAGE, "A recording of your own", "sh");
    let setting = "set -e\ngit rm -rq --cached recordings";
    symlink(binary(), machine.clone.join("bin/tickdeck")).unwrap();
    machine.run(setting, &commands).done();
    let staged = machine.run("set -e", "git ls-files recordings").done();
    for name in [
        "quick/manifest.json",
        "quick.golden.json",
        "quick.golden.jsonl.zst",
    ] {
        let name = format!("recordings/{name}\n");
        assert!(staged.stdout.contains(&name), "{staged:?}");
    }
    let job = &jobs("GitHub Actions")[0]["jobs"]["check"];
    machine.run("set -e", "rm bin/tickdeck").done();
    let (ended, _) = machine.github(job);
    assert_eq!(ended.code, Some(0), "{ended:?}");
}

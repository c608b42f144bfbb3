//! Every example of `--help`, run as printed by a shell in a terminal, in a folder with the
//! committed recordings.

use std::collections::BTreeMap;
use std::path::Path;
use std::process::{Command, Stdio};

use crate::support::cli::{Ended, Running, binary, command_of, finish, run_words, tickdeck};
use crate::support::ctp::{CANARIES, simulated_library};
use crate::support::nats_client::RawPublisher;
use crate::support::nats_server::{self, NatsServer};
use crate::support::recordings::{Folder, names, repository};
use crate::support::s3_server::S3Server;
use crate::support::shell::CTRL_C;
use crate::support::wait_until;

/// How an example is run.
enum How {
    /// To its end, with this exit code.
    Ends(i32),
    /// Until it has logged this, then Ctrl-C ends it with exit code 0.
    UntilStopped(&'static str),
    /// From its start until a replay has been captured.
    Captures,
    /// While a replay runs.
    DuringReplay,
}

/// The examples, in an order in which each finds what it needs.
const EXAMPLES: &[(&str, How)] = &[
    ("tickdeck verify recordings/*", How::Ends(0)),
    ("tickdeck check recordings/quick", How::Ends(0)),
    ("tickdeck check recordings/quick --update", How::Ends(0)),
    (
        "tickdeck check recordings/* --unreferenced reject --junit check.xml --html check.html",
        How::Ends(0),
    ),
    ("tickdeck info recordings/quick --json", How::Ends(0)),
    (
        "tickdeck cat recordings/quick --symbols rb2510 -n 20",
        How::Ends(0),
    ),
    (
        "tickdeck export recordings/quick --format csv --symbols 'rb*' -o rb.csv",
        How::Ends(0),
    ),
    (
        "tickdeck export recordings/quick --format parquet -o quick.parquet",
        How::Ends(0),
    ),
    // They differ.
    (
        "tickdeck diff recordings/quick recordings/quirks",
        How::Ends(1),
    ),
    (
        "tickdeck diff before.jsonl.zst after.jsonl --ignore local_time,seq --json",
        How::Ends(0),
    ),
    // The quick recording has no stale tick, and the contracts are the same.
    (
        "tickdeck diff recordings/quick --b-contracts new.csv --b-drop stale",
        How::Ends(0),
    ),
    (
        "tickdeck generate --profile quick --seed 7 -o recordings/mine",
        How::Ends(0),
    ),
    (
        "tickdeck slice recordings/quirks -S 09:00 -E 10:15 --exchange SHFE -o recordings/morning",
        How::Ends(0),
    ),
    (
        "tickdeck merge recordings/quick recordings/quirks -o recordings/both",
        How::Ends(0),
    ),
    (
        "tickdeck import dumps/20250911/*.csv.zst -o recordings/2025-09-11",
        How::Ends(0),
    ),
    (
        "tickdeck import ticks.csv --map px=LastPrice --map at=recv_ts --ignore mood -o ticks",
        How::Ends(0),
    ),
    (
        "tickdeck import rb888.csv --trust-exchange -o rb888",
        How::Ends(0),
    ),
    (
        "tickdeck import day.csv --dialect vnpy -o day",
        How::Ends(0),
    ),
    (
        "tickdeck replay recordings/quirks -S 21:00 -E 23:00 --symbols 'rb*' --rate max --sink jsonl:-",
        How::Ends(0),
    ),
    (
        "tickdeck replay recordings/quick --rate 10 --subject-prefix replay.tick",
        How::Ends(0),
    ),
    (
        "tickdeck record --source synthetic:day,seed=7 -o recordings/day --publish --rate 1",
        How::UntilStopped("nats_connected"),
    ),
    (
        "tickdeck capture -o out.jsonl.zst --duration 5m",
        How::Captures,
    ),
    (
        "tickdeck capture 'bars.>' --subject-prefix market.tick --linger 2s -o bars.jsonl --json",
        How::Captures,
    ),
    ("tickdeck health --timeout 5s --json", How::DuringReplay),
    ("tickdeck doctor --env-file live.env --json", How::Ends(0)),
    (
        "tickdeck smoke --env-file live.env --gate gate.yml",
        How::Ends(0),
    ),
    (
        "tickdeck live --env-file live.env --record recordings/2026-01-05-day --log-format json",
        How::UntilStopped("ctp_subscribed"),
    ),
    // It was stopped cleanly, so there is nothing to recover.
    ("tickdeck recover recordings/2026-01-05-day", How::Ends(0)),
    (
        "tickdeck live --env-file live.env --record-under sessions",
        How::UntilStopped("ctp_subscribed"),
    ),
    (
        "tickdeck record --source synthetic:quick,trading_day=2026-01-05 --record-under sessions",
        How::Ends(0),
    ),
    (
        "tickdeck ls sessions --trading-day 2026-01-05 --json",
        How::Ends(0),
    ),
    // None of its instruments has so many ticks.
    (
        "tickdeck coverage sessions --trading-day 2026-01-05 --hours all --min-ticks 1000",
        How::Ends(3),
    ),
    (
        "tickdeck coverage recordings/quick --hours recorded --json",
        How::Ends(0),
    ),
    (
        "tickdeck push recordings/quick s3://ticks/quick",
        How::Ends(0),
    ),
    (
        "tickdeck push sessions s3://ticks/sessions --trading-day 2026-01-05 --json",
        How::Ends(0),
    ),
    (
        "tickdeck pull s3://ticks/quick recordings/pulled",
        How::Ends(0),
    ),
    (
        "tickdeck pull s3://ticks/sessions pulled --trading-day 2026-01-05",
        How::Ends(0),
    ),
    (
        "tickdeck prune sessions --keep-days 30 --dry-run",
        How::Ends(0),
    ),
    (
        "tickdeck prune sessions --keep-days 90 --max-bytes 500GB --json",
        How::Ends(0),
    ),
    ("tickdeck sim run -- python3 strategy.py", How::Ends(0)),
    (
        "tickdeck sim run --source recordings/quick --rate max --json -- ./my_client",
        How::Ends(0),
    ),
    ("tickdeck sim env --source recordings/quick", How::Ends(0)),
    ("tickdeck demo --rate 10", How::Ends(0)),
    ("tickdeck completions bash --install", How::Ends(0)),
    (
        "tickdeck completions zsh -o /usr/local/share/zsh/site-functions",
        How::Ends(0),
    ),
    ("tickdeck completions powershell >> $PROFILE", How::Ends(0)),
    (
        "tickdeck man --install && man tickdeck-replay",
        How::Ends(0),
    ),
    ("tickdeck man -o /usr/local/share/man/man1", How::Ends(0)),
];

/// The lines after `Example:` or `Examples:` in the help of every verb.
fn printed() -> Vec<String> {
    let help = run_words("--help").done().stdout;
    // The groups of verbs are between the usage and the options.
    let (_, commands) = help.split_once("<COMMAND>\n").unwrap();
    let (commands, _) = commands.split_once("\nOptions:").unwrap();
    let verbs = commands.lines().filter_map(|line| {
        let is_verb = line.starts_with("  ") && !line.starts_with("   ");
        line.split_whitespace()
            .next()
            .filter(|verb| is_verb && *verb != "help")
    });
    let mut examples = Vec::new();
    for verb in verbs {
        let help = run_words(&format!("{verb} --help")).done().stdout;
        let (_, after) = help.rsplit_once("\nExample").unwrap();
        let lines = after.lines().skip(1).map(|line| line.trim().to_owned());
        examples.extend(lines.filter(|line| !line.is_empty()));
    }
    examples
}

/// The folder of a user who tries the examples.
struct Home<'a> {
    folder: Folder,
    server: &'a NatsServer,
    store: &'a S3Server,
}

impl<'a> Home<'a> {
    fn new(
        server: &'a NatsServer,
        store: &'a S3Server,
        library: &Path,
        nats_server: &Path,
    ) -> Self {
        let home = Self {
            folder: Folder::new(),
            server,
            store,
        };
        let folder = &home.folder;
        let make = |name: &str| std::fs::create_dir_all(folder.join(name)).unwrap();
        make("recordings");
        for name in names(&repository("recordings")) {
            let from = repository("recordings").join(&name);
            let name = format!("recordings/{name}");
            if from.is_dir() {
                folder.copy_of(&from, &name);
            } else {
                std::fs::copy(from, folder.join(&name)).unwrap();
            }
        }
        // The program, the server of the demo, and a reader of manual pages.
        make("bin");
        for (name, program) in [("tickdeck", binary()), ("nats-server", nats_server)] {
            std::os::unix::fs::symlink(program, folder.join("bin").join(name)).unwrap();
        }
        let man = "#!/bin/sh\nexec test -s \"$HOME/.local/share/man/man1/$1.1\"\n";
        std::fs::write(folder.join("bin/man"), man).unwrap();
        finish({
            let mut command = command_of("chmod");
            command.arg("+x").arg(folder.join("bin/man"));
            command
        })
        .done();
        home.write_inputs(library);
        home
    }

    fn write_inputs(&self, library: &Path) {
        let folder = &self.folder;
        std::fs::create_dir_all(folder.join("dumps/20250911")).unwrap();
        for (words, path) in [
            ("export --symbols rb*", "dumps/20250911/rb.csv.zst"),
            ("export --symbols TA*", "dumps/20250911/ta.csv.zst"),
            ("export --format payload", "before.jsonl.zst"),
            ("export --format payload", "after.jsonl"),
        ] {
            let mut command = tickdeck(words.split(' '));
            command.arg(folder.join("recordings/quick"));
            finish({
                command.arg("-o").arg(folder.join(path));
                command
            })
            .done();
        }
        let write = |name: &str, text: &str| std::fs::write(folder.join(name), text).unwrap();
        write(
            "ticks.csv",
            "InstrumentID,TradingDay,UpdateTime,UpdateMillisec,px,at,mood\n\
             rb2605,20260105,09:00:00,500,3110,1767574800612,good\n",
        );
        write("new.csv", "instrument_id,exchange\nrb2510,SHFE\n");
        for (name, dump) in [("rb888.csv", "vnpy_rb888.csv"), ("day.csv", "vnpy_nan.csv")] {
            let dump = repository("fixtures/dumps").join(dump);
            std::fs::copy(dump, folder.join(name)).unwrap();
        }
        let mut settings = format!(
            "MD_RUN_INGEST=1\nCTP_SYMBOL=rb2510.SHFE\nCTP_MD_ADDRESS=tcp://127.0.0.1:1\n\
             CTP_GATEWAY_CONNECT={}\n",
            library.display()
        );
        for (name, value) in CANARIES {
            settings.push_str(&format!("{name}={value}\n"));
        }
        write("live.env", &settings);
        // The clients of `sim run`: a CTP client, and what starts it.
        write(
            "my_client",
            "#!/bin/sh\nexec tickdeck smoke --env-file live.env --gate sim.yml\n",
        );
        write(
            "strategy.py",
            "import os\nos.execv(\"./my_client\", [\"my_client\"])\n",
        );
        finish({
            let mut command = command_of("chmod");
            command.arg("+x").arg(folder.join("my_client"));
            command
        })
        .done();
    }

    fn command(&self, example: &str) -> Command {
        let folder = self.folder.path();
        let mut path = folder.join("bin").into_os_string();
        path.push(":");
        path.push(std::env::var_os("PATH").unwrap_or_default());
        let mut command = command_of("script");
        // A test writes nothing into the system.
        let example = example.replace("/usr/local", "usr-local");
        command
            .args(["-qec", &example, "/dev/null"])
            .stdin(Stdio::piped())
            .current_dir(folder)
            .env("SHELL", "/bin/bash")
            .env("HOME", folder)
            .env("PROFILE", folder.join("profile.ps1"))
            .env_remove("XDG_DATA_HOME")
            .env("XDG_STATE_HOME", folder.join("state"))
            .env("PATH", path)
            .env("NATS_URL", self.server.url())
            .env("TICKDECK_SIM_SOURCE", "recording:recordings/quick")
            .envs(self.store.environment());
        command
    }

    fn run(&self, example: &str, how: &How) -> Ended {
        let start = |example: &str| Running::start(self.command(example));
        let wait_for = |running: &Running, event: &str| {
            wait_until(event, || running.stdout().contains(event));
        };
        match how {
            How::Ends(_) => start(example).wait(),
            How::UntilStopped(event) => {
                let mut running = start(example);
                wait_for(&running, event);
                running.type_text(CTRL_C);
                running.wait()
            }
            How::Captures => {
                let running = start(example);
                wait_for(&running, "capture_ready");
                let mut bars = RawPublisher::connect(self.server.port());
                bars.publish("bars.rb2510", b"{\"close\":3110}");
                start("tickdeck replay recordings/quick --rate max")
                    .wait()
                    .done();
                running.wait()
            }
            How::DuringReplay => {
                let mut replay = start("tickdeck replay recordings/quick --rate 1");
                wait_for(&replay, "nats_connected");
                let ended = start(example).wait();
                replay.type_text(CTRL_C);
                replay.wait().done();
                ended
            }
        }
    }
}

#[test]
fn every_example_runs_as_printed() {
    let printed = printed();
    let known: Vec<&str> = EXAMPLES.iter().map(|(example, _)| *example).collect();
    let mut sorted = [known.clone(), printed.iter().map(String::as_str).collect()];
    sorted.iter_mut().for_each(|list| list.sort_unstable());
    assert_eq!(sorted[0], sorted[1], "the table lists every example once");

    let Some(nats_server) = nats_server::binary("the examples") else {
        return;
    };
    let Some(server) = NatsServer::start("the examples") else {
        return;
    };
    let Some(store) = S3Server::start("the examples") else {
        return;
    };
    let Some(library) = simulated_library("the examples") else {
        return;
    };
    let home = Home::new(&server, &store, &library, &nats_server);
    let mut wrong = BTreeMap::new();
    for (example, how) in EXAMPLES {
        let ended = home.run(example, how);
        let code = match how {
            How::Ends(code) => *code,
            How::UntilStopped(_) | How::Captures | How::DuringReplay => 0,
        };
        if ended.code != Some(code) {
            wrong.insert(*example, format!("{ended:?}"));
        }
    }
    assert!(wrong.is_empty(), "{wrong:#?}");
}

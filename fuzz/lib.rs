//! What is done with the bytes of a stranger: one function a target.
//!
//! Each takes a whole file and uses it as the commands do, from opening it to the last row. Refusing
//! it is fine. A panic, a hang, unbounded memory or a broken promise is a finding.
//!
//! The fuzz targets call these functions, and so do the tests in `tests/hostile/`, with the files of
//! `corpus/` and `findings/`. `docs/security.md` says how to run and extend them.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use tickdeck::calendar::TradingCalendar;
use tickdeck::check::{
    Alignment, Golden, Messages as _, PublishedMessages, StreamFile, compare, publisher_options,
    without_fields,
};
use tickdeck::contents::Contents;
use tickdeck::contract::{Contract, ContractTable, ProductTable, parse_contract_file};
use tickdeck::encode::control::EndMarker;
use tickdeck::event::RawTick;
use tickdeck::import::{ImportOptions, ImportSource};
use tickdeck::nats::{LINE_MAX, MESSAGE_MAX, ServerBytes};
use tickdeck::progress::Silent;
use tickdeck::recording::{EventFilter, Recording, RecordingError, recover, verify};
use tickdeck::source::Source as _;
use tickdeck::time::{TradingDay, UnixNanos};
use tickdeck_core::clock::MonoNanos;
use tickdeck_front::faults::{Faults, Happening, Script, swarm};

/// The files that stand beside the one from a stranger.
const MANIFEST: &[u8] = include_bytes!("../recordings/quick/manifest.json");
const SEGMENT: &[u8] = include_bytes!("corpus/segment/own.parquet");
/// Of a recording whose writer was killed before its first segment.
const UNFINISHED: &[u8] = include_bytes!("corpus/manifest/unfinished.json");

/// Events and messages that are read of one input, and ticks that a fault script sees.
const MOST: usize = 100_000;
/// Values that a text format may hold, as far as the checks here look at them.
const DAYS: [&[u8]; 3] = [b"20250101", b"20251001", b"20991231"];

/// A target: its name, and what it does with an input.
type Target = (&'static str, fn(&[u8]));

/// Every target by its name, which is that of its folders below `corpus/` and `findings/`.
pub const TARGETS: [Target; 11] = [
    ("calendar", calendar),
    ("contracts", contracts),
    ("dump", dump),
    ("fault_script", fault_script),
    ("golden", golden),
    ("journal", journal),
    ("manifest", manifest),
    ("nats_server", nats_server),
    ("payload_stream", payload_stream),
    ("products", products),
    ("segment", segment),
];

/// Files in a folder of their own. It is removed when this is dropped.
struct Files(tempfile::TempDir);

impl Files {
    fn new(files: &[(&str, &[u8])]) -> Self {
        let folder = tempfile::tempdir().expect("a temporary folder");
        for (name, content) in files {
            std::fs::write(folder.path().join(name), content).expect("a temporary file");
        }
        Self(folder)
    }

    fn path(&self, name: &str) -> PathBuf {
        self.0.path().join(name)
    }

    fn folder(&self) -> &Path {
        self.0.path()
    }
}

/// A segment, opened alone: read whole, in part, past damage, and published.
pub fn segment(bytes: &[u8]) {
    let files = Files::new(&[("part-00000.parquet", bytes)]);
    let path = files.path("part-00000.parquet");
    if let Ok(recording) = Recording::open_salvage(&path) {
        use_recording(&recording);
    }
    // Without a manifest, the segments of a folder are what is left.
    if let Ok(recording) = Recording::open_salvage(files.folder()) {
        read(&recording, EventFilter::default(), true).expect("damage is passed over");
    }
}

/// `manifest.json` of a recording whose other files are sound.
pub fn manifest(bytes: &[u8]) {
    let files = Files::new(&[("manifest.json", bytes), ("part-00000.parquet", SEGMENT)]);
    if let Ok(recording) = Recording::open(files.folder()) {
        for segment in recording.segments() {
            let parent = segment.parent();
            assert_eq!(
                parent,
                Some(files.folder()),
                "a segment outside of its folder"
            );
        }
        use_recording(&recording);
    }
}

/// The journal of a recording whose writer was killed, as it is and with right checksums: read,
/// recovered, and read again.
pub fn journal(bytes: &[u8]) {
    let resealed = resealed(bytes);
    for bytes in std::iter::once(bytes).chain(resealed.as_deref()) {
        let files = Files::new(&[("manifest.json", UNFINISHED), ("journal-00000.tdj", bytes)]);
        let Ok(unfinished) = Recording::open(files.folder()) else {
            continue;
        };
        use_recording(&unfinished);
        let found = events(&unfinished);
        let Ok(recovery) = recover(files.folder()) else {
            continue;
        };
        let recovered = Recording::open(files.folder()).expect("a recovered recording opens");
        assert_eq!(events(&recovered), found, "a recovery changed events");
        assert_eq!(recovery.events, found.len() as u64);
        // The folder has no contract table, and a recovery makes none up.
        let findings = verify(&recovered, &mut |_| {}).findings;
        assert!(
            findings
                .iter()
                .all(|it| it.file.ends_with("contracts.parquet"))
        );
    }
}

/// A journal with the checksums that belong to its bytes: no mutation finds them. `None` without a
/// header.
fn resealed(bytes: &[u8]) -> Option<Vec<u8>> {
    const CHECKSUM: usize = 16;
    const BLOCK_HEAD: usize = 16;
    let word = |at: usize| {
        let word = bytes.get(at..at + 4)?.try_into().ok()?;
        Some(u32::from_le_bytes(word) as usize)
    };
    let mut sealed = bytes.to_vec();
    let mut before = Vec::new();
    // The header of the file, then each block: where its own header ends, and where its content does.
    let (mut start, mut head) = (0, word(8)?.checked_add(12)?);
    let mut content = head.checked_add(CHECKSUM)?;
    while content <= bytes.len() {
        let parts = [
            &before,
            &bytes[start..head],
            &bytes[head + CHECKSUM..content],
        ]
        .concat();
        before = blake3::hash(&parts).as_bytes()[..CHECKSUM].to_vec();
        sealed[head..head + CHECKSUM].copy_from_slice(&before);
        (start, head) = (content, content + BLOCK_HEAD);
        let Some(length) = word(start) else { break };
        content = (head + CHECKSUM).checked_add(length)?;
    }
    Some(sealed)
}

/// The events of a recording, as text: a NaN is equal to itself.
fn events(recording: &Recording) -> Vec<String> {
    let mut reader = recording.reader(EventFilter::default());
    let mut events = Vec::new();
    reader
        .next_events(&mut events, usize::MAX)
        .expect("an intact recording is read");
    events.iter().map(|event| format!("{event:?}")).collect()
}

/// `contracts.parquet` of a recording whose other files are sound.
pub fn contracts(bytes: &[u8]) {
    let files = Files::new(&[
        ("manifest.json", MANIFEST),
        ("part-00000.parquet", SEGMENT),
        ("contracts.parquet", bytes),
    ]);
    // A pointer of Git LFS is noticed at once.
    let Ok(recording) = Recording::open(files.folder()) else {
        return;
    };
    let mut table = ContractTable::builtin();
    if recording.contracts(&mut table).is_ok() {
        resolve(&table);
        publish(&recording);
    }
}

/// A dump in any dialect, packed or not, imported with and without its bad rows.
pub fn dump(bytes: &[u8]) {
    let name = "SHFE.rb2601_20250911.csv";
    let files = Files::new(&[(name, bytes)]);
    let plain = ImportOptions::default();
    let tolerant = ImportOptions {
        skip_bad: true,
        trust_exchange: true,
        trading_day: TradingDay::parse_ctp(b"20250911"),
        symbol: Some("rb2601.SHFE".into()),
        ..ImportOptions::default()
    };
    for options in [plain, tolerant] {
        let contracts = Arc::new(ContractTable::builtin());
        let calendar = Arc::new(TradingCalendar::builtin());
        let opened = ImportSource::open(&[files.path(name)], options, contracts, calendar);
        let Ok(mut source) = opened else { continue };
        let (mut events, mut read) = (Vec::new(), 0);
        while read < MOST && source.next_batch(&mut events, 1024).is_ok() && !events.is_empty() {
            for event in &events {
                assert_eq!(event.seq.0, read as u64, "a gap in seq");
                read += 1;
            }
            events.clear();
        }
        // What the command prints and keeps.
        let _ = (source.info(), source.report().dialects());
        let _ = (source.renamed_instruments(), source.doubtful_instruments());
        let _ = source.trusted_contracts();
    }
}

/// A fault script of the simulated front, run against a day of ticks. The same bytes are tried as
/// the words of drawn faults.
pub fn fault_script(bytes: &[u8]) {
    let Ok(text) = std::str::from_utf8(bytes) else {
        return;
    };
    let scripts = [
        Script::parse(text, Path::new("script.toml")).ok(),
        swarm::draw(text).ok(),
    ];
    for script in scripts.into_iter().flatten() {
        for rule in &script.rules {
            assert!(!rule.log_fields().is_empty());
        }
        let mut faults = Faults::new(script).with_fronts(vec!["tcp://127.0.0.1:41213".into()]);
        for number in 0..300_i64 {
            let now = MonoNanos(number * 500_000_000);
            if number % 60 == 0 {
                let _ = faults.connection();
                faults.connected(now);
                let _ = (faults.login_error(now), faults.request(now));
            }
            let mut happenings = 0;
            // Silence is a state, not an event.
            let is_event = |it: &Happening| !matches!(it, Happening::SilentUntil(_));
            while faults.happening(now).as_ref().is_some_and(is_event) && happenings < MOST {
                happenings += 1;
            }
            assert!(happenings < MOST, "happenings without end");
            let tick = RawTick::default();
            let _ = (faults.loses_snapshot(), faults.tick(tick, now));
            let _ = faults.next_happening(now);
            faults.sent(&tick);
            if number % 60 == 59 {
                faults.disconnected();
            }
        }
        let _ = faults.last_held();
    }
}

/// A payload stream, read, and compared with itself and with an accepted one.
pub fn payload_stream(bytes: &[u8]) {
    const ACCEPTED: &[u8] =
        b"market.tick.SHFE.rb2601 {\"symbol\":\"rb2601\",\"last_price\":3100,\"seq\":1}\n\
        market.tick.SHFE.rb2601 {\"symbol\":\"rb2601\",\"last_price\":3101,\"seq\":2}\n";
    let files = Files::new(&[("a.jsonl", bytes), ("accepted.jsonl", ACCEPTED)]);
    let open = |name: &str| StreamFile::open(&files.path(name)).expect("a thread");
    let (mut stream, mut read) = (open("a.jsonl"), 0);
    while let Ok(Some(chunk)) = stream.next_chunk() {
        for message in chunk.messages.iter() {
            assert_subject(message.subject);
            let _ = EndMarker::parse(message.payload);
            if let Ok(text) = std::str::from_utf8(message.payload) {
                let _ = without_fields(text, &["seq".into(), "local_time".into()]);
            }
            read += 1;
        }
        if read > MOST {
            return;
        }
    }
    for alignment in [Alignment::Seq, Alignment::Content] {
        let (first, second) = (open("a.jsonl"), open("a.jsonl"));
        if let Ok(same) = compare(first, second, alignment, &[], 5, &mut |_| true) {
            assert!(same.is_equal(), "a stream differs from itself");
        }
        let (accepted, found) = (open("accepted.jsonl"), open("a.jsonl"));
        let _ = compare(accepted, found, alignment, &["seq".into()], 5, &mut |_| {
            true
        });
    }
}

/// A golden, or a payload stream in place of one.
pub fn golden(bytes: &[u8]) {
    let files = Files::new(&[("a.golden.json", bytes)]);
    let path = files.path("a.golden.json");
    let Ok(Some(golden)) = Golden::read(&path) else {
        return;
    };
    let stream = golden.stream.as_deref();
    let is_name = |name: &str| Path::new(name).file_name() == Some(name.as_ref());
    assert!(
        stream.is_none_or(is_name),
        "a stream outside of the golden's folder"
    );
    let _ = golden.volatile_fields();
    if golden.write(&path).is_ok() && !golden.is_bare_stream {
        let again = Golden::read(&path).expect("a golden that was written is read");
        assert!(again.is_some_and(|again| golden.has_the_same_text(&again)));
    }
}

/// A calendar file.
pub fn calendar(bytes: &[u8]) {
    let Ok(text) = std::str::from_utf8(bytes) else {
        return;
    };
    let Ok(calendar) = TradingCalendar::parse(text) else {
        return;
    };
    let written = calendar.to_text();
    let again = TradingCalendar::parse(&written).expect("a calendar that was written is read");
    assert_eq!(again.to_text(), written);
    let overlaid = TradingCalendar::builtin().overlaid_with(&calendar);
    for calendar in [calendar, overlaid] {
        let _ = calendar.digest();
        for day in DAYS.into_iter().filter_map(TradingDay::parse_ctp) {
            let next = calendar.next_trading_day(day.0);
            assert!(next.0 > day.0, "{next:?} follows {day:?}");
            assert!(calendar.prev_trading_day(day.0).0 < day.0);
            let _ = (calendar.opens_at_night(day), calendar.coverage(day.0));
        }
        for recv_ts in [i64::MIN, -1, 0, 1_757_600_000_000_000_000, i64::MAX] {
            let _ = calendar.trading_day_of(UnixNanos(recv_ts));
        }
    }
}

/// What a NATS server says, at once and byte by byte.
pub fn nats_server(bytes: &[u8]) {
    let read = |piece: usize| {
        let (mut input, mut read) = (ServerBytes::default(), Vec::new());
        for piece in bytes.chunks(piece) {
            input.buffer().extend_from_slice(piece);
            loop {
                match input.next_op() {
                    Ok(Some(op)) => read.push(format!("{op:?}")),
                    Ok(None) => break,
                    Err(error) => {
                        read.push(error.to_string());
                        return read;
                    }
                }
            }
            assert!(
                input.len() < LINE_MAX + MESSAGE_MAX + 64,
                "{} bytes are kept",
                input.len()
            );
        }
        read
    };
    let at_once = read(bytes.len().max(1));
    assert_eq!(at_once, read(1), "pieces change what is read");
}

/// A product table, or a contract file.
pub fn products(bytes: &[u8]) {
    let builtin = ProductTable::builtin();
    if let Ok(contracts) = parse_contract_file(bytes, Path::new("contracts.csv"), &builtin) {
        use_contracts(ContractTable::builtin(), contracts);
    }
    let parsed = std::str::from_utf8(bytes).map(ProductTable::parse);
    if let Ok(Ok(products)) = parsed {
        let written = products.to_text();
        let again = ProductTable::parse(&written).expect("a table that was written is read");
        assert_eq!(again.to_text(), written);
        resolve(&ContractTable::with_products(products));
    }
}

fn use_contracts(mut table: ContractTable, contracts: Vec<Contract>) {
    for contract in &contracts {
        let id = contract.instrument_id.as_bytes();
        assert!(
            id.iter().all(|byte| matches!(byte, b' '..=b'~')),
            "{contract:?}"
        );
    }
    table.extend(contracts);
    resolve(&table);
}

/// Looks up instruments of each form in a table, and everything that it has.
fn resolve(table: &ContractTable) {
    let _ = table.digest();
    let forms: [&[u8]; 5] = [
        b"rb2601",
        b"SR601C5500",
        b"SPD RM601&RM605",
        b"m2601-C-3000",
        b"\xff",
    ];
    let own = table
        .explicit()
        .map(|contract| contract.instrument_id.as_bytes());
    for id in forms.into_iter().chain(own.take(MOST)) {
        for day in DAYS.into_iter().filter_map(TradingDay::parse_ctp) {
            if let Ok(contract) = table.resolve_on(id, Some(day)) {
                let _ = table.hours_on(&contract, day);
            }
        }
    }
}

/// What `info`, `cat`, `slice`, `replay` and `check` do with a recording.
fn use_recording(recording: &Recording) {
    let _ = (recording.time_range(), recording.calendar());
    let _ = recording.estimate(&EventFilter::default());
    let _ = Contents::read(recording, &mut Silent);
    let _ = read(recording, EventFilter::default(), false);
    let some = EventFilter {
        start: Some(UnixNanos(1_757_000_000_000_000_000)),
        instruments: Some(Arc::new(|id| id.as_bytes().len() % 2 == 0)),
        ..EventFilter::default()
    };
    let _ = read(recording, some, true);
    publish(recording);
}

fn read(recording: &Recording, filter: EventFilter, salvage: bool) -> Result<(), RecordingError> {
    let mut reader = recording.reader(filter).salvage(salvage);
    let (mut events, mut read) = (Vec::new(), 0);
    while read < MOST {
        events.clear();
        reader.next_events(&mut events, 4096)?;
        if events.is_empty() {
            break;
        }
        read += events.len();
    }
    Ok(())
}

/// Publishes a recording as `check` does.
fn publish(recording: &Recording) {
    let Ok(options) = publisher_options(recording) else {
        return;
    };
    let mut messages = PublishedMessages::of(recording, options);
    while let Ok(Some(chunk)) = messages.next_chunk() {
        for message in chunk.messages.iter() {
            assert_subject(message.subject);
            assert!(!message.payload.contains(&b'\n'), "a payload of two lines");
        }
    }
}

/// A subject is one line without a space: NATS's protocol and payload streams rely on it.
fn assert_subject(subject: &[u8]) {
    let is_safe = |byte: &u8| !byte.is_ascii_control() && *byte != b' ';
    assert!(
        !subject.is_empty() && subject.iter().all(is_safe),
        "{subject:?}"
    );
}

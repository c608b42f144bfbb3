//! Phrases that no document, help text, message or comment contains.
//!
//! Each is foreign idiom or personifies a program. The list says what to write instead.

use std::fs;
use std::path::Path;

use regex::{Captures, Regex};

use super::{assert_none, files, files_if_any, root};

/// Phrases as regular expressions, without regard to case, with what to write instead.
const INSTEAD: [(&str, &str); 44] = [
    (r"\b(lets?|letting) go of\b", "release"),
    (r"\bmend(s|ed|ing)?\b", "fix"),
    (r"\bwish(es|ed)?\b", "request"),
    (
        r"\b(who|some|any)(body|ever)\b|\bnobody\b",
        "name the reader, the client or the thread",
    ),
    (r"\bfor ever\b", "without limit"),
    (r"\banew\b", "again"),
    (
        r"\b(is|are|was|were|goes|gone|went) away\b",
        "unreachable, lost",
    ),
    (r"\bof (its|their|our) own\b", "its, separate"),
    (r"\b(refuse[sd]?|closed?|gone) for good\b", "permanently"),
    (r"\b(can|could)(not| not)? go on\b", "continue"),
    (r"\b(is|are|was|were) of no use\b", "is not usable"),
    (r"\bgoes before everything\b", "takes precedence"),
    (r"\btake in the (live )?market\b", "ingest"),
    (r"\bstands at the end\b", "is listed at the end"),
    (
        r"\bhas nothing to (answer|say|do with)\b",
        "say what is not needed",
    ),
    (r"\bwhat is left of\b", "the remaining, the rest of"),
    (r"\bwhen someone last\b", "the accepted goldens"),
    (r"\bwas no quiet day\b", "it never logged in"),
    (r"\bagain and again\b", "repeatedly"),
    (r"\bare not told\b", "was not delivered"),
    (r"\bin good order\b", "cleanly"),
    (
        r"\bask(s|ed|ing)? (\w+ )*how (it|they) (is|are)\b|\bask(s|ed)? it how\b",
        "query its health",
    ),
    (
        r"\b(of|than|like|find nothing of) ours\b|\bour own\b",
        "tickdeck's",
    ),
    (r"\bcannot be had\b", "is unavailable"),
    (r"\bwhat (it|they) published when\b", "the accepted golden"),
    (r"\bcome to an? (end|answer|verdict)\b", "end"),
    (
        r"\bsp(eaks?|eaking|oke|oken) (of|to|for)\b",
        "connect to, name",
    ),
    (r"\bthe world outside\b", "the system"),
    (r"\blet_go\b", "released"),
    (r"\b(goes|went|going) on\b", "continue"),
    (r"\bof help( only)?\b|\bhelped by\b", "optional"),
    (r"\bheld against\b", "compared with"),
    (r"\b(is|are|was|were|be) told\b", "reported, distinguished"),
    (r"\bsaid once\b", "logged once"),
    (r"\b(is|has) no condition\b", "is not required"),
    (r"\bget (it|them) again\b", "download it again"),
    (
        r"\bno (ordinary|regular) file\b|\bordinary file\b",
        "not a regular file",
    ),
    (r"\b(is|are|was|were) no\b", "is not a"),
    (r"\bno whole\b", "incomplete"),
    (r"\bis another one\b", "differs"),
    (r"\bdates? lies?\b", "is wrong"),
    (r"\ball the same\b", "still, nevertheless"),
    (r"\bany more\b", "no longer, nothing more"),
    (
        r"\b(for want of|in vain|puts? right)\b",
        "say what is missing, or fixed",
    ),
];

/// Where the words of a phrase above are plain English.
const PLAIN: &str = r"\b(there|here) (is|are|was|were) no\b|\b(is|are|was|were) no longer\b";

/// Files that are not read.
const EXEMPT: [&str; 2] = [
    // Names the phrases.
    "tests/tidy/words.rs",
    // Recordings and goldens carry the digest of its bytes.
    "src/core/contract/products.csv",
];

/// The phrases, compiled.
struct Phrases {
    /// Any of them. One pass over a text is enough where nothing is found.
    any: Regex,
    each: Vec<(Regex, &'static str)>,
    /// Where the words are plain English.
    plain: Regex,
    /// The marker at the beginning of a comment line.
    marker: Regex,
}

impl Phrases {
    fn new() -> Self {
        // A phrase may continue on the next line of a comment or string.
        let over_lines = |phrase: &str| phrase.replace(' ', r"(?:[\s\\]+)");
        let patterns = INSTEAD.map(|(phrase, _)| over_lines(phrase));
        let compile = |pattern: &str| Regex::new(&format!("(?i){pattern}")).unwrap();
        let betters = INSTEAD.map(|(_, better)| better);
        Self {
            any: compile(&patterns.join("|")),
            each: patterns
                .iter()
                .map(|one| compile(one))
                .zip(betters)
                .collect(),
            plain: compile(&over_lines(PLAIN)),
            marker: Regex::new(r"(?m)^[ \t]*(//[/!]?|#)").unwrap(),
        }
    }

    /// One problem per phrase in `text`, each with its line.
    fn found_in(&self, text: &str) -> Vec<String> {
        let text = self.marker.replace_all(text, "");
        // The line breaks stay, for the line numbers.
        let text = self.plain.replace_all(&text, |plain: &Captures<'_>| {
            "\n".repeat(plain[0].matches('\n').count())
        });
        self.any
            .find_iter(&text)
            .map(|hit| {
                let line = text[..hit.start()].matches('\n').count() + 1;
                let hit = hit.as_str();
                let found = self.each.iter().find(|(phrase, _)| phrase.is_match(hit));
                let better = found.map_or("", |(_, better)| better);
                let words: Vec<&str> = hit.split_whitespace().collect();
                format!("{line}: \"{}\": {better}", words.join(" "))
            })
            .collect()
    }
}

#[test]
fn texts_contain_no_banned_phrase() {
    let phrases = Phrases::new();
    let mut pages = super::documents::pages();
    for folder in ["src", "ffi", "sim", "tests", ".cargo"] {
        pages.extend(files(&root().join(folder), "rs"));
    }
    pages.extend(files(&root().join("src"), "snap"));
    // Settings, tables, scripts and container recipes have comments too.
    for folder in ["src", "ffi", "sim", "docs", "fixtures", ".config", ".cargo"] {
        for extension in [
            "toml", "csv", "py", "yml", "yaml", "c", "h", "cpp", "sh", "txt",
        ] {
            pages.extend(files_if_any(&root().join(folder), extension));
        }
    }
    pages.extend(
        [
            "Cargo.toml",
            "deny.toml",
            ".clippy.toml",
            ".ci/run",
            "docs/container/Dockerfile",
        ]
        .map(|page| root().join(page)),
    );
    let mut found = Vec::new();
    for page in pages {
        let place = page.strip_prefix(root()).unwrap();
        if EXEMPT.iter().any(|exempt| place == Path::new(exempt)) {
            continue;
        }
        let place = place.display().to_string();
        // Some fixtures are dumps in another encoding, or damaged on purpose.
        let text = String::from_utf8_lossy(&fs::read(&page).unwrap()).into_owned();
        let problems = phrases.found_in(&text);
        found.extend(problems.iter().map(|problem| format!("{place}:{problem}")));
    }
    assert_none(&found, "phrases to replace");
}

#[test]
fn a_banned_phrase_is_caught() {
    let phrases = Phrases::new();
    let count = |text| phrases.found_in(text).len();
    assert_eq!(count("The library does not let go of it."), 1);
    assert_eq!(
        count("    // what a library did not let go\n    // of in time"),
        1
    );
    assert_eq!(count("\"which is of no \\\n    use here\""), 1);
    assert_eq!(count("Mend it. Amend it. Recommended."), 1);
    assert_eq!(count("The client releases the session."), 0);
    assert_eq!(count("It asks a running session how it is."), 1);
    assert_eq!(count("It speaks to a front again and again."), 2);
    assert_eq!(count("A library that does not speak CTP."), 0);
    assert_eq!(count("A text that\n/// is no time. They are no data."), 2);
    assert_eq!(
        count("There is no time. It is no longer read, where there\n// was no tick."),
        0
    );
    let found = phrases.found_in("there is\n// no tick, and\n// this is no tick");
    assert_eq!(found, ["3: \"is no\": is not a"]);
}

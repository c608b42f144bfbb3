//! The commands that accept what a check found.

use std::path::{Path, PathBuf};

use tickdeck::check::{Checked, Verdict};

use crate::args::{CheckArgs, PublishingArgs};

/// Most fields that are accepted one by one.
const MOST_FIELDS: usize = 3;

/// The commands for a check of `input`, ready for a shell. None where nothing can be accepted.
pub(super) fn ways(
    args: &CheckArgs,
    input: &Path,
    golden: &Path,
    checked: &Checked,
) -> Vec<String> {
    let is_accepted = checked.verdict != Verdict::Different;
    if is_accepted || !checked.can_accept || is_of_another(args, golden, checked) {
        return Vec::new();
    }
    let mut ways = Vec::from_iter(volatile(golden, checked));
    let mut command = format!("tickdeck check {}", path(input));
    let golden = args.golden.as_ref().map(|_| golden.to_owned());
    add_path(&mut command, "--golden", golden.as_ref());
    add_publishing(&mut command, &args.publishing);
    if let Some(limit) = args.stream_limit {
        command.push_str(&format!(" --stream-limit {limit}"));
    }
    ways.push(format!("{command} --update"));
    if let Some(fields) = fields_alone(checked) {
        for field in fields {
            command.push_str(&format!(" --accept-field {}", quoted(&field)));
        }
        ways.push(format!("{command}   # refuses any other change"));
    }
    ways
}

/// What to declare instead, where messages differ only in when they were received: they will again.
/// A comment for a shell.
fn volatile(golden: &Path, checked: &Checked) -> Option<String> {
    let found = checked.comparison.as_ref()?;
    let fields = fields_alone(checked).filter(|_| found.timing_only > 0 && found.changed == 0)?;
    let declared = fields.iter().map(|field| {
        let field = serde_json::Value::from(field.as_str());
        format!(r#"{{"field": {field}, "reason": "each run has its own"}}"#)
    });
    let declared = declared.collect::<Vec<_>>().join(", ");
    let golden = path(golden);
    Some(format!(
        r#"# better declare in {golden} that it changes: "volatile": [{declared}]"#
    ))
}

/// Whether `--golden` itself names a golden of another session. A golden that was found by the name of
/// its input is the right one, even if the recording was made again.
pub(super) fn is_of_another(args: &CheckArgs, golden: &Path, checked: &Checked) -> bool {
    let sessions = checked
        .session
        .as_ref()
        .zip(checked.golden_session.as_ref());
    args.golden.as_deref() == Some(golden) && sessions.is_some_and(|(now, before)| now != before)
}

/// The fields that changed, where nothing else did.
fn fields_alone(checked: &Checked) -> Option<Vec<String>> {
    let found = checked.comparison.as_ref()?;
    let fields: Vec<String> = found
        .fields
        .iter()
        .map(|group| group.name.clone())
        .collect();
    let is_alone = found.is_only_in(&fields) && !checked.notes.iter().any(|note| note.fails);
    (is_alone && (1..=MOST_FIELDS).contains(&fields.len())).then_some(fields)
}

fn add_publishing(command: &mut String, publishing: &PublishingArgs) {
    if let Some(payload) = publishing.payload {
        command.push_str(&format!(" --payload {}", payload.as_str()));
    }
    if !publishing.drop.is_empty() {
        let flags: Vec<&str> = publishing.drop.iter().map(|flag| flag.as_str()).collect();
        command.push_str(&format!(" --drop {}", flags.join(",")));
    }
    if let Some(prefix) = &publishing.subject_prefix {
        command.push_str(&format!(" --subject-prefix {}", quoted(prefix)));
    }
    add_path(command, "--contracts", publishing.contracts.as_ref());
    add_path(command, "--calendar", publishing.calendar.as_ref());
    add_path(command, "--products", publishing.products.as_ref());
}

fn add_path(command: &mut String, flag: &str, file: Option<&PathBuf>) {
    if let Some(file) = file {
        command.push_str(&format!(" {flag} {}", path(file)));
    }
}

/// A path for a shell; one that looks like a flag gets its folder.
fn path(path: &Path) -> String {
    let text = path.to_string_lossy();
    match text.starts_with('-') {
        true => quoted(&format!("./{text}")),
        false => quoted(&text),
    }
}

/// A word for a POSIX shell, in single quotes where it needs them.
fn quoted(word: &str) -> String {
    let is_plain = |c: char| c.is_ascii_alphanumeric() || "_-./,:=@%+".contains(c);
    if !word.is_empty() && word.chars().all(is_plain) {
        return word.to_owned();
    }
    format!("'{}'", word.replace('\'', r"'\''"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_are_quoted_for_a_shell() {
        let words = ["rec/2025-09-12", "my rec", "it's", "", "$(rm)", "-x"];
        let expected = [
            "rec/2025-09-12",
            "'my rec'",
            r"'it'\''s'",
            "''",
            "'$(rm)'",
            "-x",
        ];
        assert_eq!(words.map(quoted), expected);
        assert_eq!(path(Path::new("-x y")), "'./-x y'");
        assert_eq!(path(Path::new("/data/螺纹 1")), "'/data/螺纹 1'");
    }
}

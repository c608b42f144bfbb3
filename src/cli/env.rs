//! The environment of the verbs that connect to a CTP front: the process's, and that of a file.
//!
//! - The real environment takes precedence over the file. An empty value counts as unset in both.
//! - Names are looked up exactly first, then in any case.
//! - A file that names one of our variables twice, in any case, is refused: programs that read such
//!   files disagree about which of the two counts.
//! - Without `--env-file`, `.env` in the current folder is read if it exists.
//! - Values are secrets: nothing here prints one, and neither does an error.

use std::path::{Path, PathBuf};

use tickdeck::nats::Secret;

use super::outcome::UsageError;

/// The default file.
const DEFAULT_FILE: &str = ".env";

/// Variables by name.
#[derive(Debug, Clone, Default)]
pub struct Environment {
    real: Vec<(String, Secret)>,
    from_file: Vec<(String, Secret)>,
    file: Option<PathBuf>,
}

impl Environment {
    /// The process's environment and `file`, or `.env` if it exists.
    ///
    /// # Errors
    /// When `file` cannot be read, or a line is not `NAME=VALUE`.
    pub fn load(file: Option<&Path>) -> Result<Self, UsageError> {
        let real = std::env::vars_os().filter_map(|(name, value)| {
            // Our variables are Unicode.
            Some((name.into_string().ok()?, value.into_string().ok()?))
        });
        let mut environment = Self::of(real);
        let default = Path::new(DEFAULT_FILE);
        match file {
            Some(path) => environment.add_file(path)?,
            None if default.is_file() => environment.add_file(default)?,
            None => {}
        }
        Ok(environment)
    }

    /// The given variables.
    pub fn of(variables: impl IntoIterator<Item = (String, String)>) -> Self {
        let masked = |(name, value): (String, String)| (name, Secret::new(value));
        Self {
            real: variables.into_iter().map(masked).collect(),
            ..Self::default()
        }
    }

    fn add_file(&mut self, path: &Path) -> Result<(), UsageError> {
        let shown = path.display();
        let unreadable = |error: std::io::Error| {
            UsageError::caused_by(format!("environment file {shown} cannot be read"), error)
        };
        let text = std::fs::read(path).map_err(unreadable)?;
        if let Some(name) = replaced_by_dotenv(&String::from_utf8_lossy(&text)) {
            return Err(UsageError::new(format!(
                "environment file {shown}: the value of {name} has a $, which would be expanded by \
                 the value of a variable; put it in single quotes to keep it unchanged"
            )));
        }
        for (count, variable) in dotenvy::from_read_iter(&text[..]).enumerate() {
            let (name, value) = variable.map_err(|error| match error {
                dotenvy::Error::Io(error) => unreadable(error),
                // The library's message quotes the line, which may contain a password.
                _ => UsageError::new(format!(
                    "environment file {shown}: the line after variable number {count} is not \
                     NAME=VALUE; expected one variable per line, values with blanks or $ in single \
                     quotes"
                )),
            })?;
            if is_ours(&name)
                && self
                    .from_file
                    .iter()
                    .any(|(known, _)| is_same(known, &name))
            {
                return Err(UsageError::new(format!(
                    "environment file {shown} names {name} twice, and tools differ in which one they use: \
                     systemd and sh take the last; leave one of them"
                )));
            }
            self.from_file.push((name, Secret::new(value)));
        }
        self.file = Some(path.to_owned());
        Ok(())
    }

    /// The value of a variable that is set and not empty.
    #[must_use]
    pub fn get(&self, name: &str) -> Option<&Secret> {
        [&self.real, &self.from_file]
            .into_iter()
            .find_map(|variables| find(variables, name))
    }

    /// Where to set a variable, for messages.
    #[must_use]
    pub fn where_to_set(&self) -> String {
        match &self.file {
            Some(path) => format!("in the environment or in {}", path.display()),
            None => {
                "in the environment or in a file given with --env-file (.env by default)".into()
            }
        }
    }
}

/// Prefixes of our variables. Other programs may use the same `.env`.
const OURS: [&str; 4] = ["CTP_", "NATS_", "MD_", "TICKDECK_"];

fn is_ours(name: &str) -> bool {
    OURS.into_iter().any(|prefix| {
        let head = name.get(..prefix.len());
        head.is_some_and(|head| is_same(head, prefix))
    })
}

/// Whether two names mean the same variable.
fn is_same(name: &str, other: &str) -> bool {
    name.eq_ignore_ascii_case(other)
}

/// Our first variable whose value contains an unescaped `$` outside single quotes. dotenv would
/// silently replace such a value, and three wrong passwords lock an account.
fn replaced_by_dotenv(text: &str) -> Option<&str> {
    text.lines().find_map(|line| {
        let (name, value) = line.split_once('=')?;
        let name = name.trim();
        let name = name.strip_prefix("export ").unwrap_or(name).trim();
        if !is_ours(name) {
            return None;
        }
        let (mut is_single, mut is_double, mut is_escaped) = (false, false, false);
        let mut before = ' ';
        for c in value.chars() {
            match c {
                _ if is_escaped => is_escaped = false,
                '\'' if !is_double => is_single = !is_single,
                _ if is_single => {}
                '"' => is_double = !is_double,
                '\\' => is_escaped = true,
                // The rest is a comment.
                '#' if before.is_whitespace() && !is_double => return None,
                '$' => return Some(name),
                _ => {}
            }
            before = c;
        }
        None
    })
}

fn find<'v>(variables: &'v [(String, Secret)], name: &str) -> Option<&'v Secret> {
    let set = || variables.iter().filter(|(_, value)| !value.is_empty());
    let exact = set().find(|(known, _)| known == name);
    let found = exact.or_else(|| set().find(|(known, _)| is_same(known, name)));
    found.map(|(_, value)| value)
}

#[cfg(test)]
mod tests {
    use std::io::Write as _;

    use super::*;

    fn with_file(real: &[(&str, &str)], file: &str) -> Result<Environment, UsageError> {
        let mut path = tempfile::NamedTempFile::new().unwrap();
        path.write_all(file.as_bytes()).unwrap();
        let owned = |&(name, value): &(&str, &str)| (name.to_owned(), value.to_owned());
        let mut environment = Environment::of(real.iter().map(owned));
        environment.add_file(path.path()).map(|()| environment)
    }

    fn value<'e>(environment: &'e Environment, name: &str) -> Option<&'e str> {
        environment.get(name).map(Secret::expose)
    }

    #[test]
    fn the_real_environment_takes_precedence() {
        let environment = with_file(
            &[("CTP_USER_ID", "hunter2"), ("ctp_broker_id", "9999"), ("EMPTY", "")],
            "# comment\nCTP_USER_ID=file\nCTP_PASSWORD='p$1 x'\nempty=filled\nexport CTP_APP_ID=a\n",
        )
        .unwrap();
        assert_eq!(value(&environment, "CTP_USER_ID"), Some("hunter2"));
        assert_eq!(value(&environment, "CTP_BROKER_ID"), Some("9999"));
        assert_eq!(value(&environment, "CTP_PASSWORD"), Some("p$1 x"));
        assert_eq!(value(&environment, "EMPTY"), Some("filled"));
        assert_eq!(value(&environment, "CTP_APP_ID"), Some("a"));
        assert_eq!(value(&environment, "CTP_AUTH_CODE"), None);
        assert!(!format!("{environment:?}").contains("hunter2"));
    }

    #[test]
    fn an_error_about_a_line_hides_its_content() {
        let error = with_file(&[], "CTP_USER_ID=a\nhunter2 is my password\n").unwrap_err();
        let text = format!("{error} {error:?}");
        assert!(text.contains("variable number 1"), "{text}");
        assert!(!text.contains("hunter2"), "{text}");
    }

    #[test]
    fn a_value_that_dotenv_would_replace_is_refused() {
        for line in [
            "CTP_PASSWORD=hun$ter2#x",
            "export CTP_PASSWORD=${HOME}x",
            "CTP_PASSWORD=\"hun$ter2\"",
            "CTP_PASSWORD=\"it's$ter2\"",
            "ctp_password=\"a # b${ter2}\"",
        ] {
            let error = with_file(&[], &format!("CTP_USER_ID=a\n{line}\n")).unwrap_err();
            let text = format!("{error} {error:?}");
            assert!(text.to_uppercase().contains("CTP_PASSWORD"), "{text}");
            assert!(text.contains("single quotes"), "{text}");
            assert!(!text.contains("ter2"), "{text}");
        }
        for (line, kept) in [
            ("CTP_PASSWORD='hun$ter2#x'", "hun$ter2#x"),
            ("CTP_PASSWORD=hun\\$ter2", "hun$ter2"),
            ("CTP_PASSWORD=hunter2 # $HOME", "hunter2"),
            ("# CTP_X=$HOME\nCTP_PASSWORD=x", "x"),
            ("DATABASE_URL=db://$UNSET@h\nCTP_PASSWORD=x", "x"),
        ] {
            let environment = with_file(&[], line).unwrap();
            assert_eq!(value(&environment, "CTP_PASSWORD"), Some(kept), "{line}");
        }
    }

    #[test]
    fn a_variable_named_twice_is_refused() {
        for file in [
            "CTP_PASSWORD=hunter1\nCTP_USER_ID=a\nCTP_PASSWORD=hunter2\n",
            "CTP_PASSWORD=hunter1\nexport ctp_password=hunter2\n",
            "CTP_PASSWORD=hunter1\nCTP_PASSWORD=\n",
        ] {
            let error = with_file(&[], file).unwrap_err();
            let text = format!("{error} {error:?}");
            assert!(text.to_uppercase().contains("CTP_PASSWORD TWICE"), "{text}");
            assert!(!text.contains("hunter"), "{text}");
        }
        // Other programs may use the same `.env`, and comments do not count.
        let file = "PATH=a\nPATH=b\n#CTP_PASSWORD=x\nCTP_PASSWORD=y\n";
        let environment = with_file(&[("ctp_password", "z")], file).unwrap();
        assert_eq!(value(&environment, "CTP_PASSWORD"), Some("z"));
    }

    #[test]
    fn a_given_file_must_exist() {
        let error = Environment::load(Some(Path::new("/nonexistent/live.env"))).unwrap_err();
        assert!(error.to_string().contains("/nonexistent/live.env"));
    }
}

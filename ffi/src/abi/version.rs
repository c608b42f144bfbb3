//! The version that a library says it has.

use std::cmp::Ordering;
use std::fmt;
use std::str::FromStr;

/// What `GetApiVersion` answers, for example `v6.7.11_20250617 16:22:00.10369`.
///
/// Versions compare by their three numbers; the text after them (build date, patch name) is kept
/// for display.
#[derive(Debug, Clone)]
pub struct ApiVersion {
    /// First number.
    pub major: u16,
    /// Second number.
    pub minor: u16,
    /// Third number.
    pub patch: u16,
    /// The whole text, without blanks around it.
    pub text: String,
}

/// The text does not begin with three numbers.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("\"{text}\" is not a CTP version: expected something like \"v6.7.11_20250617 16:22:00\"")]
pub struct UnreadableVersion {
    /// The text as it was given, without blanks around it.
    pub text: String,
}

/// How much is known about a version.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Knowledge {
    /// Its layouts were seen in a header or a binary.
    Listed,
    /// Between two listed ones: the older neighbour's layouts are used.
    Between,
    /// Newer than every listed one: the newest layouts are used, with a warning.
    Newer,
    /// Older than every listed one: refused.
    Older,
}

impl ApiVersion {
    /// The versions whose layouts were seen (field guide 1.1).
    pub const LISTED: [(u16, u16, u16); 15] = [
        (6, 3, 15),
        (6, 3, 19),
        (6, 5, 1),
        (6, 6, 1),
        (6, 6, 7),
        (6, 6, 9),
        (6, 7, 0),
        (6, 7, 1),
        (6, 7, 2),
        (6, 7, 7),
        (6, 7, 8),
        (6, 7, 9),
        (6, 7, 10),
        (6, 7, 11),
        (6, 7, 13),
    ];

    /// A version made of numbers; its text is `v1.2.3`.
    #[must_use]
    pub fn new(major: u16, minor: u16, patch: u16) -> Self {
        Self {
            major,
            minor,
            patch,
            text: format!("v{major}.{minor}.{patch}"),
        }
    }

    /// The three numbers, which are all that versions are compared by.
    #[must_use]
    pub const fn numbers(&self) -> (u16, u16, u16) {
        (self.major, self.minor, self.patch)
    }

    /// Whether this version is the given one or newer.
    #[must_use]
    pub fn at_least(&self, major: u16, minor: u16, patch: u16) -> bool {
        self.numbers() >= (major, minor, patch)
    }

    /// How much is known about this version.
    #[must_use]
    pub fn knowledge(&self) -> Knowledge {
        let own = self.numbers();
        let oldest = Self::LISTED[0];
        let newest = Self::LISTED[Self::LISTED.len() - 1];
        if Self::LISTED.contains(&own) {
            Knowledge::Listed
        } else if own < oldest {
            Knowledge::Older
        } else if own > newest {
            Knowledge::Newer
        } else {
            Knowledge::Between
        }
    }
}

impl FromStr for ApiVersion {
    type Err = UnreadableVersion;

    /// Reads `^[vV]?(\d+)[._](\d+)[._](\d+)`, with blanks around it; what follows the numbers is
    /// free. The underscores are openctp's: its simulator says `V6_7_2`.
    fn from_str(text: &str) -> Result<Self, UnreadableVersion> {
        let text = text.trim();
        let numbers = text.strip_prefix(['v', 'V']).unwrap_or(text);
        let read = || {
            let mut parts = numbers.splitn(3, ['.', '_']);
            let major = parts.next()?.parse().ok()?;
            let minor = parts.next()?.parse().ok()?;
            let rest = parts.next()?;
            let end = rest
                .find(|c: char| !c.is_ascii_digit())
                .unwrap_or(rest.len());
            let patch = rest[..end].parse().ok()?;
            Some((major, minor, patch))
        };
        let Some((major, minor, patch)) = read() else {
            return Err(UnreadableVersion {
                text: text.to_owned(),
            });
        };
        Ok(Self {
            major,
            minor,
            patch,
            text: text.to_owned(),
        })
    }
}

impl fmt::Display for ApiVersion {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(&self.text)
    }
}

impl PartialEq for ApiVersion {
    fn eq(&self, other: &Self) -> bool {
        self.numbers() == other.numbers()
    }
}

impl Eq for ApiVersion {}

impl PartialOrd for ApiVersion {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl Ord for ApiVersion {
    fn cmp(&self, other: &Self) -> Ordering {
        self.numbers().cmp(&other.numbers())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Every string of field guide 1.1.
    const SEEN: [(&str, (u16, u16, u16)); 15] = [
        ("6.3.15_20190220 15:47:00", (6, 3, 15)),
        ("v6.3.19_P1_20200106 15:21:32", (6, 3, 19)),
        ("v6.5.1_20200908 10:25:08", (6, 5, 1)),
        ("v6.6.1_P1_20210406  9:27:14", (6, 6, 1)),
        ("v6.6.7_20220613 14:52:04.1708", (6, 6, 7)),
        ("v6.6.9_20220914  9:57:19.2466         ", (6, 6, 9)),
        ("v6.7.0_20230209  9:52:16.3535", (6, 7, 0)),
        ("v6.7.1_20230613 14:40:06.4516", (6, 7, 1)),
        ("v6.7.2_20230913 10:48:10.4926", (6, 7, 2)),
        ("v6.7.7_20240607 15:51:36.7347", (6, 7, 7)),
        ("v6.7.8_20240918 14:34:34.8082", (6, 7, 8)),
        ("v6.7.9_20241224 10:22:26.8774", (6, 7, 9)),
        ("v6.7.10_20250422 16:38:54.9994", (6, 7, 10)),
        ("v6.7.11_20250617 16:22:00.10369", (6, 7, 11)),
        ("v6.7.13_20260225 14:16:30.12079", (6, 7, 13)),
    ];

    #[test]
    fn every_version_string_that_was_seen_is_read_and_listed() {
        let mut last = None;
        for (text, numbers) in SEEN {
            let version: ApiVersion = text.parse().unwrap();
            assert_eq!(version.numbers(), numbers);
            assert_eq!(version.text, text.trim());
            assert_eq!(version.knowledge(), Knowledge::Listed, "{text}");
            assert!(last < Some(version.clone()), "{text} is newer");
            last = Some(version);
        }
    }

    #[test]
    fn the_version_of_openctps_simulator_is_read() {
        let version: ApiVersion = "V6_7_2".parse().unwrap();
        assert_eq!(version, ApiVersion::new(6, 7, 2));
    }

    #[test]
    fn versions_are_compared_as_numbers_not_as_text() {
        assert!(ApiVersion::new(6, 7, 10) > ApiVersion::new(6, 7, 9));
        assert!(ApiVersion::new(6, 7, 10).at_least(6, 7, 10));
        assert!(!ApiVersion::new(6, 7, 10).at_least(6, 7, 11));
    }

    #[test]
    fn unlisted_versions_are_recognized() {
        assert_eq!(ApiVersion::new(6, 3, 14).knowledge(), Knowledge::Older);
        assert_eq!(ApiVersion::new(6, 6, 0).knowledge(), Knowledge::Between);
        assert_eq!(ApiVersion::new(6, 7, 12).knowledge(), Knowledge::Between);
        assert_eq!(ApiVersion::new(6, 7, 14).knowledge(), Knowledge::Newer);
        assert_eq!(ApiVersion::new(7, 0, 0).knowledge(), Knowledge::Newer);
    }

    #[test]
    fn text_without_three_numbers_is_refused() {
        for text in [
            "",
            "v",
            "6.7",
            "6.7.",
            "six",
            "6..1",
            "vv6.7.2",
            "6.7.x",
            "99999.1.1",
        ] {
            let refused = ApiVersion::from_str(text).unwrap_err();
            assert_eq!(refused.text, text);
        }
    }
}

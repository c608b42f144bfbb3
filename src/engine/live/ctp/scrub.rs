//! Removes credentials from text of the library or the front.

use tickdeck_ffi::{FrontAddress, Secret};

use super::login::CtpLogin;

/// Shorter values are words and numbers that may be part of any text.
const SHORTEST: usize = 4;

/// Removes known secrets.
#[derive(Debug, Clone, Default)]
pub struct Scrubber {
    /// Longest first, so that a secret that contains another one is removed as a whole.
    secrets: Vec<Secret>,
}

impl Scrubber {
    /// Removes a login and the addresses of its fronts.
    #[must_use]
    pub fn of<'a>(login: &CtpLogin, fronts: impl IntoIterator<Item = &'a FrontAddress>) -> Self {
        let addresses = fronts.into_iter().flat_map(FrontAddress::secrets);
        Self::new(login.secrets().chain(addresses).collect())
    }

    /// Removes `secrets`. Those of fewer than four bytes are ignored.
    #[must_use]
    pub fn new(mut secrets: Vec<Secret>) -> Self {
        secrets.retain(|secret| secret.expose().len() >= SHORTEST);
        secrets.sort_by_key(|secret| std::cmp::Reverse(secret.expose().len()));
        Self { secrets }
    }

    /// `text` with every secret replaced by `***`.
    #[must_use]
    pub fn scrub(&self, text: &str) -> String {
        let mut text = text.to_owned();
        for secret in &self.secrets {
            if text.contains(secret.expose()) {
                text = text.replace(secret.expose(), "***");
            }
        }
        text
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_quoted_secret_is_removed() {
        let scrubber = Scrubber::new(["hunter2", "hunter2-long", "90"].map(Secret::new).to_vec());
        assert_eq!(
            scrubber.scrub("CTP:用户hunter2-long和hunter2: error 90"),
            "CTP:用户***和***: error 90"
        );
    }
}

//! Lists of fronts, as in CTP_MD_ADDRESS and CTP_TD_ADDRESS. Addresses count as credentials:
//! nothing prints one.

use tickdeck_ffi::{BadFront, FrontAddress};

/// A list of fronts is not usable.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum FrontListError {
    /// It is empty.
    #[error("no address was given; expected tcp://HOST:PORT, comma-separated if several")]
    Empty,
    /// An entry is not an address.
    #[error("address {number} is not a front address: {problem}; separate several with commas")]
    Bad {
        /// Its place in the list, from 1.
        number: usize,
        /// What is wrong with it.
        problem: BadFront,
    },
}

/// Reads a comma-separated list. Empty entries are skipped, and the default scheme is `tcp`.
///
/// # Errors
/// When an entry is not an address, or the list is empty.
pub fn parse_fronts(text: &str) -> Result<Vec<FrontAddress>, FrontListError> {
    let text = text.trim();
    // The settings of a simulated front may contain commas, and there is only one such front.
    let parts = if FrontAddress::is_simulated(text) {
        vec![text]
    } else {
        text.split(',').collect()
    };
    let parts = parts
        .into_iter()
        .map(str::trim)
        .filter(|part| !part.is_empty());
    let fronts = (1..)
        .zip(parts)
        .map(|(number, part)| {
            part.parse()
                .map_err(|problem| FrontListError::Bad { number, problem })
        })
        .collect::<Result<Vec<_>, _>>()?;
    if fronts.is_empty() {
        return Err(FrontListError::Empty);
    }
    Ok(fronts)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(text: &str) -> Vec<String> {
        let fronts = parse_fronts(text).unwrap();
        fronts
            .iter()
            .map(|front| front.expose().into_owned())
            .collect()
    }

    #[test]
    fn lists_and_simulated_fronts_are_read() {
        assert_eq!(
            read("tcp://1.2.3.4:41213/, 5.6.7.8:1,ssl://front.example:2,"),
            [
                "tcp://1.2.3.4:41213",
                "tcp://5.6.7.8:1",
                "ssl://front.example:2"
            ]
        );
        for sim in [
            "sim://recording:rec?rate=max",
            "sim://synthetic:quick,seed=7?rate=max&start=login",
        ] {
            assert_eq!(read(sim), [sim]);
            assert_eq!(read(&format!("tcp://{sim}")), [sim]);
        }
    }

    #[test]
    fn a_bad_address_is_named_by_its_place() {
        for (text, problem) in [
            ("", "no address was given"),
            (" , ", "no address was given"),
            (
                "tcp://hunter2",
                "address 1 is not a front address: it has no port",
            ),
            (
                "a:1,,tcp://hunter2:x",
                "address 2 is not a front address: the port is not",
            ),
        ] {
            let error = parse_fronts(text).unwrap_err().to_string();
            assert!(error.contains(problem), "{text}: {error}");
            assert!(!error.contains("hunter"), "{error}");
        }
    }
}

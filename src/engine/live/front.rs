//! Lists of fronts, as CTP_MD_ADDRESS and CTP_TD_ADDRESS hold them, and whether anybody is there.
//! Addresses count as credentials: nothing prints one.

use std::net::{TcpStream, ToSocketAddrs as _};
use std::time::Duration;

use tickdeck_ffi::{BadFront, FrontAddress};

/// A list of fronts is none.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum FrontListError {
    /// Nothing stands there.
    #[error("there is none; expected tcp://HOST:PORT, several comma separated")]
    Empty,
    /// An entry that is no address.
    #[error("address {number} is not one of a front: {problem}; several comma separated")]
    Bad {
        /// Its place in the list, from 1.
        number: usize,
        /// What is wrong with it.
        problem: BadFront,
    },
}

/// Reads a comma-separated list; empty entries are passed over. Without a scheme it is `tcp`.
///
/// # Errors
/// When an entry is no address, or there is none at all.
pub fn parse_fronts(text: &str) -> Result<Vec<FrontAddress>, FrontListError> {
    let text = text.trim();
    // Settings of the simulated front have commas of their own, and there is only one.
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

/// Nobody accepts a connection there. Does not repeat the address.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum Unreachable {
    /// There is no such host, or no name server to ask.
    #[error("the host name cannot be resolved")]
    Name,
    /// The host, or the way to it, says no.
    #[error("{0}")]
    Connect(std::io::ErrorKind),
}

/// Whether somebody accepts a connection where the library would connect to, which is the proxy of a
/// front behind one; `None` where that cannot be tried. May take longer than `timeout` for a name,
/// and takes up to `timeout` for each of its addresses.
#[must_use]
pub fn reach(front: &FrontAddress, timeout: Duration) -> Option<Result<(), Unreachable>> {
    let Ok(addresses) = front.peer()?.to_socket_addrs() else {
        return Some(Err(Unreachable::Name));
    };
    let mut last = Unreachable::Name;
    for address in addresses {
        match TcpStream::connect_timeout(&address, timeout.max(Duration::from_millis(1))) {
            Ok(_) => return Some(Ok(())),
            Err(error) => last = Unreachable::Connect(error.kind()),
        }
    }
    Some(Err(last))
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
    fn a_list_is_read_and_the_settings_of_a_simulated_front_are_none() {
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
    fn a_front_that_is_not_there_is_told_apart_from_a_name_that_is_none() {
        let reach = |text: &str| reach(&text.parse().unwrap(), Duration::from_secs(5));
        let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
        let port = listener.local_addr().unwrap().port();
        assert_eq!(reach(&format!("tcp://127.0.0.1:{port}")), Some(Ok(())));
        let refused = Unreachable::Connect(std::io::ErrorKind::ConnectionRefused);
        assert_eq!(reach("tcp://127.0.0.1:1"), Some(Err(refused)));
        // Reserved for names that never resolve.
        assert_eq!(
            reach("tcp://front.invalid:41213"),
            Some(Err(Unreachable::Name))
        );
        let behind = format!("socks5://front.invalid:41213/127.0.0.1:{port}");
        assert_eq!(reach(&behind), Some(Ok(())));
        assert_eq!(reach("sim://recording:rec"), None);
    }

    #[test]
    fn what_is_no_address_is_refused_by_its_place_and_not_repeated() {
        for (text, problem) in [
            ("", "there is none"),
            (" , ", "there is none"),
            (
                "tcp://hunter2",
                "address 1 is not one of a front: it has no port",
            ),
            (
                "a:1,,tcp://hunter2:x",
                "address 2 is not one of a front: the port is not",
            ),
        ] {
            let error = parse_fronts(text).unwrap_err().to_string();
            assert!(error.contains(problem), "{text}: {error}");
            assert!(!error.contains("hunter"), "{error}");
        }
    }
}

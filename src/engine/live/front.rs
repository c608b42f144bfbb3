//! Lists of fronts, as in CTP_MD_ADDRESS and CTP_TD_ADDRESS, and whether a front is reachable.
//! Addresses count as credentials: nothing prints one.

use std::net::{TcpStream, ToSocketAddrs as _};
use std::time::Duration;

use tickdeck_ffi::{BadFront, FrontAddress};

/// A list of fronts is not usable.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum FrontListError {
    /// It is empty.
    #[error("there is none; expected tcp://HOST:PORT, several comma separated")]
    Empty,
    /// An entry is not an address.
    #[error("address {number} is not a front address: {problem}; several comma separated")]
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

/// No connection is accepted there. Does not repeat the address.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum Unreachable {
    /// There is no such host, or no name server.
    #[error("the host name cannot be resolved")]
    Name,
    /// The host, or the network, refused the connection.
    #[error("{0}")]
    Connect(std::io::ErrorKind),
}

/// Whether a connection is accepted where the library would connect: at the front, or at its proxy.
/// `None` when that cannot be tried.
///
/// Takes up to `timeout` for each address of a name. Resolving the name may take longer.
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
    fn an_unknown_name_is_not_a_refused_connection() {
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
    fn a_bad_address_is_named_by_its_place() {
        for (text, problem) in [
            ("", "there is none"),
            (" , ", "there is none"),
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

//! Addresses of fronts, as CTP writes them. They count as credentials: nothing prints one.

use std::fmt;
use std::net::{TcpStream, ToSocketAddrs as _};
use std::time::Duration;

use tickdeck_ffi::Secret;

/// An address such as `tcp://1.2.3.4:41213`.
#[derive(Clone, PartialEq, Eq)]
pub struct FrontAddress {
    text: Secret,
    scheme: &'static str,
    /// Where to connect to find out whether anybody is there; `None` where that is not direct.
    peer: Option<(String, u16)>,
}

/// Not an address of a front. The address itself is not repeated: it may hold a password.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error(
    "address {number} is not one of a front: {problem}; expected tcp://HOST:PORT (or tcp6, ssl, \
     socks5), several comma separated"
)]
pub struct FrontAddressError {
    /// Its place in the list, from 1.
    pub number: usize,
    /// What is wrong with it.
    pub problem: &'static str,
}

/// What `RegisterFront` takes, and the scheme of tickdeck's simulated front.
const SCHEMES: [&str; 6] = ["tcp", "tcp6", "ssl", "socks5", "udp", "sim"];

impl FrontAddress {
    /// Reads a comma-separated list; empty entries are passed over. Without a scheme it is `tcp`.
    ///
    /// # Errors
    /// When an entry is no address, or there is none at all.
    pub fn parse_list(text: &str) -> Result<Vec<Self>, FrontAddressError> {
        let text = text.trim();
        // Settings of the simulated front have commas of their own, and there is only one.
        let parts = if is_simulated(text) {
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
                Self::parse(part).map_err(|problem| FrontAddressError { number, problem })
            })
            .collect::<Result<Vec<_>, _>>()?;
        if fronts.is_empty() {
            let problem = "there is none";
            return Err(FrontAddressError { number: 1, problem });
        }
        Ok(fronts)
    }

    fn parse(text: &str) -> Result<Self, &'static str> {
        if !text.bytes().all(|byte| byte.is_ascii_graphic()) {
            return Err("it holds blanks or characters that are not ASCII");
        }
        let (scheme, rest) = text.split_once("://").unwrap_or(("tcp", text));
        let scheme = SCHEMES
            .into_iter()
            .find(|known| known.eq_ignore_ascii_case(scheme))
            .ok_or("the scheme is not known")?;
        let whole = Secret::new(format!("{scheme}://{rest}"));
        if is_simulated(text) {
            return Ok(Self {
                text: whole,
                scheme: "sim",
                peer: None,
            });
        }
        let authority = rest.trim_end_matches('/');
        let authority = authority
            .rsplit_once('@')
            .map_or(authority, |(_, host)| host);
        let (host, port) = authority.rsplit_once(':').ok_or("it has no port")?;
        let host = host.trim_start_matches('[').trim_end_matches(']');
        if host.is_empty() {
            return Err("it has no host");
        }
        let port: u16 = port
            .parse()
            .map_err(|_| "the port is not a number up to 65535")?;
        if port == 0 {
            return Err("the port is 0");
        }
        Ok(Self {
            text: whole,
            scheme,
            peer: Some((host.to_owned(), port)).filter(|_| scheme != "udp"),
        })
    }

    /// The address. Whoever calls this answers for where it goes.
    #[must_use]
    pub fn expose(&self) -> &str {
        self.text.expose()
    }

    /// `tcp`, `ssl`, …
    #[must_use]
    pub const fn scheme(&self) -> &'static str {
        self.scheme
    }

    /// Host and port to try, where there is one.
    #[must_use]
    pub fn peer(&self) -> Option<(&str, u16)> {
        self.peer
            .as_ref()
            .map(|(host, port)| (host.as_str(), *port))
    }
}

/// Whether it is an address of the simulated front, which some clients can only pass as `tcp://sim://…`.
fn is_simulated(text: &str) -> bool {
    let lower = text.to_ascii_lowercase();
    let bare = lower.strip_prefix("tcp://").unwrap_or(&lower);
    bare.starts_with("sim://")
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

impl FrontAddress {
    /// Whether somebody accepts a connection there; `None` where that cannot be tried. May take
    /// longer than `timeout` for a name, and takes up to `timeout` for each of its addresses.
    #[must_use]
    pub fn reach(&self, timeout: Duration) -> Option<Result<(), Unreachable>> {
        let Ok(addresses) = self.peer()?.to_socket_addrs() else {
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
}

impl fmt::Debug for FrontAddress {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}://***", self.scheme)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn shown(text: &str) -> Vec<String> {
        let fronts = FrontAddress::parse_list(text).unwrap();
        fronts
            .iter()
            .map(|front| front.expose().to_owned())
            .collect()
    }

    #[test]
    fn the_forms_of_the_vendor_are_read() {
        assert_eq!(
            shown("tcp://1.2.3.4:41213, 5.6.7.8:1,ssl://front.example:2,"),
            [
                "tcp://1.2.3.4:41213",
                "tcp://5.6.7.8:1",
                "ssl://front.example:2"
            ]
        );
        let socks = &FrontAddress::parse_list("socks5://me:hunter2@10.0.0.1:1080").unwrap()[0];
        assert_eq!(socks.peer(), Some(("10.0.0.1", 1080)));
        assert_eq!(format!("{socks:?}"), "socks5://***");
        let v6 = &FrontAddress::parse_list("tcp6://[::1]:9").unwrap()[0];
        assert_eq!(v6.peer(), Some(("::1", 9)));
        for sim in [
            "sim://recording:rec?rate=max",
            "sim://synthetic:quick,seed=7?rate=max&start=login",
            "tcp://sim://synthetic:quick,seed=7",
        ] {
            assert_eq!(shown(sim), [sim]);
            assert_eq!(FrontAddress::parse_list(sim).unwrap()[0].scheme(), "sim");
        }
    }

    #[test]
    fn a_front_that_is_not_there_is_told_apart_from_a_name_that_is_none() {
        let reach =
            |text: &str| FrontAddress::parse_list(text).unwrap()[0].reach(Duration::from_secs(5));
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
        assert_eq!(reach("sim://recording:rec"), None);
    }

    #[test]
    fn what_is_no_address_is_refused_by_its_place_and_not_repeated() {
        for (text, problem) in [
            ("", "there is none"),
            (
                "tcp://hunter2",
                "address 1 is not one of a front: it has no port",
            ),
            (
                "a:1,tcp://hunter2:x",
                "address 2 is not one of a front: the port is not",
            ),
            ("http://hunter2:80", "the scheme is not known"),
            ("tcp://:80", "it has no host"),
            ("tcp://hunter2:0", "the port is 0"),
            ("tcp://hunter 2:80", "blanks"),
        ] {
            let error = FrontAddress::parse_list(text).unwrap_err().to_string();
            assert!(error.contains(problem), "{text}: {error}");
            assert!(!error.contains("hunter"), "{error}");
        }
    }
}

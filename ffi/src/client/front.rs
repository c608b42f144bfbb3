//! Reads the address of a front.
//!
//! The library gets the text in the form that it understands, and never a text that crashes it: it
//! answers an address that it cannot read with an uncaught exception. Each form was tested with
//! every version (6.3.15 to 6.7.13) of the market data and the trader library.

use std::borrow::Cow;
use std::ffi::{CStr, CString};
use std::fmt;
use std::net::Ipv6Addr;
use std::str::FromStr;

use crate::abi::ApiVersion;
use crate::secret::Secret;

/// A front's address as the library takes it, for example `tcp://182.254.243.31:30011`.
///
/// It counts as a credential: `Display` and `Debug` show only the scheme.
#[derive(Clone, PartialEq, Eq)]
pub struct FrontAddress {
    text: CString,
    scheme: Scheme,
    /// Where the library connects to; none in the simulated front.
    peer: Option<Peer>,
    /// Hosts, user and password, one by one.
    parts: Vec<Secret>,
}

/// The text is not the address of a front. It is not repeated, because it may contain a password.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error(
    "{problem}; expected tcp://HOST:PORT, tcp6://ADDRESS:PORT, ssl://HOST:PORT, or through a proxy \
     socks5://HOST:PORT/[USER:PASSWORD@]PROXY:PORT"
)]
pub struct BadFront {
    /// What is wrong with it.
    pub problem: &'static str,
}

/// This library cannot use the address.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum FrontNotTaken {
    /// Every version ends the process with "Unknown channel". Trader libraries accept it.
    #[error("market data libraries crash on an ssl:// address; use the front's tcp:// address")]
    Ssl,
    /// 6.3.15 misreads the text, and crashes on some addresses.
    #[error(
        "libraries before 6.5.1 do not support tcp6:// and may crash on it; this one is {}.{}.{}, use a \
         tcp:// address, or a newer library",
        version.0, version.1, version.2
    )]
    Tcp6 {
        /// Version of the library.
        version: (u16, u16, u16),
    },
}

/// Schemes. `udp://` is not among them: the libraries contain the word, but crash on it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Scheme {
    Tcp,
    Tcp6,
    Ssl,
    Socks5,
    /// The simulated front, whose address has no fixed form.
    Sim,
}

impl Scheme {
    const ALL: [Self; 5] = [Self::Tcp, Self::Tcp6, Self::Ssl, Self::Socks5, Self::Sim];

    const fn as_str(self) -> &'static str {
        match self {
            Self::Tcp => "tcp",
            Self::Tcp6 => "tcp6",
            Self::Ssl => "ssl",
            Self::Socks5 => "socks5",
            Self::Sim => "sim",
        }
    }
}

#[derive(Clone, PartialEq, Eq)]
struct Peer {
    host: String,
    port: u16,
}

/// Longest host, user and password in SOCKS5, bytes.
const LONGEST: usize = 255;

impl FrontAddress {
    /// The address for the library, which copies it.
    pub(crate) fn as_c_str(&self) -> &CStr {
        &self.text
    }

    /// The address as the library gets it. The caller must not print it.
    #[must_use]
    pub fn expose(&self) -> Cow<'_, str> {
        self.text.to_string_lossy()
    }

    /// `tcp`, `ssl`, …
    #[must_use]
    pub const fn scheme(&self) -> &'static str {
        self.scheme.as_str()
    }

    /// Host and port that the library connects to: the proxy's, if there is one. `None` for the
    /// simulated front.
    #[must_use]
    pub fn peer(&self) -> Option<(&str, u16)> {
        self.peer
            .as_ref()
            .map(|peer| (peer.host.as_str(), peer.port))
    }

    /// Whether the front is behind a proxy.
    #[must_use]
    pub fn is_behind_proxy(&self) -> bool {
        self.scheme == Scheme::Socks5
    }

    /// Whether `text` is an address of the simulated front, whose settings may contain commas.
    #[must_use]
    pub fn is_simulated(text: &str) -> bool {
        simulated(text).is_some()
    }

    /// Every text that no output may contain: the whole address, and each host, user and password,
    /// as a library may print them.
    #[must_use]
    pub fn secrets(&self) -> Vec<Secret> {
        let whole = Secret::new(self.expose());
        std::iter::once(whole).chain(self.parts.clone()).collect()
    }

    /// Whether a market data library of this version can use it.
    pub(crate) fn check_for_md(&self, version: &ApiVersion) -> Result<(), FrontNotTaken> {
        if self.scheme == Scheme::Ssl {
            return Err(FrontNotTaken::Ssl);
        }
        self.check_for_td(version)
    }

    /// Whether a trader library of this version can use it.
    pub(crate) fn check_for_td(&self, version: &ApiVersion) -> Result<(), FrontNotTaken> {
        if self.scheme == Scheme::Tcp6 && !version.at_least(6, 5, 1) {
            let version = version.numbers();
            return Err(FrontNotTaken::Tcp6 { version });
        }
        Ok(())
    }

    fn new(
        scheme: Scheme,
        rest: &str,
        peer: Option<Peer>,
        parts: &[&str],
    ) -> Result<Self, BadFront> {
        let text = format!("{}://{rest}", scheme.as_str());
        Ok(Self {
            text: CString::new(text).map_err(|_| bad("it has a NUL in it"))?,
            scheme,
            peer,
            parts: parts.iter().copied().map(Secret::new).collect(),
        })
    }
}

impl FromStr for FrontAddress {
    type Err = BadFront;

    /// Reads `scheme://host:port`, or `host:port` with the scheme tcp. Removes brackets around an
    /// IPv6 address and slashes at the end, which the library does not understand.
    fn from_str(text: &str) -> Result<Self, BadFront> {
        let text = text.trim();
        if !text.bytes().all(|byte| byte.is_ascii_graphic()) {
            return Err(bad("it holds blanks or characters that are not ASCII"));
        }
        if let Some(settings) = simulated(text) {
            return Self::new(Scheme::Sim, settings, None, &[]);
        }
        let (scheme, rest) = text.split_once("://").unwrap_or(("tcp", text));
        let scheme = Scheme::ALL
            .into_iter()
            .find(|known| known.as_str().eq_ignore_ascii_case(scheme))
            .ok_or(bad("the scheme is unknown"))?;
        let rest = rest.trim_end_matches('/');
        match scheme {
            Scheme::Sim => Self::new(scheme, rest, None, &[]),
            Scheme::Tcp | Scheme::Ssl => {
                let peer = named(rest)?;
                let rest = format!("{}:{}", peer.host, peer.port);
                let host = peer.host.clone();
                Self::new(scheme, &rest, Some(peer), &[&host])
            }
            Scheme::Tcp6 => {
                let peer = numbered(rest)?;
                let rest = format!("{}:{}", peer.host, peer.port);
                let host = peer.host.clone();
                Self::new(scheme, &rest, Some(peer), &[&host])
            }
            Scheme::Socks5 => proxied(rest),
        }
    }
}

fn bad(problem: &'static str) -> BadFront {
    BadFront { problem }
}

/// The settings in an address of the simulated front, which some clients can only pass as
/// `tcp://sim://…`.
fn simulated(text: &str) -> Option<&str> {
    behind(behind(text, "tcp://").unwrap_or(text), "sim://")
}

fn behind<'a>(text: &'a str, scheme: &str) -> Option<&'a str> {
    let (head, rest) = text.split_at_checked(scheme.len())?;
    head.eq_ignore_ascii_case(scheme).then_some(rest)
}

/// `FRONT:PORT/PROXY:PORT`, with or without `USER:PASSWORD@` before the proxy.
fn proxied(rest: &str) -> Result<FrontAddress, BadFront> {
    const NO_PROXY: BadFront = BadFront {
        problem: "after the front, a socks5:// address needs the proxy (without it the vendor's \
                  libraries crash)",
    };
    let (front, proxy) = rest.split_once('/').ok_or(NO_PROXY)?;
    let front = named(front)?;
    let (login, proxy) = match proxy.rsplit_once('@') {
        Some((login, proxy)) => (Some(login), proxy),
        None => (None, proxy),
    };
    let proxy = named(proxy)?;
    let mut parts = vec![front.host.as_str(), proxy.host.as_str()];
    let mut rest = format!("{}:{}/", front.host, front.port);
    if let Some(login) = login {
        let (user, password) = login
            .split_once(':')
            .ok_or(bad("the proxy has a user and no password"))?;
        check_proxy_login(user, password)?;
        rest.push_str(login);
        rest.push('@');
        parts.extend([user, password]);
    }
    rest.push_str(&format!("{}:{}", proxy.host, proxy.port));
    FrontAddress::new(Scheme::Socks5, &rest, Some(proxy.clone()), &parts)
}

/// User and password that the libraries can send to a proxy. They end both at the first `@`, and
/// send as many bytes of the password as the user name has (seen with every version).
fn check_proxy_login(user: &str, password: &str) -> Result<(), BadFront> {
    if user.is_empty() || user.len() > LONGEST {
        return Err(bad("the user of the proxy must be 1 to 255 bytes"));
    }
    if user.contains('@') || password.contains('@') {
        return Err(bad(
            "the user or the password of the proxy has an @, which the vendor's libraries take as \
             its end",
        ));
    }
    if password.len() != user.len() {
        return Err(bad(
            "user and password of the proxy differ in length: the vendor's libraries send as many \
             bytes of the password as the user has",
        ));
    }
    Ok(())
}

/// `HOST:PORT`, where the host is a name or an IPv4 address.
fn named(text: &str) -> Result<Peer, BadFront> {
    let (host, port) = text.rsplit_once(':').ok_or(bad("it has no port"))?;
    if host.contains([':', '[', ']']) {
        return Err(bad("an IPv6 address is allowed after tcp6:// only"));
    }
    let is_legal = |byte: u8| byte.is_ascii_alphanumeric() || b".-_".contains(&byte);
    if !host.bytes().all(is_legal) {
        return Err(bad("the host is neither a name nor an IPv4 address"));
    }
    if host.is_empty() || host.len() > LONGEST {
        return Err(bad("the host must be 1 to 255 bytes"));
    }
    let (host, port) = (host.to_owned(), port_of(port)?);
    Ok(Peer { host, port })
}

/// `ADDRESS:PORT` or `[ADDRESS]:PORT` with an IPv6 address: after tcp6:// the libraries resolve no
/// name.
fn numbered(text: &str) -> Result<Peer, BadFront> {
    let (host, port) = text.rsplit_once(':').ok_or(bad("it has no port"))?;
    let inside = host.strip_prefix('[').and_then(|it| it.strip_suffix(']'));
    let host = inside.unwrap_or(host);
    if host.parse::<Ipv6Addr>().is_err() {
        return Err(bad("there is no IPv6 address after tcp6://"));
    }
    let (host, port) = (host.to_owned(), port_of(port)?);
    Ok(Peer { host, port })
}

fn port_of(text: &str) -> Result<u16, BadFront> {
    // The conversion accepts a sign, the library does not.
    let is_number = !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
    match text.parse::<u16>() {
        Ok(0) => Err(bad("the port is 0")),
        Ok(port) if is_number => Ok(port),
        _ => Err(bad("the port is not a number up to 65535")),
    }
}

impl fmt::Display for FrontAddress {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}://***", self.scheme())
    }
}

impl fmt::Debug for FrontAddress {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn taken(text: &str) -> FrontAddress {
        let front = text.parse();
        front.unwrap_or_else(|error| panic!("{text}: {error}"))
    }

    #[test]
    fn the_library_gets_the_form_that_it_understands() {
        for (given, text, peer) in [
            (
                " tcp://182.254.243.31:30011 ",
                "tcp://182.254.243.31:30011",
                Some(("182.254.243.31", 30011)),
            ),
            (
                "front.example:041213",
                "tcp://front.example:41213",
                Some(("front.example", 41213)),
            ),
            (
                "TCP://127.0.0.1:14222/",
                "tcp://127.0.0.1:14222",
                Some(("127.0.0.1", 14222)),
            ),
            ("tcp6://[::1]:9", "tcp6://::1:9", Some(("::1", 9))),
            (
                "tcp6://fe80::1:41213",
                "tcp6://fe80::1:41213",
                Some(("fe80::1", 41213)),
            ),
            (
                "ssl://front.example:443",
                "ssl://front.example:443",
                Some(("front.example", 443)),
            ),
            (
                "socks5://front.example:41213/10.0.0.1:1080",
                "socks5://front.example:41213/10.0.0.1:1080",
                Some(("10.0.0.1", 1080)),
            ),
            (
                "Socks5://1.2.3.4:41213/me:/x@proxy:1080/",
                "socks5://1.2.3.4:41213/me:/x@proxy:1080",
                Some(("proxy", 1080)),
            ),
            (
                "sim://synthetic:quick,seed=7?rate=10",
                "sim://synthetic:quick,seed=7?rate=10",
                None,
            ),
            (
                "tcp://sim://recording:rec/?rate=max",
                "sim://recording:rec/?rate=max",
                None,
            ),
        ] {
            let front = taken(given);
            assert_eq!((front.expose().as_ref(), front.peer()), (text, peer));
        }
    }

    #[test]
    fn a_bad_address_is_refused_and_not_repeated() {
        for (given, problem) in [
            ("", "no port"),
            ("tcp://hunter2", "no port"),
            ("tcp://:41213", "host must be 1 to 255"),
            ("tcp://hunter2:0", "the port is 0"),
            ("tcp://hunter2:70000", "number up to 65535"),
            ("tcp://hunter2:+80", "number up to 65535"),
            ("tcp://hunter2:80/x", "number up to 65535"),
            ("tcp://me@hunter2:80", "neither a name nor"),
            ("http://hunter2:80", "scheme is unknown"),
            // The libraries crash on it.
            ("udp://hunter2:80", "scheme is unknown"),
            ("tcp://hunter2 .x:80", "blanks"),
            ("tcp://螺纹hunter2:80", "not ASCII"),
            ("tcp://::1:80", "after tcp6:// only"),
            ("tcp://[::1]:80", "after tcp6:// only"),
            // The libraries resolve no name there, and 6.3.15 crashes on some.
            ("tcp6://hunter2:80", "no IPv6 address"),
            ("tcp6://127.0.0.1:80", "no IPv6 address"),
            ("tcp6://[::1:80", "no IPv6 address"),
        ] {
            let refused = given.parse::<FrontAddress>().unwrap_err();
            let text = format!("{refused} {refused:?}");
            assert!(text.contains(problem), "{given}: {text}");
            assert!(text.contains("expected tcp://HOST:PORT"), "{text}");
            assert!(!text.contains("hunter2"), "{text}");
        }
    }

    #[test]
    fn only_one_form_of_a_proxy_is_accepted() {
        for (given, problem) in [
            ("socks5://127.0.0.1:1", "needs the proxy"),
            ("socks5://hunter2:hunter2@127.0.0.1:1", "needs the proxy"),
            ("socks5://127.0.0.1:1/", "needs the proxy"),
            ("socks5://hunter2:1/proxy", "no port"),
            ("socks5://hunter2/proxy:1080", "no port"),
            ("socks5://hunter2:1/[::1]:1080", "after tcp6:// only"),
            ("socks5://hunter2:1/me@proxy:1080", "a user and no password"),
            ("socks5://front:1/:hunter2@proxy:1080", "must be 1 to 255"),
            ("socks5://front:1/hunter2:x@hunter@proxy:1080", "has an @"),
            ("socks5://front:1/me:hunter2@proxy:1080", "differ in length"),
        ] {
            let refused = given.parse::<FrontAddress>().unwrap_err().to_string();
            let form = "socks5://HOST:PORT/[USER:PASSWORD@]PROXY:PORT";
            assert!(
                refused.contains(problem) && refused.contains(form),
                "{given}: {refused}"
            );
            assert!(!refused.contains("hunter"), "{refused}");
        }
        let front = taken("socks5://front.example:41213/hunter1:hunter2@proxy:1080");
        assert!(front.is_behind_proxy());
        assert_eq!(format!("{front} {front:?}"), "socks5://*** socks5://***");
        let secrets = front.secrets();
        let secrets: Vec<&str> = secrets.iter().map(Secret::expose).collect();
        assert_eq!(
            secrets[1..],
            ["front.example", "proxy", "hunter1", "hunter2"]
        );
    }

    #[test]
    fn an_address_that_crashes_a_library_is_refused() {
        let (old, new) = (ApiVersion::new(6, 3, 15), ApiVersion::new(6, 5, 1));
        let ssl = taken("ssl://front:443");
        assert_eq!(ssl.check_for_md(&new), Err(FrontNotTaken::Ssl));
        assert_eq!(ssl.check_for_td(&old), Ok(()));
        let tcp6 = taken("tcp6://[::1]:9");
        let version = (6, 3, 15);
        assert_eq!(
            (tcp6.check_for_md(&old), tcp6.check_for_td(&old)),
            (
                Err(FrontNotTaken::Tcp6 { version }),
                Err(FrontNotTaken::Tcp6 { version })
            )
        );
        assert_eq!(tcp6.check_for_md(&new), Ok(()));
        assert_eq!(taken("tcp://front:1").check_for_md(&old), Ok(()));
    }
}

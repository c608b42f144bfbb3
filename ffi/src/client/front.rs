//! The address of a front.

use std::ffi::CString;
use std::fmt;
use std::str::FromStr;

/// A front's address as the library takes it, for example `tcp://182.254.243.31:30011`.
///
/// A socks5 address may carry a password, so `Display` and `Debug` mask what stands before an `@`.
#[derive(Clone, PartialEq, Eq)]
pub struct FrontAddress(CString);

/// The text is not the address of a front.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error(
    "\"{address}\" is not the address of a CTP front: {problem}; expected for example tcp://182.254.243.31:30011"
)]
pub struct BadFront {
    /// The text as it was given, without what may be a password.
    pub address: String,
    /// What is wrong with it.
    pub problem: &'static str,
}

/// Schemes that end in `host:port`. `sim` is the simulated front, whose address is free.
const SCHEMES: [&str; 5] = ["tcp", "tcp6", "ssl", "socks5", "udp"];

impl FrontAddress {
    /// The address for the library, which copies it.
    pub(crate) fn as_c_str(&self) -> &std::ffi::CStr {
        &self.0
    }
}

impl FromStr for FrontAddress {
    type Err = BadFront;

    /// Takes `scheme://host:port`, or `host:port` which means tcp.
    fn from_str(text: &str) -> Result<Self, BadFront> {
        let text = text.trim();
        let bad = |problem| BadFront {
            address: masked(text),
            problem,
        };
        let whole = if text.contains("://") {
            text.to_owned()
        } else {
            format!("tcp://{text}")
        };
        let (scheme, rest) = whole.split_once("://").unwrap_or_default();
        if scheme == "sim" {
            return CString::new(whole)
                .map(Self)
                .map_err(|_| bad("it has a NUL in it"));
        }
        if !SCHEMES.contains(&scheme) {
            return Err(bad(
                "it must begin with tcp://, tcp6://, ssl:// or socks5://",
            ));
        }
        let Some((host, port)) = rest.rsplit_once(':') else {
            return Err(bad("the port is missing"));
        };
        if host.rsplit('@').next().is_none_or(str::is_empty) {
            return Err(bad("the host is missing"));
        }
        if rest.contains(|c: char| c.is_whitespace() || c.is_control()) {
            return Err(bad("it has a blank in it"));
        }
        if !port.parse::<u16>().is_ok_and(|port| port > 0) {
            return Err(bad("the port is not a number from 1 to 65535"));
        }
        CString::new(whole)
            .map(Self)
            .map_err(|_| bad("it has a NUL in it"))
    }
}

/// The address without user and password.
fn masked(address: &str) -> String {
    let (scheme, rest) = address.split_once("://").unwrap_or(("", address));
    let rest = match rest.rsplit_once('@') {
        Some((_, host)) => format!("***@{host}"),
        None => rest.to_owned(),
    };
    if scheme.is_empty() {
        rest
    } else {
        format!("{scheme}://{rest}")
    }
}

impl fmt::Display for FrontAddress {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(&masked(&self.0.to_string_lossy()))
    }
}

impl fmt::Debug for FrontAddress {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "\"{self}\"")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_form_of_an_address_is_taken() {
        for (given, taken) in [
            ("tcp://182.254.243.31:30011", "tcp://182.254.243.31:30011"),
            (" 127.0.0.1:41213 ", "tcp://127.0.0.1:41213"),
            ("tcp6://fe80::1:41213", "tcp6://fe80::1:41213"),
            ("ssl://front.example.com:443", "ssl://front.example.com:443"),
            (
                "sim://synthetic:quick,seed=7?rate=10",
                "sim://synthetic:quick,seed=7?rate=10",
            ),
        ] {
            assert_eq!(given.parse::<FrontAddress>().unwrap().to_string(), taken);
        }
    }

    #[test]
    fn a_bad_address_is_refused_with_its_problem() {
        for (given, problem) in [
            ("", "port is missing"),
            ("tcp://1.2.3.4", "port is missing"),
            ("tcp://:41213", "host is missing"),
            ("tcp://1.2.3.4:0", "number from 1"),
            ("tcp://1.2.3.4:70000", "number from 1"),
            ("tcp://1.2.3.4:abc", "number from 1"),
            ("http://1.2.3.4:80", "must begin with"),
            ("tcp://1.2. 3.4:80", "blank"),
        ] {
            let refused = given.parse::<FrontAddress>().unwrap_err().to_string();
            assert!(refused.contains(problem), "{given}: {refused}");
        }
    }

    #[test]
    fn a_proxy_password_is_never_printed() {
        let good: FrontAddress = "socks5://me:hunter2@proxy:1080".parse().unwrap();
        assert_eq!(good.to_string(), "socks5://***@proxy:1080");
        assert!(!format!("{good:?}").contains("hunter2"));
        let bad = "socks5://me:hunter2@proxy:x"
            .parse::<FrontAddress>()
            .unwrap_err();
        assert!(!format!("{bad} {bad:?}").contains("hunter2"));
    }
}

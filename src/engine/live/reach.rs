//! Whether a front is reachable: a plain connection, without CTP.

use std::net::{TcpStream, ToSocketAddrs as _};
use std::time::Duration;

use tickdeck_ffi::FrontAddress;

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
}

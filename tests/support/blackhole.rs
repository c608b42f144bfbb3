//! A front that drops packets, like a firewall, a VPN that is down, or a front at night.

use std::net::{SocketAddr, TcpStream};
use std::time::Duration;

use tokio::net::{TcpListener, TcpSocket};

/// A listener whose queue is full, so that packets to it are dropped.
pub(crate) struct Blackhole {
    address: SocketAddr,
    _listener: TcpListener,
    _waiting: Vec<TcpStream>,
    _runtime: tokio::runtime::Runtime,
}

impl Blackhole {
    pub(crate) fn new() -> Self {
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_io()
            .build()
            .unwrap();
        let listener = runtime.block_on(async {
            let socket = TcpSocket::new_v4().unwrap();
            socket.bind("127.0.0.1:0".parse().unwrap()).unwrap();
            socket.listen(1).unwrap()
        });
        let address = listener.local_addr().unwrap();
        let mut waiting = Vec::new();
        // They are never accepted, so the queue soon has no room.
        while let Ok(stream) = TcpStream::connect_timeout(&address, Duration::from_millis(300)) {
            waiting.push(stream);
            assert!(
                waiting.len() < 100,
                "the queue of a listener is not bounded here"
            );
        }
        Self {
            address,
            _listener: listener,
            _waiting: waiting,
            _runtime: runtime,
        }
    }

    pub(crate) fn address(&self) -> String {
        format!("tcp://{}", self.address)
    }
}

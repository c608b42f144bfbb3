//! What a library connects to: ports of this machine that behave badly in one known way.

use std::io::Write;
use std::net::{TcpListener, TcpStream};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::thread::JoinHandle;

/// How a peer treats a connection.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Manners {
    /// No listener on the port.
    Refuses,
    /// Accepts and closes at once, [`STORM`] times. It is silent afterwards, so that a session can
    /// be ended without a new connection.
    Closes,
    /// The same without an end.
    AlwaysCloses,
    /// Accepts and never sends anything.
    Silent,
    /// Accepts and sends bytes that are not the vendor's protocol. Silent afterwards, as above.
    Garbage,
}

/// How many connections a peer disturbs before it is silent. A library that reconnects at once
/// needs some 100 ms for them.
pub(crate) const STORM: usize = 30;

/// A port without a listener that the system never assigns. A free port of the system's choice
/// could be assigned to another test meanwhile, or to the connecting socket itself.
const REFUSING_PORT: u16 = 1;

/// A peer on a separate port, closed when dropped.
pub(crate) struct Peer {
    port: u16,
    stop: Arc<AtomicBool>,
    accepted: Arc<AtomicUsize>,
    thread: Option<JoinHandle<()>>,
}

impl Peer {
    pub(crate) fn new(manners: Manners) -> Self {
        let stop = Arc::new(AtomicBool::new(false));
        let accepted = Arc::new(AtomicUsize::new(0));
        let listener =
            (manners != Manners::Refuses).then(|| TcpListener::bind("127.0.0.1:0").unwrap());
        let port = listener.as_ref().map_or(REFUSING_PORT, |listener| {
            listener.local_addr().unwrap().port()
        });
        let thread = listener.map(|listener| {
            let (stop, accepted) = (Arc::clone(&stop), Arc::clone(&accepted));
            std::thread::spawn(move || {
                let mut held = Vec::new();
                for connection in listener.incoming() {
                    if stop.load(Ordering::SeqCst) {
                        return;
                    }
                    let earlier = accepted.fetch_add(1, Ordering::SeqCst);
                    let manners = match manners {
                        Manners::Closes | Manners::Garbage if earlier >= STORM => Manners::Silent,
                        manners => manners,
                    };
                    if let Ok(connection) = connection {
                        treat(manners, connection, &mut held);
                    }
                }
            })
        });
        Self {
            port,
            stop,
            accepted,
            thread,
        }
    }

    pub(crate) fn address(&self) -> String {
        format!("tcp://127.0.0.1:{}", self.port)
    }

    /// Connections taken so far.
    pub(crate) fn accepted(&self) -> usize {
        self.accepted.load(Ordering::SeqCst)
    }
}

fn treat(manners: Manners, mut connection: TcpStream, held: &mut Vec<TcpStream>) {
    match manners {
        Manners::Silent => held.push(connection),
        Manners::Garbage => {
            // A library that hung up already is of no interest.
            let _ = connection.write_all(b"HTTP/1.1 400 Bad Request\r\nConnection: close\r\n\r\n");
            held.push(connection);
            // The last ones stay open; the library closes them from its side.
            if held.len() > 16 {
                held.remove(0);
            }
        }
        Manners::Refuses | Manners::Closes | Manners::AlwaysCloses => {}
    }
}

impl Drop for Peer {
    fn drop(&mut self) {
        self.stop.store(true, Ordering::SeqCst);
        if let Some(thread) = self.thread.take() {
            // Wakes the accepting thread.
            let _ = TcpStream::connect(("127.0.0.1", self.port));
            let _ = thread.join();
        }
    }
}

//! A SOCKS5 proxy (RFC 1928, 1929) that accepts every login and then stays silent. Shared by the
//! tests of all packages.

use std::io::{Read, Result, Write};
use std::net::{TcpListener, TcpStream};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::thread::JoinHandle;
use std::time::Duration;

/// How long a connected client may be silent.
const PATIENCE: Duration = Duration::from_secs(60);

/// A client's request.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Asked {
    /// User and password, if given.
    pub(crate) login: Option<(String, String)>,
    /// `HOST:PORT` of the front, as the client wrote it.
    pub(crate) front: String,
}

/// A proxy on a free port, closed when dropped.
pub(crate) struct SocksProxy {
    port: u16,
    stop: Arc<AtomicBool>,
    asked: Arc<Mutex<Vec<Asked>>>,
    thread: Option<JoinHandle<()>>,
}

impl SocksProxy {
    pub(crate) fn new() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let port = listener.local_addr().unwrap().port();
        let (stop, asked) = (
            Arc::<AtomicBool>::default(),
            Arc::<Mutex<Vec<Asked>>>::default(),
        );
        let (stopped, all) = (Arc::clone(&stop), Arc::clone(&asked));
        let thread = std::thread::spawn(move || {
            let mut held = Vec::new();
            for mut connection in listener.incoming().flatten() {
                if stopped.load(Ordering::SeqCst) {
                    return;
                }
                // A client that only probes the port hangs up.
                if let Ok(asked) = serve(&mut connection) {
                    all.lock().unwrap().push(asked);
                    held.push(connection);
                }
            }
        });
        Self {
            port,
            stop,
            asked,
            thread: Some(thread),
        }
    }

    /// `HOST:PORT` of the proxy.
    pub(crate) fn address(&self) -> String {
        format!("127.0.0.1:{}", self.port)
    }

    /// Requests so far.
    pub(crate) fn asked(&self) -> Vec<Asked> {
        self.asked.lock().unwrap().clone()
    }
}

fn bytes(connection: &mut TcpStream, count: usize) -> Result<Vec<u8>> {
    let mut bytes = vec![0; count];
    connection.read_exact(&mut bytes).map(|()| bytes)
}

/// A length byte and that many bytes.
fn counted(connection: &mut TcpStream) -> Result<Vec<u8>> {
    let count = bytes(connection, 1)?[0];
    bytes(connection, usize::from(count))
}

fn text(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}

fn serve(connection: &mut TcpStream) -> Result<Asked> {
    const BY_PASSWORD: u8 = 2;
    bytes(connection, 1)?;
    let methods = counted(connection)?;
    let mut login = None;
    if methods.contains(&BY_PASSWORD) {
        connection.write_all(&[5, BY_PASSWORD])?;
        bytes(connection, 1)?;
        let user = text(&counted(connection)?);
        login = Some((user, text(&counted(connection)?)));
        connection.write_all(&[1, 0])?;
    } else {
        connection.write_all(&[5, 0])?;
    }
    let request = bytes(connection, 4)?;
    assert_eq!(request, [5, 1, 0, 3], "to connect to a name");
    let host = text(&counted(connection)?);
    let port = bytes(connection, 2)?;
    connection.write_all(&[5, 0, 0, 1, 0, 0, 0, 0, 0, 0])?;
    // A request counts when its connection is up and has the library's first bytes. While a
    // connection is being established, the vendor's Release may crash.
    connection.set_read_timeout(Some(PATIENCE))?;
    bytes(connection, 1)?;
    Ok(Asked {
        login,
        front: format!("{host}:{}", u16::from_be_bytes([port[0], port[1]])),
    })
}

impl Drop for SocksProxy {
    fn drop(&mut self) {
        self.stop.store(true, Ordering::SeqCst);
        if let Some(thread) = self.thread.take() {
            // Wakes the accepting thread.
            let _ = TcpStream::connect(("127.0.0.1", self.port));
            let _ = thread.join();
        }
    }
}

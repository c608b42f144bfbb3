//! A network that fails: a TCP proxy whose connections can be cut in the middle of the stream.

use std::io::{Read, Write};
use std::net::{Shutdown, TcpListener, TcpStream};
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};

#[derive(Default)]
struct Shared {
    closed: AtomicBool,
    accepted: AtomicUsize,
    /// Bytes that may still pass from the client before the connection is cut; 0 for no limit.
    cut_after: AtomicUsize,
    open: Mutex<Vec<TcpStream>>,
}

pub(crate) struct Proxy {
    port: u16,
    shared: Arc<Shared>,
}

impl Proxy {
    /// Forwards every connection to `target`.
    pub(crate) fn to(target: u16) -> Self {
        let listener = TcpListener::bind(("127.0.0.1", 0)).unwrap();
        let port = listener.local_addr().unwrap().port();
        let shared = Arc::new(Shared::default());
        let accepting = Arc::clone(&shared);
        std::thread::spawn(move || {
            // The thread ends with the test process; a dropped proxy refuses.
            for client in listener.incoming().flatten() {
                accept(client, target, &accepting);
            }
        });
        Self { port, shared }
    }

    pub(crate) fn url(&self) -> String {
        format!("nats://127.0.0.1:{}", self.port)
    }

    /// Cuts every connection and refuses new ones.
    pub(crate) fn close(&self) {
        self.shared.closed.store(true, Ordering::SeqCst);
        self.cut();
    }

    /// Lets connections through again.
    pub(crate) fn reopen(&self) {
        self.shared.closed.store(false, Ordering::SeqCst);
    }

    /// Cuts each connection after it carried `bytes` from the client; what it has read by then is
    /// thrown away. 0 for never.
    pub(crate) fn cut_after(&self, bytes: usize) {
        self.shared.cut_after.store(bytes, Ordering::SeqCst);
    }

    pub(crate) fn accepted(&self) -> usize {
        self.shared.accepted.load(Ordering::SeqCst)
    }

    fn cut(&self) {
        for stream in self.shared.open.lock().unwrap().drain(..) {
            let _ = stream.shutdown(Shutdown::Both);
        }
    }
}

impl Drop for Proxy {
    fn drop(&mut self) {
        self.close();
    }
}

fn accept(client: TcpStream, target: u16, shared: &Arc<Shared>) {
    if shared.closed.load(Ordering::SeqCst) {
        return;
    }
    let Ok(server) = TcpStream::connect(("127.0.0.1", target)) else {
        return;
    };
    shared.accepted.fetch_add(1, Ordering::SeqCst);
    let mut open = shared.open.lock().unwrap();
    open.extend([client.try_clone().unwrap(), server.try_clone().unwrap()]);
    let limit = shared.cut_after.load(Ordering::SeqCst);
    let (from_client, to_server) = (client.try_clone().unwrap(), server.try_clone().unwrap());
    std::thread::spawn(move || pass(from_client, to_server, limit));
    std::thread::spawn(move || pass(server, client, 0));
}

/// Passes bytes on until the end, an error, or `limit`.
fn pass(mut from: TcpStream, mut to: TcpStream, limit: usize) {
    let mut buffer = vec![0; 64 * 1024];
    let mut passed = 0;
    while let Ok(count @ 1..) = from.read(&mut buffer) {
        passed += count;
        if (limit > 0 && passed > limit) || to.write_all(&buffer[..count]).is_err() {
            break;
        }
    }
    let _ = from.shutdown(Shutdown::Both);
    let _ = to.shutdown(Shutdown::Both);
}

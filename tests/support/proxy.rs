//! A network that fails: a TCP proxy whose connections can be cut in the middle of the stream, are
//! slow, or carry nothing.

use std::io::{Read, Write};
use std::net::{Shutdown, TcpListener, TcpStream};
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use tickdeck::nats::NatsOptions;

use super::nats_server;

#[derive(Default)]
struct Shared {
    closed: AtomicBool,
    accepted: AtomicUsize,
    refused: AtomicUsize,
    /// Number of connections, from the next one on, whose server receives nothing.
    unheard: AtomicUsize,
    /// Delay of the server's output.
    delay: Mutex<Duration>,
    /// Bytes that may still pass from the client before the connection is cut; 0 for no limit.
    cut_after: AtomicUsize,
    /// What the client says before its connection is reset, once, with the answers held back.
    reset_behind: Mutex<Option<Vec<u8>>>,
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

    /// Its port on loopback.
    pub(crate) const fn port(&self) -> u16 {
        self.port
    }

    pub(crate) fn url(&self) -> String {
        format!("nats://127.0.0.1:{}", self.port)
    }

    /// Options for its server.
    pub(crate) fn options(&self) -> NatsOptions {
        nats_server::options(&self.url())
    }

    /// Cuts every connection and refuses new ones.
    pub(crate) fn close(&self) {
        self.shared.closed.store(true, Ordering::SeqCst);
        self.cut();
    }

    /// Allows connections again.
    pub(crate) fn reopen(&self) {
        self.shared.closed.store(false, Ordering::SeqCst);
    }

    /// Cuts each connection after `bytes` from the client, and discards what it has read by then. 0
    /// for never.
    pub(crate) fn cut_after(&self, bytes: usize) {
        self.shared.cut_after.store(bytes, Ordering::SeqCst);
    }

    /// Passes `words` of a client on, holds back every answer to them and cuts the connection.
    /// Once.
    pub(crate) fn reset_behind(&self, words: &str) {
        *self.shared.reset_behind.lock().unwrap() = Some(words.as_bytes().to_vec());
    }

    /// Whether a [reset](Self::reset_behind) is still to come.
    pub(crate) fn will_reset(&self) -> bool {
        self.shared.reset_behind.lock().unwrap().is_some()
    }

    /// Discards the client's bytes on the next `count` connections. The server sees the connection,
    /// and its output arrives.
    pub(crate) fn mute_next(&self, count: usize) {
        self.shared.unheard.store(count, Ordering::SeqCst);
    }

    /// Delays the server's output by this long, on connections made from now on.
    pub(crate) fn delay_answers(&self, delay: Duration) {
        *self.shared.delay.lock().unwrap() = delay;
    }

    /// Connections that were refused while it was closed.
    pub(crate) fn refused(&self) -> usize {
        self.shared.refused.load(Ordering::SeqCst)
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
        shared.refused.fetch_add(1, Ordering::SeqCst);
        return;
    }
    let Ok(server) = TcpStream::connect(("127.0.0.1", target)) else {
        return;
    };
    let mut open = shared.open.lock().unwrap();
    // Closed in the meantime: closing cuts listed connections, and this one is not listed yet.
    if shared.closed.load(Ordering::SeqCst) {
        shared.refused.fetch_add(1, Ordering::SeqCst);
        return;
    }
    shared.accepted.fetch_add(1, Ordering::SeqCst);
    open.extend([client.try_clone().unwrap(), server.try_clone().unwrap()]);
    let is_unheard = shared
        .unheard
        .fetch_update(Ordering::SeqCst, Ordering::SeqCst, |left| {
            left.checked_sub(1)
        })
        .is_ok();
    let is_reset = Arc::new(AtomicBool::new(false));
    let to_server = Way {
        limit: shared.cut_after.load(Ordering::SeqCst),
        is_unheard,
        resets: Some(Arc::clone(shared)),
        is_reset: Arc::clone(&is_reset),
        ..Way::default()
    };
    let to_client = Way {
        delay: *shared.delay.lock().unwrap(),
        is_reset,
        ..Way::default()
    };
    let (from_client, server_too) = (client.try_clone().unwrap(), server.try_clone().unwrap());
    std::thread::spawn(move || to_server.pass(from_client, server_too));
    std::thread::spawn(move || to_client.pass(server, client));
}

/// One direction of a connection.
#[derive(Default)]
struct Way {
    /// Bytes that may pass; 0 for no limit.
    limit: usize,
    is_unheard: bool,
    delay: Duration,
    /// The end of the bytes after which the connection is reset. Only the client's bytes count.
    resets: Option<Arc<Shared>>,
    /// Whether the client receives no more bytes.
    is_reset: Arc<AtomicBool>,
}

impl Way {
    /// Passes bytes on until the end, an error, or the limit.
    fn pass(&self, mut from: TcpStream, mut to: TcpStream) {
        let mut buffer = vec![0; 64 * 1024];
        let mut passed = 0;
        while let Ok(count @ 1..) = from.read(&mut buffer) {
            std::thread::sleep(self.delay);
            passed += count;
            if self.is_unheard {
                continue;
            }
            let is_last = self.ends_with(&buffer[..count]);
            if self.resets.is_none() && self.is_reset.load(Ordering::SeqCst) {
                continue;
            }
            if (self.limit > 0 && passed > self.limit) || to.write_all(&buffer[..count]).is_err() {
                break;
            }
            if is_last {
                // The server must have read it before the reset discards it.
                std::thread::sleep(Duration::from_millis(50));
                break;
            }
        }
        let _ = from.shutdown(Shutdown::Both);
        let _ = to.shutdown(Shutdown::Both);
    }

    /// Whether the connection is reset after these bytes.
    fn ends_with(&self, bytes: &[u8]) -> bool {
        let Some(shared) = &self.resets else {
            return false;
        };
        let mut words = shared.reset_behind.lock().unwrap();
        let is_said = words
            .as_ref()
            .is_some_and(|words| bytes.windows(words.len()).any(|found| found == words));
        if is_said {
            *words = None;
            self.is_reset.store(true, Ordering::SeqCst);
        }
        is_said
    }
}

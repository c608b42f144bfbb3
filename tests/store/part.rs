//! One instrument of a recording in a store is read without the others.

use std::io::{Read as _, Write as _};
use std::net::{Shutdown, TcpListener, TcpStream};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use super::*;

/// Forwards connections to a server and counts what it sends.
struct Counter {
    port: u16,
    bytes: Arc<AtomicU64>,
}

impl Counter {
    fn to(target: u16) -> Self {
        let listener = TcpListener::bind(("127.0.0.1", 0)).unwrap();
        let port = listener.local_addr().unwrap().port();
        let bytes = Arc::new(AtomicU64::new(0));
        let counted = Arc::clone(&bytes);
        std::thread::spawn(move || {
            // The thread ends with the test process.
            for client in listener.incoming().flatten() {
                let server = TcpStream::connect(("127.0.0.1", target)).unwrap();
                let (to, from) = (server.try_clone().unwrap(), client.try_clone().unwrap());
                std::thread::spawn(move || forward(from, to, &AtomicU64::new(0)));
                let counted = Arc::clone(&counted);
                std::thread::spawn(move || forward(server, client, &counted));
            }
        });
        Self { port, bytes }
    }
}

fn forward(mut from: TcpStream, mut to: TcpStream, bytes: &AtomicU64) {
    let mut buffer = vec![0; 1 << 16];
    while let Ok(count @ 1..) = from.read(&mut buffer) {
        bytes.fetch_add(count as u64, Ordering::SeqCst);
        if to.write_all(&buffer[..count]).is_err() {
            break;
        }
    }
    let _ = to.shutdown(Shutdown::Both);
}

#[test]
fn one_instrument_costs_a_quarter_of_the_bytes_at_most() {
    let Some(server) = S3Server::start("one instrument of a day") else {
        return;
    };
    let folder = Folder::new();
    let day = folder.generate("day", "--profile day --seed 5 --duration 20m");
    push(&server, &day, "day");
    let all: u64 = names(&day)
        .iter()
        .map(|name| day.join(name).metadata().unwrap().len())
        .sum();
    let counter = Counter::to(server.port());
    let replay = |recording: &str| {
        let words = format!("replay {recording} --symbols rb2601 --rate max --sink jsonl:-");
        let mut command = command(&server, &words);
        command.env("AWS_ENDPOINT", format!("http://127.0.0.1:{}", counter.port));
        finish(command).done().stdout
    };
    let expected = replay(day.to_str().unwrap());
    assert!(expected.lines().count() > 10);
    assert_eq!(counter.bytes.load(Ordering::SeqCst), 0);
    assert!(replay(&url("day")) == expected);
    let read = counter.bytes.load(Ordering::SeqCst);
    println!(
        "{read} of {all} bytes: {:.2} %",
        read as f64 * 100.0 / all as f64
    );
    assert!(read * 4 <= all, "{read} of {all} bytes");
}

//! A subscriber and a publisher that share no code with tickdeck: the text protocol over a socket.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::TcpStream;

use super::DEADLINE;

pub(crate) struct RawSubscriber {
    reader: BufReader<TcpStream>,
    line: String,
}

impl RawSubscriber {
    /// Subscribes to `subject` and returns when the server knows.
    pub(crate) fn connect(port: u16, subject: &str) -> Self {
        let stream = TcpStream::connect(("127.0.0.1", port)).unwrap();
        stream.set_read_timeout(Some(DEADLINE)).unwrap();
        let mut subscriber = Self {
            reader: BufReader::with_capacity(1 << 20, stream),
            line: String::new(),
        };
        assert!(subscriber.read_line().unwrap().starts_with("INFO "));
        let hello = format!("CONNECT {{\"verbose\":false}}\r\nSUB {subject} 1\r\nPING\r\n");
        subscriber.write(hello.as_bytes());
        while subscriber.read_line().unwrap() != "PONG" {}
        subscriber
    }

    fn write(&mut self, bytes: &[u8]) {
        self.reader.get_mut().write_all(bytes).unwrap();
    }

    fn read_line(&mut self) -> Option<&str> {
        self.line.clear();
        match self.reader.read_line(&mut self.line) {
            Ok(0) => None,
            Ok(_) => Some(self.line.trim_end()),
            Err(error) => panic!("no message within {DEADLINE:?}: {error}"),
        }
    }

    /// The next message's subject and payload; `None` when the server is gone.
    pub(crate) fn next(&mut self) -> Option<(String, Vec<u8>)> {
        loop {
            let line = self.read_line()?;
            if line == "PING" {
                self.write(b"PONG\r\n");
            } else if let Some(rest) = line.strip_prefix("MSG ") {
                let mut words = rest.split(' ');
                let subject = words.next().unwrap().to_owned();
                let length: usize = words.next_back().unwrap().parse().unwrap();
                let mut payload = vec![0; length + 2];
                self.reader.read_exact(&mut payload).unwrap();
                assert_eq!(payload.split_off(length), b"\r\n");
                return Some((subject, payload));
            } else {
                assert!(line.starts_with("INFO "), "unexpected: {line}");
            }
        }
    }
}

/// Subject for the answers to a publisher's requests.
const ANSWERS: &str = "raw.answers";

pub(crate) struct RawPublisher {
    subscriber: RawSubscriber,
    buffer: Vec<u8>,
}

impl RawPublisher {
    pub(crate) fn connect(port: u16) -> Self {
        Self {
            subscriber: RawSubscriber::connect(port, ANSWERS),
            buffer: Vec::new(),
        }
    }

    /// Queues a message.
    pub(crate) fn add(&mut self, subject: &str, payload: &[u8]) {
        let head = format!("PUB {subject} {}\r\n", payload.len());
        self.buffer.extend_from_slice(head.as_bytes());
        self.buffer.extend_from_slice(payload);
        self.buffer.extend_from_slice(b"\r\n");
    }

    /// Sends what is queued and returns when the server has processed it.
    pub(crate) fn flush(&mut self) {
        self.buffer.extend_from_slice(b"PING\r\n");
        let bytes = std::mem::take(&mut self.buffer);
        self.subscriber.write(&bytes);
        while self.subscriber.read_line().unwrap() != "PONG" {}
    }

    /// Sends a request and waits for the answer. The responder has received what was published before.
    pub(crate) fn request(&mut self, subject: &str) {
        self.subscriber
            .write(format!("PUB {subject} {ANSWERS} 0\r\n\r\n").as_bytes());
        let (answered, _) = self.subscriber.next().expect("the server is there");
        assert_eq!(answered, ANSWERS);
    }

    /// Publishes one message and waits until the server has it.
    pub(crate) fn publish(&mut self, subject: &str, payload: &[u8]) {
        self.add(subject, payload);
        self.flush();
    }
}

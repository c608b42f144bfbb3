//! A subscriber that shares no code with the sink: the text protocol over a socket.

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

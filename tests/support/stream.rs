//! JetStream through the text protocol, sharing no code with tickdeck: requests, and every message of a
//! stream with its sequence.

use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::net::TcpStream;
use std::time::Duration;

use serde_json::{Value, json};

use super::DEADLINE;

/// Lines of a server's configuration that turn JetStream on.
pub(crate) const JETSTREAM: &str = "jetstream { store_dir: \"FOLDER/js\" }";

/// A message of a stream.
#[derive(Debug)]
pub(crate) struct Stored {
    pub(crate) sequence: u64,
    pub(crate) subject: String,
    pub(crate) headers: String,
    pub(crate) payload: Vec<u8>,
}

pub(crate) struct StreamClient {
    reader: BufReader<TcpStream>,
    requests: u64,
}

/// What came on an inbox.
struct Reply {
    headers: String,
    payload: Vec<u8>,
}

impl StreamClient {
    pub(crate) fn connect(port: u16) -> Self {
        Self::connect_for(port, DEADLINE).unwrap()
    }

    /// A client that waits for each answer this long. `None` where nothing accepts connections.
    pub(crate) fn connect_for(port: u16, patience: Duration) -> Option<Self> {
        let stream = TcpStream::connect(("127.0.0.1", port)).ok()?;
        stream.set_read_timeout(Some(patience)).unwrap();
        let mut client = Self {
            reader: BufReader::with_capacity(1 << 20, stream),
            requests: 0,
        };
        assert!(client.line().starts_with("INFO "));
        client.write(
            "CONNECT {\"verbose\":false,\"headers\":true,\"no_responders\":true}\r\nSUB answers.> 1\r\n",
        );
        Some(client)
    }

    fn write(&mut self, text: &str) {
        self.reader.get_mut().write_all(text.as_bytes()).unwrap();
    }

    fn line(&mut self) -> String {
        self.try_line().unwrap()
    }

    fn try_line(&mut self) -> std::io::Result<String> {
        let mut line = String::new();
        self.reader.read_line(&mut line)?;
        Ok(line.trim_end().to_owned())
    }

    fn send(&mut self, subject: &str, body: &Value) {
        self.requests += 1;
        let (body, number) = (body.to_string(), self.requests);
        let length = body.len();
        self.write(&format!(
            "PUB {subject} answers.{number} {length}\r\n{body}\r\n"
        ));
    }

    fn reply(&mut self) -> Reply {
        self.try_reply().unwrap()
    }

    fn try_reply(&mut self) -> std::io::Result<Reply> {
        loop {
            let line = self.try_line()?;
            let mut words = line.split(' ');
            let (kind, mut lengths) = (words.next().unwrap(), words.rev());
            let mut length = || lengths.next().unwrap().parse::<usize>().unwrap();
            let (headers, total) = match kind {
                "PING" => {
                    self.write("PONG\r\n");
                    continue;
                }
                "MSG" => (0, length()),
                "HMSG" => {
                    let total = length();
                    (length(), total)
                }
                _ => {
                    assert!(line.starts_with("INFO "), "unexpected: {line}");
                    continue;
                }
            };
            let mut bytes = vec![0; total + 2];
            self.reader.read_exact(&mut bytes)?;
            bytes.truncate(total);
            let payload = bytes.split_off(headers);
            return Ok(Reply {
                headers: String::from_utf8(bytes).unwrap(),
                payload,
            });
        }
    }

    /// A request of the JetStream API.
    pub(crate) fn api(&mut self, subject: &str, body: &Value) -> Value {
        self.send(&format!("$JS.API.{subject}"), body);
        let reply = self.reply();
        serde_json::from_slice(&reply.payload).unwrap_or_else(|error| panic!("{subject}: {error}"))
    }

    /// The same, of a server that may not answer, or not yet. `None` for an error too.
    pub(crate) fn try_api(&mut self, subject: &str, body: &Value) -> Option<Value> {
        self.send(&format!("$JS.API.{subject}"), body);
        let reply = self.try_reply().ok()?;
        let answer: Value = serde_json::from_slice(&reply.payload).ok()?;
        answer.get("error").is_none().then_some(answer)
    }

    /// The same, which must succeed.
    pub(crate) fn done(&mut self, subject: &str, body: &Value) -> Value {
        let answer = self.api(subject, body);
        assert!(answer.get("error").is_none(), "{subject}: {answer}");
        answer
    }

    /// Publishes one message to the stream of its subject.
    pub(crate) fn publish(&mut self, subject: &str, payload: &[u8]) {
        let text = String::from_utf8(payload.to_vec()).unwrap();
        let length = text.len();
        self.requests += 1;
        let number = self.requests;
        self.write(&format!(
            "PUB {subject} answers.{number} {length}\r\n{text}\r\n"
        ));
        let stored = self.reply();
        assert!(stored.payload.starts_with(b"{\"stream\""));
    }

    /// Creates a stream for ticks, with `more` settings.
    pub(crate) fn create(&mut self, name: &str, more: Value) {
        let mut config = json!({
            "name": name, "subjects": ["market.tick.>"], "retention": "limits", "discard": "new",
            "storage": "file", "num_replicas": 1, "max_msgs": -1, "max_bytes": -1,
            "max_consumers": -1, "allow_direct": true,
        });
        let more = more.as_object().unwrap().clone();
        config.as_object_mut().unwrap().extend(more);
        self.done(&format!("STREAM.CREATE.{name}"), &config);
    }

    pub(crate) fn state(&mut self, name: &str) -> Value {
        self.done(&format!("STREAM.INFO.{name}"), &json!({}))["state"].take()
    }

    /// How many messages a stream has; 0 if there is no such stream.
    pub(crate) fn count(&mut self, name: &str) -> u64 {
        let info = self.api(&format!("STREAM.INFO.{name}"), &json!({}));
        info["state"]["messages"].as_u64().unwrap_or_default()
    }

    /// Every message of a stream, by the server's direct access.
    pub(crate) fn messages(&mut self, name: &str) -> Vec<Stored> {
        let mut messages: Vec<Stored> = Vec::new();
        loop {
            let next = messages.last().map_or(1, |last| last.sequence + 1);
            let body = json!({ "seq": next, "batch": 1000 });
            self.send(&format!("$JS.API.DIRECT.GET.{name}"), &body);
            let before = messages.len();
            loop {
                let reply = self.reply();
                let Some(sequence) = header(&reply.headers, "Nats-Sequence") else {
                    break;
                };
                messages.push(Stored {
                    sequence: sequence.parse().unwrap(),
                    subject: header(&reply.headers, "Nats-Subject").unwrap(),
                    payload: reply.payload,
                    headers: reply.headers,
                });
            }
            if messages.len() == before {
                return messages;
            }
        }
    }
}

/// The messages as lines of a payload stream.
pub(crate) fn lines(messages: &[Stored]) -> String {
    let line = |message: &Stored| {
        let payload = String::from_utf8(message.payload.clone()).unwrap();
        format!("{} {payload}\n", message.subject)
    };
    messages.iter().map(line).collect()
}

/// The value of a header.
pub(crate) fn header(headers: &str, name: &str) -> Option<String> {
    let mut lines = headers.lines();
    lines.find_map(|line| Some(line.strip_prefix(name)?.strip_prefix(": ")?.to_owned()))
}

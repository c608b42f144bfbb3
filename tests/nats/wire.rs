//! The replay's own connection: servers that break the protocol, and real ones over TLS or at their
//! end.

use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::net::{TcpListener, TcpStream};
use std::thread;
use std::time::Duration;

use tickdeck::nats::{NatsError, NatsFailure, NatsOptions, Secret, Subscriber};
use tickdeck::sink::{NatsSink, Sink};

use super::login::certificates;
use super::{checked_seq, messages};
use crate::support::log::{LogText, captured};
use crate::support::nats_server::{NatsServer, options};
use crate::support::proxy::Proxy;
use crate::support::{DEADLINE, wait_until};

const INFO: &str = "INFO {\"server_id\":\"fake\",\"max_payload\":1048576}\r\n";

/// A server whose `serve` gets each connection with its number, from 0 on. Returns its options.
fn fake(serve: impl Fn(usize, TcpStream) + Send + 'static) -> NatsOptions {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = listener.local_addr().unwrap().port();
    // Ends with the test process.
    thread::spawn(move || {
        for (number, stream) in listener.incoming().flatten().enumerate() {
            serve(number, stream);
        }
    });
    options(&format!("nats://127.0.0.1:{port}"))
}

/// Why no connection is made to a server that says `greeting` to every client and closes.
fn refused(greeting: &'static [u8]) -> String {
    let options = NatsOptions {
        connect_timeout: Duration::from_millis(500),
        ..fake(move |_, mut stream| {
            let _ = stream.write_all(greeting);
        })
    };
    NatsSink::connect(&options).unwrap_err().to_string()
}

#[test]
fn what_is_not_a_server_is_named() {
    for (greeting, needle) in [
        (
            &b"HTTP/1.1 400 Bad Request\r\n\r\n"[..],
            "it says `HTTP/1.1 400 Bad Request`",
        ),
        (b"SSH-2.0-OpenSSH_9.6\r\n", "it says `SSH-2.0-OpenSSH_9.6`"),
        (b"\x1b[2J\r\n", "it says `\\u001b[2J`"),
        (b"INFO {\r\n", "its INFO cannot be read"),
        (b"INFO {\"max_pay", "it sends no greeting"),
        (b"", "it sends no greeting"),
        (
            b"-ERR 'maximum connections exceeded'\r\n",
            "maximum connections exceeded",
        ),
        (b"PING\r\n", "not a NATS server"),
    ] {
        let said = refused(greeting);
        assert!(said.contains(needle), "{said}");
        assert!(!said.contains('\x1b'), "{said}");
    }
}

#[test]
fn an_info_without_end_is_given_up() {
    let options = NatsOptions {
        connect_timeout: Duration::from_secs(4),
        ..fake(|_, mut stream| {
            let _ = stream.write_all(b"INFO {\"server_name\":\"");
            while stream.write_all(&[b'x'; 4096]).is_ok() {}
        })
    };
    let said = NatsSink::connect(&options).unwrap_err().to_string();
    assert!(said.contains("a line has more than 65536 bytes"), "{said}");
}

/// Serves one connection: accepts the login, sends every mark back, and does `act` once with the
/// first message. Returns at the end of the connection.
fn serve(stream: TcpStream, greeting: &str, act: impl FnOnce(&mut TcpStream)) {
    let mut out = stream.try_clone().unwrap();
    let mut input = BufReader::new(stream);
    let _ = out.write_all(greeting.as_bytes());
    let (mut line, mut act) = (String::new(), Some(act));
    while input.read_line(&mut line).is_ok_and(|count| count > 0) {
        let words: Vec<String> = line.split_whitespace().map(str::to_owned).collect();
        line.clear();
        match words.first().map(String::as_str) {
            Some("PING") => drop(out.write_all(b"PONG\r\n")),
            Some("PUB") => {
                let mut body = vec![0; words[2].parse::<usize>().unwrap() + 2];
                if input.read_exact(&mut body).is_err() {
                    return;
                }
                if words[1].starts_with("_INBOX.") {
                    let head = format!("MSG {} 1 {}\r\n", words[1], words[2]);
                    // In halves.
                    let _ = out.write_all(head.as_bytes());
                    let _ = out.write_all(&body);
                } else if let Some(act) = act.take() {
                    act(&mut out);
                }
            }
            _ => {}
        }
    }
}

/// What a server says to the first message before the connection is to end.
fn ends_the_connection(said: &'static [u8], logged: &str) {
    let options = fake(move |number, stream| {
        serve(stream, INFO, |out| {
            if number == 0 {
                let _ = out.write_all(said);
            }
        });
    });
    let ((), log) = captured(|| {
        let mut sink = Box::new(NatsSink::connect(&options).unwrap());
        let stats = sink.stats();
        sink.publish(&messages(0, 10)).unwrap();
        sink.finish().unwrap();
        assert_eq!((stats.confirmed(), stats.reconnects()), (10, 1));
        assert_eq!(stats.resent(), 10);
    });
    assert!(log.contains(logged), "{logged} is not in {log}");
}

#[test]
fn an_error_of_the_server_leads_to_the_next_connection() {
    ends_the_connection(b"-ERR 'Stale Connection'\r\n", "Stale Connection");
    ends_the_connection(b"HELLO\r\n", "it says `HELLO`");
    ends_the_connection(b"MSG a 1 x\r\n", "it says `MSG a 1 x`");
}

#[test]
fn a_lower_max_payload_holds_at_once() {
    let options = fake(|_, stream| {
        serve(stream, INFO, |out| {
            let _ = out.write_all(b"INFO {\"max_payload\":100}\r\n");
        });
    });
    let mut sink = NatsSink::connect(&options).unwrap();
    sink.publish(&messages(0, 1)).unwrap();
    sink.flush().unwrap();
    sink.publish(&messages(1, 2)).unwrap();
    let error = sink.flush().unwrap_err().to_string();
    assert!(
        error.contains("larger than the server's max_payload"),
        "{error}"
    );
}

#[test]
fn a_server_that_ends_every_connection_is_not_flooded() {
    let options = NatsOptions {
        reconnect_timeout: Some(Duration::from_secs(20)),
        ..fake(|number, stream| {
            serve(stream, INFO, |out| {
                let said: &[u8] = match number {
                    0..3 => b"-ERR 'Parser Error'\r\n",
                    _ => b"PING\r\n",
                };
                let _ = out.write_all(said);
            });
        })
    };
    let mut sink = Box::new(NatsSink::connect(&options).unwrap());
    let stats = sink.stats();
    sink.publish(&messages(0, 10)).unwrap();
    sink.finish().unwrap();
    assert_eq!((stats.confirmed(), stats.reconnects()), (10, 3));
}

struct Tls {
    server: NatsServer,
    options: NatsOptions,
}

/// A server with TLS and a login, and options for it.
fn tls(test: &str, first: bool) -> Option<Tls> {
    let made = certificates("127.0.0.1");
    let config = format!(
        "authorization {{ user: md, password: secret-word, timeout: 60 }}
         tls {{ cert_file: \"FOLDER/cert.pem\", key_file: \"FOLDER/key.pem\", timeout: 60,
                handshake_first: {first} }}"
    );
    let files = [
        ("ca.pem", made.ca.as_str()),
        ("cert.pem", &made.cert),
        ("key.pem", &made.key),
    ];
    let server = NatsServer::with_files(test, &config, &files)?;
    let options = NatsOptions {
        ca: Some(server.file("ca.pem")),
        tls_first: first,
        user: Some("md".to_owned()),
        password: Some(Secret::new("secret-word")),
        ..server.options()
    };
    Some(Tls { server, options })
}

#[test]
fn a_login_and_many_messages_pass_through_tls() {
    const COUNT: u64 = 40_000;
    for first in [false, true] {
        let Some(Tls { server, options }) = tls("many messages through TLS", first) else {
            return;
        };
        let wrong = NatsOptions {
            password: Some(Secret::new("other-word")),
            ..options.clone()
        };
        let NatsError::Server { failure, .. } = NatsSink::connect(&wrong).unwrap_err() else {
            panic!("the login is refused by the server");
        };
        assert_eq!(failure, NatsFailure::LoginRefused);
        let subscriber = Subscriber::start(&options, "market.tick.>").unwrap();
        let mut sink = Box::new(NatsSink::connect(&options).unwrap());
        let stats = sink.stats();
        let reading = thread::spawn(move || {
            for expected in 0..COUNT {
                let message = subscriber.next(DEADLINE).unwrap();
                let subject = str::from_utf8(&message.subject).unwrap();
                assert_eq!(checked_seq(subject, &message.payload), expected);
            }
        });
        sink.publish(&messages(0, COUNT)).unwrap();
        sink.finish().unwrap();
        reading.join().unwrap();
        assert_eq!((stats.confirmed(), stats.reconnects()), (COUNT, 0));
        drop(server);
    }
}

#[test]
fn a_cut_connection_with_tls_is_made_again() {
    const COUNT: u64 = 40_000;
    let Some(Tls { server, options }) = tls("a cut connection with TLS", false) else {
        return;
    };
    let proxy = Proxy::to(server.port());
    proxy.cut_after(4_000_000);
    let options = NatsOptions {
        servers: proxy.options().servers,
        ..options
    };
    let mut sink = Box::new(NatsSink::connect(&options).unwrap());
    let stats = sink.stats();
    for from in (0..COUNT).step_by(1000) {
        sink.publish(&messages(from, from + 1000)).unwrap();
    }
    sink.finish().unwrap();
    assert_eq!(stats.confirmed(), COUNT);
    assert!(stats.reconnects() > 0 && stats.resent() > 0, "{stats:?}");
}

/// A stranger between client and server may add bytes in plain text.
#[test]
fn what_stands_behind_a_plain_greeting_is_not_obeyed() {
    let options = NatsOptions {
        require_tls: true,
        connect_timeout: Duration::from_secs(2),
        ..fake(|_, mut stream| {
            let _ = stream.write_all(format!("{INFO}PONG\r\n").as_bytes());
            // Waits for the client to give up.
            let _ = stream.read_to_end(&mut Vec::new());
        })
    };
    let failure = NatsSink::connect(&options).unwrap_err().to_string();
    assert!(failure.contains("not reachable"), "{failure}");
}

#[test]
fn a_server_in_lame_duck_mode_takes_what_is_left() {
    let duck = "lame_duck_duration: \"120s\"\nlame_duck_grace_period: \"60s\"";
    let Some(server) = NatsServer::with_config("lame duck mode", duck) else {
        return;
    };
    let log = LogText::default();
    log.capture(|| {
        let mut sink = Box::new(NatsSink::connect(&server.options()).unwrap());
        let stats = sink.stats();
        sink.publish(&messages(0, 100)).unwrap();
        sink.flush().unwrap();
        server.signal("USR2");
        wait_until("the server says that it shuts down", || {
            log.text().contains("nats_server_shutting_down")
        });
        sink.publish(&messages(100, 5_000)).unwrap();
        sink.finish().unwrap();
        assert_eq!((stats.confirmed(), stats.reconnects()), (5_000, 0));
    });
}

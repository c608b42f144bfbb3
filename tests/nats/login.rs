//! Every way to log in, and every way to be refused; a secret is in no error and no log line.

use std::thread;
use std::time::Duration;

use tickdeck::nats::{NatsError, NatsFailure, NatsOptions, Secret, count_subscribers, probe};
use tickdeck::sink::{NatsSink, Sink};

use super::{Settled, messages};
use crate::support::cli::{finish, tickdeck, with_nats};
use crate::support::log::captured;
use crate::support::nats_server::NatsServer;
use crate::support::proxy::Proxy;
use crate::support::recordings::{Folder, quick};
use crate::support::wait_until;

const SECRET: &str = "hunter2-Tr0ub4dor";

fn publishes(options: &NatsOptions) -> Result<(), NatsError> {
    let mut sink = Box::new(NatsSink::connect(options)?);
    sink.publish(&messages(0, 10)).unwrap();
    let stats = sink.stats();
    sink.finish().unwrap();
    assert_eq!(stats.confirmed(), 10);
    Ok(())
}

fn failure(error: NatsError) -> NatsFailure {
    match error {
        NatsError::Server { failure, .. } => failure,
        other => panic!("{other}"),
    }
}

/// The right login works and the wrong one is refused at once, with no secret in any text, for any
/// is logged.
fn check_login(server: &NatsServer, right: &NatsOptions, wrong: &NatsOptions, secrets: &[&str]) {
    let (result, log) = captured(|| {
        publishes(right).unwrap();
        (publishes(wrong), publishes(&server.options()))
    });
    for error in [result.0.unwrap_err(), result.1.unwrap_err()] {
        for secret in secrets {
            for text in [error.to_string(), format!("{error:?}"), log.clone()] {
                assert!(!text.contains(secret), "{text}");
            }
        }
        assert_eq!(failure(error), NatsFailure::LoginRefused);
    }
    assert!(log.contains("nats_connected"), "{log}");
}

#[test]
fn user_and_password() {
    let config = format!("authorization {{ user: md, password: \"{SECRET}\", timeout: 60 }}");
    let Some(server) = NatsServer::with_config("user and password", &config) else {
        return;
    };
    let with = |password: &str| NatsOptions {
        user: Some("md".to_owned()),
        password: Some(Secret::new(password)),
        ..server.options()
    };
    let wrong = "wr0ng-passphrase";
    check_login(&server, &with(SECRET), &with(wrong), &[SECRET, wrong]);
    let url = |password: &str| {
        let url = format!("nats://md:{password}@127.0.0.1:{}", server.port());
        NatsOptions::at(&url).unwrap()
    };
    check_login(&server, &url(SECRET), &url(wrong), &[SECRET, wrong]);
}

#[test]
fn token() {
    let config = format!("authorization {{ token: \"{SECRET}\", timeout: 60 }}");
    let Some(server) = NatsServer::with_config("token", &config) else {
        return;
    };
    let with = |token: &str| NatsOptions {
        token: Some(Secret::new(token)),
        ..server.options()
    };
    let wrong = "wr0ng-t0ken";
    check_login(&server, &with(SECRET), &with(wrong), &[SECRET, wrong]);
}

#[test]
fn nkey() {
    let (user, stranger) = (nkeys::KeyPair::new_user(), nkeys::KeyPair::new_user());
    let config = format!(
        "authorization {{ users: [ {{ nkey: {} }} ], timeout: 60 }}",
        user.public_key()
    );
    let Some(server) = NatsServer::with_config("nkey", &config) else {
        return;
    };
    let with = |seed: &str| NatsOptions {
        nkey: Some(Secret::new(seed)),
        ..server.options()
    };
    let (right, wrong) = (user.seed().unwrap(), stranger.seed().unwrap());
    check_login(&server, &with(&right), &with(&wrong), &[&right, &wrong]);
}

/// Base 64 with the URL alphabet and no padding, as JWTs use it.
fn base64url(bytes: &[u8]) -> String {
    const ALPHABET: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";
    let mut text = String::new();
    for group in bytes.chunks(3) {
        let bits = group
            .iter()
            .fold(0, |bits, &byte| bits << 8 | usize::from(byte));
        let bits = bits << (8 * (3 - group.len()));
        for digit in 0..=group.len() {
            text.push(char::from(ALPHABET[bits >> (18 - 6 * digit) & 63]));
        }
    }
    text
}

/// A NATS JWT about `subject`, signed by `issuer`.
fn jwt(issuer: &nkeys::KeyPair, subject: &nkeys::KeyPair, nats: &serde_json::Value) -> String {
    let claims = serde_json::json!({
        "jti": "test", "iat": 1, "iss": issuer.public_key(), "sub": subject.public_key(),
        "name": "test", "nats": nats,
    });
    let header = br#"{"typ":"JWT","alg":"ed25519-nkey"}"#;
    let body = format!(
        "{}.{}",
        base64url(header),
        base64url(claims.to_string().as_bytes())
    );
    let signature = issuer.sign(body.as_bytes()).unwrap();
    format!("{body}.{}", base64url(&signature))
}

#[test]
fn credentials_file() {
    let (operator, account) = (
        nkeys::KeyPair::new_operator(),
        nkeys::KeyPair::new_account(),
    );
    let json = |text: &str| serde_json::from_str(text).unwrap();
    let operator_jwt = jwt(
        &operator,
        &operator,
        &json(r#"{"type":"operator","version":2}"#),
    );
    let limits = r#"{"type":"account","version":2,"limits":{"subs":-1,"data":-1,"payload":-1,
        "imports":-1,"exports":-1,"wildcards":true,"conn":-1,"leaf":-1}}"#;
    let account_jwt = jwt(&operator, &account, &json(limits));
    let config = format!(
        "operator: {operator_jwt}\nresolver: MEMORY\nresolver_preload: {{ {}: {account_jwt} }}\n\
         authorization {{ timeout: 60 }}",
        account.public_key()
    );
    let Some(server) = NatsServer::with_config("credentials file", &config) else {
        return;
    };
    let rights = r#"{"type":"user","version":2,"subs":-1,"data":-1,"payload":-1}"#;
    let with = |name: &str, issuer: &nkeys::KeyPair| {
        let user = nkeys::KeyPair::new_user();
        let (jwt, seed) = (jwt(issuer, &user, &json(rights)), user.seed().unwrap());
        let text = format!(
            "-----BEGIN NATS USER JWT-----\n{jwt}\n------END NATS USER JWT------\n\n\
             -----BEGIN USER NKEY SEED-----\n{seed}\n------END USER NKEY SEED------\n"
        );
        std::fs::write(server.file(name), text).unwrap();
        let options = NatsOptions {
            creds: Some(server.file(name)),
            ..server.options()
        };
        (options, jwt, seed)
    };
    let (right, right_jwt, right_seed) = with("right.creds", &account);
    let (wrong, wrong_jwt, wrong_seed) = with("wrong.creds", &nkeys::KeyPair::new_account());
    let secrets = [&right_jwt, &right_seed, &wrong_jwt, &wrong_seed].map(String::as_str);
    check_login(&server, &right, &wrong, &secrets);
}

#[test]
fn a_missing_right_to_publish_is_reported() {
    let config = "authorization { users: [
        { user: inboxless, password: x, permissions: { publish: \">\", subscribe: \"own.>\" } }
        { user: tickless, password: x, permissions: { publish: \"_INBOX.>\" } }
    ], timeout: 60 }";
    let Some(server) = NatsServer::with_config("permissions", config) else {
        return;
    };
    let with = |user: &str| NatsOptions {
        user: Some(user.to_owned()),
        password: Some(Secret::new("x")),
        ..server.options()
    };
    let inbox = "nats_inbox_refused";
    let ((), log) = captured(|| publishes(&with("inboxless")).unwrap());
    assert!(log.contains(inbox), "{log}");
    let own = NatsOptions {
        inbox_prefix: Some("own".to_owned()),
        ..with("inboxless")
    };
    let ((), log) = captured(|| publishes(&own).unwrap());
    assert!(!log.contains(inbox), "{log}");

    let mut sink = NatsSink::connect(&with("tickless")).unwrap();
    sink.publish(&messages(0, 10)).unwrap();
    let error = sink.flush().unwrap_err().to_string();
    assert!(error.contains("market.tick.SHFE.s0"), "{error}");
    assert_eq!(Settled::default().update(&mut sink).rejected, 10);

    // A client without permission is refused too: no request was sent, and there may be a
    // subscriber.
    let error = count_subscribers(&with("tickless"), "tickdeck.ready.market.tick").unwrap_err();
    assert!(
        matches!(failure(error), NatsFailure::Permission { permission, .. }
            if permission == "publish tickdeck.ready.market.tick")
    );
    probe(&with("tickless")).unwrap();
}

pub(super) struct Certificates {
    pub(super) ca: String,
    pub(super) cert: String,
    pub(super) key: String,
}

/// A CA and a certificate for `name` signed by it.
pub(super) fn certificates(name: &str) -> Certificates {
    use rcgen::{BasicConstraints, CertificateParams, IsCa, Issuer, KeyPair};
    let mut params = CertificateParams::new(Vec::new()).unwrap();
    params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    let ca_key = KeyPair::generate().unwrap();
    let ca = params.self_signed(&ca_key).unwrap().pem();
    let issuer = Issuer::new(params, ca_key);
    let key = KeyPair::generate().unwrap();
    let cert = CertificateParams::new(vec![name.to_owned()])
        .unwrap()
        .signed_by(&key, &issuer)
        .unwrap();
    Certificates {
        ca,
        cert: cert.pem(),
        key: key.serialize_pem(),
    }
}

#[test]
fn tls_with_a_client_certificate() {
    let certificates = certificates("127.0.0.1");
    let files = [
        ("ca.pem", certificates.ca.as_str()),
        ("cert.pem", &certificates.cert),
        ("key.pem", &certificates.key),
    ];
    let config = "tls { cert_file: \"FOLDER/cert.pem\", key_file: \"FOLDER/key.pem\",
        ca_file: \"FOLDER/ca.pem\", verify: true, timeout: 60 }";
    let Some(server) = NatsServer::with_files("tls", config, &files) else {
        return;
    };
    let with_ca = NatsOptions {
        ca: Some(server.file("ca.pem")),
        ..server.options()
    };
    let with_all = NatsOptions {
        cert: Some(server.file("cert.pem")),
        key: Some(server.file("key.pem")),
        ..with_ca.clone()
    };
    publishes(&with_all).unwrap();
    for (options, why) in [
        (server.options(), "the CA is unknown"),
        (with_ca, "no client certificate"),
    ] {
        let failure = failure(publishes(&options).unwrap_err());
        assert!(
            matches!(failure, NatsFailure::Tls { .. }),
            "{why}: {failure}"
        );
    }
}

#[test]
fn wrong_certificates_and_plain_servers_are_refused() {
    let certificates = certificates("elsewhere.example");
    let files = [
        ("ca.pem", certificates.ca.as_str()),
        ("cert.pem", &certificates.cert),
        ("key.pem", &certificates.key),
    ];
    let config =
        "tls { cert_file: \"FOLDER/cert.pem\", key_file: \"FOLDER/key.pem\", timeout: 60 }";
    let Some(server) = NatsServer::with_files("tls host", config, &files) else {
        return;
    };
    let Some(plain) = NatsServer::start("tls host") else {
        return;
    };
    let refused = |other: &NatsServer| {
        let options = NatsOptions {
            ca: Some(server.file("ca.pem")),
            ..other.options()
        };
        failure(publishes(&options).unwrap_err())
    };
    let wrong = refused(&server);
    assert!(matches!(wrong, NatsFailure::Tls { .. }), "{wrong}");
    let plain = refused(&plain);
    assert!(matches!(plain, NatsFailure::PlainServer { .. }), "{plain}");
}

#[test]
fn tls_first_servers_are_reached() {
    let certificates = certificates("127.0.0.1");
    let files = [
        ("ca.pem", certificates.ca.as_str()),
        ("cert.pem", &certificates.cert),
        ("key.pem", &certificates.key),
    ];
    let tls = "tls { cert_file: \"FOLDER/cert.pem\", key_file: \"FOLDER/key.pem\",";
    let first = format!("{tls} timeout: 2, handshake_first: true }}");
    let Some(server) = NatsServer::with_files("tls first", &first, &files) else {
        return;
    };
    let later = format!("{tls} timeout: 60 }}");
    let Some(later) = NatsServer::with_files("tls first", &later, &files) else {
        return;
    };
    let options = |server: &NatsServer, tls_first: bool| NatsOptions {
        ca: Some(server.file("ca.pem")),
        tls_first,
        ..NatsOptions::at(&format!("tls://127.0.0.1:{}", server.port())).unwrap()
    };
    publishes(&options(&server, true)).unwrap();
    publishes(&options(&later, false)).unwrap();
    let text = |options: &NatsOptions| publishes(options).unwrap_err().to_string();
    let without = NatsOptions {
        connect_timeout: Duration::from_secs(4),
        ..options(&server, false)
    };
    // Also when the limit is shorter than the server's patience.
    for limit in [4000, 1000, 300] {
        let without = NatsOptions {
            connect_timeout: Duration::from_millis(limit),
            ..without.clone()
        };
        let said = text(&without);
        assert!(said.contains("`handshake_first` needs TLS first"), "{said}");
    }
    let said = text(&options(&later, true));
    assert!(
        said.contains("only a server with `handshake_first`"),
        "{said}"
    );

    for (flag, variable) in [("--nats-tls-first", "0"), ("", "1")] {
        let mut command = tickdeck(["replay".as_ref(), quick().as_os_str()]);
        command.args(format!("--rate max --json {flag} --nats-ca").split_whitespace());
        command.arg(server.file("ca.pem"));
        command.env("NATS_TLS_FIRST", variable);
        with_nats(&mut command, &format!("tls://127.0.0.1:{}", server.port()));
        assert_eq!(finish(command).done().json()["published"], 918);
    }
}

#[test]
fn the_fix_of_doctor_fits_the_fault_of_the_server() {
    let folder = Folder::new();
    let Some(server) = NatsServer::with_config("doctor", "authorization { user: md, password: x }")
    else {
        return;
    };
    let check = |words: &str| {
        let mut command = tickdeck(["doctor", "--json"]);
        command.args(words.split(' ')).current_dir(folder.path());
        let result = finish(command).json();
        let checks = result["checks"].as_array().unwrap();
        let nats = checks.iter().find(|check| check["check"] == "nats");
        let nats = nats.unwrap();
        assert_eq!(nats["status"], "fail", "{nats}");
        nats["fix"].as_str().unwrap().to_owned()
    };
    let login = check(&format!("--timeout 20s --nats-url {}", server.url()));
    assert!(login.starts_with("correct NATS_USER and"), "{login}");
    std::fs::write(folder.join("ca.pem"), certificates("127.0.0.1").ca).unwrap();
    let tls = check(&format!(
        "--timeout 20s --nats-url {} --nats-ca ca.pem",
        server.url()
    ));
    assert!(tls.starts_with("correct --nats-ca"), "{tls}");
    let absent = check("--nats-url nats://127.0.0.1:1 --timeout 200ms");
    assert_eq!(absent, "start the server there, or correct NATS_URL");
    let options = check("--nats-url nats://127.0.0.1:1 --nats-ca none.pem");
    assert_eq!(options, "correct what the message names");
}

#[test]
fn a_file_that_is_no_certificate_is_bad_usage() {
    let folder = Folder::new();
    let certificates = certificates("127.0.0.1");
    std::fs::write(folder.join("note"), "not a certificate").unwrap();
    let mangled = certificates.ca.replace("MII", "AAA");
    std::fs::write(folder.join("mangled"), mangled).unwrap();
    std::fs::write(folder.join("cert"), certificates.cert).unwrap();
    std::fs::write(folder.join("key"), certificates.key).unwrap();
    for (flags, needle) in [
        (
            "--nats-ca note",
            "note: there is no certificate in the file",
        ),
        ("--nats-ca key", "key: there is no certificate in the file"),
        ("--nats-ca mangled", "mangled: certificate 1 of the file"),
        (
            "--nats-cert note --nats-key key",
            "note: there is no certificate",
        ),
        (
            "--nats-cert cert --nats-key note",
            "note: there is no private key",
        ),
    ] {
        let mut command = tickdeck(["replay".as_ref(), quick().as_os_str()]);
        command.args(flags.split(' ')).current_dir(folder.path());
        let refused = finish(command);
        assert_eq!(refused.code, Some(2), "{refused:?}");
        assert!(refused.stderr.contains(needle), "{refused:?}");
    }
}

#[test]
fn nobody_there_is_an_error_after_the_timeout() {
    let options = NatsOptions {
        connect_timeout: Duration::from_millis(300),
        ..NatsOptions::at(&format!("nats://md:{SECRET}@127.0.0.1:1")).unwrap()
    };
    let (error, log) = captured(|| NatsSink::connect(&options).unwrap_err());
    let text = error.to_string();
    let expected = "nats server nats://127.0.0.1:1: not reachable for 0.3 s: ";
    assert!(text.starts_with(expected), "{text}");
    assert!(!log.contains(SECRET) && !text.contains(SECRET), "{log}");
}

#[test]
fn a_late_server_is_reached_with_retries() {
    let config = format!("authorization {{ user: md, password: \"{SECRET}\", timeout: 60 }}");
    let Some(server) = NatsServer::with_config("a late server", &config) else {
        return;
    };
    let proxy = Proxy::to(server.port());
    proxy.close();
    let ((), log) = captured(|| {
        thread::scope(|scope| {
            scope.spawn(|| {
                wait_until("a third attempt", || proxy.refused() >= 3);
                proxy.reopen();
            });
            publishes(&NatsOptions {
                user: Some("md".to_owned()),
                password: Some(Secret::new(SECRET)),
                ..proxy.options()
            })
            .unwrap();
        });
    });
    for part in [
        "nats_retry",
        "attempt=1",
        "attempt=2",
        "next_backoff_ms=200",
    ] {
        assert!(log.contains(part), "{part} is not in {log}");
    }
    assert!(!log.contains(SECRET), "{log}");
}

#[test]
fn a_login_too_late_for_the_server_is_retried() {
    let config = format!("authorization {{ user: md, password: \"{SECRET}\", timeout: 0.5 }}");
    let Some(server) = NatsServer::with_config("a late login", &config) else {
        return;
    };
    let proxy = Proxy::to(server.port());
    let mut log = String::new();
    // On a machine that stalls for seconds, the client's timeout is over first.
    for _ in 0..5 {
        // As on a slow connection: the server's timeout is over before the login arrives.
        proxy.mute_next(1);
        let (result, said) = captured(|| {
            publishes(&NatsOptions {
                user: Some("md".to_owned()),
                password: Some(Secret::new(SECRET)),
                ..proxy.options()
            })
        });
        result.unwrap();
        assert!(said.contains("nats_retry"), "{said}");
        log.push_str(&said);
        if log.contains("Authentication Timeout") {
            return;
        }
    }
    panic!("the server never gave up: {log}");
}

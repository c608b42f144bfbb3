//! How a publishing connection begins: TCP, TLS, the greeting, the login.

use std::io;
use std::net::SocketAddr;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use async_nats::rustls::crypto::ring;
use async_nats::rustls::pki_types::pem::{self, PemObject as _};
use async_nats::rustls::pki_types::{CertificateDer, PrivateKeyDer, ServerName};
use async_nats::rustls::{ClientConfig, RootCertStore};
use async_nats::{ConnectInfo, Protocol, ServerAddr, ServerInfo};
use data_encoding::BASE64URL_NOPAD;
use nkeys::KeyPair;
use tokio::io::{AsyncRead, AsyncReadExt as _, AsyncWrite, AsyncWriteExt as _};
use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;

use super::protocol::{ProtocolError, ServerBytes, ServerOp};
use crate::nats::connect::{Plan, timeout_of_an_attempt};
use crate::nats::options::Login;
use crate::nats::{NatsFailure, runtime};

/// Bytes that are read at once.
pub(super) const READ: usize = 16 * 1024;

/// A connection, with or without TLS.
pub(super) trait Stream: AsyncRead + AsyncWrite + Unpin {}

impl<T: AsyncRead + AsyncWrite + Unpin> Stream for T {}

/// A connection that the server has accepted.
pub(super) struct Accepted {
    pub(super) stream: Box<dyn Stream>,
    pub(super) input: ServerBytes,
    pub(super) info: ServerInfo,
    /// A subject that no other client can guess.
    pub(super) inbox: String,
}

/// A server that has greeted.
struct Greeted {
    stream: Box<dyn Stream>,
    input: ServerBytes,
    info: ServerInfo,
}

/// Why an attempt failed.
#[derive(Debug, thiserror::Error)]
pub(super) enum HandshakeError {
    #[error(transparent)]
    Io(#[from] io::Error),
    #[error(transparent)]
    Protocol(#[from] ProtocolError),
    /// The connection ended before the greeting.
    #[error("it sends no greeting")]
    Silent,
    /// What the server said instead of an answer to the login.
    #[error("{0}")]
    Refused(String),
    /// The key that the login is signed with cannot be used.
    #[error("the key cannot be used")]
    Key,
    #[error("no answer in time")]
    TimedOut,
}

/// One attempt at each address, in their order. An address that refuses the login ends it.
pub(super) async fn connect(plan: &Plan, limit: Option<Duration>) -> Result<Accepted, NatsFailure> {
    let mut last = NatsFailure::Unreachable {
        cause: "the name of the server has no address".to_owned(),
    };
    for address in &plan.addresses {
        let sockets = match address.socket_addrs().await {
            Ok(sockets) => sockets,
            Err(error) => {
                last = failure(&error.into(), plan);
                continue;
            }
        };
        for socket in sockets {
            let attempt = connect_to(plan, address, socket);
            let attempt = runtime::within(timeout_of_an_attempt(limit), attempt).await;
            match attempt.unwrap_or(Err(HandshakeError::TimedOut)) {
                Ok(accepted) => return Ok(accepted),
                Err(error) => last = failure(&error, plan),
            }
            if last == NatsFailure::LoginRefused {
                return Err(last);
            }
        }
    }
    Err(last)
}

fn failure(error: &HandshakeError, plan: &Plan) -> NatsFailure {
    let tls_first = plan.options.tls_first;
    match error {
        HandshakeError::Io(error) => NatsFailure::from_io(error, tls_first),
        HandshakeError::Silent => NatsFailure::silent(tls_first),
        HandshakeError::TimedOut => NatsFailure::timed_out(tls_first),
        HandshakeError::Refused(said) => NatsFailure::from_refusal(said),
        HandshakeError::Key => NatsFailure::LoginRefused,
        HandshakeError::Protocol(error) => NatsFailure::Unreachable {
            cause: error.to_string(),
        },
    }
}

async fn connect_to(
    plan: &Plan,
    address: &ServerAddr,
    socket: SocketAddr,
) -> Result<Accepted, HandshakeError> {
    let tcp = TcpStream::connect(socket).await?;
    tcp.set_nodelay(true)?;
    let options = &plan.options;
    let needs_tls = options.require_tls || options.tls_first || address.tls_required();
    let mut server = if plan.options.tls_first {
        greeting(with_tls(plan, address, tcp).await?).await?
    } else {
        let mut server = greeting(Box::new(tcp)).await?;
        if needs_tls || server.info.tls_required {
            // What anyone put behind the greeting in plain text is not read.
            server.input = ServerBytes::default();
            server.stream = with_tls(plan, address, server.stream).await?;
        }
        server
    };
    log_in(plan, &mut server, needs_tls).await?;
    Ok(Accepted {
        stream: server.stream,
        input: server.input,
        info: server.info,
        inbox: inbox(plan.options.inbox_prefix.as_deref())?,
    })
}

fn inbox(prefix: Option<&str>) -> Result<String, HandshakeError> {
    let mut name = [0; 16];
    let random = ring::default_provider().secure_random;
    let filled = random.fill(&mut name);
    filled.map_err(|_| io::Error::other("the system has no random bytes"))?;
    let name = BASE64URL_NOPAD.encode(&name);
    Ok(format!("{}.{name}", prefix.unwrap_or("_INBOX")))
}

/// Reads the server's INFO.
async fn greeting(stream: Box<dyn Stream>) -> Result<Greeted, HandshakeError> {
    let (mut stream, mut input) = (stream, ServerBytes::default());
    match next_op(&mut stream, &mut input).await? {
        Some(ServerOp::Info(info)) => Ok(Greeted {
            stream,
            input,
            info: *info,
        }),
        // A server that is full says so instead.
        Some(ServerOp::Error(said)) => Err(HandshakeError::Refused(said)),
        Some(op) => Err(ProtocolError::Unknown(format!("{op:?}")).into()),
        None => Err(HandshakeError::Silent),
    }
}

/// Logs in and waits for the answer.
async fn log_in(plan: &Plan, to: &mut Greeted, needs_tls: bool) -> Result<(), HandshakeError> {
    let said = connect_info(plan, &to.info.nonce, needs_tls)?;
    let said = serde_json::to_vec(&said).map_err(io::Error::from)?;
    let login = [b"CONNECT ", &said[..], b"\r\nPING\r\n"].concat();
    let written = async {
        to.stream.write_all(&login).await?;
        to.stream.flush().await
    };
    let written = written.await;
    loop {
        // A server that refuses may close first: its reason is worth more than a broken pipe.
        match next_op(&mut to.stream, &mut to.input).await {
            Ok(Some(ServerOp::Pong)) => return Ok(()),
            Ok(Some(ServerOp::Error(said))) => return Err(HandshakeError::Refused(said)),
            Ok(Some(ServerOp::Info(info))) => to.info = *info,
            Ok(Some(ServerOp::Ping)) => to.stream.write_all(b"PONG\r\n").await?,
            Ok(Some(ServerOp::Ok | ServerOp::Message(_))) => {}
            Ok(None) => {
                written?;
                return Err(io::Error::from(io::ErrorKind::ConnectionReset).into());
            }
            Err(error) => return Err(error),
        }
    }
}

/// The next operation; `None` at the end of the connection.
async fn next_op(
    stream: &mut Box<dyn Stream>,
    input: &mut ServerBytes,
) -> Result<Option<ServerOp>, HandshakeError> {
    loop {
        if let Some(op) = input.next_op()? {
            return Ok(Some(op));
        }
        input.buffer().reserve(READ);
        if stream.read_buf(input.buffer()).await? == 0 {
            return Ok(None);
        }
    }
}

fn connect_info(plan: &Plan, nonce: &str, needs_tls: bool) -> Result<ConnectInfo, HandshakeError> {
    let mut info = ConnectInfo {
        verbose: false,
        pedantic: false,
        user_jwt: None,
        nkey: None,
        signature: None,
        name: Some(plan.options.name.clone()),
        // The marks come back.
        echo: true,
        lang: "rust".to_owned(),
        version: env!("CARGO_PKG_VERSION").to_owned(),
        protocol: Protocol::Dynamic,
        tls_required: needs_tls,
        user: None,
        pass: None,
        auth_token: None,
        headers: true,
        no_responders: true,
    };
    match &plan.login {
        Login::None => {}
        Login::User(user, password) => {
            info.user = Some(user.clone());
            info.pass = Some(password.expose().to_owned());
        }
        Login::Token(token) => info.auth_token = Some(token.expose().to_owned()),
        Login::Nkey(seed) => {
            let pair = KeyPair::from_seed(seed.expose()).map_err(|_| HandshakeError::Key)?;
            info.signature = Some(signature(&pair, nonce)?);
            info.nkey = Some(pair.public_key());
        }
        Login::Creds(creds) => {
            let (jwt, seed) = parts_of_creds(creds.expose()).ok_or(HandshakeError::Key)?;
            let pair = KeyPair::from_seed(seed).map_err(|_| HandshakeError::Key)?;
            info.signature = Some(signature(&pair, nonce)?);
            info.user_jwt = Some(jwt.to_owned());
        }
    }
    Ok(info)
}

fn signature(pair: &KeyPair, nonce: &str) -> Result<String, HandshakeError> {
    let signed = pair.sign(nonce.as_bytes());
    Ok(BASE64URL_NOPAD.encode(&signed.map_err(|_| HandshakeError::Key)?))
}

/// JWT and seed of a credentials file: the lines after those that announce them.
fn parts_of_creds(text: &str) -> Option<(&str, &str)> {
    let after = |announced: &str| {
        let mut lines = text.lines().map(str::trim);
        lines.find(|line| line.contains(announced))?;
        lines.find(|line| !line.is_empty())
    };
    Some((
        after("BEGIN NATS USER JWT")?,
        after("BEGIN USER NKEY SEED")?,
    ))
}

async fn with_tls(
    plan: &Plan,
    address: &ServerAddr,
    stream: impl Stream + 'static,
) -> Result<Box<dyn Stream>, HandshakeError> {
    let host = ServerName::try_from(address.host().to_owned()).map_err(io::Error::other)?;
    let connector = TlsConnector::from(Arc::new(tls_config(plan)?));
    Ok(Box::new(connector.connect(host, stream).await?))
}

/// The certificates are read for each connection: they may be renewed while a replay runs.
fn tls_config(plan: &Plan) -> io::Result<ClientConfig> {
    let mut roots = RootCertStore::empty();
    match &plan.options.ca {
        Some(ca) => {
            for certificate in certificates(ca)? {
                roots.add(certificate).map_err(io::Error::other)?;
            }
        }
        None => {
            let found = rustls_native_certs::load_native_certs();
            if let Some(error) = found.errors.into_iter().next() {
                return Err(io::Error::other(error));
            }
            roots.add_parsable_certificates(found.certs);
        }
    }
    let builder = ClientConfig::builder_with_provider(Arc::new(ring::default_provider()))
        .with_safe_default_protocol_versions()
        .map_err(io::Error::other)?
        .with_root_certificates(roots);
    match (&plan.options.cert, &plan.options.key) {
        (Some(cert), Some(key)) => builder
            .with_client_auth_cert(certificates(cert)?, private_key(key)?)
            .map_err(io::Error::other),
        _ => Ok(builder.with_no_client_auth()),
    }
}

fn certificates(path: &Path) -> io::Result<Vec<CertificateDer<'static>>> {
    let read = CertificateDer::pem_file_iter(path).map_err(pem_error)?;
    read.map(|certificate| certificate.map_err(pem_error))
        .collect()
}

fn private_key(path: &Path) -> io::Result<PrivateKeyDer<'static>> {
    PrivateKeyDer::from_pem_file(path).map_err(pem_error)
}

fn pem_error(error: pem::Error) -> io::Error {
    match error {
        pem::Error::Io(error) => error,
        other => io::Error::other(other),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_credentials_file_has_a_jwt_and_a_seed() {
        let text = "-----BEGIN NATS USER JWT-----\r\neyJ0.e30.c2ln\r\n------END NATS USER JWT------\r\n\r\n\
            ***** IMPORTANT *****\r\n\r\n-----BEGIN USER NKEY SEED-----\r\nSUABC\r\n\
            ------END USER NKEY SEED------\r\n";
        assert_eq!(parts_of_creds(text), Some(("eyJ0.e30.c2ln", "SUABC")));
        let cut = text.split("SUABC").next().unwrap();
        assert_eq!(parts_of_creds(cut), None);
        assert_eq!(parts_of_creds(""), None);
    }
}

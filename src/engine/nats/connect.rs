//! One connection to a NATS server: made with retries, never re-made.
//!
//! The client library would reconnect by itself and first write what it had queued. Those messages
//! could overtake older ones that were lost with the old connection. So a [`Connection`] never
//! comes back: [`ConnectionFate::lost`] reports the loss, and dropping its runtime drops its queue.
//! Only then is a new one made.

use std::cell::RefCell;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use async_nats::{Client, ConnectOptions, Event, ServerError};
use futures_util::StreamExt;
use tokio::sync::Notify;

use super::options::Login;
pub(crate) use super::options::Plan;
use super::{NatsError, NatsFailure};

/// First pause between two connection attempts.
const BACKOFF_FIRST: Duration = Duration::from_millis(100);
/// Longest pause between two connection attempts.
const BACKOFF_MAX: Duration = Duration::from_secs(5);
/// How long one attempt may take, from the TCP handshake to the server's answer to the login.
const ATTEMPT_TIMEOUT: Duration = Duration::from_secs(5);
/// The client library gives up a silent server after three of these.
const PING_INTERVAL: Duration = Duration::from_secs(10);
/// Long enough to mean never: the runtime ends first.
const NEVER: Duration = Duration::from_secs(365 * 24 * 3600);

/// What happened to a connection, as the client library reports it in callbacks.
#[derive(Debug, Default)]
pub(crate) struct ConnectionFate {
    connected: AtomicBool,
    lost: Notify,
    refusal: Mutex<Option<String>>,
    refused: Notify,
}

impl ConnectionFate {
    /// Waits until the connection is gone.
    pub(crate) async fn lost(&self) {
        self.lost.notified().await;
    }

    /// Waits until the server refuses something for lack of permission, and gives its message.
    pub(crate) async fn refused(&self) -> String {
        loop {
            if let Some(refusal) = self.refusal() {
                return refusal;
            }
            self.refused.notified().await;
        }
    }

    /// The server's message, when it refused something.
    pub(crate) fn refusal(&self) -> Option<String> {
        self.refusal
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .clone()
    }

    fn note(&self, event: &Event, server: &str) {
        match event {
            Event::ServerError(ServerError::Other(text))
                if text.to_ascii_lowercase().contains("permissions violation") =>
            {
                // The first one names the first message that was not delivered.
                self.refusal
                    .lock()
                    .unwrap_or_else(PoisonError::into_inner)
                    .get_or_insert_with(|| text.clone());
                self.refused.notify_one();
            }
            Event::ServerError(error) => {
                tracing::warn!(event = "nats_server_error", server, error = %error);
            }
            Event::LameDuckMode => {
                tracing::warn!(event = "nats_server_shutting_down", server);
            }
            _ => {}
        }
    }
}

/// A client that connects once.
#[derive(Debug)]
pub(crate) struct Connection {
    pub(crate) client: Client,
    pub(crate) fate: Arc<ConnectionFate>,
}

impl Connection {
    /// Waits until the server has processed everything sent before, by a round trip through the
    /// connection's inbox. (The library's `flush` only empties the socket buffer.)
    pub(crate) async fn round_trip(&self) -> Result<(), NatsFailure> {
        let trip = async {
            let inbox = self.client.new_inbox();
            let mut answers = self.client.subscribe(inbox.clone()).await.map_err(other)?;
            self.client
                .publish(inbox, bytes::Bytes::new())
                .await
                .map_err(other)?;
            answers
                .next()
                .await
                .map(drop)
                .ok_or_else(|| NatsFailure::Other {
                    cause: "the connection was closed".to_owned(),
                })
        };
        tokio::select! {
            biased;
            () = self.fate.lost() => Err(NatsFailure::Unreachable {
                cause: "the connection was lost".to_owned(),
            }),
            cause = self.fate.refused() => Err(NatsFailure::Permission { cause }),
            done = trip => done,
        }
    }
}

fn other(error: impl std::error::Error) -> NatsFailure {
    NatsFailure::Other {
        cause: error.to_string(),
    }
}

/// Makes one connection, retrying for `limit` (`None`: without limit) while the server is
/// unreachable. A refused login or a failed TLS handshake ends it at once.
///
/// Must run on a separate current-thread runtime: see [`runtime::run`](super::runtime::run).
pub(crate) async fn connect(
    plan: &Plan,
    limit: Option<Duration>,
) -> Result<Connection, NatsFailure> {
    let last = RefCell::new("no attempt was finished".to_owned());
    let attempts = async {
        let mut backoff = BACKOFF_FIRST;
        for attempt in 1_u32.. {
            match connect_once(plan).await {
                Ok(connection) => return Ok(connection),
                Err(NatsFailure::Unreachable { cause }) => {
                    tracing::warn!(
                        event = "nats_retry",
                        server = plan.shown,
                        connection = plan.options.name,
                        attempt,
                        reason = cause,
                        next_backoff_ms = u64::try_from(backoff.as_millis()).unwrap_or(u64::MAX),
                    );
                    last.replace(cause);
                }
                Err(failure) => return Err(failure),
            }
            tokio::time::sleep(backoff).await;
            backoff = (backoff * 2).min(BACKOFF_MAX);
        }
        Err(NatsFailure::Other {
            cause: "gave up after 4,294,967,295 attempts".to_owned(),
        })
    };
    let Some(limit) = limit else {
        return attempts.await;
    };
    match tokio::time::timeout(limit, attempts).await {
        Ok(result) => result,
        Err(_) => Err(NatsFailure::StillUnreachable {
            waited: limit,
            cause: last.take(),
        }),
    }
}

async fn connect_once(plan: &Plan) -> Result<Connection, NatsFailure> {
    let fate = Arc::new(ConnectionFate::default());
    let client = client_options(plan, &fate)?
        .connect(plan.addresses.as_slice())
        .await
        .map_err(|error| NatsFailure::from_connect(&error))?;
    // The connection's task starts at the next await on this thread, so it cannot be lost unseen.
    fate.connected.store(true, Ordering::Relaxed);
    tracing::info!(
        event = "nats_connected",
        server = plan.shown,
        connection = plan.options.name
    );
    Ok(Connection { client, fate })
}

fn client_options(plan: &Plan, fate: &Arc<ConnectionFate>) -> Result<ConnectOptions, NatsFailure> {
    let given = &plan.options;
    let (events, delays) = (Arc::clone(fate), Arc::clone(fate));
    let shown: Arc<str> = plan.shown.as_str().into();
    let mut options = ConnectOptions::new()
        .name(&given.name)
        .connection_timeout(ATTEMPT_TIMEOUT)
        .ping_interval(PING_INTERVAL)
        .require_tls(given.require_tls)
        .ignore_discovered_servers()
        .event_callback(move |event| {
            events.note(&event, &shown);
            std::future::ready(())
        })
        // Called before every attempt: after the first connection, the call itself means that the
        // connection is gone.
        .reconnect_delay_callback(move |_| {
            if delays.connected.load(Ordering::Relaxed) {
                delays.lost.notify_one();
                NEVER
            } else {
                Duration::ZERO
            }
        });
    if let Some(prefix) = &given.inbox_prefix {
        options = options.custom_inbox_prefix(prefix);
    }
    if let Some(ca) = &given.ca {
        options = options.add_root_certificates(ca.clone());
    }
    if let (Some(cert), Some(key)) = (&given.cert, &given.key) {
        options = options.add_client_certificate(cert.clone(), key.clone());
    }
    match &plan.login {
        Login::None => Ok(options),
        Login::User(user, password) => {
            Ok(options.user_and_password(user.clone(), password.expose().to_owned()))
        }
        Login::Token(token) => Ok(options.token(token.expose().to_owned())),
        Login::Nkey(seed) => Ok(options.nkey(seed.expose().to_owned())),
        // The library's error may quote the file, so it is not passed on.
        Login::Creds(creds) => {
            options
                .credentials(creds.expose())
                .map_err(|_| NatsFailure::Other {
                    cause:
                        "the credentials file has not the form that `nsc` writes (a JWT and a seed)"
                            .to_owned(),
                })
        }
    }
}

/// Puts the address before a failure.
pub(crate) fn at(plan: &Plan) -> impl Fn(NatsFailure) -> NatsError + use<> {
    let server = plan.shown.clone();
    move |failure| NatsError::Server {
        server: server.clone(),
        failure,
    }
}

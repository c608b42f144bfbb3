//! One connection to a NATS server: made with retries, never re-made.
//!
//! The client library would reconnect by itself and first write what it had queued. Those messages
//! could overtake older ones that were lost with the old connection. So a [`Connection`] never
//! comes back: [`ConnectionFate::lost`] reports the loss, and dropping its runtime drops its queue.
//! Only then is a new one made. [`retry`] is for the [publishing connection](super::wire) too.

use std::cell::RefCell;
use std::collections::VecDeque;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use async_nats::{Client, ConnectOptions, Event, ServerError};
use tokio::sync::Notify;

use super::options::Login;
pub(crate) use super::options::Plan;
use super::refusal::Refusal;
use super::{NatsError, NatsFailure, runtime};

/// First pause between two connection attempts.
const BACKOFF_FIRST: Duration = Duration::from_millis(100);
/// Longest pause between two connection attempts.
const BACKOFF_MAX: Duration = Duration::from_secs(5);
/// How long one attempt may take, from the TCP handshake to the server's answer to the login.
const ATTEMPT_TIMEOUT: Duration = Duration::from_secs(5);
/// A silent server is given up after three of these.
pub(crate) const PING_INTERVAL: Duration = Duration::from_secs(10);
/// Refusals that are kept until they are taken; the first ones count.
const REFUSALS_MAX: usize = 4096;
/// Long enough to mean never: the runtime ends first.
const NEVER: Duration = Duration::from_secs(365 * 24 * 3600);

/// What happened to a connection, as the client library reports it in callbacks.
#[derive(Debug, Default)]
pub(crate) struct ConnectionFate {
    connected: AtomicBool,
    lost: Notify,
    refusals: Mutex<VecDeque<Refusal>>,
    refused: Notify,
}

impl ConnectionFate {
    /// Waits until the connection is gone.
    pub(crate) async fn lost(&self) {
        self.lost.notified().await;
    }

    /// Waits until the server has refused something for lack of permission.
    pub(crate) async fn is_refused(&self) {
        while self.refusals().is_empty() {
            self.refused.notified().await;
        }
    }

    /// The oldest refusal that was not taken yet.
    pub(crate) fn take_refusal(&self) -> Option<Refusal> {
        self.refusals().pop_front()
    }

    /// The list is whole after every step, and so after a panic too.
    fn refusals(&self) -> MutexGuard<'_, VecDeque<Refusal>> {
        self.refusals.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn note(&self, event: &Event, server: &str) {
        match event {
            Event::ServerError(ServerError::Other(said)) => {
                self.note_error(said, server);
            }
            Event::ServerError(error) => {
                self.note_error(&error.to_string(), server);
            }
            Event::LameDuckMode => note_shutdown(server),
            _ => {}
        }
    }

    /// Keeps a refusal for lack of permission, and logs any other error. Whether it is a refusal:
    /// the connection stays.
    pub(crate) fn note_error(&self, said: &str, server: &str) -> bool {
        let Some(refusal) = Refusal::parse(said) else {
            tracing::warn!(event = "nats_server_error", server, error = said);
            return false;
        };
        self.add(refusal);
        true
    }

    fn add(&self, refusal: Refusal) {
        let mut refusals = self.refusals();
        if refusals.len() < REFUSALS_MAX {
            refusals.push_back(refusal);
        }
        drop(refusals);
        self.refused.notify_one();
    }
}

/// Logs that the server asks its clients to leave.
pub(crate) fn note_shutdown(server: &str) {
    tracing::warn!(event = "nats_server_shutting_down", server);
}

/// A client that connects once.
#[derive(Debug)]
pub(crate) struct Connection {
    pub(crate) client: Client,
    pub(crate) fate: Arc<ConnectionFate>,
}

/// Makes one connection, retrying for `limit` (`None`: without limit) while the server is
/// unreachable. A refused login or a failed TLS handshake ends it at once.
///
/// Must run on a separate current-thread runtime: see [`runtime::run`](super::runtime::run).
pub(crate) async fn connect(
    plan: &Plan,
    limit: Option<Duration>,
) -> Result<Connection, NatsFailure> {
    retry(plan, limit, async || connect_once(plan, limit).await).await
}

/// Attempts to connect, as [`connect`] does.
pub(crate) async fn retry<T>(
    plan: &Plan,
    limit: Option<Duration>,
    attempt_once: impl AsyncFn() -> Result<T, NatsFailure>,
) -> Result<T, NatsFailure> {
    let last = RefCell::new(NatsFailure::Unreachable {
        cause: "no attempt was finished".to_owned(),
    });
    let attempts = async {
        let mut backoff = BACKOFF_FIRST;
        for attempt in 1_u32.. {
            match attempt_once().await {
                Ok(connection) => {
                    log_connection(plan);
                    return Ok(connection);
                }
                // A connection may become free, but that is nothing to wait for with an auxiliary one.
                Err(NatsFailure::ConnectionLimit { cause }) if plan.is_auxiliary => {
                    return Err(NatsFailure::ConnectionLimit { cause });
                }
                Err(
                    failure @ (NatsFailure::Unreachable { .. }
                    | NatsFailure::ConnectionLimit { .. }),
                ) => {
                    tracing::warn!(
                        event = "nats_retry",
                        server = plan.shown,
                        connection = plan.options.name,
                        attempt,
                        reason = failure.cause(),
                        next_backoff_ms = u64::try_from(backoff.as_millis()).unwrap_or(u64::MAX),
                    );
                    last.replace(failure);
                }
                Err(failure) => return Err(failure),
            }
            runtime::sleep(backoff).await;
            backoff = (backoff * 2).min(BACKOFF_MAX);
        }
        Err(NatsFailure::Other {
            cause: "gave up".to_owned(),
        })
    };
    let Some(limit) = limit else {
        return attempts.await;
    };
    match runtime::within(limit, attempts).await {
        Some(result) => result,
        None => Err(match last.into_inner() {
            full @ NatsFailure::ConnectionLimit { .. } => full,
            last => NatsFailure::StillUnreachable {
                waited: limit,
                cause: last.cause(),
            },
        }),
    }
}

fn log_connection(plan: &Plan) {
    if !plan.is_repeated {
        tracing::info!(
            event = "nats_connected",
            server = plan.shown,
            connection = plan.options.name
        );
    }
}

/// How long one attempt may take. One that outlasts the limit would have no reason to show.
pub(crate) fn timeout_of_an_attempt(limit: Option<Duration>) -> Duration {
    limit.map_or(ATTEMPT_TIMEOUT, |limit| ATTEMPT_TIMEOUT.min(limit * 3 / 4))
}

async fn connect_once(plan: &Plan, limit: Option<Duration>) -> Result<Connection, NatsFailure> {
    let fate = Arc::new(ConnectionFate::default());
    let client = client_options(plan, &fate)?
        .connection_timeout(timeout_of_an_attempt(limit))
        .connect(plan.addresses.as_slice())
        .await
        .map_err(|error| NatsFailure::from_connect(&error, plan.options.tls_first))?;
    // The connection's task starts at the next await on this thread, so it cannot be lost unseen.
    fate.connected.store(true, Ordering::Relaxed);
    Ok(Connection { client, fate })
}

fn client_options(plan: &Plan, fate: &Arc<ConnectionFate>) -> Result<ConnectOptions, NatsFailure> {
    let given = &plan.options;
    let (events, delays) = (Arc::clone(fate), Arc::clone(fate));
    let shown: Arc<str> = plan.shown.as_str().into();
    let mut options = ConnectOptions::new()
        .name(&given.name)
        .ping_interval(PING_INTERVAL)
        .require_tls(given.require_tls || given.tls_first)
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
    if given.tls_first {
        options = options.tls_first();
    }
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
                    cause: "not a credentials file as written by `nsc` (a JWT and a seed)"
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

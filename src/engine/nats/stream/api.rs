//! Requests about one stream, on a connection.

use std::time::Duration;

use async_nats::jetstream::consumer::{Consumer, pull};
use async_nats::jetstream::context::{Context, ContextBuilder, RequestErrorKind};
use async_nats::jetstream::response::Response;
use async_nats::jetstream::stream::{Config, ConsumerErrorKind, Info, RawMessageErrorKind};
use async_nats::jetstream::{Error as ApiError, ErrorCode};
use bytes::Bytes;
use serde::de::DeserializeOwned;

use super::StreamName;
use crate::nats::connect::Connection;
use crate::nats::{NatsFailure, StreamProblem};

/// How long one request may take. A server that does not answer is asked again.
const REQUEST_TIMEOUT: Duration = Duration::from_secs(5);

/// The header that names the run which wrote a message.
pub(crate) const RUN_HEADER: &str = "Tickdeck-Run";

/// Why a request had no result.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum RequestFailure {
    /// There is no such stream, or no such message.
    NotFound,
    /// The server is busy, electing a leader, or lost: worth another try.
    Later(String),
    /// The server has no JetStream, or the account may not use it.
    Unavailable(String),
    /// The server refused.
    Refused(String),
}

impl RequestFailure {
    /// The failure of a run that cannot begin.
    pub(crate) fn into_failure(self, stream: &StreamName) -> NatsFailure {
        let stream = stream.to_string();
        match self {
            Self::NotFound => StreamProblem::Missing { stream }.into(),
            Self::Unavailable(cause) => StreamProblem::Unavailable { cause }.into(),
            Self::Later(cause) | Self::Refused(cause) => {
                StreamProblem::Request { stream, cause }.into()
            }
        }
    }

    fn of_api(error: &ApiError) -> Self {
        let text = error.to_string();
        match error.error_code() {
            ErrorCode::STREAM_NOT_FOUND | ErrorCode::NO_MESSAGE_FOUND => Self::NotFound,
            ErrorCode::JETSTREAM_NOT_ENABLED | ErrorCode::JETSTREAM_NOT_ENABLED_FOR_ACCOUNT => {
                Self::Unavailable(text)
            }
            _ if error.code() == 503 => Self::Later(text),
            _ => Self::Refused(text),
        }
    }
}

/// A message as it is stored.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct StoredMessage {
    pub(crate) subject: Bytes,
    pub(crate) payload: Bytes,
    /// The run that wrote it.
    pub(crate) run: Option<String>,
}

/// A stream of the server.
#[derive(Debug, Clone)]
pub(crate) struct StreamApi {
    context: Context,
    name: StreamName,
}

impl StreamApi {
    pub(crate) fn on(connection: &Connection, name: &StreamName) -> Self {
        Self {
            context: ContextBuilder::new()
                .timeout(REQUEST_TIMEOUT)
                .build(connection.client.clone()),
            name: name.clone(),
        }
    }

    async fn request<T: DeserializeOwned>(
        &self,
        verb: &str,
        body: &(impl serde::Serialize + ?Sized),
    ) -> Result<T, RequestFailure> {
        let subject = format!("{verb}.{}", self.name);
        match self.context.request(subject, body).await {
            Ok(Response::Ok(answer)) => Ok(answer),
            Ok(Response::Err { error }) => Err(RequestFailure::of_api(&error)),
            Err(error) => Err(match error.kind() {
                RequestErrorKind::NoResponders => {
                    RequestFailure::Unavailable("nothing answers requests to JetStream".to_owned())
                }
                RequestErrorKind::TimedOut => RequestFailure::Later("no answer in time".to_owned()),
                _ => RequestFailure::Later(error.to_string()),
            }),
        }
    }

    /// Its configuration and state.
    pub(crate) async fn info(&self) -> Result<Info, RequestFailure> {
        self.request("STREAM.INFO", &()).await
    }

    /// Creates it. It is an error if it exists with another configuration.
    pub(crate) async fn create(&self, config: &Config) -> Result<Info, RequestFailure> {
        self.request("STREAM.CREATE", config).await
    }

    /// Creates a consumer.
    pub(super) async fn consumer(
        &self,
        config: pull::Config,
    ) -> Result<Consumer<pull::Config>, RequestFailure> {
        let created = self
            .context
            .create_consumer_on_stream(config, self.name.as_str())
            .await;
        created.map_err(|error| match error.kind() {
            ConsumerErrorKind::JetStream(error) => RequestFailure::of_api(&error),
            _ => RequestFailure::Later(error.to_string()),
        })
    }

    /// Removes a consumer.
    pub(super) async fn remove_consumer(&self, name: &str) -> Result<(), RequestFailure> {
        let removed = self
            .context
            .delete_consumer_from_stream(name, self.name.as_str())
            .await;
        removed
            .map(drop)
            .map_err(|error| RequestFailure::Later(error.to_string()))
    }

    /// One message, as the leader of the stream has it.
    pub(crate) async fn message(&self, sequence: u64) -> Result<StoredMessage, RequestFailure> {
        let stream = self.context.get_stream_no_info(self.name.as_str()).await;
        let stream = stream.map_err(|error| RequestFailure::Refused(error.to_string()))?;
        let message = stream.get_raw_message(sequence).await;
        let message = message.map_err(|error| match error.kind() {
            RawMessageErrorKind::NoMessageFound => RequestFailure::NotFound,
            RawMessageErrorKind::JetStream(error) => RequestFailure::of_api(&error),
            _ => RequestFailure::Later(error.to_string()),
        })?;
        Ok(StoredMessage {
            run: message
                .headers
                .get(RUN_HEADER)
                .map(|run| run.as_str().to_owned()),
            subject: Bytes::copy_from_slice(message.subject.as_bytes()),
            payload: message.payload,
        })
    }
}

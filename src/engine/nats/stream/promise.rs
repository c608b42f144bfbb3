//! What a server promises about a stream that it acknowledges.

use std::fmt;

use async_nats::jetstream::stream::{Info, PersistenceMode, StorageType};

use super::api::StreamApi;
use super::check::check_config;
use super::{StreamSettings, StreamStorage};
use crate::nats::ask::on_connection;
use crate::nats::{NatsError, NatsOptions};

/// When a server acknowledges.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum PersistMode {
    /// When the message is written.
    Default,
    /// Before the message is written.
    Async,
}

/// What a server promises about the messages of a stream that it acknowledges.
///
/// A server does not tell its clients how often it syncs files (`sync_interval`, by default every two
/// minutes). Until then an acknowledged message of a stream with one replica is lost with the power.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StreamPromise {
    /// Where it is kept.
    pub storage: StreamStorage,
    /// How many servers keep it.
    pub replicas: usize,
    /// When it is acknowledged.
    pub persist: PersistMode,
    /// The version of the server that answered.
    pub version: String,
}

impl StreamPromise {
    pub(crate) fn of(info: &Info, version: String) -> Self {
        Self {
            storage: match info.config.storage {
                StorageType::File => StreamStorage::File,
                StorageType::Memory => StreamStorage::Memory,
            },
            replicas: info.config.num_replicas,
            persist: match info.config.persist_mode {
                Some(PersistenceMode::Async) => PersistMode::Async,
                Some(PersistenceMode::Default) | None => PersistMode::Default,
            },
            version,
        }
    }
}

/// Looks at a stream that messages below `prefix` are to be published to.
///
/// # Errors
/// When the server cannot be reached, has no such stream, or the stream would lose ticks.
pub fn stream_promise(
    nats: &NatsOptions,
    settings: &StreamSettings,
    prefix: &str,
) -> Result<StreamPromise, NatsError> {
    let (settings, prefix) = (settings.clone(), prefix.to_owned());
    on_connection(nats.plan()?, async move |connection| {
        let api = StreamApi::on(connection, &settings.name);
        let info = api.info().await;
        let info = info.map_err(|failure| failure.into_failure(&settings.name))?;
        check_config(&info.config, &settings, &prefix)?;
        let version = connection.client.server_info().version;
        Ok(StreamPromise::of(&info, version))
    })
}

impl fmt::Display for StreamPromise {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let survives = match (self.persist, self.storage, self.replicas) {
            (PersistMode::Async, ..) => "may be lost when the server is killed",
            (_, StreamStorage::Memory, 0 | 1) => "are lost when the server ends",
            (_, StreamStorage::Memory, _) => "are lost when most servers end at once",
            (_, StreamStorage::File, 0 | 1) => {
                "survive a killed server, and a power failure only once the server has synced its \
                 files (sync_interval, which clients cannot see)"
            }
            (_, StreamStorage::File, _) => "survive the loss of fewer than half of the servers",
        };
        write!(f, "acknowledged messages {survives}")
    }
}

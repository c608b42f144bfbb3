//! Where inputs are that are not files.

use std::path::Path;
#[cfg(feature = "nats")]
use std::sync::Arc;

use super::error::CheckError;
#[cfg(feature = "nats")]
use super::server_stream::{ServerStream, name_of};
use super::stream::StreamFile;
#[cfg(feature = "nats")]
use crate::nats::NatsOptions;
#[cfg(feature = "nats")]
use crate::nats::stream::StreamName;

/// Servers of inputs that are not files.
#[derive(Debug, Clone, Default)]
pub struct Servers {
    /// The NATS server of `jetstream:STREAM`.
    #[cfg(feature = "nats")]
    pub nats: Option<NatsOptions>,
}

impl Servers {
    /// Opens a payload stream: a file, or a stream of a server.
    pub(super) fn open_stream(&self, path: &Path) -> Result<StreamFile, CheckError> {
        #[cfg(feature = "nats")]
        if let Some(name) = name_of(path) {
            let Some(nats) = self.nats.clone() else {
                let path = path.to_owned();
                return Err(CheckError::NoServer { path });
            };
            let named = |problem| CheckError::StreamName {
                path: path.to_owned(),
                problem,
            };
            let name: StreamName = name.parse().map_err(named)?;
            let range = Arc::default();
            return StreamFile::on_server(path, ServerStream { nats, name, range });
        }
        StreamFile::open(path)
    }
}

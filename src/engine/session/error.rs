//! Why a session could not be started.

use std::path::PathBuf;

use tickdeck_recording::RecordingError;

use crate::control::InterruptibleError;
#[cfg(feature = "nats")]
use crate::encode::pattern::PatternError;
#[cfg(feature = "live")]
use crate::live::SubscriptionError;
#[cfg(feature = "live")]
use crate::live::ctp::LoginTooLong;
#[cfg(feature = "live")]
use crate::live::setup::LibraryMismatch;

/// A session could not be started.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum SessionError {
    /// The server cannot be used.
    #[cfg(feature = "nats")]
    #[error(transparent)]
    Nats(#[from] crate::nats::NatsError),
    /// The system gave no thread.
    #[error("starting a thread")]
    Thread(#[source] std::io::Error),
    /// The question for subscribers could not be written.
    #[cfg(feature = "nats")]
    #[error("encoding the readiness request")]
    Question(#[source] serde_json::Error),
    /// Messages cannot have this subject prefix.
    #[cfg(feature = "nats")]
    #[error(transparent)]
    Prefix(#[from] PatternError),
    /// Connecting to the server had no result.
    #[error(transparent)]
    Connect(#[from] InterruptibleError),
    /// The time of a live session was up before the server answered.
    #[cfg(feature = "live")]
    #[error("no NATS server was reached before the run ended")]
    ServerNotReached,
    /// The settings do not suit the CTP library.
    #[cfg(feature = "live")]
    #[error(transparent)]
    Library(#[from] LibraryMismatch),
    /// CTP does not accept a text of the login.
    #[cfg(feature = "live")]
    #[error(transparent)]
    Login(#[from] LoginTooLong),
    /// A live session has nothing to subscribe.
    #[cfg(feature = "live")]
    #[error(transparent)]
    Subscription(#[from] SubscriptionError),
    /// Nothing can be recorded at this place.
    #[error("a recording cannot be made at {}", path.display())]
    Place {
        /// Folder of the recording, or root of the catalogue.
        path: PathBuf,
        /// Why.
        #[source]
        error: PlaceError,
    },
    /// The recording could not be created.
    #[error(transparent)]
    Record(#[from] RecordingError),
}

/// Why nothing can be recorded at a place.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum PlaceError {
    /// A folder refuses new files.
    #[error("{} cannot be written; choose another place", folder.display())]
    Unwritable {
        /// The nearest folder that exists.
        folder: PathBuf,
        /// What the system said.
        #[source]
        error: std::io::Error,
    },
    /// The disk has too little space, or states none.
    #[error(transparent)]
    Space(RecordingError),
}

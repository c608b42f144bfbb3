//! Finding or creating the stream of a run.

use super::machine::Found;
use super::options::JetStreamOptions;
use crate::nats::NatsFailure;
use crate::nats::stream::StreamPromise;
use crate::nats::stream::api::{RequestFailure, StreamApi};
use crate::nats::stream::check::{check_config, place};

/// A stream that accepts the run.
pub(super) struct Opened {
    pub(super) found: Found,
    pub(super) promise: StreamPromise,
}

/// Finds the stream, or creates it where that is wanted, and checks that it keeps every tick.
pub(super) async fn open(
    api: &StreamApi,
    options: &JetStreamOptions,
    run: &str,
    version: String,
) -> Result<Opened, NatsFailure> {
    let settings = &options.stream;
    let failed = |failure: RequestFailure| failure.into_failure(&settings.name);
    let info = match api.info().await {
        Err(RequestFailure::NotFound) if settings.create => {
            let config = settings.config(&options.subject_prefix);
            let created = api.create(&config).await.map_err(failed)?;
            tracing::info!(
                event = "jetstream_created",
                stream = settings.name.as_str(),
                subjects = config.subjects.join(" "),
                storage = settings.storage.as_str(),
                replicas = settings.replicas,
            );
            created
        }
        info => info.map_err(failed)?,
    };
    check_config(&info.config, settings, &options.subject_prefix)?;
    let place = place(&info, settings)?;
    let last = match place.stored {
        0 => None,
        stored => {
            let sequence = place.base + stored - 1;
            Some(api.message(sequence).await.map_err(failed)?)
        }
    };
    Ok(Opened {
        promise: StreamPromise::of(&info, version),
        found: Found {
            stream: settings.name.to_string(),
            run: run.to_owned(),
            created: info.created.unix_timestamp_nanos(),
            replicas: info.config.num_replicas,
            place,
            last,
        },
    })
}

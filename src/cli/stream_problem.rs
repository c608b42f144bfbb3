//! Finds what is wrong with a stream in an error.

use std::error::Error;

use tickdeck::nats::{NatsError, NatsFailure, StreamProblem};
use tickdeck::pipeline::PlayError;
use tickdeck::sink::SinkError;

/// What is wrong with a stream, if that is the error.
pub(super) fn stream_problem<'e>(error: &'e (dyn Error + 'static)) -> Option<&'e StreamProblem> {
    let failure = match (error.downcast_ref(), error.downcast_ref()) {
        (Some(NatsError::Server { failure, .. }), _) => failure,
        (_, Some(SinkError::Nats { failure, .. })) => failure,
        // Its cause is that of the sink's error, which has none.
        _ => match error.downcast_ref()? {
            PlayError::Sink(SinkError::Nats { failure, .. }) => failure,
            _ => return None,
        },
    };
    match failure {
        NatsFailure::Stream(problem) => Some(problem),
        _ => None,
    }
}

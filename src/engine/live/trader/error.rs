//! Why the contracts of the trader front are not available.

use tickdeck_ffi::{FlowError, LoadError, RequestError, StartError};

use super::interview::InterviewError;
use crate::live::abandoned::LibraryHangs;
use crate::live::fail_reason::FailReason;
use crate::live::front_kind::FrontKind;

/// The contracts are not available.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum TraderError {
    /// No usable trader library.
    #[error("the trader library cannot be used: {0}")]
    Library(#[from] LoadError),
    /// No usable flow folder.
    #[error(transparent)]
    Flow(#[from] FlowError),
    /// The library has no evaluation keys.
    #[error(
        "the trader library of version {version} has only its built-in keys, none for \
         evaluation: use the one of the same version as the market data library"
    )]
    EvaluationKeys {
        /// Its version.
        version: String,
    },
    /// No session.
    #[error(transparent)]
    Start(#[from] StartError),
    /// A request that can never be sent.
    #[error(transparent)]
    Request(#[from] RequestError),
    /// The interview failed.
    #[error(transparent)]
    Interview(#[from] InterviewError),
    /// The library does not release its sessions.
    #[error("the trader library hangs: {0}")]
    Hangs(#[from] LibraryHangs),
    /// The run was stopped.
    #[error("interrupted")]
    Stopped,
}

impl TraderError {
    /// Why the whole run must end, if it must. After a permanent refusal another login, at either
    /// front, may lock the account.
    #[must_use]
    pub fn end_of_run(&self) -> Option<FailReason> {
        match self {
            Self::Hangs(hangs) => Some(FailReason::Hangs {
                front: FrontKind::Trader,
                hangs: *hangs,
            }),
            Self::Interview(InterviewError::Refused(refusal)) if refusal.is_permanent() => {
                Some(FailReason::Refused(refusal.clone()))
            }
            _ => None,
        }
    }

    /// Whether no front answered at all.
    #[must_use]
    pub fn is_silence(&self) -> bool {
        matches!(self, Self::Interview(error) if error.never_connected())
    }

    /// Whether another attempt may succeed.
    #[must_use]
    pub fn is_retryable(&self) -> bool {
        match self {
            Self::Interview(InterviewError::Refused(refusal)) => !refusal.is_permanent(),
            Self::Interview(_) => true,
            // A text that does not fit will not fit the next time.
            Self::Request(error) => !matches!(error, RequestError::BadText { .. }),
            // The next session has another folder.
            Self::Flow(error) => matches!(error, FlowError::InUse { .. }),
            Self::Library(_)
            | Self::EvaluationKeys { .. }
            | Self::Start(_)
            | Self::Hangs(_)
            | Self::Stopped => false,
        }
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::super::interview::Step;
    use super::*;
    use crate::live::refusal::{CtpError, FrontRequest, Refusal};

    fn refused(error_id: i32) -> TraderError {
        InterviewError::Refused(Refusal {
            front: FrontKind::Trader,
            request: FrontRequest::Login,
            error: CtpError {
                error_id,
                message: "CTP:不合法的登录".into(),
            },
        })
        .into()
    }

    #[test]
    fn only_permanent_refusals_end_the_run() {
        for (error_id, is_permanent) in [(3, true), (75, true), (7, false), (4_711, false)] {
            let error = refused(error_id);
            assert_eq!(error.end_of_run().is_some(), is_permanent, "{error}");
            assert_eq!(error.is_retryable(), !is_permanent, "{error}");
        }
        let silent = TraderError::from(InterviewError::TimedOut {
            step: Step::Connecting,
            waited: Duration::from_secs(1),
        });
        assert!(silent.is_silence() && silent.is_retryable() && silent.end_of_run().is_none());
    }

    #[test]
    fn a_text_that_does_not_fit_is_not_retried() {
        let request = "ReqSettlementInfoConfirm";
        let too_long = RequestError::BadText {
            request,
            field: "user id",
            len: 13,
            max: 12,
        };
        assert!(!TraderError::from(too_long).is_retryable());
        let crowded = RequestError::TooManyOutstanding { request };
        assert!(TraderError::from(crowded).is_retryable());
        assert!(!TraderError::Stopped.is_retryable());
    }
}

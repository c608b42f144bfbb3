//! A request that a front refused. Decisions read the error id; the text is for operators.

use super::front_kind::FrontKind;
use super::meaning::login_error;

/// A request that a front may refuse.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum FrontRequest {
    /// Authentication of the client, at the trader front.
    Authentication,
    /// Login.
    Login,
    /// Confirmation of yesterday's settlement, at the trader front.
    SettlementConfirmation,
    /// Contract query, at the trader front.
    ContractQuery,
}

impl FrontRequest {
    /// The request in words.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Authentication => "authentication",
            Self::Login => "login",
            Self::SettlementConfirmation => "confirmation of the settlement",
            Self::ContractQuery => "contract query",
        }
    }
}

/// An error that CTP reported.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CtpError {
    /// CTP's `ErrorID`.
    pub error_id: i32,
    /// CTP's `ErrorMsg`, decoded and without credentials.
    pub message: String,
}

/// A front refused a request.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Refusal {
    /// Which kind of front.
    pub front: FrontKind,
    /// What was requested.
    pub request: FrontRequest,
    /// CTP's answer.
    pub error: CtpError,
}

impl Refusal {
    /// Whether an operator must act. Trying again may lock the account.
    #[must_use]
    pub fn is_permanent(&self) -> bool {
        login_error(self.error.error_id).is_some_and(|known| known.is_permanent)
    }
}

impl std::fmt::Display for Refusal {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let CtpError { error_id, message } = &self.error;
        let known = login_error(*error_id);
        match (self.front, known) {
            (FrontKind::MarketData, Some(known)) if known.is_permanent => {
                write!(f, "the front refuses the login permanently: {known}")
            }
            (FrontKind::MarketData, Some(known)) => {
                write!(f, "login_failed: {error_id} {}", known.name)
            }
            (FrontKind::MarketData, None) => write!(f, "login_failed: {error_id} {message}"),
            (FrontKind::Trader, known) => {
                write!(
                    f,
                    "the trader front refuses the {}: ",
                    self.request.as_str()
                )?;
                match known {
                    Some(known) => known.fmt(f),
                    None => write!(f, "CTP error {error_id} {message}"),
                }
            }
        }
    }
}

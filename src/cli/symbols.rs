//! Ids that no exchange writes, where the user names instruments.
//!
//! A front accepts a wrong id like a right one, and never reports on it. So it is refused before anything
//! connects.

use tickdeck_core::contract::{ContractTable, Exchange, IdForm};

/// An exchange does not write ids like this.
#[derive(Debug, thiserror::Error)]
pub(super) enum ForeignId {
    /// It writes the same instrument in another form.
    #[error("{exchange} writes {own}, not {id}: a front accepts the wrong id and sends nothing")]
    Other {
        exchange: Exchange,
        id: String,
        own: String,
    },
    /// It has nothing like it.
    #[error("{exchange} never writes an id like {id}: a front accepts it and sends nothing")]
    None { exchange: Exchange, id: String },
}

/// Refuses the first id that its exchange writes differently, or not at all. Without an exchange, that
/// of the product decides. Returns the ids that follow no known form.
pub(super) fn refuse_foreign<'a>(
    contracts: &ContractTable,
    symbols: impl IntoIterator<Item = (&'a str, Option<Exchange>)>,
) -> Result<Vec<String>, ForeignId> {
    let mut unknown = Vec::new();
    for (id, given) in symbols {
        match contracts.id_form(id, given) {
            (IdForm::Foreign(own), Some(exchange)) => return Err(foreign(id, exchange, own)),
            (IdForm::Unknown, _) => unknown.push(match given {
                Some(exchange) => format!("{id}.{exchange}"),
                None => id.to_owned(),
            }),
            _ => {}
        }
    }
    Ok(unknown)
}

fn foreign(id: &str, exchange: Exchange, own: Option<String>) -> ForeignId {
    let id = id.to_owned();
    match own {
        Some(own) => ForeignId::Other { exchange, id, own },
        None => ForeignId::None { exchange, id },
    }
}

/// Warns before a subscription about ids that follow no known form.
pub(super) fn warn_unknown(symbols: &[String]) {
    for symbol in symbols {
        tracing::warn!(
            event = "symbol_form_unknown",
            symbol,
            "no exchange writes ids like this: the front will accept it and send nothing"
        );
    }
}

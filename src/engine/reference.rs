//! The reference data in force: contracts, products and trading calendar, from files and recordings.
//!
//! Core parses the bytes. This module reads the files, because core may not do I/O.

use std::io::Read;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use tickdeck_core::calendar::TradingCalendar;
use tickdeck_core::contract::{
    Contract, ContractFileError, ContractTable, Exchange, LARGEST_CONTRACT_FILE, ProductTable,
    VtSymbolError, parse_contract_file, parse_vt_symbols,
};
use tickdeck_core::event::InstrumentId;
use tickdeck_core::select::SymbolGlobs;
use tickdeck_core::source::ReceiveTimes;
use tickdeck_recording::{InstrumentPredicate, Recording, RecordingError};

/// The first bytes of a zstd frame.
const ZSTD_MAGIC: [u8; 4] = [0x28, 0xb5, 0x2f, 0xfd];

/// Contract table and calendar in force, and what the receive times are worth.
#[derive(Debug, Clone)]
pub struct Reference {
    /// The contracts.
    pub contracts: Arc<ContractTable>,
    /// The trading calendar.
    pub calendar: Arc<TradingCalendar>,
    /// Whether the receive times of the recordings are evidence of a tick's date; without
    /// recordings they are.
    pub receive_times: ReceiveTimes,
}

/// Reference data from the user. It takes precedence over the built-in tables and the recordings'.
#[derive(Debug, Clone, Default)]
pub struct ReferenceOptions<'a> {
    /// Product table instead of the built-in one.
    pub products: Option<&'a Path>,
    /// Contract file, plain or zstd-compressed.
    pub contracts: Option<&'a Path>,
    /// Exchanges of instruments, as in `rb2601.SHFE,IF2601.CFFEX`. An empty list counts as none.
    pub exchanges: Option<&'a str>,
    /// Trading calendar.
    pub calendar: Option<&'a Path>,
}

/// Reference data cannot be used.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ReferenceError {
    /// The product table file.
    #[error("product table {} cannot be used", path.display())]
    Products {
        /// The file.
        path: PathBuf,
        /// Why not.
        source: Box<dyn std::error::Error + Send + Sync>,
    },
    /// The contract file.
    #[error("the contract file cannot be used")]
    Contracts(#[source] ContractFileError),
    /// The list of exchanges.
    #[error("the list of exchanges cannot be used")]
    Exchanges(#[source] VtSymbolError),
    /// The calendar file.
    #[error("trading calendar {} cannot be used", path.display())]
    Calendar {
        /// The file.
        path: PathBuf,
        /// Why not.
        source: Box<dyn std::error::Error + Send + Sync>,
    },
    /// The tables of a recording.
    #[error(transparent)]
    Recording(#[from] RecordingError),
}

impl Reference {
    /// The built-in tables, then the recordings' own, then what the user gave.
    ///
    /// # Errors
    /// When a file or a recording's table cannot be read.
    pub fn load(
        options: &ReferenceOptions<'_>,
        recordings: &[Recording],
    ) -> Result<Self, ReferenceError> {
        let mut contracts = match options.products {
            None => ContractTable::builtin(),
            Some(path) => ContractTable::with_products(read_products(path)?),
        };
        for recording in recordings {
            recording.contracts(&mut contracts)?;
        }
        if let Some(path) = options.contracts {
            let listed = read_contract_file(path, contracts.products())
                .map_err(ReferenceError::Contracts)?;
            contracts.extend(listed);
        }
        if let Some(list) = options.exchanges {
            name_exchanges(&mut contracts, list)?;
        }
        Ok(Self {
            contracts: Arc::new(contracts),
            calendar: Arc::new(calendar(options.calendar, recordings)?),
            receive_times: receive_times_of(recordings),
        })
    }

    /// The built-in tables, then the recordings' own.
    ///
    /// # Errors
    /// When a recording's table cannot be read.
    pub fn of_recordings(recordings: &[Recording]) -> Result<Self, RecordingError> {
        let mut contracts = ContractTable::builtin();
        for recording in recordings {
            recording.contracts(&mut contracts)?;
        }
        Ok(Self {
            contracts: Arc::new(contracts),
            calendar: Arc::new(calendar_of(recordings)?),
            receive_times: receive_times_of(recordings),
        })
    }

    /// The same with more contracts. Contracts that the user gave take precedence over them.
    #[must_use]
    pub fn with_contracts(self, listed: impl IntoIterator<Item = Contract>) -> Self {
        let mut contracts = ContractTable::clone(&self.contracts);
        contracts.extend(listed);
        contracts.extend(self.contracts.explicit().cloned());
        Self {
            contracts: Arc::new(contracts),
            ..self
        }
    }

    /// Selects the instruments that match a pattern and belong to one of the exchanges. An empty list
    /// means all exchanges. `None` if that is every instrument.
    #[must_use]
    pub fn instruments(
        &self,
        globs: SymbolGlobs,
        exchanges: Vec<Exchange>,
    ) -> Option<InstrumentPredicate> {
        if globs.selects_all() && exchanges.is_empty() {
            return None;
        }
        let contracts = Arc::clone(&self.contracts);
        Some(Arc::new(move |id: &InstrumentId| {
            let exchange = contracts.resolve(id.as_bytes()).ok().map(|c| c.exchange);
            let is_exchange_selected = exchanges.is_empty()
                || exchange.is_some_and(|exchange| exchanges.contains(&exchange));
            is_exchange_selected && globs.matches(id.as_bytes(), exchange)
        }))
    }
}

/// The calendar of `file`, else the recordings' own, else the built-in one.
///
/// # Errors
/// When a calendar cannot be read.
pub fn calendar(
    file: Option<&Path>,
    recordings: &[Recording],
) -> Result<TradingCalendar, ReferenceError> {
    if let Some(path) = file {
        let unusable = |source| ReferenceError::Calendar {
            path: path.to_owned(),
            source,
        };
        let text = std::fs::read_to_string(path).map_err(|error| unusable(error.into()))?;
        let newer = TradingCalendar::parse(&text).map_err(|error| unusable(error.into()))?;
        return Ok(TradingCalendar::builtin().overlaid_with(&newer));
    }
    Ok(calendar_of(recordings)?)
}

/// The recordings' own calendar, else the built-in one.
fn calendar_of(recordings: &[Recording]) -> Result<TradingCalendar, RecordingError> {
    let mut own: Option<TradingCalendar> = None;
    for recording in recordings {
        if let Some(next) = recording.calendar()? {
            own = Some(match own {
                None => next,
                Some(calendar) => calendar.overlaid_with(&next),
            });
        }
    }
    Ok(own.unwrap_or_else(TradingCalendar::builtin))
}

fn receive_times_of(recordings: &[Recording]) -> ReceiveTimes {
    ReceiveTimes::of(recordings.iter().map(Recording::source))
}

/// Reads a contract file, plain or zstd-compressed. The product table supplies the fields that the file
/// leaves out. The contracts are ordered by instrument id.
///
/// # Errors
/// When the file cannot be read, is in an unknown dialect, or has a row that cannot be parsed.
pub fn read_contract_file(
    path: &Path,
    products: &ProductTable,
) -> Result<Vec<Contract>, ContractFileError> {
    let failed = |source| ContractFileError::Read {
        path: path.to_owned(),
        source,
    };
    let file = std::fs::File::open(path).map_err(failed)?;
    let bytes = read_bounded(file, path).map_err(failed)??;
    let bytes = if bytes.starts_with(&ZSTD_MAGIC) {
        let decoder = zstd::Decoder::new(bytes.as_slice()).map_err(failed)?;
        read_bounded(decoder, path).map_err(failed)??
    } else {
        bytes
    };
    parse_contract_file(&bytes, path, products)
}

fn read_bounded(
    reader: impl Read,
    path: &Path,
) -> std::io::Result<Result<Vec<u8>, ContractFileError>> {
    let mut bytes = Vec::new();
    let read = reader
        .take(LARGEST_CONTRACT_FILE + 1)
        .read_to_end(&mut bytes)?;
    let path = path.to_owned();
    Ok(if read as u64 > LARGEST_CONTRACT_FILE {
        Err(ContractFileError::TooLarge { path })
    } else {
        Ok(bytes)
    })
}

fn read_products(path: &Path) -> Result<ProductTable, ReferenceError> {
    let unusable = |source| ReferenceError::Products {
        path: path.to_owned(),
        source,
    };
    let text = std::fs::read_to_string(path).map_err(|error| unusable(error.into()))?;
    ProductTable::parse(&text).map_err(|error| unusable(error.into()))
}

/// Adds the exchanges that the user names, and logs where the tables have a different one.
fn name_exchanges(contracts: &mut ContractTable, list: &str) -> Result<(), ReferenceError> {
    if list.trim().is_empty() {
        return Ok(());
    }
    for (instrument, exchange) in parse_vt_symbols(list).map_err(ReferenceError::Exchanges)? {
        let (contract, conflict) = contracts.contract_of(&instrument, exchange);
        if let Some(conflict) = conflict {
            tracing::warn!(
                event = "exchange_conflict",
                instrument,
                given = conflict.given.as_str(),
                known = conflict.known.as_str(),
                "the given exchange differs from the contract tables: it is used, and their data \
                 about the contract is not"
            );
        }
        contracts.extend([contract]);
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    const HEADER: &[u8] = include_bytes!("../../fixtures/contracts/ctp_header.csv");

    #[test]
    fn a_compressed_file_reads_like_a_plain_one() {
        let folder = tempfile::tempdir().unwrap();
        let products = ProductTable::builtin();
        let plain = folder.path().join("list.csv");
        let packed = folder.path().join("list.csv.zst");
        std::fs::write(&plain, HEADER).unwrap();
        std::fs::write(&packed, zstd::encode_all(HEADER, 3).unwrap()).unwrap();
        let contracts = read_contract_file(&plain, &products).unwrap();
        assert_eq!(read_contract_file(&packed, &products).unwrap(), contracts);
        assert_eq!(contracts.len(), 5);
        std::fs::write(&packed, ZSTD_MAGIC).unwrap();
        for path in [packed, folder.path().join("none.csv")] {
            let error = read_contract_file(&path, &products).unwrap_err();
            assert!(matches!(error, ContractFileError::Read { .. }), "{error}");
            assert!(std::error::Error::source(&error).is_some());
        }
    }
}

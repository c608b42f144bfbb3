//! Why a session could not be started, and the check before the start.

use std::path::PathBuf;

use super::front::FrontNotTaken;
use super::object::ApiObject;
use crate::library::Library;

/// Why a session could not be started.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum StartError {
    /// No address to connect to.
    #[error(
        "no front address was given; name at least one, for example tcp://182.254.243.31:30011"
    )]
    NoFront,
    /// An address that this library cannot use.
    #[error(transparent)]
    Front(#[from] FrontNotTaken),
    /// The library's factory returned nothing.
    #[error(
        "the CTP library {path} did not create a session; check what it printed, and the flow folder {flow}"
    )]
    NotCreated {
        /// The library.
        path: PathBuf,
        /// Its flow folder.
        flow: PathBuf,
    },
    /// A slot holds another function than the tables say.
    #[error(
        "the CTP library {path} has another function than {expected} in slot {slot} of its table; \
         tickdeck does not call it, use a library of a version that `tickdeck doctor` accepts"
    )]
    UnexpectedSlot {
        /// The library.
        path: PathBuf,
        /// Position in the table.
        slot: usize,
        /// The vendor's implementation that belongs there, mangled.
        expected: &'static str,
    },
}

/// Compares the slots of a new object with the functions that the library exports under the
/// vendor's names. A name that is not exported cannot be compared and passes.
///
/// # Safety
/// The object is live, and its class has all of these slots.
pub(crate) unsafe fn check_slots(
    library: &Library,
    object: &ApiObject,
    expected: &[(usize, &'static str)],
) -> Result<(), StartError> {
    for &(slot, name) in expected {
        let Some(exported) = library.address(name) else {
            continue;
        };
        // SAFETY: the caller guarantees the slot.
        if unsafe { object.function(slot) } != exported {
            return Err(StartError::UnexpectedSlot {
                path: library.path().to_owned(),
                slot,
                expected: name,
            });
        }
    }
    Ok(())
}

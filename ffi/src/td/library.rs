//! The trader library: its version, its tables, and how it creates a session.

use std::ffi::c_void;
use std::path::Path;

use super::spi::vtable;
use crate::abi::signature::{CreateTd, CreateTdWithMode, This};
use crate::abi::{ApiVersion, TraderTable, symbol};
use crate::client::{ApiObject, FlowFolder, FrontAddress, FrontNotTaken, VTable};
use crate::library::{Kind, Library, LoadError};

const KIND: Kind = Kind {
    name: "trader",
    file: symbol::TD_FILE,
    version_symbol: symbol::TD_VERSION,
};

/// A loaded `thosttraderapi_se.so` that tickdeck can use.
///
/// It stays loaded until the program ends.
#[derive(Debug, Clone)]
pub struct TdLibrary {
    library: Library,
    create: Create,
    table: TraderTable,
    vtable: VTable,
}

#[derive(Debug, Clone, Copy)]
enum Create {
    Plain(CreateTd),
    WithMode(CreateTdWithMode),
}

impl TdLibrary {
    /// Loads the library: a file, or the folder that holds `thosttraderapi_se.so`.
    ///
    /// # Errors
    /// [`LoadError`] names the file, what is wrong with it and what to do.
    pub fn open(path: &Path) -> Result<Self, LoadError> {
        let library = Library::open(path, KIND)?;
        let table =
            TraderTable::of(library.version()).map_err(|source| LoadError::UnknownTraderTable {
                path: library.path().to_owned(),
                source,
            })?;
        let create = create(&library)?;
        Ok(Self {
            library,
            create,
            table,
            vtable: vtable(&table.spi),
        })
    }

    /// Absolute path of the file.
    #[must_use]
    pub fn path(&self) -> &Path {
        self.library.path()
    }

    /// The library's version.
    #[must_use]
    pub fn version(&self) -> &ApiVersion {
        self.library.version()
    }

    /// The exported function that creates a session, mangled.
    #[must_use]
    pub fn create_symbol(&self) -> &'static str {
        match self.create {
            Create::Plain(_) => symbol::TD_CREATE,
            Create::WithMode(_) => symbol::TD_CREATE_WITH_MODE,
        }
    }

    /// Whether the library supports both kinds of keys, production and evaluation.
    #[must_use]
    pub fn has_production_flag(&self) -> bool {
        matches!(self.create, Create::WithMode(_))
    }

    /// Whether this is tickdeck's simulated front and not the vendor's library.
    #[must_use]
    pub fn is_simulated(&self) -> bool {
        self.library.is_simulated()
    }

    /// Its tables of functions.
    #[must_use]
    pub fn table(&self) -> &TraderTable {
        &self.table
    }

    /// Checks that the library can use an address. It must not get any other.
    ///
    /// # Errors
    /// [`FrontNotTaken`] says why it cannot, and what to use instead.
    pub fn check_front(&self, front: &FrontAddress) -> Result<(), FrontNotTaken> {
        front.check_for_td(self.version())
    }

    pub(super) fn library(&self) -> &Library {
        &self.library
    }

    pub(super) fn vtable(&self) -> VTable {
        self.vtable
    }

    /// Creates an object; `None` when the library returns nothing.
    pub(super) fn create(&self, flow: &FlowFolder, production: bool) -> Option<ApiObject> {
        let prefix = flow.prefix().as_ptr();
        let this: This = match self.create {
            // SAFETY: the signature belongs to the symbol; the prefix is copied by the library,
            // and its folder exists, without which this would crash.
            Create::Plain(create) => unsafe { create(prefix) },
            // SAFETY: as above.
            Create::WithMode(create) => unsafe { create(prefix, u8::from(production)) },
        };
        // SAFETY: null, or a new object that is handed to us.
        unsafe { ApiObject::new(this) }
    }
}

/// The factory to use.
fn create(library: &Library) -> Result<Create, LoadError> {
    let with_mode = library.address(symbol::TD_CREATE_WITH_MODE).map(|address| {
        // SAFETY: the mangled name spells the arguments: const char*, bool.
        Create::WithMode(unsafe { std::mem::transmute::<*const c_void, CreateTdWithMode>(address) })
    });
    let plain = library.address(symbol::TD_CREATE).map(|address| {
        // SAFETY: the mangled name spells the arguments: const char*.
        Create::Plain(unsafe { std::mem::transmute::<*const c_void, CreateTd>(address) })
    });
    library.factory(
        (symbol::TD_CREATE_WITH_MODE, with_mode),
        (symbol::TD_CREATE, plain),
    )
}

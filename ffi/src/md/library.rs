//! The market data library: its version, its tables, and how it creates a session.

use std::ffi::c_void;
use std::path::Path;

use crate::abi::signature::{CreateMd, CreateMdWithMode, This};
use crate::abi::{ApiVersion, SpiTable, TickLayout, symbol};
use crate::client::{ApiObject, FlowFolder, FrontAddress, FrontNotTaken};
use crate::library::{Kind, Library, LoadError};

const KIND: Kind = Kind {
    name: "market data",
    file: symbol::MD_FILE,
    version_symbol: symbol::MD_VERSION,
};

/// A loaded `thostmduserapi_se.so` that tickdeck can use.
///
/// It stays loaded until the program ends.
#[derive(Debug, Clone)]
pub struct MdLibrary {
    library: Library,
    create: Create,
    table: SpiTable,
}

#[derive(Debug, Clone, Copy)]
enum Create {
    Plain(CreateMd),
    WithMode(CreateMdWithMode),
}

impl MdLibrary {
    /// Loads the library: a file, or the folder that holds `thostmduserapi_se.so`.
    ///
    /// # Errors
    /// [`LoadError`] names the file, what is wrong with it and what to do.
    pub fn open(path: &Path) -> Result<Self, LoadError> {
        let library = Library::open(path, KIND)?;
        let table = table(&library)?;
        let create = create(&library)?;
        Ok(Self {
            library,
            create,
            table,
        })
    }

    /// Absolute path of the file.
    #[must_use]
    pub fn path(&self) -> &Path {
        self.library.path()
    }

    /// The library's version. [`ApiVersion::knowledge`] says whether tickdeck has tested it.
    #[must_use]
    pub fn version(&self) -> &ApiVersion {
        self.library.version()
    }

    /// The layout of its ticks.
    #[must_use]
    pub fn layout(&self) -> TickLayout {
        TickLayout::of(self.version())
    }

    /// The table through which it calls its client.
    #[must_use]
    pub fn spi_table(&self) -> SpiTable {
        self.table
    }

    /// The exported function that creates a session, mangled.
    #[must_use]
    pub fn create_symbol(&self) -> &'static str {
        match self.create {
            Create::Plain(_) => symbol::MD_CREATE,
            Create::WithMode(_) => symbol::MD_CREATE_WITH_MODE,
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

    /// Checks that the library can use an address. It must not get any other.
    ///
    /// # Errors
    /// [`FrontNotTaken`] says why it cannot, and what to use instead.
    pub fn check_front(&self, front: &FrontAddress) -> Result<(), FrontNotTaken> {
        front.check_for_md(self.version())
    }

    pub(super) fn library(&self) -> &Library {
        &self.library
    }

    /// Creates an object; `None` when the library returns nothing.
    pub(super) fn create(&self, flow: &FlowFolder, production: bool) -> Option<ApiObject> {
        let prefix = flow.prefix().as_ptr();
        let this: This = match self.create {
            // SAFETY: the signature belongs to the symbol (field guide 1.1); the prefix is copied
            // by the library, and its folder exists, without which this would crash. TCP always: no
            // UDP, no multicast.
            Create::Plain(create) => unsafe { create(prefix, 0, 0) },
            // SAFETY: as above.
            Create::WithMode(create) => unsafe { create(prefix, 0, 0, u8::from(production)) },
        };
        // SAFETY: null, or a new object that is handed to us.
        unsafe { ApiObject::new(this) }
    }
}

/// The table of the version, if the exported symbols agree.
fn table(library: &Library) -> Result<SpiTable, LoadError> {
    let by_version = SpiTable::of(library.version());
    if library.is_simulated() {
        return Ok(by_version);
    }
    let by_symbol = if library.exports(symbol::MD_MULTICAST_QUERY) {
        SpiTable::Thirteen
    } else {
        SpiTable::Twelve
    };
    if by_symbol == by_version {
        return Ok(by_version);
    }
    Err(LoadError::TablesDisagree {
        path: library.path().to_owned(),
        version: library.version().clone(),
        by_version: by_version.slots(),
        by_symbol: by_symbol.slots(),
    })
}

/// The factory to use.
fn create(library: &Library) -> Result<Create, LoadError> {
    let with_mode = library.address(symbol::MD_CREATE_WITH_MODE).map(|address| {
        // SAFETY: the mangled name spells the arguments: const char*, bool, bool, bool.
        Create::WithMode(unsafe { std::mem::transmute::<*const c_void, CreateMdWithMode>(address) })
    });
    let plain = library.address(symbol::MD_CREATE).map(|address| {
        // SAFETY: the mangled name spells the arguments: const char*, bool, bool.
        Create::Plain(unsafe { std::mem::transmute::<*const c_void, CreateMd>(address) })
    });
    library.factory(
        (symbol::MD_CREATE_WITH_MODE, with_mode),
        (symbol::MD_CREATE, plain),
    )
}

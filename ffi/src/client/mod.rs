//! What the market data client and the trader client share: the API object, the SPI object, the
//! gate to the handler, and the end of a session.
//!
//! The rules of field guide 1.2 to 1.5 are implemented here once:
//!
//! - one Init per object: creating and starting is one step;
//! - no Join;
//! - Release on a separate thread, never in a callback;
//! - the SPI object is never freed and never replaced.

mod flow;
mod front;
mod gate;
mod login_field;
mod login_text;
mod object;
mod request;
mod session;
mod sigpipe;
mod spi_object;
mod start;
mod threads;
mod vtable;

pub use flow::{FlowError, FlowFolder};
pub use front::{BadFront, FrontAddress, FrontNotTaken};
pub use login_field::LoginField;
pub use request::RequestError;
pub use session::{DROP_TIMEOUT, ReleaseError};
pub use start::StartError;

pub(crate) use gate::Gate;
pub(crate) use login_text::{bad_text, login_text};
pub(crate) use object::ApiObject;
pub(crate) use request::outcome;
pub(crate) use session::Session;
pub(crate) use sigpipe::ignore_sigpipe;
pub(crate) use spi_object::SpiObject;
pub(crate) use start::check_slots;
pub(crate) use threads::LibraryThreads;
pub(crate) use vtable::{Entry, VTable};

//! What the market data client and the trader client have in common: the object that is called,
//! the table that the library calls, the gate between them and the end of both.
//!
//! The rules of guide 1.2 to 1.5 live here once: one Init per object because creating and starting
//! is one step, no Join because there is none, Release from a thread of its own and never from a
//! callback, the SPI object never freed and never taken away.

mod flow;
mod front;
mod gate;
mod login_text;
mod object;
mod request;
mod session;
mod sigpipe;
mod start;
mod threads;
mod vtable;

pub use flow::{FlowError, FlowFolder};
pub use front::{BadFront, FrontAddress, FrontNotTaken};
pub use request::RequestError;
pub use session::{DROP_TIMEOUT, ReleaseError};
pub use start::StartError;

pub(crate) use gate::Gate;
pub(crate) use login_text::login_text;
pub(crate) use object::ApiObject;
pub(crate) use request::outcome;
pub(crate) use session::Session;
pub(crate) use sigpipe::ignore_sigpipe;
pub(crate) use start::check_slots;
pub(crate) use threads::LibraryThreads;
pub(crate) use vtable::{Entry, VTable};

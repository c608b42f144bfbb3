//! The trader front: authentication, login, settlement confirmation and queries of one session of
//! one API instance. It keeps no orders: requests that would change something are refused.

mod answers;
mod callback;
mod contracts;
mod request;
mod session;
pub mod tables;
#[cfg(test)]
mod tests;

pub use callback::TdEvent;
pub use request::TdRequest;
pub use session::TdSession;

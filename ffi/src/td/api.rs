//! One trader session.

use std::fmt;
use std::sync::Arc;
use std::sync::atomic::{AtomicI32, Ordering};
use std::time::Duration;

use super::handler::TdHandler;
use super::library::TdLibrary;
use super::spi::TdSpi;
use crate::abi::{
    AuthenticateRequest, LoginRequest, StructBuf, TraderApiSlots, instrument_query,
    settlement_confirm,
};
use crate::client::{
    FlowFolder, FrontAddress, LibraryThreads, LoginField, ReleaseError, RequestError, Session,
    StartError, bad_text, check_slots, ignore_sigpipe, login_text, outcome,
};
use crate::secret::Secret;
use crate::text::Text;

/// What a session needs.
#[derive(Debug)]
pub struct TdOptions {
    /// Folder of this session only, not shared with a market data session.
    pub flow: FlowFolder,
    /// Production keys; `false` for a broker's evaluation system. Libraries before 6.7.11 do not
    /// support the choice and come in two builds instead.
    pub production: bool,
    /// The library uses the first that answers, and falls back to the others.
    pub fronts: Vec<FrontAddress>,
}

/// The authentication and the login.
#[derive(Debug, Clone)]
pub struct TdLogin {
    /// Broker, at most 10 bytes.
    pub broker_id: String,
    /// Account, at most 12 bytes.
    pub user_id: String,
    /// Its password, at most 40 bytes.
    pub password: Secret,
    /// The broker's name for this program, at most 32 bytes.
    pub app_id: String,
    /// The broker's code for it, at most 16 bytes.
    pub auth_code: Secret,
}

/// A running trader session; see [`MdApi`](crate::md::MdApi), whose rules it shares.
pub struct TdApi {
    session: Session<dyn TdHandler>,
    slots: TraderApiSlots,
    next_request: AtomicI32,
}

/// `THOST_TERT_QUICK`: only the part of a front's streams that follows the login. This client reads
/// neither stream, but an older library cannot refuse them.
const QUICK: i32 = 2;

impl TdApi {
    /// Makes a session and starts connecting. The handler may be called before this returns.
    ///
    /// # Errors
    /// [`StartError`]: no front, one that the library does not take, or a library that is not what it
    /// says it is.
    pub fn start(
        library: &TdLibrary,
        options: TdOptions,
        handler: Arc<dyn TdHandler>,
    ) -> Result<Self, StartError> {
        let TdOptions {
            flow,
            production,
            fronts,
        } = options;
        if fronts.is_empty() {
            return Err(StartError::NoFront);
        }
        for front in &fronts {
            library.check_front(front)?;
        }
        ignore_sigpipe();
        let Some(object) = library.create(&flow, production) else {
            return Err(StartError::NotCreated {
                path: library.path().to_owned(),
                flow: flow.path().to_owned(),
            });
        };
        let table = library.table();
        let slots = table.api;
        // SAFETY: the object is live, and the table is the one of the library's version.
        let checked = unsafe { check_slots(library.library(), &object, &slots.implementations()) };
        if let Err(error) = checked {
            // The object is leaked with its files open: even its Release cannot be trusted.
            std::mem::forget(flow);
            return Err(error);
        }
        let spi = TdSpi::new(library.version(), &table.spi, library.vtable(), handler);
        // SAFETY: a trader object of this version; the SPI object has the table that the library
        // calls through and is never freed.
        unsafe { object.call_with_pointer(slots.register_spi, spi.as_ptr()) };
        // SAFETY: a trader object of this version; the first number is one of the vendor's
        // constants, the second a position in the stream of which 0 is none.
        unsafe { object.call_with_ints(slots.subscribe_private_topic, QUICK, 0) };
        // SAFETY: as above.
        unsafe { object.call_with_ints(slots.subscribe_public_topic, QUICK, 0) };
        for front in &fronts {
            // SAFETY: a trader object of this version; the library copies the address.
            unsafe { object.call_with_text(slots.register_front, front.as_c_str()) };
        }
        let threads = LibraryThreads::started_by(|| {
            // SAFETY: a trader object of this version, and this is its only Init: it was created
            // above and nothing else has a pointer to it.
            unsafe { object.call_plain(slots.init) };
        });
        // SAFETY: the object was started, and this is the slot of its Release.
        let session = unsafe { Session::new(object, slots.release, threads, spi.gate(), flow) };
        Ok(Self {
            session,
            slots,
            next_request: AtomicI32::new(1),
        })
    }

    /// Sends the authentication, which precedes the login. The answer arrives at
    /// [`TdHandler::on_authenticated`]. Returns the number of the request.
    ///
    /// # Errors
    /// [`RequestError`]: not connected, too many, a text that does not fit, session over.
    pub fn authenticate(&self, login: &TdLogin) -> Result<i32, RequestError> {
        const REQUEST: &str = "ReqAuthenticate";
        let request = AuthenticateRequest {
            broker_id: login_text(REQUEST, "broker id", &login.broker_id)?,
            user_id: login_text(REQUEST, "user id", &login.user_id)?,
            auth_code: login.auth_code.clone(),
            app_id: login_text(REQUEST, "app id", &login.app_id)?,
        };
        // The last byte of the field stays NUL.
        login_text::<{ LoginField::AuthCode.max_len() + 1 }>(
            REQUEST,
            "auth code",
            login.auth_code.expose(),
        )?;
        let buffer = request.write().map_err(bad_text(REQUEST, "auth code"))?;
        self.request(REQUEST, self.slots.req_authenticate, buffer)
    }

    /// Sends the login. The answer arrives at [`TdHandler::on_login`]. Returns the number of the
    /// request.
    ///
    /// Call it only after [`TdHandler::on_front_connected`]. While a connection is being
    /// established, vendor libraries may crash on any request (seen with 6.6.9, 6.7.9 and 6.7.11).
    ///
    /// # Errors
    /// [`RequestError`]: not connected, too many, a text that does not fit, session over.
    pub fn login(&self, login: &TdLogin) -> Result<i32, RequestError> {
        const REQUEST: &str = "ReqUserLogin";
        let request = LoginRequest {
            broker_id: login_text(REQUEST, "broker id", &login.broker_id)?,
            user_id: login_text(REQUEST, "user id", &login.user_id)?,
            password: login.password.clone(),
            user_product_info: login_text(REQUEST, "product", "tickdeck")?,
        };
        // The last byte of the field stays NUL.
        login_text::<{ LoginField::Password.max_len() + 1 }>(
            REQUEST,
            "password",
            login.password.expose(),
        )?;
        let buffer = request.write().map_err(bad_text(REQUEST, "password"))?;
        self.request(REQUEST, self.slots.req_user_login, buffer)
    }

    /// Confirms yesterday's settlement, for brokers that answer no query without it. It is a legal
    /// act of the account holder: only on request. The answer arrives at
    /// [`TdHandler::on_settlement_confirmed`]. Returns the number of the request.
    ///
    /// # Errors
    /// [`RequestError`]: not connected, too many, a text that does not fit, session over.
    pub fn confirm_settlement(&self, login: &TdLogin) -> Result<i32, RequestError> {
        const REQUEST: &str = "ReqSettlementInfoConfirm";
        let buffer = settlement_confirm(
            &login_text(REQUEST, "broker id", &login.broker_id)?,
            &login_text(REQUEST, "user id", &login.user_id)?,
        );
        self.request(REQUEST, self.slots.req_settlement_info_confirm, buffer)
    }

    /// Queries the contracts of an exchange, or of all exchanges with an empty text. Fronts allow
    /// one query at a time, and one a second. The answers arrive at [`TdHandler::on_instrument`].
    /// Returns the number of the request.
    ///
    /// # Errors
    /// [`RequestError`]: not connected, too many, a text that does not fit, session over.
    pub fn query_instruments(&self, exchange_id: &str) -> Result<i32, RequestError> {
        const REQUEST: &str = "ReqQryInstrument";
        let buffer = instrument_query(&login_text(REQUEST, "exchange id", exchange_id)?);
        self.request(REQUEST, self.slots.req_qry_instrument, buffer)
    }

    fn request(
        &self,
        request: &'static str,
        slot: usize,
        buffer: StructBuf,
    ) -> Result<i32, RequestError> {
        let request_id = self.next_request.fetch_add(1, Ordering::Relaxed);
        let code = self.session.with(request, |object| {
            // SAFETY: a trader object of the version that the slot is from; each caller passes the
            // slot of a request and the struct that belongs to it.
            unsafe { object.call_request(slot, buffer, request_id) }
        })?;
        outcome(request, code).map(|()| request_id)
    }

    /// The library's trading day, `YYYYMMDD`, right after a login.
    ///
    /// # Errors
    /// [`RequestError::Released`] when the session is over.
    pub fn trading_day(&self) -> Result<Text<9>, RequestError> {
        self.session.with("GetTradingDay", |object| {
            // SAFETY: a trader object of this version.
            unsafe { object.call_for_text(self.slots.get_trading_day) }
        })
    }

    /// Whether a handler's method panicked. Since then nothing was delivered; release the session.
    #[must_use]
    pub fn panicked(&self) -> bool {
        self.session.panicked()
    }

    /// Ends the session. From the moment of the call no callback is delivered, and requests are
    /// refused. Calling it again waits again. A session that was started just now is first given
    /// time for its threads to begin, two seconds at most.
    ///
    /// A library before 6.5.1 may crash the process when a connection is established meanwhile,
    /// which is likely only against a front that hangs up repeatedly.
    ///
    /// # Errors
    /// [`ReleaseError`]: the library hangs and is abandoned, or this is one of its callbacks.
    pub fn release(&self, timeout: Duration) -> Result<(), ReleaseError> {
        self.session.release(timeout)
    }
}

impl fmt::Debug for TdApi {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("TdApi").finish_non_exhaustive()
    }
}

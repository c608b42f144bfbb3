//! One market data session.

use std::ffi::CString;
use std::fmt;
use std::sync::Arc;
use std::sync::atomic::{AtomicI32, Ordering};
use std::time::Duration;

use super::handler::MdHandler;
use super::library::MdLibrary;
use super::spi::MdSpi;
use crate::abi::{LoginRequest, MdMethod};
use crate::client::{
    FlowFolder, FrontAddress, LibraryThreads, LoginField, ReleaseError, RequestError, Session,
    StartError, bad_text, check_slots, ignore_sigpipe, login_text, outcome,
};
use crate::secret::Secret;
use crate::text::Text;

/// What a session needs.
#[derive(Debug)]
pub struct MdOptions {
    /// Folder of this session only.
    pub flow: FlowFolder,
    /// Production keys; `false` for a broker's evaluation system. Libraries before 6.7.11 do not
    /// support the choice and come in two builds instead.
    pub production: bool,
    /// The library uses the first that answers, and falls back to the others.
    pub fronts: Vec<FrontAddress>,
}

/// The login. Most market data fronts check none of it (field guide 1.7).
#[derive(Debug, Clone)]
pub struct MdLogin {
    /// Broker, at most 10 bytes.
    pub broker_id: String,
    /// Account, at most 15 bytes.
    pub user_id: String,
    /// Its password, at most 40 bytes.
    pub password: Secret,
}

/// A running market data session.
///
/// Only [`start`](Self::start) makes one. A second Init, other fronts or another handler are not
/// possible. [`release`](Self::release) or dropping ends it. Requests may be made from any thread.
pub struct MdApi {
    session: Session<dyn MdHandler>,
    next_request: AtomicI32,
}

/// Functions whose slots are checked before any of them is called.
const METHODS: [MdMethod; 8] = [
    MdMethod::Release,
    MdMethod::Init,
    MdMethod::GetTradingDay,
    MdMethod::RegisterFront,
    MdMethod::RegisterSpi,
    MdMethod::SubscribeMarketData,
    MdMethod::UnSubscribeMarketData,
    MdMethod::ReqUserLogin,
];

impl MdApi {
    /// Makes a session and starts connecting. The handler may be called before this returns.
    ///
    /// # Errors
    /// [`StartError`]: no front, an address that the library cannot use, or a library that differs from
    /// its version.
    pub fn start(
        library: &MdLibrary,
        options: MdOptions,
        handler: Arc<dyn MdHandler>,
    ) -> Result<Self, StartError> {
        let MdOptions {
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
        let slots = METHODS.map(|method| (method.slot(), method.implementation()));
        // SAFETY: the object is live and every version's class has fourteen functions or more.
        let checked = unsafe { check_slots(library.library(), &object, &slots) };
        if let Err(error) = checked {
            // The object is leaked with its files open: even its Release cannot be trusted.
            std::mem::forget(flow);
            return Err(error);
        }
        let spi = MdSpi::new(library.version(), library.spi_table(), handler);
        // SAFETY: a market data object; the SPI object has the table that the library calls
        // through and is never freed.
        unsafe { object.call_with_pointer(MdMethod::RegisterSpi.slot(), spi.as_ptr()) };
        for front in &fronts {
            // SAFETY: a market data object; the library copies the address.
            unsafe { object.call_with_text(MdMethod::RegisterFront.slot(), front.as_c_str()) };
        }
        let threads = LibraryThreads::started_by(|| {
            // SAFETY: a market data object, and this is its only Init: it was created above and
            // nothing else has a pointer to it.
            unsafe { object.call_plain(MdMethod::Init.slot()) };
        });
        // SAFETY: the object was started, and this is the slot of its Release.
        let session =
            unsafe { Session::new(object, MdMethod::Release.slot(), threads, spi.gate(), flow) };
        Ok(Self {
            session,
            next_request: AtomicI32::new(1),
        })
    }

    /// Sends a login. The answer arrives at [`MdHandler::on_login`].
    ///
    /// # Errors
    /// [`RequestError`]: not connected, too many, a text that does not fit, session over.
    pub fn login(&self, login: &MdLogin) -> Result<(), RequestError> {
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
        let request_id = self.next_request.fetch_add(1, Ordering::Relaxed);
        let code = self.session.with(REQUEST, |object| {
            // SAFETY: a market data object, and the buffer holds a login request.
            unsafe { object.call_request(MdMethod::ReqUserLogin.slot(), buffer, request_id) }
        })?;
        outcome(REQUEST, code)
    }

    /// Requests the market data of these instruments; one [`MdHandler::on_subscribed`] each.
    ///
    /// Send at most about 500 at a time and 1,000 a second: a front that must answer more closes
    /// the session (field guide 1.7).
    ///
    /// # Errors
    /// [`RequestError`]: not connected, too many, an id that does not fit, session over.
    pub fn subscribe<T: AsRef<[u8]>>(&self, instrument_ids: &[T]) -> Result<(), RequestError> {
        self.subscription(
            "SubscribeMarketData",
            MdMethod::SubscribeMarketData,
            instrument_ids,
        )
    }

    /// Ends the market data of these instruments; one [`MdHandler::on_unsubscribed`] each.
    ///
    /// # Errors
    /// [`RequestError`]: not connected, too many, an id that does not fit, session over.
    pub fn unsubscribe<T: AsRef<[u8]>>(&self, instrument_ids: &[T]) -> Result<(), RequestError> {
        self.subscription(
            "UnSubscribeMarketData",
            MdMethod::UnSubscribeMarketData,
            instrument_ids,
        )
    }

    fn subscription<T: AsRef<[u8]>>(
        &self,
        request: &'static str,
        method: MdMethod,
        instrument_ids: &[T],
    ) -> Result<(), RequestError> {
        if instrument_ids.is_empty() {
            return Ok(());
        }
        let c_string = |id: &T| {
            let id = id.as_ref();
            let bad = || RequestError::BadText {
                request,
                field: "instrument id",
                len: id.len(),
                max: 80,
            };
            if id.len() > 80 {
                return Err(bad());
            }
            CString::new(id).map_err(|_| bad())
        };
        let ids = instrument_ids
            .iter()
            .map(c_string)
            .collect::<Result<Vec<_>, _>>()?;
        let code = self.session.with(request, |object| {
            // SAFETY: a market data object, and both methods take a list of ids.
            unsafe { object.call_subscribe(method.slot(), &ids) }
        })?;
        outcome(request, code)
    }

    /// The library's trading day, `YYYYMMDD`. It is correct only after a login, see field guide
    /// 1.2.
    ///
    /// # Errors
    /// [`RequestError::Released`] when the session is over.
    pub fn trading_day(&self) -> Result<Text<9>, RequestError> {
        self.session.with("GetTradingDay", |object| {
            // SAFETY: a market data object.
            unsafe { object.call_for_text(MdMethod::GetTradingDay.slot()) }
        })
    }

    /// Whether a handler's method panicked. Nothing is delivered after that: release the session.
    #[must_use]
    pub fn panicked(&self) -> bool {
        self.session.panicked()
    }

    /// Ends the session. From the call on no callback is delivered, and requests are refused.
    /// Calling it again waits again. A session that has just started first gets time for its
    /// threads to begin, two seconds at most.
    ///
    /// A library before 6.5.1 may crash the process when a connection is established meanwhile.
    /// This is likely only against a front that repeatedly closes its connections.
    ///
    /// # Errors
    /// [`ReleaseError`]: the library hangs and is abandoned, or this is one of its callbacks.
    pub fn release(&self, timeout: Duration) -> Result<(), ReleaseError> {
        self.session.release(timeout)
    }
}

impl fmt::Debug for MdApi {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("MdApi").finish_non_exhaustive()
    }
}

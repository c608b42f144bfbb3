//! One API object of the client: its life from `Create…` to `Release`, and what clients do wrong.
//!
//! The vendor's library crashes or hangs where a client breaks the order of calls (field guide
//! 1.4). This one does not, but logs the misuse, so that bugs of clients are found.

use std::collections::BTreeMap;
use std::ffi::{CStr, CString, c_char};
use std::path::Path;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Mutex, MutexGuard, OnceLock, PoisonError};

use crate::environment;
use crate::log;
use crate::reactor::{Reactor, Released, Session};
use crate::settings::{Settings, address_words};

/// What `GetTradingDay` answers before the login (field guide 1.2).
const NO_TRADING_DAY: &CStr = c"19800100";
/// What `Join` returns, as the vendor's does.
const JOINED: i32 = 1;
/// Return code: no connection.
const NOT_CONNECTED: i32 = -1;

/// The state of one API object.
#[derive(Debug)]
pub struct Instance<S: Session> {
    api: &'static str,
    flow: String,
    fronts: Mutex<Vec<String>>,
    reactor: OnceLock<Reactor<S>>,
    is_released: AtomicBool,
    joining: AtomicUsize,
    trading_day: OnceLock<CString>,
}

/// Flow paths in use, and by how many instances.
fn flows() -> MutexGuard<'static, BTreeMap<String, u32>> {
    static FLOWS: Mutex<BTreeMap<String, u32>> = Mutex::new(BTreeMap::new());
    FLOWS.lock().unwrap_or_else(PoisonError::into_inner)
}

impl<S: Session> Instance<S> {
    /// What `Create…` makes. `api` is `md` or `td`, for the log.
    #[must_use]
    pub fn new(api: &'static str, flow: String) -> Self {
        environment::open_log();
        let made = Self {
            api,
            flow,
            fronts: Mutex::new(Vec::new()),
            reactor: OnceLock::new(),
            is_released: AtomicBool::new(false),
            joining: AtomicUsize::new(0),
            trading_day: OnceLock::new(),
        };
        made.check_flow();
        made
    }

    fn misuse(&self, call: &str, text: &str) {
        log::misuse(self.api, call, text);
    }

    fn check_flow(&self) {
        // The vendor's library appends file names to the path as it is (field guide 1.5).
        let folder = self.flow.rsplit_once('/').map_or("", |(folder, _)| folder);
        if !folder.is_empty() && !Path::new(folder).is_dir() {
            self.misuse(
                "Create",
                "the flow folder does not exist: the vendor's library crashes here; create it first",
            );
        }
        let mut flows = flows();
        let users = flows
            .entry(format!("{} {}", self.api, self.flow))
            .or_insert(0);
        *users += 1;
        if *users > 1 {
            self.misuse(
                "Create",
                "another instance uses this flow folder: with the vendor's library they overwrite \
                 each other's files; give each its own",
            );
        }
    }

    /// Whether the client may call anything but `Release` on it; reports it if not.
    pub fn is_usable(&self, call: &str) -> bool {
        if self.is_released.load(Ordering::Acquire) {
            self.misuse(
                call,
                "called after Release: the vendor's object is freed memory by then",
            );
            return false;
        }
        true
    }

    /// `RegisterFront`.
    pub fn register_front(&self, address: String) {
        if self.reactor.get().is_some() {
            self.misuse(
                "RegisterFront",
                "called after Init: it no longer has an effect",
            );
        }
        self.fronts().push(address);
    }

    fn fronts(&self) -> MutexGuard<'_, Vec<String>> {
        self.fronts.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// A pointer to the client's callbacks was registered; `is_null` if it was taken back.
    pub fn note_spi(&self, is_null: bool) {
        if is_null && self.reactor.get().is_some() {
            self.misuse(
                "RegisterSpi",
                "NULL while callbacks may run: the vendor's library may crash (its changelog of \
                 2020-04-29); gate callbacks with a flag in the client instead",
            );
        }
    }

    /// The settings of the environment and of the first front that has any; `None`, with the reason
    /// in the log, when they cannot be used.
    fn settings(&self) -> Option<Settings> {
        let fronts = self.fronts();
        let own = fronts.iter().find(|front| address_words(front).is_some());
        let settings = environment::settings().and_then(|settings| match own {
            Some(front) => settings.with_address(front),
            None => Ok(settings),
        });
        match settings {
            Ok(settings) if !fronts.is_empty() => Some(settings),
            Ok(_) => {
                self.misuse(
                    "Init",
                    "no front was registered: nothing can be connected to",
                );
                None
            }
            Err(error) => {
                let fields = [
                    ("api", self.api.into()),
                    ("text", error.to_string().into()),
                    ("effect", "the front is not reachable".into()),
                ];
                log::warn("sim_settings_error", &fields);
                None
            }
        }
    }

    /// `Init`: `make` makes the session from its settings and the registered fronts, `deliver`
    /// hands its callbacks to the client.
    pub fn init(
        &self,
        make: impl FnOnce(Option<Settings>, Vec<String>) -> S,
        deliver: impl FnMut(S::Callback) + Send + 'static,
    ) {
        let mut is_first = false;
        let reactor = self.reactor.get_or_init(|| {
            is_first = true;
            Reactor::new(make(self.settings(), self.fronts().clone()))
        });
        if !is_first {
            self.misuse(
                "Init",
                "called twice: the vendor's library hangs in the Release that follows; ignored",
            );
            return;
        }
        // Only now, when requests from inside the first callback find the session.
        if let Err(error) = reactor.run(deliver) {
            let fields = [("api", self.api.into()), ("text", error.to_string().into())];
            log::warn("sim_no_thread", &fields);
        }
    }

    /// A request function: the session's return code, -1 before `Init`.
    pub fn request(&self, request: S::Request) -> i32 {
        let answered = self
            .reactor
            .get()
            .and_then(|reactor| reactor.request(request));
        answered.unwrap_or(NOT_CONNECTED)
    }

    /// `GetTradingDay`: a text that lives as long as the object, so until the process ends.
    pub fn trading_day(&self, of_session: impl FnOnce(&S) -> Option<String>) -> *const c_char {
        if let Some(day) = self.trading_day.get() {
            return day.as_ptr();
        }
        let known = self
            .reactor
            .get()
            .and_then(|reactor| reactor.inspect(of_session))
            .flatten();
        match known.and_then(|day| CString::new(day).ok()) {
            Some(day) => self.trading_day.get_or_init(|| day).as_ptr(),
            None => NO_TRADING_DAY.as_ptr(),
        }
    }

    /// `Join`.
    pub fn join(&self) -> i32 {
        let Some(reactor) = self.reactor.get() else {
            self.misuse("Join", "called before Init: there is nothing to wait for");
            return NOT_CONNECTED;
        };
        if reactor.is_library_thread() {
            self.misuse("Join", "called from a callback: it would wait for itself");
            return NOT_CONNECTED;
        }
        self.joining.fetch_add(1, Ordering::AcqRel);
        reactor.join();
        self.joining.fetch_sub(1, Ordering::AcqRel);
        JOINED
    }

    /// `Release`. Safe anywhere; after it no callback begins, and none runs unless it was called
    /// from one.
    pub fn release(&self) {
        if self.is_released.swap(true, Ordering::AcqRel) {
            self.misuse(
                "Release",
                "called twice: the vendor's library frees its object twice",
            );
            return;
        }
        if self.joining.load(Ordering::Acquire) > 0 {
            self.misuse(
                "Release",
                "called while another thread is in Join: the vendor's library never returns from \
                 this Release; do not call Join at all",
            );
        }
        {
            let mut flows = flows();
            if let Some(users) = flows.get_mut(&format!("{} {}", self.api, self.flow)) {
                *users = users.saturating_sub(1);
            }
        }
        let released = self.reactor.get().map(Reactor::release);
        match released {
            Some(Released::InCallback) => self.misuse(
                "Release",
                "called from a callback: the vendor's library crashes here; call it from another \
                 thread",
            ),
            Some(Released::CallbackHangs) => self.misuse(
                "Release",
                "a callback does not return: the vendor's library waits for it without limit",
            ),
            None | Some(Released::Gone | Released::Again) => {}
        }
        log::info("sim_released", &[("api", self.api.into())]);
    }
}

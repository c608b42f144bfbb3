//! One running session: requests while it lives, and its end.
//!
//! Release frees the object, must not run in a callback, and may hang (field guide 1.4). So it runs
//! once, on a separate thread, while no request can be made. The caller waits for it as long as it
//! wants to. The library does not care which thread calls Release, but it cares when: its own
//! threads must run already (see `threads`), which is waited for.
//!
//! One fault of the vendor remains in libraries before 6.5.1. Their Release ends the I/O thread
//! first and the connecting thread second. A connection that is established in between is set up in
//! objects that Release is freeing, and the process crashes.
//!
//! - Against a peer that hangs up at once, such a library reconnects about 600 times a second.
//!   There 4 of 11,000 releases of 6.3.15 crashed, and 1 of 21,000 in a C++ program without this
//!   code.
//! - Keeping the I/O thread in its last callback does not help: the library requests the next
//!   connection after the callback.
//! - A session whose front is connected, refuses or is silent is not affected.
//! - From 6.5.1 on the connecting thread ends first.

use std::fmt;
use std::io;
use std::sync::mpsc::{Receiver, RecvTimeoutError, channel};
use std::sync::{Arc, Mutex, PoisonError, RwLock};
use std::time::Duration;

use super::flow::FlowFolder;
use super::gate::{Gate, inside_callback, inside_locked_callback};
use super::object::ApiObject;
use super::request::RequestError;
use super::threads::LibraryThreads;

/// Time that dropping a session waits for its Release.
pub const DROP_TIMEOUT: Duration = Duration::from_secs(5);

/// Why a session may not be over.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ReleaseError {
    /// The library's Release does not return. Its object, threads and flow folder are leaked on
    /// purpose and are never used again.
    #[error(
        "the CTP library did not end its session within {} ms; it was abandoned: its threads and its \
         flow folder stay in use until the program ends",
        waited.as_millis()
    )]
    Abandoned {
        /// The time limit.
        waited: Duration,
    },
    /// Called from a callback, where Release crashes.
    #[error("a session cannot be released from one of its callbacks; do it from another thread")]
    InsideCallback,
    /// The system gave no thread for it.
    #[error("no thread could be started to end the CTP session; the session continues")]
    NoThread(#[source] io::Error),
}

/// A started object and its gate.
pub(crate) struct Session<H: ?Sized + Send + Sync + 'static> {
    shared: Arc<Shared<H>>,
    progress: Mutex<Progress>,
}

struct Shared<H: ?Sized + 'static> {
    /// Empty once Release has begun. Requests read it without waiting.
    object: RwLock<Option<ApiObject>>,
    release_slot: usize,
    threads: LibraryThreads,
    gate: &'static Gate<H>,
    flow: Mutex<Option<FlowFolder>>,
}

enum Progress {
    Running,
    Releasing(Receiver<()>),
    Released,
}

impl<H: ?Sized + Send + Sync + 'static> Session<H> {
    /// # Safety
    /// The object was started, with these threads, and `release_slot` holds its Release.
    pub(crate) unsafe fn new(
        object: ApiObject,
        release_slot: usize,
        threads: LibraryThreads,
        gate: &'static Gate<H>,
        flow: FlowFolder,
    ) -> Self {
        Self {
            shared: Arc::new(Shared {
                object: RwLock::new(Some(object)),
                release_slot,
                threads,
                gate,
                flow: Mutex::new(Some(flow)),
            }),
            progress: Mutex::new(Progress::Running),
        }
    }

    /// Makes a request, unless the session is over or about to be.
    pub(crate) fn with<T>(
        &self,
        request: &'static str,
        call: impl FnOnce(&ApiObject) -> T,
    ) -> Result<T, RequestError> {
        if inside_locked_callback() {
            return Err(RequestError::WouldDeadlock { request });
        }
        // Failing to read means that Release is waiting for other requests to return.
        let object = self.shared.object.try_read().ok();
        match object.as_ref().and_then(|object| object.as_ref()) {
            Some(object) => Ok(call(object)),
            None => Err(RequestError::Released { request }),
        }
    }

    pub(crate) fn panicked(&self) -> bool {
        self.shared.gate.panicked()
    }

    /// Ends the session and waits for it; calling it again waits again.
    pub(crate) fn release(&self, timeout: Duration) -> Result<(), ReleaseError> {
        if inside_callback() {
            return Err(ReleaseError::InsideCallback);
        }
        let mut progress = self.progress.lock().unwrap_or_else(PoisonError::into_inner);
        self.begin(&mut progress)?;
        let Progress::Releasing(done) = &*progress else {
            return Ok(());
        };
        match done.recv_timeout(timeout) {
            Ok(()) => {
                *progress = Progress::Released;
                Ok(())
            }
            Err(RecvTimeoutError::Timeout | RecvTimeoutError::Disconnected) => {
                Err(ReleaseError::Abandoned { waited: timeout })
            }
        }
    }

    /// Starts the Release, unless it was started before.
    fn begin(&self, progress: &mut Progress) -> Result<(), ReleaseError> {
        if !matches!(progress, Progress::Running) {
            return Ok(());
        }
        self.shared.gate.close();
        let (done, waiting) = channel();
        let shared = Arc::clone(&self.shared);
        std::thread::Builder::new()
            .name("ctp-release".to_owned())
            .spawn(move || {
                shared.release();
                // The receiver may be gone; drop the result.
                let _ = done.send(());
            })
            .map_err(ReleaseError::NoThread)?;
        *progress = Progress::Releasing(waiting);
        Ok(())
    }
}

impl<H: ?Sized + 'static> Shared<H> {
    /// Runs on the releasing thread.
    fn release(&self) {
        let object = self
            .object
            .write()
            .unwrap_or_else(PoisonError::into_inner)
            .take();
        if let Some(object) = object {
            self.threads.wait_until_running();
            // SAFETY: the constructor was promised that the slot holds Release; the object was
            // taken out, so no caller can reach it again, and this is not a callback thread.
            unsafe { object.call_plain(self.release_slot) };
        }
        // The library's threads are gone: no callback is running, so the handler can be dropped.
        self.gate.drop_handler();
        self.flow
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .take();
    }
}

impl<H: ?Sized + Send + Sync + 'static> Drop for Session<H> {
    fn drop(&mut self) {
        let progress = self.progress.get_mut();
        if !matches!(
            progress.unwrap_or_else(PoisonError::into_inner),
            Progress::Running
        ) {
            return;
        }
        // A caller that needs the result calls release.
        if inside_callback() {
            // Waiting here would wait for this thread.
            let mut progress = self.progress.lock().unwrap_or_else(PoisonError::into_inner);
            let _ = self.begin(&mut progress);
        } else {
            let _ = self.release(DROP_TIMEOUT);
        }
    }
}

impl<H: ?Sized + Send + Sync + 'static> fmt::Debug for Session<H> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Session").finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests;

//! The two threads of an API instance, as many as the vendor's libraries start. The library thread
//! runs a session and delivers its callbacks. The connecting thread opens connections, which takes
//! as long as the market takes to open.
//!
//! The session is a state machine under a lock. Requests of the client take the lock on their own
//! thread and return at once. The library thread takes it for one step at a time and never holds it
//! while client code runs. The connecting thread takes it to hand over an opened connection.
//!
//! Invariant: once [`Reactor::release`] has returned [`Released::Gone`], both threads are gone, and
//! no callback runs or will run.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Condvar, LazyLock, Mutex, MutexGuard, OnceLock, PoisonError};
use std::thread::{JoinHandle, ThreadId};
use std::time::Duration;

use tickdeck_core::clock::{Clock, MonoNanos, SystemClock};

/// How long [`Reactor::release`] waits for a callback that does not return.
const RELEASE_PATIENCE: Duration = Duration::from_secs(5);

/// The clock of this library: all sessions and markets share it, also those of other processes.
pub fn now() -> MonoNanos {
    static CLOCK: LazyLock<SystemClock> = LazyLock::new(SystemClock::of_machine);
    CLOCK.now()
}

/// The next action of a session.
#[derive(Debug)]
pub enum Step<C, O> {
    /// Calls the client back.
    Call(C),
    /// Opens a connection on the connecting thread; [`Session::opened`] gets the result.
    Open(O),
    /// Nothing before this instant, unless a request comes.
    Wait(MonoNanos),
}

/// A session that can be run.
pub trait Session: Send + 'static {
    /// A request of the client.
    type Request;
    /// A callback to the client.
    type Callback;
    /// The input of a connection attempt.
    type Opening: Send;
    /// Its result.
    type Opened;

    /// Takes a request at `now`; the value is the request function's return code.
    fn request(&mut self, request: Self::Request, now: MonoNanos) -> i32;

    /// The action at `now`.
    fn step(&mut self, now: MonoNanos) -> Step<Self::Callback, Self::Opening>;

    /// Makes a connection. Runs on the connecting thread, without the session: it may take long.
    fn open(opening: Self::Opening, now: MonoNanos) -> Self::Opened;

    /// The result of the connection that [`step`](Self::step) requested.
    fn opened(&mut self, opened: Self::Opened, now: MonoNanos);
}

/// How a release ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Released {
    /// The library thread is gone.
    Gone,
    /// Called from a callback: the thread ends when that callback returns.
    InCallback,
    /// A callback did not return in time: the thread ends when it does.
    CallbackHangs,
    /// It had been released before.
    Again,
}

struct Shared<S: Session> {
    /// `None` after the library thread has ended: an API object is never freed, its session is.
    /// Boxed, so that little memory remains.
    session: Mutex<Option<Box<S>>>,
    changed: Condvar,
    closing: AtomicBool,
    thread: OnceLock<ThreadId>,
    /// Work of the connecting thread.
    wanted: Mutex<Wanted<S::Opening>>,
    asked: Condvar,
    ended: Mutex<bool>,
    end: Condvar,
}

/// Work for the connecting thread.
enum Wanted<O> {
    /// None.
    Nothing,
    /// A connection.
    Connection(O),
    /// No more: the session is over.
    End,
}

impl<S: Session> Shared<S> {
    fn session(&self) -> MutexGuard<'_, Option<Box<S>>> {
        // A session that panicked is not run again; see `run`.
        self.session.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn run(&self, deliver: &mut dyn FnMut(S::Callback)) {
        let _ = self.thread.set(std::thread::current().id());
        let mut session = self.session();
        while !self.closing.load(Ordering::Acquire) {
            let Some(running) = session.as_mut() else {
                return;
            };
            match running.step(now()) {
                Step::Call(callback) => {
                    drop(session);
                    // Between the check and the call a release may begin: it waits for this thread.
                    if !self.closing.load(Ordering::Acquire) {
                        deliver(callback);
                    }
                    session = self.session();
                }
                Step::Open(opening) => {
                    drop(session);
                    self.want(Wanted::Connection(opening));
                    session = self.session();
                }
                Step::Wait(instant) => session = self.wait(session, instant),
            }
        }
    }

    /// Sends the connecting thread its next work.
    fn want(&self, work: Wanted<S::Opening>) {
        *self.wanted.lock().unwrap_or_else(PoisonError::into_inner) = work;
        self.asked.notify_all();
    }

    /// The connecting thread: opens the requested connections until the session ends.
    fn connect(&self) {
        loop {
            let wanted = self.wanted.lock().unwrap_or_else(PoisonError::into_inner);
            let waited = self
                .asked
                .wait_while(wanted, |wanted| matches!(wanted, Wanted::Nothing));
            let mut wanted = waited.unwrap_or_else(PoisonError::into_inner);
            let Wanted::Connection(opening) = std::mem::replace(&mut *wanted, Wanted::Nothing)
            else {
                return;
            };
            drop(wanted);
            let opened = S::open(opening, now());
            if let Some(session) = self.session().as_mut() {
                session.opened(opened, now());
            }
            self.changed.notify_all();
        }
    }

    fn wait<'a>(
        &'a self,
        session: MutexGuard<'a, Option<Box<S>>>,
        until: MonoNanos,
    ) -> MutexGuard<'a, Option<Box<S>>> {
        let left = until.duration_since(now());
        if left.is_zero() {
            // The session asks for another step: let requests in between.
            drop(session);
            std::thread::yield_now();
            return self.session();
        }
        let waited = self.changed.wait_timeout(session, left);
        waited.unwrap_or_else(PoisonError::into_inner).0
    }

    fn finish(&self) {
        let session = self.session().take();
        drop(session);
        self.want(Wanted::End);
        *self.ended.lock().unwrap_or_else(PoisonError::into_inner) = true;
        self.end.notify_all();
    }

    /// Waits for the end of the thread; false when it did not come in time.
    fn wait_for_end(&self, patience: Option<Duration>) -> bool {
        let mut ended = self.ended.lock().unwrap_or_else(PoisonError::into_inner);
        match patience {
            Some(patience) => {
                let waited = self
                    .end
                    .wait_timeout_while(ended, patience, |ended| !*ended);
                *waited.unwrap_or_else(PoisonError::into_inner).0
            }
            None => {
                while !*ended {
                    ended = self.end.wait(ended).unwrap_or_else(PoisonError::into_inner);
                }
                true
            }
        }
    }
}

/// A session and its threads.
pub struct Reactor<S: Session> {
    shared: Arc<Shared<S>>,
    threads: Mutex<Vec<JoinHandle<()>>>,
}

impl<S: Session> std::fmt::Debug for Reactor<S> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Reactor").finish_non_exhaustive()
    }
}

impl<S: Session> Reactor<S> {
    /// A session whose threads do not run yet.
    pub fn new(session: S) -> Self {
        Self {
            shared: Arc::new(Shared {
                session: Mutex::new(Some(Box::new(session))),
                changed: Condvar::new(),
                closing: AtomicBool::new(false),
                thread: OnceLock::new(),
                wanted: Mutex::new(Wanted::Nothing),
                asked: Condvar::new(),
                ended: Mutex::new(false),
                end: Condvar::new(),
            }),
            threads: Mutex::new(Vec::new()),
        }
    }

    /// Starts the threads; `deliver` runs on the library thread for every callback, one at a time.
    /// The reactor must be where the client's functions find it before this is called: the first
    /// callback may come, and make requests, before this returns.
    ///
    /// # Errors
    /// When no thread can be started.
    pub fn run(
        &self,
        mut deliver: impl FnMut(S::Callback) + Send + 'static,
    ) -> std::io::Result<()> {
        /// Signals the end on a panic too, so that a release never waits for a dead thread.
        struct Finish<S: Session>(Arc<Shared<S>>);
        impl<S: Session> Drop for Finish<S> {
            fn drop(&mut self) {
                self.0.finish();
            }
        }
        let finish = Finish(Arc::clone(&self.shared));
        let shared = Arc::clone(&self.shared);
        // Without a library thread `finish` is dropped, which ends the other one.
        let connecting = std::thread::Builder::new().spawn(move || shared.connect())?;
        let library = std::thread::Builder::new().spawn(move || finish.0.run(&mut deliver))?;
        let mut threads = self.threads.lock().unwrap_or_else(PoisonError::into_inner);
        threads.extend([library, connecting]);
        Ok(())
    }

    /// Hands a request to the session; the return code of the request function, `None` when the
    /// session is over.
    pub fn request(&self, request: S::Request) -> Option<i32> {
        let mut session = self.shared.session();
        let code = session
            .as_mut()
            .map(|session| session.request(request, now()));
        drop(session);
        self.shared.changed.notify_all();
        code
    }

    /// Reads the session, unless it is over.
    pub fn inspect<T>(&self, look: impl FnOnce(&S) -> T) -> Option<T> {
        self.shared.session().as_deref().map(look)
    }

    /// Whether the calling thread is the library thread.
    #[must_use]
    pub fn is_library_thread(&self) -> bool {
        self.shared.thread.get() == Some(&std::thread::current().id())
    }

    /// Ends the threads. Safe from anywhere, a callback included. Waits for a connection that is
    /// being opened.
    pub fn release(&self) -> Released {
        if self.shared.closing.swap(true, Ordering::AcqRel) {
            return Released::Again;
        }
        // The lock orders the flag before the thread's next check: no wake-up is lost.
        drop(self.shared.session());
        self.shared.changed.notify_all();
        if self.is_library_thread() {
            return Released::InCallback;
        }
        if !self.shared.wait_for_end(Some(RELEASE_PATIENCE)) {
            return Released::CallbackHangs;
        }
        let mut threads = self.threads.lock().unwrap_or_else(PoisonError::into_inner);
        for thread in std::mem::take(&mut *threads) {
            // It has finished or panicked; either way it is gone.
            let _ = thread.join();
        }
        Released::Gone
    }

    /// Waits until the library thread has ended.
    pub fn join(&self) {
        self.shared.wait_for_end(None);
    }
}

#[cfg(test)]
mod tests {
    use std::sync::mpsc;

    use super::*;

    /// Releases a session that does not hang.
    fn assert_gone<S: Session>(reactor: &Reactor<S>) {
        let begun = now();
        match reactor.release() {
            Released::Gone => {}
            Released::CallbackHangs => {
                // The machine stood still for as long as a release waits.
                assert!(now().duration_since(begun) >= RELEASE_PATIENCE);
                reactor.join();
            }
            other => panic!("{other:?}"),
        }
    }

    /// Calls back what it was asked, numbers above 100 by way of a connection.
    struct Echo(Vec<u32>, Option<ThreadId>);

    impl Session for Echo {
        type Request = u32;
        type Callback = u32;
        type Opening = u32;
        type Opened = (u32, ThreadId);

        fn request(&mut self, request: u32, _now: MonoNanos) -> i32 {
            self.0.push(request);
            0
        }

        fn step(&mut self, _now: MonoNanos) -> Step<u32, u32> {
            match self.0.pop() {
                Some(value) if value > 100 => Step::Open(value - 100),
                Some(value) => Step::Call(value),
                None => Step::Wait(MonoNanos::NEVER),
            }
        }

        fn open(opening: u32, _now: MonoNanos) -> (u32, ThreadId) {
            (opening, std::thread::current().id())
        }

        fn opened(&mut self, (value, thread): (u32, ThreadId), _now: MonoNanos) {
            assert_eq!(thread, std::thread::current().id());
            self.1 = Some(thread);
            self.0.push(value);
        }
    }

    #[test]
    fn a_request_is_answered_on_the_library_thread() {
        let (sender, receiver) = mpsc::channel();
        let here = std::thread::current().id();
        let reactor = Reactor::new(Echo(Vec::new(), None));
        let deliver = move |value| sender.send((value, std::thread::current().id())).unwrap();
        reactor.run(deliver).unwrap();
        assert_eq!(reactor.request(7), Some(0));
        let (value, thread) = receiver.recv().unwrap();
        assert_eq!(value, 7);
        assert_ne!(thread, here);
        assert_gone(&reactor);
        assert_eq!(reactor.release(), Released::Again);
        assert_eq!(reactor.request(8), None, "the session is gone");
        reactor.join();
    }

    #[test]
    fn connections_are_made_on_a_thread_of_their_own() {
        let (sender, receiver) = mpsc::channel();
        let reactor = Reactor::new(Echo(Vec::new(), None));
        let deliver = move |value| sender.send((value, std::thread::current().id())).unwrap();
        reactor.run(deliver).unwrap();
        for value in [101, 102] {
            reactor.request(value);
            let (told, library) = receiver.recv().unwrap();
            assert_eq!(told, value - 100);
            let opened_on = reactor.inspect(|echo| echo.1).unwrap();
            assert_ne!(opened_on, Some(library));
            assert!(opened_on.is_some());
        }
        assert_gone(&reactor);
    }

    /// Opens until it is released, and signals when it begins.
    struct Opens(Option<Gate>);

    type Gate = (mpsc::Sender<()>, mpsc::Receiver<()>);

    impl Session for Opens {
        type Request = ();
        type Callback = ();
        type Opening = Gate;
        type Opened = ();

        fn request(&mut self, (): (), _now: MonoNanos) -> i32 {
            5
        }

        fn step(&mut self, _now: MonoNanos) -> Step<(), Gate> {
            match self.0.take() {
                Some(gate) => Step::Open(gate),
                None => Step::Wait(MonoNanos::NEVER),
            }
        }

        fn open((begun, gate): Gate, _now: MonoNanos) {
            begun.send(()).unwrap();
            let _ = gate.recv();
        }

        fn opened(&mut self, (): (), _now: MonoNanos) {}
    }

    #[test]
    fn a_connection_attempt_blocks_a_release_but_no_request() {
        let (gate, opens) = mpsc::channel();
        let (begun, has_begun) = mpsc::channel();
        let reactor = Reactor::new(Opens(Some((begun, opens))));
        reactor.run(|()| {}).unwrap();
        has_begun.recv().unwrap();
        assert_eq!(reactor.request(()), Some(5));
        std::thread::scope(|scope| {
            let release = scope.spawn(|| reactor.release());
            tickdeck_core::wait::nap(Duration::from_millis(100));
            assert!(!release.is_finished(), "it waits for the connection");
            gate.send(()).unwrap();
            assert_eq!(release.join().unwrap(), Released::Gone);
        });
    }

    #[test]
    fn a_release_from_a_callback_ends_its_thread_later() {
        let slot: Arc<OnceLock<Reactor<Echo>>> = Arc::default();
        let (sender, receiver) = mpsc::channel();
        let inside = Arc::clone(&slot);
        slot.set(Reactor::new(Echo(Vec::new(), None))).unwrap();
        let reactor = slot.get().unwrap();
        let deliver = move |value| {
            // The second callback would be a bug: the first one released.
            sender.send((value, inside.wait().release())).unwrap();
        };
        reactor.run(deliver).unwrap();
        reactor.request(1);
        reactor.request(2);
        let (_, released) = receiver.recv().unwrap();
        assert_eq!(released, Released::InCallback);
        reactor.join();
        assert!(receiver.recv().is_err(), "no callback after the release");
    }
}

//! Sessions around objects of the test's own, whose Release does what the test wants.

use std::ffi::c_void;
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::mpsc::{Receiver, Sender, channel};

use super::*;
use crate::abi::signature::{Plain, This};

/// An object of the other side: a table pointer, and what its Release works with.
#[repr(C)]
struct Object {
    table: *const *const c_void,
    released: AtomicU32,
    /// Release waits for this, when it is there.
    hold: Option<Mutex<Receiver<()>>>,
}

unsafe extern "C" fn release(this: This) {
    // SAFETY: the tests pass an `Object` that is never freed.
    let object = unsafe { &*this.cast::<Object>() };
    if let Some(hold) = &object.hold {
        let _ = hold.lock().unwrap().recv();
    }
    object.released.fetch_add(1, Ordering::SeqCst);
}

struct Table([*const c_void; 1]);

// SAFETY: a constant table of functions.
unsafe impl Sync for Table {}

static TABLE: Table = Table([release as Plain as *const c_void]);

struct Fixture {
    session: Session<AtomicU32>,
    object: &'static Object,
    handler: Arc<AtomicU32>,
    folder: tempfile::TempDir,
    gate: &'static Gate<AtomicU32>,
}

fn fixture(hold: Option<Receiver<()>>) -> Fixture {
    let object: &'static Object = Box::leak(Box::new(Object {
        table: TABLE.0.as_ptr(),
        released: AtomicU32::new(0),
        hold: hold.map(Mutex::new),
    }));
    let handler = Arc::new(AtomicU32::new(0));
    let gate: &'static Gate<AtomicU32> = Box::leak(Box::new(Gate::new(Arc::clone(&handler))));
    let folder = tempfile::tempdir().unwrap();
    let flow = FlowFolder::open(folder.path()).unwrap();
    // SAFETY: the object begins with a pointer to a table.
    let api = unsafe { ApiObject::new(std::ptr::from_ref(object).cast_mut().cast()) }.unwrap();
    // SAFETY: slot 0 is its Release, and there is nothing to start.
    let session = unsafe { Session::new(api, 0, LibraryThreads::default(), gate, flow) };
    Fixture {
        session,
        object,
        handler,
        folder,
        gate,
    }
}

fn held() -> (Sender<()>, Fixture) {
    let (go, hold) = channel();
    (go, fixture(Some(hold)))
}

const LONG: Duration = Duration::from_secs(20);
const SHORT: Duration = Duration::from_millis(20);

#[test]
fn a_release_frees_handler_and_folder() {
    let it = fixture(None);
    it.session.release(LONG).unwrap();
    it.session.release(LONG).unwrap();
    assert_eq!(it.object.released.load(Ordering::SeqCst), 1);
    assert_eq!(Arc::strong_count(&it.handler), 1);
    FlowFolder::open(it.folder.path()).unwrap();
    drop(it.session);
    assert_eq!(it.object.released.load(Ordering::SeqCst), 1);
}

#[test]
fn a_request_after_the_release_is_refused() {
    let it = fixture(None);
    assert_eq!(it.session.with("R", |_| 1), Ok(1));
    it.session.release(LONG).unwrap();
    let refused = it.session.with("R", |_| unreachable!("the object is gone"));
    assert_eq!(refused, Err(RequestError::Released { request: "R" }));
}

#[test]
fn a_hanging_release_keeps_its_folder() {
    let (go, it) = held();
    let refused = it.session.release(SHORT).unwrap_err();
    assert!(matches!(refused, ReleaseError::Abandoned { waited } if waited == SHORT));
    assert!(it.session.with("R", |_| ()).is_err());
    assert!(FlowFolder::open(it.folder.path()).is_err());
    // Should it return after all, another call learns of it.
    go.send(()).unwrap();
    it.session.release(LONG).unwrap();
    FlowFolder::open(it.folder.path()).unwrap();
}

#[test]
#[expect(
    clippy::disallowed_methods,
    reason = "clock.rs is in the root crate, which depends on this one"
)]
fn dropping_a_session_releases_it() {
    let it = fixture(None);
    let begun = std::time::Instant::now();
    drop(it.session);
    if it.object.released.load(Ordering::SeqCst) == 0 {
        // The drop continues without it only if the machine stalled for longer than a drop waits.
        assert!(begun.elapsed() >= DROP_TIMEOUT);
        while Arc::strong_count(&it.handler) > 1 {
            #[expect(
                clippy::disallowed_methods,
                reason = "the door is in a crate above this one"
            )]
            std::thread::sleep(SHORT);
        }
    }
    assert_eq!(it.object.released.load(Ordering::SeqCst), 1);
}

#[test]
fn a_session_is_not_released_by_its_own_callback() {
    let it = fixture(None);
    let mut answer = None;
    let cell = std::cell::RefCell::new(&mut answer);
    it.gate
        .pass(|_| **cell.borrow_mut() = Some(it.session.release(LONG)));
    assert!(matches!(answer, Some(Err(ReleaseError::InsideCallback))));
    assert_eq!(it.object.released.load(Ordering::SeqCst), 0);
    it.session.release(LONG).unwrap();
}

#[test]
fn a_drop_in_a_callback_releases_elsewhere() {
    let (go, it) = held();
    let session = std::cell::Cell::new(Some(it.session));
    // Release cannot return before the callback does: a drop that waited would hang here.
    it.gate.pass(|_| drop(session.take()));
    assert_eq!(it.object.released.load(Ordering::SeqCst), 0);
    go.send(()).unwrap();
    while Arc::strong_count(&it.handler) > 1 {
        #[expect(
            clippy::disallowed_methods,
            reason = "the door is in a crate above this one"
        )]
        std::thread::sleep(SHORT);
    }
    assert_eq!(it.object.released.load(Ordering::SeqCst), 1);
}

#[test]
fn callbacks_during_the_release_are_dropped() {
    let (go, it) = held();
    let count = || {
        it.gate.pass(|calls| {
            calls.fetch_add(1, Ordering::SeqCst);
        });
    };
    count();
    let _ = it.session.release(SHORT);
    count();
    assert_eq!(it.handler.load(Ordering::SeqCst), 1);
    go.send(()).unwrap();
    it.session.release(LONG).unwrap();
}

#[test]
fn a_request_while_disconnecting_is_refused() {
    let it = fixture(None);
    let mut answer = None;
    let cell = std::cell::RefCell::new(&mut answer);
    it.gate
        .pass_locked(|_| **cell.borrow_mut() = Some(it.session.with("R", |_| ())));
    assert_eq!(
        answer,
        Some(Err(RequestError::WouldDeadlock { request: "R" }))
    );
    it.gate
        .pass(|_| assert_eq!(it.session.with("R", |_| 1), Ok(1)));
}

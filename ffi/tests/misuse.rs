//! What crashes or hangs with a bare library, done through the safe client.

use std::sync::{Arc, Mutex, OnceLock, Weak};
use std::time::Duration;

use serde_json::{Value, json};
use tickdeck_ffi::md::{MdApi, MdHandler, MdLogin};
use tickdeck_ffi::{FlowError, FlowFolder, Secret};

use crate::child::{RELEASE_TIMEOUT, open, options, poll, text};
use crate::support::peer::{Manners, Peer};
use crate::support::process;
use crate::support::vendor::{VENDOR, present};

/// Works with its own session from inside of a callback.
#[derive(Default)]
struct Reckless {
    api: OnceLock<Weak<MdApi>>,
    release: Mutex<Option<String>>,
    login: Mutex<Option<String>>,
}

impl MdHandler for Reckless {
    fn on_front_disconnected(&self, _: i32) {
        // The first losses may come before the session is known here, and some libraries have used
        // up all of them in 60 ms.
        let Some(api) = self.api.wait().upgrade() else {
            return;
        };
        let mut release = self.release.lock().unwrap();
        if release.is_some() {
            return;
        }
        *release = api
            .release(Duration::from_secs(1))
            .err()
            .map(|error| error.to_string());
        let login = MdLogin {
            broker_id: String::new(),
            user_id: String::new(),
            password: Secret::new(""),
        };
        let login = api.login(&login);
        *self.login.lock().unwrap() =
            Some(login.map_or_else(|error| error.to_string(), |()| "sent".to_owned()));
    }
}

/// Panics at its first callback.
struct Panics;

impl MdHandler for Panics {
    fn on_front_disconnected(&self, _: i32) {
        panic!("a handler panicked, as this test wants");
    }
}

/// Moves its session to a callback, which drops it.
#[derive(Default)]
struct Drops(Mutex<Option<MdApi>>);

impl MdHandler for Drops {
    fn on_front_disconnected(&self, _: i32) {
        drop(self.0.lock().unwrap().take());
    }
}

/// The job with the front of one of its sessions.
fn with_front(job: &Value, index: usize) -> Value {
    let mut job = job.clone();
    job["front"] = job["fronts"][index].clone();
    job
}

/// Runs in the child. Each session has a separate peer.
pub(crate) fn in_child(job: &Value) -> Value {
    let timeout = RELEASE_TIMEOUT;
    let calm = || std::thread::sleep(Duration::from_millis(job["calm_ms"].as_u64().unwrap()));
    let library = open(job);
    let reckless = Arc::new(Reckless::default());
    let handler: Arc<dyn MdHandler> = Arc::clone(&reckless) as _;
    let api = Arc::new(
        MdApi::start(&library, options(&with_front(job, 0), "reckless"), handler).unwrap(),
    );
    reckless.api.set(Arc::downgrade(&api)).unwrap();
    assert!(poll(|| reckless.login.lock().unwrap().is_some()));
    let in_use = FlowFolder::open(&std::path::Path::new(text(job, "scratch")).join("reckless"));
    let in_use = matches!(in_use, Err(FlowError::InUse { .. }));
    calm();
    let first = api.release(timeout).is_ok();
    let second = api.release(timeout).is_ok();
    let after = api.subscribe(&["rb2601"]).unwrap_err().to_string();

    let panics = MdApi::start(
        &library,
        options(&with_front(job, 1), "panics"),
        Arc::new(Panics),
    )
    .unwrap();
    let panicked = poll(|| panics.panicked());
    calm();
    let panics_released = panics.release(timeout).is_ok();

    // That Release runs while the library reconnects, and nothing waits for it.
    let dropped = job["fronts"][2].is_string().then(|| {
        let drops = Arc::new(Drops::default());
        let handler: Arc<dyn MdHandler> = Arc::clone(&drops) as _;
        let mut held = drops.0.lock().unwrap();
        let options = options(&with_front(job, 2), "drops");
        *held = Some(MdApi::start(&library, options, handler).unwrap());
        drop(held);
        // The handler is released at the end of the session.
        poll(|| Arc::strong_count(&drops) == 1)
    });

    json!({
        "release": *reckless.release.lock().unwrap(),
        "login": *reckless.login.lock().unwrap(),
        "in_use": in_use,
        "released": [first, second, panics_released],
        "after": after,
        "panicked": panicked,
        "dropped": dropped,
    })
}

#[test]
fn what_crashes_a_bare_library_is_refused_or_done_elsewhere() {
    for (version, folder) in present(&VENDOR) {
        let peers = [(); 3].map(|()| Peer::new(Manners::Closes));
        let mut job = json!({
            "verb": "misuse",
            "library": folder,
            "fronts": [peers[0].address(), peers[1].address(), peers[2].address()],
            "calm_ms": 0,
        });
        if !version.ends_while_connecting {
            // Its sessions are released after the peer has fallen silent.
            job["calm_ms"] = json!(1000);
            job["fronts"][2] = Value::Null;
        }
        let facts = process::run(job);
        let name = version.folder;
        let says = |key: &str, words: &str| {
            let said = facts[key].as_str().unwrap_or_default();
            assert!(said.contains(words), "{name}: {key}: {facts}");
        };
        says("release", "cannot be released from one of its callbacks");
        says("login", "while a lost connection is being reported");
        says("after", "session was released");
        assert_eq!(facts["in_use"], json!(true), "{name}");
        assert_eq!(facts["released"], json!([true, true, true]), "{name}");
        assert_eq!(facts["panicked"], json!(true), "{name}");
        let dropped = version.ends_while_connecting.then_some(true);
        assert_eq!(facts["dropped"], json!(dropped), "{name}");
    }
}

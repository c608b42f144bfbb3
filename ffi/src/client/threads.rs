//! The threads that a library starts in Init, and whether they have begun their work.
//!
//! Release requests their end. In 6.3.15 a thread that has not run yet misses this: the request is
//! dropped because the thread does not run, then the thread starts, and Release waits forever. A
//! Release right after Init nearly always hangs, and on a busy machine one 20 ms later sometimes
//! does. From 6.5.1 on the request is queued.
//!
//! The vendor does not report when its threads run. But a thread inherits the name of the thread
//! that starts it. So Init runs on a thread with a unique name, and the threads of that name are
//! the library's. A thread that sleeps has begun: the vendor's threads wait in `select`, a
//! millisecond each time.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

/// Where the system lists the threads of this process.
const TASKS: &str = "/proc/self/task";
/// A thread must be seen asleep this often: once might be before its loop.
const SIGHTINGS: u32 = 2;
const STEP: Duration = Duration::from_millis(1);
/// After this many steps a thread counts as running: another implementation's may never sleep.
const STEPS: u32 = 2000;

/// The threads that one Init started.
#[derive(Debug, Default)]
pub(crate) struct LibraryThreads(Vec<PathBuf>);

impl LibraryThreads {
    /// Runs an Init, and finds the threads that it started.
    pub(crate) fn started_by(init: impl Fn() + Sync) -> Self {
        static NEXT: AtomicU32 = AtomicU32::new(0);
        // The system keeps 15 bytes.
        let name = format!("ctp-{}", NEXT.fetch_add(1, Ordering::Relaxed));
        let named = std::thread::scope(|scope| {
            let thread = std::thread::Builder::new().name(name.clone());
            let run = || {
                init();
                own_folder()
            };
            thread
                .spawn_scoped(scope, run)
                .map(std::thread::ScopedJoinHandle::join)
        });
        let Ok(joined) = named else {
            // The system gave no thread. A session without this knowledge is better than none.
            init();
            return Self::default();
        };
        let mut threads = of_name(Path::new(TASKS), &name);
        // The system may list a joined thread a little longer: it wakes the joiner first.
        let own = joined.ok().flatten();
        threads.retain(|thread| Some(thread) != own.as_ref());
        Self(threads)
    }

    /// Returns when all of them have begun their work, but after two seconds in any case.
    pub(crate) fn wait_until_running(&self) {
        let mut seen: BTreeMap<&Path, u32> = self.0.iter().map(|it| (it.as_path(), 0)).collect();
        for _ in 0..STEPS {
            seen.retain(|thread, sightings| match is_asleep(thread) {
                Some(asleep) => {
                    *sightings += u32::from(asleep);
                    *sightings < SIGHTINGS
                }
                // It has already ended.
                None => false,
            });
            if seen.is_empty() {
                return;
            }
            #[expect(
                clippy::disallowed_methods,
                reason = "the door is in a crate above this one"
            )]
            std::thread::sleep(STEP);
        }
    }
}

/// The folder of the calling thread.
fn own_folder() -> Option<PathBuf> {
    // `123/task/456`
    let link = std::fs::read_link("/proc/thread-self").ok()?;
    Some(Path::new(TASKS).join(link.file_name()?))
}

/// The folders of the threads of this name.
fn of_name(tasks: &Path, name: &str) -> Vec<PathBuf> {
    let Ok(entries) = std::fs::read_dir(tasks) else {
        return Vec::new();
    };
    let folders = entries.filter_map(|entry| Some(entry.ok()?.path()));
    let is_named = |folder: &PathBuf| {
        std::fs::read_to_string(folder.join("comm")).is_ok_and(|comm| comm.trim_end() == name)
    };
    folders.filter(is_named).collect()
}

/// Whether a thread is waiting now; `None` when it is gone.
fn is_asleep(thread: &Path) -> Option<bool> {
    // `123 (name) S ...`, and the name may contain anything.
    let stat = std::fs::read_to_string(thread.join("stat")).ok()?;
    let (_, after_name) = stat.rsplit_once(')')?;
    Some(after_name.trim_start().starts_with('S'))
}

#[cfg(test)]
#[expect(
    clippy::disallowed_methods,
    reason = "the doors are in a crate above this one"
)]
mod tests {
    use super::*;
    use std::sync::mpsc::channel;
    use std::sync::{Arc, Mutex};

    fn comes_true(condition: impl Fn() -> bool) -> bool {
        (0..30_000).any(|_| {
            std::thread::sleep(STEP);
            condition()
        })
    }

    #[test]
    fn only_the_threads_of_an_init_are_found() {
        let (stop, stopped) = channel::<()>();
        let stopped = Arc::new(Mutex::new(stopped));
        let init = || {
            let stopped = Arc::clone(&stopped);
            // Without its own name, like the vendor's.
            std::thread::spawn(move || {
                let _ = stopped.lock().unwrap().recv();
            });
        };
        let threads = LibraryThreads::started_by(init);
        assert_eq!(threads.0.len(), 1, "{threads:?}");
        threads.wait_until_running();
        // On a busy machine it may have slept during its start, and run once more.
        let sleeps = || is_asleep(&threads.0[0]) == Some(true);
        assert!(comes_true(sleeps), "it waits for its channel");
        drop(stop);
    }

    #[test]
    fn the_thread_that_ran_an_init_is_not_listed() {
        // A joined thread is sometimes listed a little longer.
        for _ in 0..2000 {
            let threads = LibraryThreads::started_by(|| ());
            assert!(threads.0.is_empty(), "{threads:?}");
        }
    }

    #[test]
    fn an_init_without_threads_is_not_waited_for() {
        let threads = LibraryThreads::started_by(|| ());
        assert!(threads.0.is_empty(), "{threads:?}");
        threads.wait_until_running();
    }

    #[test]
    fn a_thread_that_is_gone_is_not_waited_for() {
        let gone = PathBuf::from("/proc/self/task/0");
        assert_eq!(is_asleep(&gone), None);
        LibraryThreads(vec![gone]).wait_until_running();
    }
}

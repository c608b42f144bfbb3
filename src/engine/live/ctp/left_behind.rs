//! Sessions that the library did not release in time, and flow folders that are no longer needed.

use std::path::{Path, PathBuf};
use std::time::Duration;

use tickdeck_ffi::ReleaseError;

/// Unreleased sessions of one library, with their flow folders.
#[derive(Debug)]
pub(in crate::live) struct LeftBehind<A>(Vec<(A, PathBuf)>);

impl<A> Default for LeftBehind<A> {
    fn default() -> Self {
        Self(Vec::new())
    }
}

impl<A> LeftBehind<A> {
    /// Keeps a session whose release did not return in time.
    pub(in crate::live) fn add(&mut self, api: A, flow: PathBuf) {
        self.0.push((api, flow));
    }

    /// Drops the sessions that the library has released since, and removes their flow folders.
    /// Returns their number.
    pub(in crate::live) fn reclaim(
        &mut self,
        release: impl Fn(&A, Duration) -> Result<(), ReleaseError>,
    ) -> u32 {
        let before = self.0.len();
        self.0.retain(|(api, flow)| {
            // The release was begun earlier: this only checks whether it has returned.
            let hangs = release(api, Duration::ZERO).is_err();
            if !hangs {
                remove_flow(flow);
            }
            hangs
        });
        u32::try_from(before - self.0.len()).unwrap_or(u32::MAX)
    }
}

/// Removes the flow folder of a session that is over. Every session has another folder.
pub(in crate::live) fn remove_flow(folder: &Path) {
    if let Err(error) = std::fs::remove_dir_all(folder) {
        tracing::debug!(event = "flow_folder_left", %error);
    }
}

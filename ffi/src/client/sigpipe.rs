//! SIGPIPE. The vendor's library writes to closed sockets without protection, which ends a process
//! with the default disposition (field guide 1.3).

use std::sync::Once;

/// Ignores SIGPIPE, unless the program has installed a handler for it.
pub(crate) fn ignore_sigpipe() {
    static ONCE: Once = Once::new();
    ONCE.call_once(|| {
        let mut current = std::mem::MaybeUninit::<libc::sigaction>::zeroed();
        // SAFETY: a null new action only asks; the target is ours and large enough.
        let asked =
            unsafe { libc::sigaction(libc::SIGPIPE, std::ptr::null(), current.as_mut_ptr()) };
        // SAFETY: the struct was zeroed, which is a valid value of its plain fields, and perhaps
        // filled in since.
        let current = unsafe { current.assume_init() };
        if asked == 0 && current.sa_sigaction == libc::SIG_DFL {
            // SAFETY: ignoring a signal runs no code; the call is made once.
            unsafe { libc::signal(libc::SIGPIPE, libc::SIG_IGN) };
        }
    });
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sigpipe_is_never_left_at_its_default() {
        ignore_sigpipe();
        let mut current = std::mem::MaybeUninit::<libc::sigaction>::zeroed();
        // SAFETY: as above.
        unsafe { libc::sigaction(libc::SIGPIPE, std::ptr::null(), current.as_mut_ptr()) };
        // SAFETY: as above.
        let current = unsafe { current.assume_init() };
        assert_ne!(current.sa_sigaction, libc::SIG_DFL);
    }
}

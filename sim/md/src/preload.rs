//! A preloaded library: it reports that it was loaded, and keeps the vendor's library from the
//! network.
//!
//! A client that looks up the vendor's functions by itself (`dlopen`, `dlsym`) is not bound to this
//! library and would dial a real front. Under `tickdeck sim run` its connections are refused, and
//! reported. Connections of all other code are made as always.

use std::ffi::{c_int, c_void};
use std::panic::catch_unwind;

use tickdeck_front::environment;

/// Runs when the dynamic linker has loaded the library.
extern "C" fn loaded() {
    // A panic must not leave it, and the client does not need the report.
    let _ = catch_unwind(environment::loaded);
}

#[used]
#[unsafe(link_section = ".init_array")]
static LOADED: extern "C" fn() = loaded;

/// `connect` of the C library, as every other code of the process finds it. It adds the address that
/// it returns to, which says whose call it is.
///
/// # Safety
/// As `connect(2)`.
#[cfg(target_arch = "x86_64")]
#[unsafe(naked)]
#[unsafe(no_mangle)]
unsafe extern "C" fn connect(socket: c_int, address: *const c_void, len: u32) -> c_int {
    // The return address is on top of the stack, and the fourth argument goes into rcx.
    std::arch::naked_asm!("mov rcx, [rsp]", "jmp {judge}", judge = sym judge)
}

/// The same with the caller's address.
///
/// # Safety
/// As `connect(2)`.
#[cfg(target_arch = "x86_64")]
unsafe extern "C" fn judge(
    socket: c_int,
    address: *const c_void,
    len: u32,
    caller: *const c_void,
) -> c_int {
    let is_refused = catch_unwind(|| {
        environment::is_supervised()
            // SAFETY: the caller passes an address of `len` bytes, or null.
            && unsafe { is_of_network(address, len) }
            && environment::refuses(caller as usize)
    });
    if is_refused.unwrap_or(false) {
        // SAFETY: the C library's variable of this thread.
        let errno = unsafe { libc::__errno_location() };
        // SAFETY: it is there and this thread's own.
        unsafe { *errno = libc::ECONNREFUSED };
        return -1;
    }
    // SAFETY: the arguments of the caller.
    unsafe { connect_really(socket, address, len) }
}

/// Whether an address is one of the internet.
///
/// # Safety
/// A pointer that is not null points to `len` bytes.
#[cfg(target_arch = "x86_64")]
unsafe fn is_of_network(address: *const c_void, len: u32) -> bool {
    if address.is_null() || (len as usize) < size_of::<libc::sa_family_t>() {
        return false;
    }
    // SAFETY: it begins with the family, and is long enough for it; no alignment is assumed.
    let family = unsafe { address.cast::<libc::sa_family_t>().read_unaligned() };
    matches!(c_int::from(family), libc::AF_INET | libc::AF_INET6)
}

/// The next `connect` after this library's, in the end the C library's.
///
/// # Safety
/// As `connect(2)`.
#[cfg(target_arch = "x86_64")]
unsafe fn connect_really(socket: c_int, address: *const c_void, len: u32) -> c_int {
    type Connect = unsafe extern "C" fn(c_int, *const c_void, u32) -> c_int;
    // SAFETY: the name ends with NUL.
    let next = unsafe { libc::dlsym(libc::RTLD_NEXT, c"connect".as_ptr()) };
    if next.is_null() {
        // SAFETY: the system call behind the function, with its arguments.
        let answer = unsafe { libc::syscall(libc::SYS_connect, socket, address, len) };
        return if answer == 0 { 0 } else { -1 };
    }
    // SAFETY: the function of this name has this signature.
    let next = unsafe { std::mem::transmute::<*mut c_void, Connect>(next) };
    // SAFETY: the arguments of the caller.
    unsafe { next(socket, address, len) }
}

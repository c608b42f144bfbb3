//! Copies the data at the client's pointers into owned values.

use std::ffi::{CStr, c_char, c_int, c_void};

use tickdeck_ffi::Text;
use tickdeck_ffi::abi::StructView;
use tickdeck_front::md::LoginWords;

/// Most instruments of one request; more than any market has. A larger count is a wild number.
const MOST_INSTRUMENTS: usize = 1_000_000;

/// A C string as text, bytes that are not UTF-8 replaced; empty for a null pointer.
///
/// # Safety
/// A pointer that is not null points to a NUL-terminated string.
pub(crate) unsafe fn text(pointer: *const c_char) -> String {
    if pointer.is_null() {
        return String::new();
    }
    // SAFETY: not null, and the caller guarantees the NUL.
    let text = unsafe { CStr::from_ptr(pointer) };
    text.to_string_lossy().into_owned()
}

/// The instrument ids of a subscription. What is null or longer than the field is left out: the
/// vendor's library has no place for it either.
///
/// # Safety
/// `ids` is null or points to `count` pointers, each null or a NUL-terminated string.
pub(crate) unsafe fn instruments(ids: *mut *mut c_char, count: c_int) -> Vec<Text<81>> {
    let count = usize::try_from(count).unwrap_or(0);
    if ids.is_null() || count > MOST_INSTRUMENTS {
        return Vec::new();
    }
    // SAFETY: not null, and the caller guarantees `count` pointers there.
    let ids = unsafe { std::slice::from_raw_parts(ids.cast_const(), count) };
    ids.iter()
        .filter(|id| !id.is_null())
        .filter_map(|&id| {
            // SAFETY: not null, and the caller guarantees the NUL.
            let id = unsafe { CStr::from_ptr(id) };
            // A char[81] holds 80 bytes and a NUL.
            Text::new(id.to_bytes())
                .ok()
                .filter(|_| id.count_bytes() <= 80)
        })
        .collect()
}

/// The words of a login; none for a null pointer.
///
/// # Safety
/// A pointer that is not null points to a `CThostFtdcReqUserLoginField`.
pub(crate) unsafe fn login(request: *const c_void) -> LoginWords {
    // SAFETY: the caller guarantees the struct, which has these 77 bytes in every version.
    let Some(view) = (unsafe { StructView::at(request, 77) }) else {
        return LoginWords::default();
    };
    LoginWords {
        broker: view.text::<11>(9).as_bytes().to_vec(),
        user: view.text::<16>(20).as_bytes().to_vec(),
        password: view.text::<41>(36).as_bytes().to_vec(),
    }
}

/// Broker and user of a logout; empty for a null pointer.
///
/// # Safety
/// A pointer that is not null points to a `CThostFtdcUserLogoutField`.
pub(crate) unsafe fn logout(request: *const c_void) -> (Vec<u8>, Vec<u8>) {
    // SAFETY: the caller guarantees the struct, which has 27 bytes in every version.
    let Some(view) = (unsafe { StructView::at(request, 27) }) else {
        return (Vec::new(), Vec::new());
    };
    (
        view.text::<11>(0).as_bytes().to_vec(),
        view.text::<16>(11).as_bytes().to_vec(),
    )
}

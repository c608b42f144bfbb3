//! The login request and its answer (field guide 4.3), the same in the market data and trader APIs.

use std::ffi::c_void;

use super::bytes::{StructBuf, StructView};
use super::version::ApiVersion;
use crate::secret::Secret;
use crate::text::{Text, TextTooLong};

/// What a client sends in `CThostFtdcReqUserLoginField` (228 to 280 bytes). The fields that are
/// used are at the same offset in every version.
#[derive(Debug, Clone)]
pub struct LoginRequest {
    /// Broker; market data fronts mostly do not look.
    pub broker_id: Text<11>,
    /// Account.
    pub user_id: Text<16>,
    /// Its password.
    pub password: Secret,
    /// Name of the program, for the broker's eyes.
    pub user_product_info: Text<11>,
}

const REQUEST_BROKER_ID: usize = 9;
const REQUEST_USER_ID: usize = 20;
const REQUEST_PASSWORD: usize = 36;
const REQUEST_USER_PRODUCT_INFO: usize = 77;
/// End of the last field that every version has.
const REQUEST_COMMON: usize = 228;

impl LoginRequest {
    /// Copies a request, as a front does; `None` for a null pointer. A password that is not UTF-8
    /// is taken with replacement characters.
    ///
    /// # Safety
    /// A pointer that is not null points to a `CThostFtdcReqUserLoginField` that no thread writes
    /// meanwhile.
    #[must_use]
    pub unsafe fn read(struct_ptr: *const c_void) -> Option<Self> {
        // SAFETY: the caller guarantees the pointer; no version's struct is shorter.
        let view = unsafe { StructView::at(struct_ptr, REQUEST_COMMON) }?;
        Some(Self {
            broker_id: view.text(REQUEST_BROKER_ID),
            user_id: view.text(REQUEST_USER_ID),
            password: Secret::new(view.text::<41>(REQUEST_PASSWORD).to_string_lossy()),
            user_product_info: view.text(REQUEST_USER_PRODUCT_INFO),
        })
    }

    /// The struct for every version: larger than each, and zero after the known fields.
    ///
    /// # Errors
    /// [`TextTooLong`] when the password does not fit its field.
    pub fn write(&self) -> Result<StructBuf, TextTooLong> {
        let mut buffer = StructBuf::zeroed();
        buffer.set_text(REQUEST_BROKER_ID, &self.broker_id);
        buffer.set_text(REQUEST_USER_ID, &self.user_id);
        let password = Text::<41>::new(self.password.expose().as_bytes())?;
        buffer.set_text(REQUEST_PASSWORD, &password);
        buffer.set_text(REQUEST_USER_PRODUCT_INFO, &self.user_product_info);
        Ok(buffer)
    }
}

macro_rules! define_login_response {
    ($($(#[$doc:meta])* $kind:ident $name:ident: $type:ty, $size:literal @ $offset:literal;)*) => {
        /// `CThostFtdcRspUserLoginField` (156 to 296 bytes). A field that the version does not
        /// have is empty or 0.
        #[derive(Debug, Clone, Default, PartialEq, Eq)]
        pub struct LoginResponse {
            $($(#[$doc])* pub $name: $type,)*
        }

        impl LoginResponse {
            fn from_view(view: StructView<'_>) -> Self {
                Self { $($name: login_field!($kind, view, $offset),)* }
            }

            /// The struct, good for every version: one that has fewer fields ends before the rest.
            #[must_use]
            pub fn write(&self) -> StructBuf {
                let mut buffer = StructBuf::zeroed();
                $(login_field!($kind, buffer, $offset, self.$name);)*
                buffer
            }

            /// Vendor order of the fields with size and offset, for checks against a header.
            pub const FIELDS: &[(&str, usize, usize)] =
                &[$((stringify!($name), $size, $offset)),*];
        }
    };
}

macro_rules! login_field {
    (text, $view:expr, $offset:literal) => {
        $view.text($offset)
    };
    (i32, $view:expr, $offset:literal) => {
        $view.i32($offset)
    };
    (text, $buffer:expr, $offset:literal, $value:expr) => {
        $buffer.set_text($offset, &$value)
    };
    (i32, $buffer:expr, $offset:literal, $value:expr) => {
        $buffer.set_i32($offset, $value)
    };
}

define_login_response! {
    /// Trading day `YYYYMMDD`; empty on production market data fronts (field guide 1.2).
    text trading_day: Text<9>, 9 @ 0;
    /// The front's time of the login, `HH:MM:SS`.
    text login_time: Text<9>, 9 @ 9;
    /// Broker.
    text broker_id: Text<11>, 11 @ 18;
    /// Account.
    text user_id: Text<16>, 16 @ 29;
    /// Name of the trading system.
    text system_name: Text<41>, 41 @ 45;
    /// Number of the front.
    i32 front_id: i32, 4 @ 88;
    /// Number of the session.
    i32 session_id: i32, 4 @ 92;
    /// Largest order reference of the session (trader API).
    text max_order_ref: Text<13>, 13 @ 96;
    /// Clock of SHFE, `HH:MM:SS`.
    text shfe_time: Text<9>, 9 @ 109;
    /// Clock of DCE.
    text dce_time: Text<9>, 9 @ 118;
    /// Clock of CZCE.
    text czce_time: Text<9>, 9 @ 127;
    /// Clock of CFFEX.
    text ffex_time: Text<9>, 9 @ 136;
    /// Clock of INE.
    text ine_time: Text<9>, 9 @ 145;
    /// Version of the back end; since 6.6.7.
    text sys_version: Text<41>, 41 @ 154;
    /// Clock of GFEX; since 6.6.9.
    text gfex_time: Text<9>, 9 @ 195;
    /// Data centre of this login; since 6.7.8.
    i32 login_dr_identity_id: i32, 4 @ 204;
    /// Data centre of the user; since 6.7.8.
    i32 user_dr_identity_id: i32, 4 @ 208;
    /// Time of the login before; since 6.7.11.
    text last_login_time: Text<17>, 17 @ 212;
    /// Reserved; since 6.7.11.
    text reserve_info: Text<65>, 65 @ 229;
}

impl LoginResponse {
    /// How far a version's struct certainly reaches, bytes.
    #[must_use]
    pub fn readable(version: &ApiVersion) -> usize {
        if version.at_least(6, 7, 11) {
            294
        } else if version.numbers() == (6, 7, 8) {
            212
        } else if version.at_least(6, 6, 9) {
            // 6.7.9 and 6.7.10 likely reach to 212, but their headers are not available.
            204
        } else if version.at_least(6, 6, 7) {
            195
        } else {
            154
        }
    }

    /// Copies the struct; `None` for a null pointer.
    ///
    /// # Safety
    /// A pointer that is not null points to a `CThostFtdcRspUserLoginField` of this version that
    /// no thread writes meanwhile.
    #[must_use]
    pub unsafe fn read(struct_ptr: *const c_void, version: &ApiVersion) -> Option<Self> {
        // SAFETY: the caller guarantees the pointer and its version, the version for the length.
        let view = unsafe { StructView::at(struct_ptr, Self::readable(version)) }?;
        Some(Self::from_view(view))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn text<const N: usize>(text: &str) -> Text<N> {
        Text::new(text.as_bytes()).unwrap()
    }

    #[test]
    fn a_request_has_the_field_offsets_of_every_version() {
        let request = LoginRequest {
            broker_id: text("9999"),
            user_id: text("000001"),
            password: Secret::new("hunter2"),
            user_product_info: text("tickdeck"),
        };
        let buffer = request.write().unwrap();
        // SAFETY: the buffer holds such a struct.
        let read = unsafe { LoginRequest::read(buffer.as_ptr()) }.unwrap();
        assert_eq!(read.broker_id, request.broker_id);
        assert_eq!(read.user_id, request.user_id);
        assert_eq!(read.password, request.password);
        assert_eq!(read.user_product_info, request.user_product_info);
        assert_eq!(buffer.view().text::<11>(9).as_bytes(), b"9999");
        assert_eq!(buffer.view().text::<41>(36).as_bytes(), b"hunter2");
    }

    #[test]
    fn a_request_does_not_print_its_password() {
        let request = LoginRequest {
            broker_id: text("9999"),
            user_id: text("000001"),
            password: Secret::new("hunter2"),
            user_product_info: Text::EMPTY,
        };
        assert!(!format!("{request:?}").contains("hunter2"));
    }

    #[test]
    fn an_answer_has_only_the_fields_of_its_version() {
        let full = LoginResponse {
            trading_day: text("20260105"),
            front_id: 7,
            ine_time: text("20:59:01"),
            sys_version: text("mduser"),
            gfex_time: text("20:59:02"),
            login_dr_identity_id: 1,
            last_login_time: text("20260104 20:59:00"),
            ..LoginResponse::default()
        };
        let buffer = full.write();
        let of = |patch: (u16, u16, u16)| {
            let version = ApiVersion::new(patch.0, patch.1, patch.2);
            // SAFETY: the buffer is longer than any version's struct.
            unsafe { LoginResponse::read(buffer.as_ptr(), &version) }.unwrap()
        };
        assert_eq!(of((6, 7, 13)), full);
        let old = of((6, 3, 15));
        assert_eq!(old.ine_time, full.ine_time);
        assert!(old.sys_version.is_empty());
        assert_eq!(of((6, 6, 7)).sys_version, full.sys_version);
        assert!(of((6, 6, 7)).gfex_time.is_empty());
        assert_eq!(of((6, 7, 8)).login_dr_identity_id, 1);
        assert_eq!(of((6, 7, 10)).login_dr_identity_id, 0);
        assert!(of((6, 7, 8)).last_login_time.is_empty());
    }

    #[test]
    fn no_field_of_the_answer_overlaps_the_next() {
        let mut end = 0;
        for (name, size, offset) in LoginResponse::FIELDS {
            assert!(*offset >= end, "{name}");
            end = offset + size;
        }
        assert_eq!(end, LoginResponse::readable(&ApiVersion::new(6, 7, 13)));
    }
}

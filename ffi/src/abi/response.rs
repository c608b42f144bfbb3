//! What answers carry besides their own struct: the error, and the instrument of a subscription.

use std::ffi::c_void;

use super::bytes::{StructBuf, StructView};
use super::version::ApiVersion;
use crate::gb18030;
use crate::text::{Text, TextTooLong};

/// `CThostFtdcRspInfoField` (88 bytes, every version): an error number and its text.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct RspInfo {
    /// 0 is success. Decide on this, never on the text (field guide 7).
    pub error_id: i32,
    /// The front's words, decoded from GB18030; empty on success more often than not.
    pub message: String,
}

impl RspInfo {
    /// `sizeof` of the vendor's struct, bytes.
    pub const SIZE: usize = 88;
    const ERROR_ID: usize = 0;
    const ERROR_MSG: usize = 4;

    /// Copies the struct. A null pointer is what most answers carry on success: it reads as 0.
    ///
    /// # Safety
    /// A pointer that is not null points to a `CThostFtdcRspInfoField` that no thread writes
    /// meanwhile.
    #[must_use]
    pub unsafe fn read(struct_ptr: *const c_void) -> Self {
        // SAFETY: the caller guarantees the pointer; the struct has 88 bytes in every version.
        let Some(view) = (unsafe { StructView::at(struct_ptr, Self::SIZE) }) else {
            return Self::default();
        };
        Self {
            error_id: view.i32(Self::ERROR_ID),
            message: gb18030::decode(view.text::<81>(Self::ERROR_MSG).as_bytes()),
        }
    }

    /// The struct; a message that is too long loses whole characters at its end.
    #[must_use]
    pub fn write(&self) -> StructBuf {
        let mut buffer = StructBuf::zeroed();
        buffer.set_i32(Self::ERROR_ID, self.error_id);
        buffer.set_text(Self::ERROR_MSG, &gb18030::encode::<81>(&self.message));
        buffer
    }

    /// Whether the answer reports an error.
    #[must_use]
    pub const fn is_error(&self) -> bool {
        self.error_id != 0
    }
}

const LONG_ID: usize = 31;

/// Whether a version's request and answer structs have long instrument ids after `reserve1`.
pub(super) fn has_long_ids(version: &ApiVersion) -> bool {
    version.at_least(6, 5, 1)
}

/// The instrument id in a `CThostFtdcSpecificInstrumentField` (31 bytes before 6.5.1, 112 since);
/// `None` for a null pointer.
///
/// # Safety
/// A pointer that is not null points to such a struct of this version that no thread writes
/// meanwhile.
#[must_use]
pub unsafe fn specific_instrument_id(
    struct_ptr: *const c_void,
    version: &ApiVersion,
) -> Option<Text<81>> {
    let long = has_long_ids(version);
    let len = if long { LONG_ID + 81 } else { LONG_ID };
    // SAFETY: the caller guarantees the pointer and its version, the version for the length.
    let view = unsafe { StructView::at(struct_ptr, len) }?;
    if long {
        return Some(view.text(LONG_ID));
    }
    let mut wide = [0; 81];
    wide[..LONG_ID].copy_from_slice(view.text::<LONG_ID>(0).as_array());
    Some(Text::from_array(wide))
}

/// A `CThostFtdcSpecificInstrumentField` of this version.
///
/// # Errors
/// [`TextTooLong`] when the id does not fit, which before 6.5.1 is beyond 31 bytes.
pub fn specific_instrument(id: &[u8], version: &ApiVersion) -> Result<StructBuf, TextTooLong> {
    let mut buffer = StructBuf::zeroed();
    if has_long_ids(version) {
        buffer.set_text(LONG_ID, &Text::<81>::new(id)?);
    } else {
        buffer.set_text(0, &Text::<LONG_ID>::new(id)?);
    }
    Ok(buffer)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_error_comes_back_with_its_message_decoded() {
        let info = RspInfo {
            error_id: 3,
            message: "CTP:不合法的登录".to_owned(),
        };
        // SAFETY: the buffer holds such a struct.
        assert_eq!(unsafe { RspInfo::read(info.write().as_ptr()) }, info);
    }

    #[test]
    fn no_struct_at_all_is_success() {
        // SAFETY: a null pointer is allowed.
        let info = unsafe { RspInfo::read(std::ptr::null()) };
        assert!(!info.is_error());
    }

    #[test]
    fn the_instrument_of_an_answer_is_found_in_every_version() {
        for version in [ApiVersion::new(6, 3, 15), ApiVersion::new(6, 7, 13)] {
            let buffer = specific_instrument(b"SPD RM601&RM605", &version).unwrap();
            // SAFETY: the buffer holds such a struct of this version.
            let id = unsafe { specific_instrument_id(buffer.as_ptr(), &version) };
            assert_eq!(id.unwrap().as_bytes(), b"SPD RM601&RM605");
        }
    }

    #[test]
    fn a_long_id_does_not_fit_an_old_version() {
        let id = [b'x'; 40];
        assert!(specific_instrument(&id, &ApiVersion::new(6, 3, 19)).is_err());
        assert!(specific_instrument(&id, &ApiVersion::new(6, 5, 1)).is_ok());
    }
}

//! What a client sends to the trader front between connecting and the list of contracts.

use std::ffi::c_void;

use super::bytes::{StructBuf, StructView};
use crate::secret::Secret;
use crate::text::{Text, TextTooLong};

/// `CThostFtdcReqAuthenticateField` (88 bytes, every version): the identity of the program.
#[derive(Debug, Clone)]
pub struct AuthenticateRequest {
    /// Broker.
    pub broker_id: Text<11>,
    /// Account.
    pub user_id: Text<16>,
    /// Code that the broker gave out for this program.
    pub auth_code: Secret,
    /// Name under which the broker knows this program.
    pub app_id: Text<33>,
}

impl AuthenticateRequest {
    const SIZE: usize = 88;
    const BROKER_ID: usize = 0;
    const USER_ID: usize = 11;
    const AUTH_CODE: usize = 38;
    const APP_ID: usize = 55;

    /// Copies a request, as a front does; `None` for a null pointer.
    ///
    /// # Safety
    /// A pointer that is not null points to a `CThostFtdcReqAuthenticateField` that no thread
    /// writes meanwhile.
    #[must_use]
    pub unsafe fn read(struct_ptr: *const c_void) -> Option<Self> {
        // SAFETY: the caller guarantees the pointer; the size is that of every version.
        let view = unsafe { StructView::at(struct_ptr, Self::SIZE) }?;
        Some(Self {
            broker_id: view.text(Self::BROKER_ID),
            user_id: view.text(Self::USER_ID),
            auth_code: Secret::new(view.text::<17>(Self::AUTH_CODE).to_string_lossy()),
            app_id: view.text(Self::APP_ID),
        })
    }

    /// The struct.
    ///
    /// # Errors
    /// [`TextTooLong`] when the code does not fit its field.
    pub fn write(&self) -> Result<StructBuf, TextTooLong> {
        let mut buffer = StructBuf::zeroed();
        buffer.set_text(Self::BROKER_ID, &self.broker_id);
        buffer.set_text(Self::USER_ID, &self.user_id);
        let code = Text::<17>::new(self.auth_code.expose().as_bytes())?;
        buffer.set_text(Self::AUTH_CODE, &code);
        buffer.set_text(Self::APP_ID, &self.app_id);
        Ok(buffer)
    }
}

/// `CThostFtdcRspAuthenticateField` (72 bytes).
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct AuthenticateResponse {
    /// Broker.
    pub broker_id: Text<11>,
    /// Account.
    pub user_id: Text<16>,
    /// Name under which the broker knows this program.
    pub app_id: Text<33>,
}

impl AuthenticateResponse {
    /// The struct, as a front sends it.
    #[must_use]
    pub fn write(&self) -> StructBuf {
        let mut buffer = StructBuf::zeroed();
        buffer.set_text(0, &self.broker_id);
        buffer.set_text(11, &self.user_id);
        buffer.set_text(38, &self.app_id);
        // Application type, '1': an investor's own program.
        buffer.set_char(71, b'1');
        buffer
    }
}

/// `CThostFtdcSettlementInfoConfirmField` with broker and investor alone, which is what a client
/// sends.
#[must_use]
pub fn settlement_confirm(broker_id: &Text<11>, investor_id: &Text<13>) -> StructBuf {
    let mut buffer = StructBuf::zeroed();
    buffer.set_text(0, broker_id);
    buffer.set_text(11, investor_id);
    buffer
}

/// `CThostFtdcQryInstrumentField` that asks for one exchange, or for all when it is empty. The
/// exchange is at the same offset in every version, the other filters are not used.
#[must_use]
pub fn instrument_query(exchange_id: &Text<9>) -> StructBuf {
    let mut buffer = StructBuf::zeroed();
    buffer.set_text(31, exchange_id);
    buffer
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_authentication_round_trips_and_hides_its_code() {
        let request = AuthenticateRequest {
            broker_id: Text::new(b"9999").unwrap(),
            user_id: Text::new(b"000001").unwrap(),
            auth_code: Secret::new("0123456789abcdef"),
            app_id: Text::new(b"simnow_client_test").unwrap(),
        };
        assert!(!format!("{request:?}").contains("0123456789abcdef"));
        let buffer = request.write().unwrap();
        // SAFETY: the buffer holds such a struct.
        let read = unsafe { AuthenticateRequest::read(buffer.as_ptr()) }.unwrap();
        assert_eq!(read.auth_code, request.auth_code);
        assert_eq!(read.app_id, request.app_id);
        assert_eq!(read.user_id, request.user_id);
    }

    #[test]
    fn a_code_that_does_not_fit_is_refused_and_not_cut() {
        let request = AuthenticateRequest {
            broker_id: Text::EMPTY,
            user_id: Text::EMPTY,
            auth_code: Secret::new("0123456789abcdefgh"),
            app_id: Text::EMPTY,
        };
        assert!(request.write().is_err());
    }
}

//! The texts of a login, and how long the vendor's fields let them be.

use std::fmt;

/// A text that an account holder gives for a login.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum LoginField {
    /// Broker.
    BrokerId,
    /// Account.
    UserId,
    /// The same account in a confirmation of the settlement, where the field is shorter.
    InvestorId,
    /// The password.
    Password,
    /// Product that authenticates at the trader front.
    AppId,
    /// Its code.
    AuthCode,
}

impl LoginField {
    /// The longest text, in bytes: the length of the vendor's field without the NUL
    /// (`ThostFtdcUserApiDataType.h`).
    #[must_use]
    pub const fn max_len(self) -> usize {
        match self {
            Self::BrokerId => 10,
            Self::UserId => 15,
            Self::InvestorId => 12,
            Self::Password => 40,
            Self::AppId => 32,
            Self::AuthCode => 16,
        }
    }
}

impl fmt::Display for LoginField {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::BrokerId => "broker id",
            Self::UserId => "user id",
            Self::InvestorId => "investor id",
            Self::Password => "password",
            Self::AppId => "app id",
            Self::AuthCode => "auth code",
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Secret;
    use crate::abi::{AuthenticateRequest, LoginRequest, settlement_confirm};
    use crate::client::{RequestError, login_text};
    use crate::text::Text;

    /// A text that is `more` bytes longer than its field allows.
    fn text_of(field: LoginField, more: usize) -> String {
        "x".repeat(field.max_len() + more)
    }

    fn field<const N: usize>(field: LoginField, more: usize) -> Result<Text<N>, RequestError> {
        login_text("R", "f", &text_of(field, more))
    }

    fn login(broker: usize, user: usize) -> Result<LoginRequest, RequestError> {
        Ok(LoginRequest {
            broker_id: field(LoginField::BrokerId, broker)?,
            user_id: field(LoginField::UserId, user)?,
            password: Secret::new(""),
            user_product_info: Text::EMPTY,
        })
    }

    fn authenticate(app: usize) -> Result<AuthenticateRequest, RequestError> {
        Ok(AuthenticateRequest {
            broker_id: Text::EMPTY,
            user_id: Text::EMPTY,
            auth_code: Secret::new(""),
            app_id: field(LoginField::AppId, app)?,
        })
    }

    #[test]
    fn the_longest_texts_are_those_of_the_requests() {
        assert!(login(0, 0).is_ok() && login(1, 0).is_err() && login(0, 1).is_err());
        assert!(authenticate(0).is_ok() && authenticate(1).is_err());
        let confirm = |more| {
            let investor = field(LoginField::InvestorId, more);
            investor.map(|id| settlement_confirm(&Text::EMPTY, &id))
        };
        assert!(confirm(0).is_ok() && confirm(1).is_err());
    }

    /// A request takes one byte more, the place of the NUL.
    #[test]
    fn the_longest_secrets_are_those_of_the_requests() {
        let of_login = |more| {
            let password = Secret::new(text_of(LoginField::Password, more));
            let login = login(0, 0).unwrap();
            LoginRequest { password, ..login }.write()
        };
        assert!(of_login(1).is_ok() && of_login(2).is_err());
        let of_authentication = |more| {
            let auth_code = Secret::new(text_of(LoginField::AuthCode, more));
            let request = authenticate(0).unwrap();
            AuthenticateRequest {
                auth_code,
                ..request
            }
            .write()
        };
        assert!(of_authentication(1).is_ok() && of_authentication(2).is_err());
    }
}

//! The login of an account.

use tickdeck_ffi::{LoginField, Secret};

/// Credentials of a login. Every text is a secret; `Debug` shows none.
#[derive(Debug, Clone)]
pub struct CtpLogin {
    /// Broker.
    pub broker_id: Secret,
    /// Account.
    pub user_id: Secret,
    /// Its password.
    pub password: Secret,
    /// Product that authenticates at the trader front; may be empty.
    pub app_id: Secret,
    /// Its code.
    pub auth_code: Secret,
    /// Whether the fronts use production keys; evaluation fronts use others. Libraries before 6.7.11
    /// have only the keys that they were built with.
    pub production_keys: bool,
}

/// A text of a login is longer than CTP accepts. It is not repeated, because it may be a secret.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("the {field} of the login has {len} bytes; CTP accepts at most {}", field.max_len())]
pub struct LoginTooLong {
    /// Which text. The investor id is the user id in a confirmation of the settlement.
    pub field: LoginField,
    /// Its length, bytes.
    pub len: usize,
}

impl CtpLogin {
    /// Checks that CTP accepts the texts. Without this, only the login fails.
    ///
    /// # Errors
    /// Names the first text that is too long.
    pub fn check(&self) -> Result<(), LoginTooLong> {
        check(LoginField::BrokerId, &self.broker_id)?;
        check(LoginField::UserId, &self.user_id)?;
        check(LoginField::Password, &self.password)?;
        check(LoginField::AppId, &self.app_id)?;
        check(LoginField::AuthCode, &self.auth_code)
    }

    /// Checks that the settlement can be confirmed for this user.
    ///
    /// # Errors
    /// When the user id is too long for that.
    pub fn check_settlement(&self) -> Result<(), LoginTooLong> {
        check(LoginField::InvestorId, &self.user_id)
    }

    /// The texts that no output may contain.
    pub(super) fn secrets(&self) -> impl Iterator<Item = Secret> {
        let Self {
            broker_id,
            user_id,
            password,
            app_id,
            auth_code,
            production_keys: _,
        } = self;
        [broker_id, user_id, password, app_id, auth_code]
            .into_iter()
            .cloned()
    }
}

fn check(field: LoginField, text: &Secret) -> Result<(), LoginTooLong> {
    match text.expose().len() {
        len if len > field.max_len() => Err(LoginTooLong { field, len }),
        _ => Ok(()),
    }
}

//! The login of an account.

use tickdeck_ffi::Secret;

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

impl CtpLogin {
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

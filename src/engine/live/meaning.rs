//! The meaning of CTP's numbers: error ids of a login and reasons of a disconnect, in Chinese and
//! English (field guide 1.6 and 1.7).
//!
//! The ids are data (`errors.csv`). Permanent ids follow the field guide's retry policy, plus the
//! refused authentication: an operator must act, and another attempt may lock the account. An
//! unknown id is retried.

/// An error id of CTP.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct LoginError {
    /// CTP's `ErrorID`.
    pub id: i32,
    /// The vendor's name, for example `INVALID_LOGIN`.
    pub name: &'static str,
    /// Whether another attempt cannot help in this run.
    pub is_permanent: bool,
    /// The vendor's text.
    pub chinese: &'static str,
    /// The same in English.
    pub english: &'static str,
}

impl std::fmt::Display for LoginError {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let Self {
            id,
            name,
            chinese,
            english,
            ..
        } = self;
        write!(f, "CTP error {id} {name}: {english} ({chinese})")
    }
}

const TEXT: &str = include_str!("errors.csv");

/// The meaning of an error id; `None` for ids that the field guide does not list.
#[must_use]
pub fn login_error(id: i32) -> Option<LoginError> {
    TEXT.lines()
        .skip(1)
        .filter_map(parse)
        .find(|error| error.id == id)
}

/// One row. Only the last column may be quoted, and it contains no quotes.
fn parse(row: &'static str) -> Option<LoginError> {
    let mut columns = row.splitn(5, ',');
    Some(LoginError {
        id: columns.next()?.parse().ok()?,
        name: columns.next()?,
        is_permanent: match columns.next()? {
            "yes" => true,
            "no" => false,
            _ => return None,
        },
        chinese: columns.next()?,
        english: columns.next()?.trim_matches('"'),
    })
}

/// The meaning of a disconnect.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct DisconnectReason {
    /// In English.
    pub english: &'static str,
    /// In Chinese.
    pub chinese: &'static str,
}

/// The meaning of `nReason`. Reasons outside the vendor's table occur.
#[must_use]
pub const fn disconnect_reason(reason: i32) -> DisconnectReason {
    let (english, chinese) = match reason {
        0x1001 => (
            "network read failed, or the front closed the connection",
            "网络读失败",
        ),
        0x1002 => ("network write failed", "网络写失败"),
        0x2001 => ("nothing was received for 120 s", "接收心跳超时"),
        0x2002 => ("the heartbeat could not be sent", "发送心跳失败"),
        0x2003 => ("an invalid packet was received", "收到错误报文"),
        _ => (
            "disconnected, for a reason that CTP does not document",
            "未知原因",
        ),
    };
    DisconnectReason { english, chinese }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_row_is_valid_and_ids_ascend() {
        let errors: Vec<LoginError> = TEXT.lines().skip(1).filter_map(parse).collect();
        assert_eq!(errors.len(), TEXT.lines().count() - 1);
        assert!(errors.is_sorted_by(|a, b| a.id < b.id));
        for error in errors {
            assert!(!error.chinese.is_empty() && !error.english.is_empty());
            assert!(!error.english.contains('"'), "{error}");
        }
    }

    #[test]
    fn permanent_ids_are_those_of_the_field_guide() {
        let permanent: Vec<i32> = (0..10_000)
            .filter_map(login_error)
            .filter(|error| error.is_permanent)
            .map(|error| error.id)
            .collect();
        assert_eq!(
            permanent,
            [3, 49, 60, 63, 75, 131, 140, 143, 144, 3039, 6020]
        );
        for retried in [7, 8, 90] {
            assert!(!login_error(retried).unwrap().is_permanent);
        }
        assert_eq!(login_error(4711), None);
    }

    #[test]
    fn an_error_has_both_languages() {
        let text = login_error(75).unwrap().to_string();
        assert_eq!(
            text,
            "CTP error 75 LOGIN_FORBIDDEN: too many failed logins in a row: login is forbidden \
             (连续登录失败次数超限，登录被禁止)"
        );
        assert_eq!(disconnect_reason(4097).chinese, "网络读失败");
        assert!(disconnect_reason(0).english.contains("does not document"));
    }
}

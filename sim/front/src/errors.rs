//! What a front says when it refuses: CTP's error ids with their texts (field guide 1.7), in
//! GB18030 as the wire has them.

use encoding_rs::GB18030;

/// A `CThostFtdcRspInfoField` as a value.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RspInfo {
    /// `ErrorID`, 0 for success.
    pub error_id: i32,
    /// `ErrorMsg` in GB18030, at most 80 bytes.
    pub message: Vec<u8>,
}

/// Ids that the simulated front uses by itself.
pub mod id {
    /// Success.
    pub const NONE: i32 = 0;
    /// Wrong broker, user or password.
    pub const INVALID_LOGIN: i32 = 3;
    /// A request before the login.
    pub const NOT_LOGIN_YET: i32 = 6;
    /// Orders, and other requests that the simulated front does not support.
    pub const NO_PRIVILEGE: i32 = 9;
    /// Wrong AppID or AuthCode.
    pub const AUTH_FAILED: i32 = 63;
    /// A login without the authentication before it.
    pub const NOT_AUTHENT: i32 = 64;
}

const TEXTS: [(i32, &str); 24] = [
    (0, "正确"),
    (1, "CTP:不在已同步状态"),
    (2, "CTP:会话信息不一致"),
    (3, "CTP:不合法的登录"),
    (4, "CTP:用户不活跃"),
    (5, "CTP:重复的登录"),
    (6, "CTP:还没有登录"),
    (7, "CTP:还没有初始化"),
    (8, "CTP:前置不活跃"),
    (9, "CTP:无此权限"),
    (11, "CTP:找不到该用户"),
    (16, "CTP:找不到合约"),
    (49, "CTP:不合法的登录IP地址"),
    (60, "CTP:用户在线会话超出上限"),
    (63, "CTP:客户端认证失败"),
    (64, "CTP:客户端未认证"),
    (75, "CTP:连续登录失败次数超限，登录被禁止"),
    (90, "CTP：查询未就绪，请稍后重试"),
    (131, "CTP:弱密码"),
    (140, "CTP:首次登录必须修改密码"),
    (143, "CTP:登录失败次数过多，IP被禁止"),
    (144, "CTP:IP在黑名单中"),
    (3039, "CTP:不支持该API版本"),
    (6000, "CTP:sub too many insts"),
];

impl RspInfo {
    /// The id with the front's text for it.
    #[must_use]
    pub fn of(error_id: i32) -> Self {
        let known = TEXTS.iter().find(|(id, _)| *id == error_id);
        Self {
            error_id,
            message: gb18030(known.map_or("CTP:模拟前置错误", |(_, text)| *text)),
        }
    }

    /// Success.
    #[must_use]
    pub fn success() -> Self {
        Self::of(id::NONE)
    }

    /// Whether this is success.
    #[must_use]
    pub const fn is_success(&self) -> bool {
        self.error_id == id::NONE
    }
}

/// `text` as CTP sends text.
#[must_use]
pub fn gb18030(text: &str) -> Vec<u8> {
    GB18030.encode(text).0.into_owned()
}

/// CTP text for a log line.
#[must_use]
pub fn from_gb18030(bytes: &[u8]) -> String {
    let end = bytes.iter().position(|&b| b == 0).unwrap_or(bytes.len());
    GB18030
        .decode_without_bom_handling(&bytes[..end])
        .0
        .into_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn texts_are_gb18030_and_fit_their_field() {
        let invalid = RspInfo::of(id::INVALID_LOGIN);
        let expected = b"CTP:\xb2\xbb\xba\xcf\xb7\xa8\xb5\xc4\xb5\xc7\xc2\xbc";
        assert_eq!(invalid.message, expected);
        assert_eq!(from_gb18030(&invalid.message), "CTP:不合法的登录");
        for (id, _) in TEXTS {
            assert!(RspInfo::of(id).message.len() <= 80);
        }
        assert!(RspInfo::success().is_success());
        assert!(!RspInfo::of(-12345).message.is_empty());
    }
}

//! The table of virtual functions of the emulated version.
//!
//! Every request is the same function: it copies the client's struct and passes it on with the
//! number of its method. What differs is the number, so it is a parameter of the type.

use std::ffi::{c_int, c_void};
use std::mem::transmute;
use std::sync::OnceLock;

use tickdeck_ffi::abi::signature::Request;
use tickdeck_front::environment;
use tickdeck_front::faults::Front;
use tickdeck_front::td::TdRequest;
use tickdeck_front::td::tables::tables;

use crate::object::{self, Entry};

/// More than the methods that there are in all versions together.
const MOST_METHODS: usize = 160;

macro_rules! requests {
    ($($number:literal)*) => {
        [$(request::<$number> as Request),*]
    };
}

/// The request function of each method, by the method's number.
static REQUESTS: [Request; MOST_METHODS] = requests![
    0 1 2 3 4 5 6 7 8 9 10 11 12 13 14 15 16 17 18 19 20 21 22 23 24 25 26 27 28 29 30 31 32 33
    34 35 36 37 38 39 40 41 42 43 44 45 46 47 48 49 50 51 52 53 54 55 56 57 58 59 60 61 62 63
    64 65 66 67 68 69 70 71 72 73 74 75 76 77 78 79 80 81 82 83 84 85 86 87 88 89 90 91 92 93
    94 95 96 97 98 99 100 101 102 103 104 105 106 107 108 109 110 111 112 113 114 115 116 117
    118 119 120 121 122 123 124 125 126 127 128 129 130 131 132 133 134 135 136 137 138 139 140
    141 142 143 144 145 146 147 148 149 150 151 152 153 154 155 156 157 158 159
];

unsafe extern "C" fn request<const NUMBER: usize>(
    this: *mut c_void,
    request: *mut c_void,
    request_id: c_int,
) -> c_int {
    let Some(method) = tables().method(NUMBER) else {
        return object::FAILED;
    };
    object::enter(this, method.name, object::FAILED, |api| {
        let size = method.request_size(environment::version(Front::Trader));
        let bytes = if request.is_null() {
            Vec::new()
        } else {
            // SAFETY: not null, and a client of the emulated version passes a struct of this size.
            unsafe { std::slice::from_raw_parts(request.cast::<u8>(), size) }.to_vec()
        };
        api.instance.request(TdRequest {
            method,
            bytes,
            request_id,
        })
    })
}

/// The function of a method that is not a request.
fn other(name: &str) -> Option<Entry> {
    macro_rules! entry {
        ($function:path, $signature:ty) => {{
            let function: $signature = $function;
            // SAFETY: both are pointers to functions; the entry is called with its own signature.
            Some(unsafe { transmute::<$signature, Entry>(function) })
        }};
    }
    use tickdeck_ffi::abi::signature::{PlainInt, PlainText, TakesInt, TakesPointer, TakesText};
    match name {
        "Release" => Some(object::release),
        "Init" => Some(object::init),
        "Join" => entry!(object::join, PlainInt),
        "GetTradingDay" => entry!(object::get_trading_day, PlainText),
        "GetFrontInfo" => entry!(object::get_front_info, TakesPointer),
        "RegisterFront" | "RegisterNameServer" => entry!(object::register_front, TakesText),
        "RegisterFensUserInfo" => entry!(object::register_fens_user_info, TakesPointer),
        "RegisterSpi" => entry!(object::register_spi, TakesPointer),
        "SubscribePrivateTopic" | "SubscribePublicTopic" => {
            entry!(object::subscribe_topic, TakesInt)
        }
        // RegisterUserSystemInfo and its kin: int f(T*).
        _ => entry!(object::take_system_info, object::TakesPointerInt),
    }
}

/// The table of the emulated version, with the two words of RTTI before it that no client of this
/// class uses.
pub(crate) fn table() -> *const Entry {
    static TABLE: OnceLock<Vec<Option<Entry>>> = OnceLock::new();
    let table = TABLE.get_or_init(|| {
        let version = environment::version(Front::Trader);
        let methods = tables().api(version).into_iter().map(|number| {
            let method = tables().method(number)?;
            if method.request.is_none() {
                return other(method.name);
            }
            let function = *REQUESTS.get(number)?;
            // SAFETY: both are pointers to functions; the entry is called with its own signature.
            Some(unsafe { transmute::<Request, Entry>(function) })
        });
        [None, None].into_iter().chain(methods).collect()
    });
    // An Option of a function pointer is that pointer, and null for None.
    table[2..].as_ptr().cast()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_method_has_a_request_function() {
        assert!(tables().methods.len() <= MOST_METHODS);
    }
}

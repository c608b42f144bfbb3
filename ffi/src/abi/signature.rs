//! The C view of the virtual functions: `this` first, then the declared arguments.
//!
//! On x86-64 and AArch64 Linux a C++ member function is called like a C function whose first
//! argument is the object. A `bool` is one byte that is 0 or 1; it is taken as `u8` because a
//! Rust `bool` of any other value would be undefined behaviour.

use std::ffi::{c_char, c_int, c_void};

/// An object of the other side; its first word points to its table of virtual functions.
pub type This = *mut c_void;

/// `void f()`: Release, Init, `OnFrontConnected`.
pub type Plain = unsafe extern "C" fn(This);

/// `int f()`: Join.
pub type PlainInt = unsafe extern "C" fn(This) -> c_int;

/// `const char* f()`: `GetTradingDay`.
pub type PlainText = unsafe extern "C" fn(This) -> *const c_char;

/// `void f(int)`: `OnFrontDisconnected`, `OnHeartBeatWarning`, `SubscribePublicTopic`.
pub type TakesInt = unsafe extern "C" fn(This, c_int);

/// `void f(int, int)`: `SubscribePrivateTopic` of 6.7.13; older ones take the first number alone and
/// do not look at the register of the second.
pub type TakesTwoInts = unsafe extern "C" fn(This, c_int, c_int);

/// `void f(char*)`: `RegisterFront`, `RegisterNameServer`.
pub type TakesText = unsafe extern "C" fn(This, *mut c_char);

/// `void f(T*)`: `RegisterSpi`, `RegisterFensUserInfo`, and the pushes of the SPI
/// (`OnRtnDepthMarketData`, `OnRtnForQuoteRsp`).
pub type TakesPointer = unsafe extern "C" fn(This, *mut c_void);

/// `int f(char*[], int)`: `SubscribeMarketData` and its kin.
pub type Subscribe = unsafe extern "C" fn(This, *mut *mut c_char, c_int) -> c_int;

/// `int f(T*, int)`: every `Req…`.
pub type Request = unsafe extern "C" fn(This, *mut c_void, c_int) -> c_int;

/// `void f(T*, RspInfo*, int, bool)`: every `OnRsp…` but `OnRspError`.
pub type Response = unsafe extern "C" fn(This, *mut c_void, *mut c_void, c_int, u8);

/// `void f(RspInfo*, int, bool)`: `OnRspError`.
pub type ErrorResponse = unsafe extern "C" fn(This, *mut c_void, c_int, u8);

/// `const char* GetApiVersion()`, a static member.
pub type GetApiVersion = unsafe extern "C" fn() -> *const c_char;

/// `CreateFtdcMdApi` up to 6.7.10: flow path, UDP, multicast.
pub type CreateMd = unsafe extern "C" fn(*const c_char, u8, u8) -> This;

/// `CreateFtdcMdApi` from 6.7.11: flow path, UDP, multicast, production mode.
pub type CreateMdWithMode = unsafe extern "C" fn(*const c_char, u8, u8, u8) -> This;

/// `CreateFtdcTraderApi` up to 6.7.10: flow path.
pub type CreateTd = unsafe extern "C" fn(*const c_char) -> This;

/// `CreateFtdcTraderApi` from 6.7.11: flow path, production mode.
pub type CreateTdWithMode = unsafe extern "C" fn(*const c_char, u8) -> This;

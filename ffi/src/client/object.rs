//! The object that a library created, and calls of its virtual functions by slot.

use std::ffi::{CStr, CString, c_char, c_int, c_void};
use std::ptr::NonNull;

use crate::abi::StructBuf;
use crate::abi::signature::{
    Plain, PlainText, Request, Subscribe, TakesPointer, TakesText, TakesTwoInts, This,
};
use crate::text::Text;

/// A live API object. Dropping this value does not free it: Release is an ordinary call, and the last
/// one.
#[derive(Debug)]
pub(crate) struct ApiObject(NonNull<c_void>);

// SAFETY: the vendor allows requests from any thread (field guide 1.3); Init and Release are called
// once each, by the code that owns the value.
unsafe impl Send for ApiObject {}
// SAFETY: through a shared reference only requests and `GetTradingDay` are made, which the vendor
// allows from any thread (field guide 1.3).
unsafe impl Sync for ApiObject {}

impl ApiObject {
    /// Takes what a `Create…` function returned; `None` when it is null.
    ///
    /// # Safety
    /// The pointer is null or an object in exclusive use, whose first word points to its
    /// table of virtual functions.
    pub(crate) unsafe fn new(this: This) -> Option<Self> {
        NonNull::new(this).map(Self)
    }

    /// The function in a slot.
    ///
    /// # Safety
    /// The object's class has that many functions.
    pub(crate) unsafe fn function(&self, slot: usize) -> *const c_void {
        let table = self.0.cast::<*const *const c_void>().as_ptr();
        // SAFETY: the first word of a live object is the pointer to its table (field guide 3.2).
        let table = unsafe { *table };
        // SAFETY: the caller guarantees the length of the table.
        let entry = unsafe { table.add(slot) };
        // SAFETY: as above; the table is constant data of the library.
        unsafe { *entry }
    }

    /// The function in a slot as a function of type `F`.
    ///
    /// # Safety
    /// The object's class has that many functions, and this one is called like an `F`.
    unsafe fn method<F: Copy>(&self, slot: usize) -> F {
        const { assert!(size_of::<F>() == size_of::<*const c_void>()) };
        // SAFETY: the caller's first promise.
        let function = unsafe { self.function(slot) };
        // SAFETY: both are one pointer; the caller guarantees the type.
        unsafe { std::mem::transmute_copy(&function) }
    }

    /// Calls a function without arguments: Init, Release.
    ///
    /// # Safety
    /// The slot holds a `void f()`. After Release nothing more is called.
    pub(crate) unsafe fn call_plain(&self, slot: usize) {
        // SAFETY: the caller guarantees the slot.
        let function = unsafe { self.method::<Plain>(slot) };
        // SAFETY: the object is live and the signature is the caller's promise.
        unsafe { function(self.0.as_ptr()) }
    }

    /// Calls a `const char* f()`: `GetTradingDay`.
    ///
    /// # Safety
    /// The slot holds such a function.
    pub(crate) unsafe fn call_for_text<const N: usize>(&self, slot: usize) -> Text<N> {
        // SAFETY: the caller guarantees the slot.
        let function = unsafe { self.method::<PlainText>(slot) };
        // SAFETY: the object is live and the signature is the caller's promise.
        let text = unsafe { function(self.0.as_ptr()) };
        if text.is_null() {
            return Text::EMPTY;
        }
        // SAFETY: not null, and the answer is a C string inside of the live object.
        let text = unsafe { CStr::from_ptr(text) };
        Text::new(text.to_bytes()).unwrap_or_default()
    }

    /// Calls a `void f(char*)` that copies its argument: `RegisterFront`.
    ///
    /// # Safety
    /// The slot holds such a function.
    pub(crate) unsafe fn call_with_text(&self, slot: usize, text: &CStr) {
        // SAFETY: the caller guarantees the slot.
        let function = unsafe { self.method::<TakesText>(slot) };
        // SAFETY: as above; the text lives during the call and is only read.
        unsafe { function(self.0.as_ptr(), text.as_ptr().cast_mut()) }
    }

    /// Calls a `void f(T*)`: `RegisterSpi`.
    ///
    /// # Safety
    /// The slot holds such a function, and the pointer is valid for as long as it is used.
    pub(crate) unsafe fn call_with_pointer(&self, slot: usize, pointer: *mut c_void) {
        // SAFETY: the caller guarantees the slot.
        let function = unsafe { self.method::<TakesPointer>(slot) };
        // SAFETY: as above, and for the pointer.
        unsafe { function(self.0.as_ptr(), pointer) }
    }

    /// Calls a `void f(int)` or a `void f(int, int)`: `SubscribePublicTopic` and
    /// `SubscribePrivateTopic`, which have a second number since 6.7.13.
    ///
    /// # Safety
    /// The slot holds such a function.
    pub(crate) unsafe fn call_with_ints(&self, slot: usize, first: c_int, second: c_int) {
        // SAFETY: the caller guarantees the slot. A function that takes one number is called with
        // a second one in a register. It does not read that register and need not keep it. Both
        // calling conventions that the vendor builds for allow that.
        let function = unsafe { self.method::<TakesTwoInts>(slot) };
        // SAFETY: the object is live and the signature is the caller's promise.
        unsafe { function(self.0.as_ptr(), first, second) }
    }

    /// Calls an `int f(T*, int)`: every `Req…`. The struct is wiped when this returns.
    ///
    /// # Safety
    /// The slot holds such a function, and the buffer holds its struct.
    pub(crate) unsafe fn call_request(
        &self,
        slot: usize,
        mut request: StructBuf,
        request_id: c_int,
    ) -> c_int {
        // SAFETY: the caller guarantees the slot.
        let function = unsafe { self.method::<Request>(slot) };
        // SAFETY: as above; the buffer is larger than any struct and lives during the call, in
        // which the library copies it into its own packet.
        unsafe { function(self.0.as_ptr(), request.as_mut_ptr(), request_id) }
    }

    /// Calls an `int f(char*[], int)`: `SubscribeMarketData` and similar ones.
    ///
    /// # Safety
    /// The slot holds such a function.
    pub(crate) unsafe fn call_subscribe(&self, slot: usize, ids: &[CString]) -> c_int {
        let mut pointers: Vec<*mut c_char> = ids.iter().map(|id| id.as_ptr().cast_mut()).collect();
        let count = c_int::try_from(pointers.len()).unwrap_or(c_int::MAX);
        // SAFETY: the caller guarantees the slot.
        let function = unsafe { self.method::<Subscribe>(slot) };
        // SAFETY: as above; the ids live during the call, are only read, and there are `count`.
        unsafe { function(self.0.as_ptr(), pointers.as_mut_ptr(), count) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[repr(C)]
    struct Object {
        table: *const *const c_void,
        last: c_int,
    }

    unsafe extern "C" fn remember(this: This, first: c_int, second: c_int) {
        // SAFETY: the test passes an `Object`.
        unsafe { (*this.cast::<Object>()).last = first * 10 + second };
    }

    #[test]
    fn a_call_reaches_the_function_in_its_slot() {
        let table = [std::ptr::null(), remember as TakesTwoInts as *const c_void];
        let mut object = Object {
            table: table.as_ptr(),
            last: 0,
        };
        // SAFETY: the object begins with a pointer to its table.
        let api = unsafe { ApiObject::new((&raw mut object).cast()) }.unwrap();
        // SAFETY: slot 1 takes two numbers.
        unsafe { api.call_with_ints(1, 4, 2) };
        assert_eq!(object.last, 42);
    }

    #[test]
    fn a_null_pointer_is_no_object() {
        // SAFETY: a null pointer is allowed.
        assert!(unsafe { ApiObject::new(std::ptr::null_mut()) }.is_none());
    }
}

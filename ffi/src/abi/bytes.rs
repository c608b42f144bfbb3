//! Vendor structs as bytes at known offsets.
//!
//! Requests and answers (not ticks) differ between versions by fields at their end. They are
//! handled as a byte buffer with offsets instead of one `repr(C)` struct a version. A buffer to
//! give away is zeroed and larger than any version's struct. A view of a received struct is exactly
//! as long as that version's struct, so a field that the version lacks reads as empty.

use std::ffi::c_void;
use std::fmt;

use zeroize::Zeroize;

use crate::text::Text;

/// More than the largest struct that is passed (`CThostFtdcInstrumentField`, 616 bytes).
const CAPACITY: usize = 768;

/// A zeroed buffer for one vendor struct, aligned for all of its fields.
///
/// Some carry passwords: the bytes are wiped on drop, and `Debug` does not show them.
#[repr(C, align(8))]
pub struct StructBuf {
    bytes: [u8; CAPACITY],
}

impl StructBuf {
    /// All fields empty or 0.
    #[must_use]
    pub const fn zeroed() -> Self {
        Self {
            bytes: [0; CAPACITY],
        }
    }

    /// Writes the text and zeroes the rest of its `char[N]`.
    ///
    /// # Panics
    /// When the field is outside of the buffer, which no vendor struct reaches.
    pub fn set_text<const N: usize>(&mut self, offset: usize, text: &Text<N>) {
        self.bytes[offset..offset + N].copy_from_slice(text.as_array());
    }

    /// Writes an `int`.
    ///
    /// # Panics
    /// When the field is outside of the buffer.
    pub fn set_i32(&mut self, offset: usize, value: i32) {
        self.bytes[offset..offset + 4].copy_from_slice(&value.to_ne_bytes());
    }

    /// Writes a `double`.
    ///
    /// # Panics
    /// When the field is outside of the buffer.
    pub fn set_f64(&mut self, offset: usize, value: f64) {
        self.bytes[offset..offset + 8].copy_from_slice(&value.to_ne_bytes());
    }

    /// Writes a `char`.
    ///
    /// # Panics
    /// When the field is outside of the buffer.
    pub fn set_char(&mut self, offset: usize, value: u8) {
        self.bytes[offset] = value;
    }

    /// The struct as the library takes it. Valid while the buffer lives and stays where it is.
    #[must_use]
    pub fn as_ptr(&self) -> *const c_void {
        self.bytes.as_ptr().cast()
    }

    /// The struct as a function takes it that is declared without `const`.
    #[must_use]
    pub fn as_mut_ptr(&mut self) -> *mut c_void {
        self.bytes.as_mut_ptr().cast()
    }

    /// The struct's fields.
    #[must_use]
    pub fn view(&self) -> StructView<'_> {
        StructView(&self.bytes)
    }
}

impl Drop for StructBuf {
    fn drop(&mut self) {
        self.bytes.zeroize();
    }
}

impl fmt::Debug for StructBuf {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("StructBuf(***)")
    }
}

/// The fields of a struct that another owner has. A field beyond its end reads as empty or 0.
#[derive(Clone, Copy)]
pub struct StructView<'a>(&'a [u8]);

impl<'a> StructView<'a> {
    /// The struct at `struct_ptr`; `None` for a null pointer, which the library may pass anywhere.
    ///
    /// # Safety
    /// A pointer that is not null must point to at least `len` readable bytes that no thread writes
    /// while the view lives.
    #[must_use]
    pub unsafe fn at(struct_ptr: *const c_void, len: usize) -> Option<Self> {
        if struct_ptr.is_null() {
            return None;
        }
        // SAFETY: not null; the caller guarantees length and lifetime, bytes need no alignment.
        let bytes = unsafe { std::slice::from_raw_parts(struct_ptr.cast::<u8>(), len) };
        Some(Self(bytes))
    }

    fn array<const N: usize>(&self, offset: usize) -> [u8; N] {
        self.0
            .get(offset..)
            .and_then(|rest| rest.first_chunk())
            .copied()
            .unwrap_or([0; N])
    }

    /// A `char[N]` up to its first NUL.
    #[must_use]
    pub fn text<const N: usize>(&self, offset: usize) -> Text<N> {
        Text::from_array(self.array(offset))
    }

    /// An `int`.
    #[must_use]
    pub fn i32(&self, offset: usize) -> i32 {
        i32::from_ne_bytes(self.array(offset))
    }

    /// A `double`.
    #[must_use]
    pub fn f64(&self, offset: usize) -> f64 {
        f64::from_ne_bytes(self.array(offset))
    }

    /// A `char`.
    #[must_use]
    pub fn char(&self, offset: usize) -> u8 {
        self.array::<1>(offset)[0]
    }
}

impl fmt::Debug for StructView<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "StructView({} bytes)", self.0.len())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn fields_come_back_from_their_offsets() {
        let mut buffer = StructBuf::zeroed();
        buffer.set_text(3, &Text::<9>::new(b"20260105").unwrap());
        buffer.set_i32(12, -7);
        buffer.set_f64(16, f64::MAX);
        buffer.set_char(24, b'1');
        let view = buffer.view();
        assert_eq!(view.text::<9>(3).as_bytes(), b"20260105");
        assert_eq!(view.i32(12), -7);
        assert_eq!(view.f64(16).to_bits(), f64::MAX.to_bits());
        assert_eq!(view.char(24), b'1');
    }

    #[test]
    fn a_field_that_a_version_does_not_have_reads_as_empty() {
        let bytes = [1_u8; 10];
        // SAFETY: the array has the ten bytes and outlives the view.
        let view = unsafe { StructView::at(bytes.as_ptr().cast(), bytes.len()) }.unwrap();
        assert_eq!(view.i32(8), 0);
        assert!(view.text::<9>(5).is_empty());
        assert_ne!(view.i32(4), 0);
    }

    #[test]
    fn a_null_pointer_is_no_struct() {
        // SAFETY: a null pointer is allowed.
        assert!(unsafe { StructView::at(std::ptr::null(), 88) }.is_none());
    }

    #[test]
    fn a_buffer_does_not_show_what_is_in_it() {
        let mut buffer = StructBuf::zeroed();
        buffer.set_text(0, &Text::<16>::new(b"hunter2").unwrap());
        assert!(!format!("{buffer:?}").contains("hunter2"));
    }
}

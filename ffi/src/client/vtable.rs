//! Tables of virtual functions, built by hand.
//!
//! A C++ object begins with a pointer into its class's table, where two words precede the first
//! function. The library loads the pointer, loads the slot and jumps. It never reads the two words
//! (disassembled, field guide 3.2), so they are zero.

use std::ffi::c_void;

/// A table that lives as long as the process.
#[derive(Debug, Clone, Copy)]
pub(crate) struct VTable(&'static [usize]);

/// A function in a table.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Entry(pub(crate) *const c_void);

impl VTable {
    /// Spare functions after the last known one. A callback that a later version appends is then
    /// noticed instead of jumping to an invalid address.
    pub(crate) const SPARE: usize = 8;

    /// A table of `slots` functions and the spare ones: `default`, except those given. It lives until
    /// the process ends.
    pub(crate) fn build(
        slots: usize,
        default: Entry,
        entries: impl IntoIterator<Item = (usize, Entry)>,
    ) -> Self {
        let mut words = vec![0; 2];
        words.resize(2 + slots + Self::SPARE, default.0.expose_provenance());
        for (slot, entry) in entries {
            words[2 + slot] = entry.0.expose_provenance();
        }
        Self(words.leak())
    }

    /// The object's first word: the address of slot 0.
    pub(crate) fn pointer(self) -> *const c_void {
        self.0[2..].as_ptr().cast()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_pointer_points_behind_two_zero_words() {
        let [a, b] = [8_usize, 16].map(|address| Entry(std::ptr::without_provenance(address)));
        let table = VTable::build(3, a, [(1, b)]);
        assert_eq!(&table.0[..5], [0, 0, 8, 16, 8]);
        assert_eq!(table.0.len(), 2 + 3 + VTable::SPARE);
        assert_eq!(table.pointer().addr(), table.0.as_ptr().addr() + 16);
    }
}

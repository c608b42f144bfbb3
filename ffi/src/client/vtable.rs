//! Tables of virtual functions, made by hand.
//!
//! A C++ object begins with a pointer into its class's table; two words stand before the first
//! function. The library loads the pointer, loads the slot and jumps, and never looks at the two
//! words (disassembled, guide 3.2), so they are zero.

use std::ffi::c_void;

/// A table that lives as long as the process.
#[derive(Debug, Clone, Copy)]
pub(crate) struct VTable(&'static [usize]);

/// A function that goes into a table.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Entry(pub(crate) *const c_void);

impl VTable {
    /// Functions behind the last known one, so that a callback which a later version appends is
    /// noticed instead of jumping into nowhere.
    pub(crate) const SPARE: usize = 8;

    /// A table of `slots` functions and the spare ones, all `default` but for those given, which
    /// are stored until the process ends.
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

    /// What the object's first word is: the address of slot 0.
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

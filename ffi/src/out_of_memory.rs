//! The C library's allocator, for a program that says what is safe when the system gives no more memory.
//!
//! Rust ends such a program by `abort`, with a text that names a number of bytes. Nothing else may run then:
//! neither destructors nor anything that allocates. A recorder needs none of it, because its journal is on
//! the disk.

use std::alloc::{GlobalAlloc, Layout, System};

/// What a program says before it ends.
const TEXT: &[u8] = b"error: the system gives no more memory (a limit of `ulimit -v`, of a container, or of \
the machine)\na recording that was being made has everything up to its last sync: `tickdeck recover` seals \
it, and so does the next start of its recorder\n";

/// The exit code of a run that failed.
const FAILED: i32 = 4;

/// [`System`], which ends the process with a text and exit code 4 where it has no memory.
#[derive(Debug, Clone, Copy, Default)]
pub struct EndsWithoutMemory;

impl EndsWithoutMemory {
    fn checked(memory: *mut u8) -> *mut u8 {
        if memory.is_null() {
            end();
        }
        memory
    }
}

#[cold]
fn end() -> ! {
    // SAFETY: the text is there for all time and has that length. `write` allocates nothing and runs no code of
    // this program. Its error changes nothing: there is no other way to say it.
    unsafe { libc::write(libc::STDERR_FILENO, TEXT.as_ptr().cast(), TEXT.len()) };
    // SAFETY: `_exit` ends the process as a kill does, without code of this program. What other threads hold
    // goes with it.
    unsafe { libc::_exit(FAILED) }
}

// SAFETY: every call goes to `System` with its arguments unchanged, and its answer is returned unchanged. So
// what `System` promises holds for this allocator, which keeps no state.
unsafe impl GlobalAlloc for EndsWithoutMemory {
    #[inline]
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        // SAFETY: the caller keeps the rules of `alloc`.
        Self::checked(unsafe { System.alloc(layout) })
    }

    #[inline]
    unsafe fn alloc_zeroed(&self, layout: Layout) -> *mut u8 {
        // SAFETY: the caller keeps the rules of `alloc_zeroed`.
        Self::checked(unsafe { System.alloc_zeroed(layout) })
    }

    #[inline]
    unsafe fn realloc(&self, memory: *mut u8, layout: Layout, size: usize) -> *mut u8 {
        // SAFETY: the caller keeps the rules of `realloc`; all memory is from `System`.
        Self::checked(unsafe { System.realloc(memory, layout, size) })
    }

    #[inline]
    unsafe fn dealloc(&self, memory: *mut u8, layout: Layout) {
        // SAFETY: the caller keeps the rules of `dealloc`; all memory is from `System`.
        unsafe { System.dealloc(memory, layout) }
    }
}

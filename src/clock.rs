//! The only file that may read a clock.

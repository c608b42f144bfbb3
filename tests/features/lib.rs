//! No code. The manifest names features that only dependencies of the tests enable.
//!
//! Cargo compiles a crate once for each set of features. Without this package, `cargo xtask demo` and
//! the tests would have different sets, and a fresh clone would compile most crates twice. Only
//! builds with `--workspace` see it: the released binary, the simulated front and users of the
//! library do not.
//!
//! `cargo tree --workspace -e normal,build -f '{p} {f}'` shows the sets of the demo, with
//! `-e normal,build,dev` those of the tests.

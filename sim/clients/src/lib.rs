//! Nothing: this package holds the tests that load the simulated front's libraries into clients,
//! see `tests/main.rs`. They are separate because they need both library files built.

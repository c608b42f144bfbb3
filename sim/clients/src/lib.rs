//! Nothing: this package holds the tests that load the simulated front's libraries into clients,
//! see `tests/main.rs`. They stand apart because they need both library files built.

//! When, never what or in what order: due times of a replay.

//! End-to-end tests of the binaries.

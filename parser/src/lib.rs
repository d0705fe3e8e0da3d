//! Dockerfile text to a typed syntax tree. No I/O, no environment.
#![forbid(unsafe_code)]

//! The shared front end of `rbuild` and `rcompose`: reports, progress, exit codes.
#![forbid(unsafe_code)]

//! compose.yaml to a running project. Not built yet: `rcompose` says so.
#![forbid(unsafe_code)]

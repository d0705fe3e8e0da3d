//! Runs a locked-down process tree in a root filesystem. Knows no images and no services.
#![forbid(unsafe_code)]

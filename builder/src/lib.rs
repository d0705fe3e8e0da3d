//! Dockerfile and build context to an image in the store.
#![forbid(unsafe_code)]

//! Content-addressed images, layers and snapshots. Knows OCI; runs no process, knows no Dockerfile.
#![forbid(unsafe_code)]

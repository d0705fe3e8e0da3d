//! What the end-to-end tests share: a store of their own and the binaries run against it.

mod repository;

pub(crate) use repository::Repository;

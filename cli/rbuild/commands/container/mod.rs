//! Containers: what `run` and `create` make of their arguments.

pub(crate) mod spec;
mod volume;

//! What was built before: which layer a step made, found again by everything the step depends on.

mod inputs;
mod key;

pub(crate) use inputs::Inputs;
pub(crate) use key::{Key, KeyBuilder};

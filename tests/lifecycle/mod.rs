//! Containers from their making to their removal, with the binary.

mod beside;
mod events;
mod files;
mod flags;
mod full;
mod logs;
mod moments;
pub(crate) mod place;
mod protocol;
mod recovery;
mod restart;
mod shared;
mod still;
mod terminal;
mod users;
mod verbs;
mod volumes;

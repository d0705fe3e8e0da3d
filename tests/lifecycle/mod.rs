//! Containers from their making to their removal, with the binary.

mod beside;
mod files;
mod logs;
mod place;
mod protocol;
mod recovery;
mod restart;
mod still;
mod terminal;
mod verbs;
mod volumes;

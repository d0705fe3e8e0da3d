//! Containers from their making to their removal, with the binary.

mod logs;
mod place;
mod protocol;
mod recovery;
mod restart;
mod terminal;
mod verbs;

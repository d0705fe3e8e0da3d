//! Git repositories as contexts, named contexts and sources of ADD.

mod add;
mod addresses;
mod cached;
mod contexts;
mod hostile;
mod secrets;
mod server;
mod ssh;
mod submodules;

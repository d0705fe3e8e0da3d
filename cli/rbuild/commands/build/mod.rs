//! `rbuild build`: resolve the arguments, build, show what was built.

mod context;
mod failure;
mod fields;
mod output;
mod request;
mod secret;


//! Networks, with the binary, in network namespaces that each test makes: one that is the host, and one outside.

mod builds;
mod isolation;
mod names;
mod neighbours;
mod packets;
mod pictures;
mod ports;
mod sandbox;
mod senders;
mod verbs;
pub(crate) mod world;

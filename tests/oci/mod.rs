//! The OCI runtime: what the runtime specification demands, shown with bundles of our own.

mod bundle;
mod configuration;
mod hooks;
mod life;
mod namespaces;
mod streams;

//! Networks in a network namespace of a test's own, without containers: a process stands for each shim.
//!
//! | file         | what                                                         |
//! |--------------|--------------------------------------------------------------|
//! | `world.rs`   | the namespace, the store, guests and what is left             |
//! | `faults.rs`  | every place of every change fails, or is where the process dies |
//! | `sandboxes.rs`| the same for a container's whole network, and which places there are |
//! | `keepers.rs` | bridges stay for a moment                                     |
//! | `model.rs`   | random changes, compared with a model after each               |
//! | `many.rs`    | as many containers as a bridge takes                            |
mod faults;
mod keepers;
mod many;
mod model;
mod sandboxes;
mod world;

//! Layers: change sets as tar archives, and their indexes.
//!
//! | file          | what                                                                    |
//! |---------------|-------------------------------------------------------------------------|
//! | `entry.rs`    | one path of a layer                                                     |
//! | `index.rs`    | the sorted entries of a layer, answering without unpacking              |
//! | `content.rs`  | the digest of a file's bytes that cache keys use                        |

pub mod content;
pub mod entry;
pub mod error;
pub mod index;

pub use content::ContentDigest;
pub use entry::{Entry, EntryKind};
pub use error::LayerError;
pub use index::{Child, LayerIndex, compare_paths};

//! Layers: change sets as tar archives, and their indexes.
//!
//! | file          | what                                                                    |
//! |---------------|-------------------------------------------------------------------------|
//! | `entry.rs`    | one path of a layer                                                     |
//! | `index.rs`    | the sorted entries of a layer, answering without unpacking              |
//! | `codec.rs`    | the stored form of an index                                             |
//! | `content.rs`  | the digest of a file's bytes that cache keys use                        |
//! | `contents.rs` | the bytes of many files of a directory                                  |
//! | `read.rs`     | archive → members, every field checked                                  |
//! | `member.rs`   | a header and its extensions → entry                                     |
//! | `write.rs`    | entries → archive, deterministic                                        |
//! | `collect.rs`  | members → index: where they land, what replaces what                      |
//! | `apply.rs`    | archive → unpacked directory                                            |
//! | `disk.rs`     | one entry on disk, with all its attributes                              |
//! | `diff.rs`     | upper directory of an overlay → entries, archive                        |
//! | `changes.rs`  | whole tree, once a copy of its parents → entries                         |
//! | `compress.rs` | gzip, zstd; reading also xz and bzip2                                   |
//! | `parallel.rs` | compressing on all cores, the same bytes on any number of them          |
//! | `gzip.rs`     | one piece of a layer as a gzip member                                   |
//! | `borders.rs`  | where a layer is cut into pieces for that                               |
//! | `holes.rs`    | sparse files on disk                                                    |
//! | `xattr.rs`    | which extended attributes belong to an image                            |
//! | `tar_format/` | the format itself                                                       |

pub mod apply;
mod borders;
pub mod changes;
mod codec;
mod collect;
pub mod compress;
pub mod content;
mod contents;
pub mod diff;
pub(crate) mod disk;
pub mod entry;
pub mod error;
mod gathered;
pub mod gzip;
pub mod holes;
pub mod index;
mod member;
pub(crate) mod parallel;
pub mod read;
mod tar_format;
pub mod write;
pub(crate) mod xattr;

pub use apply::{WhiteoutForm, apply, apply_archive};
pub use changes::{Stamps, changes};
pub use collect::index_layer;
pub(crate) use compress::compressor_with;
pub use compress::{Compression, compressor, decompressor};
pub use content::ContentDigest;
pub use diff::{entry_on_disk, scan, write_layer, write_snapshot};
pub use entry::{Entry, EntryKind};
pub use error::LayerError;
pub use index::{Child, Entries, LayerIndex, compare_paths};
pub use read::{Member, Whiteouts, is_archive, read_layer};
pub use write::{LayerWriter, Lends};

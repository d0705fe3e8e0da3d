//! Images as files: OCI layouts and Docker archives, read and written; root file systems imported.
//!
//! | file            | what                                                                   |
//! |-----------------|------------------------------------------------------------------------|
//! | `source.rs`     | where an archive's documents and blobs come from: a tar or a directory |
//! | `load.rs`       | which kind of archive it is; what was loaded becomes visible at once   |
//! | `load_oci.rs`   | images of an OCI layout                                                |
//! | `load_docker.rs` | images of a `docker save` archive                                     |
//! | `forms.rs`      | the compressed forms of a layer, remembered                            |
//! | `save.rs`       | writing archives                                                       |
//! | `import.rs`     | a root file system as an image of one layer                            |
//!
//! Documents and blobs are untrusted: every digest and size is checked before an image gets its name. Diff IDs
//! of compressed layers are checked when the layer is first unpacked.
mod forms;
mod import;
mod load;
mod load_docker;
mod load_oci;
mod save;
mod source;

use std::io;

use crate::descriptor::Descriptor;
use crate::digest::Digest;
use crate::image::Image;
use crate::reference::Reference;

pub use forms::{FormOptions, LayerForm};
pub use import::ImportOptions;
pub use save::ArchiveKind;

/// An image that was loaded, with the names it came with.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LoadedImage {
    pub id: Digest,
    pub manifest: Descriptor,
    /// Empty if the archive has no name for it.
    pub names: Vec<Reference>,
}

/// An image to write and the names it gets in the archive.
#[derive(Clone, Debug)]
pub struct ImageToSave {
    pub image: Image,
    pub names: Vec<Reference>,
}

/// What is wrong with an archive.
#[derive(Debug, thiserror::Error)]
pub enum ArchiveError {
    #[error("cannot read the archive")]
    Read { source: io::Error },
    #[error("cannot write the archive")]
    Write { source: io::Error },
    #[error("the archive has neither `index.json` (OCI layout) nor `manifest.json` (docker save)")]
    NotAnImage,
    #[error("the archive has no image")]
    Empty,
    #[error("the archive has `{name}` twice")]
    Duplicate { name: String },
    #[error("`{name}` in the archive is larger than {limit} bytes")]
    TooLarge { name: String, limit: u64 },
    #[error("the archive has more than {limit} files, far more than any image")]
    TooManyFiles { limit: usize },
    #[error("`{name}` in the archive is not valid")]
    Document { name: String, source: serde_json::Error },
    #[error("the OCI layout has version `{found}`, only 1.0.0 is supported")]
    LayoutVersion { found: String },
    #[error("`{name}` is missing in the archive")]
    Missing { name: String },
    #[error("`{name}` in the archive has digest {actual}")]
    Corrupt { name: String, actual: Digest },
    #[error("symbolic links of `{name}` in the archive lead nowhere")]
    Link { name: String },
    #[error("`{path}` has no image `{name}`; it has {}", if offered.is_empty() { "none with a name".to_owned() } else { offered.join(", ") })]
    NoSuchName { path: String, name: String, offered: Vec<String> },
    #[error("`{path}` has several images; say which: {}", offered.join(", "))]
    SeveralImages { path: String, offered: Vec<String> },
}

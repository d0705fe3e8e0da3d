//! Images as files: OCI layouts and Docker archives, read and written; root file systems imported.
//!
//! | file            | what                                                                   |
//! |-----------------|------------------------------------------------------------------------|
//! | `source.rs`     | where an archive's documents and blobs come from: a tar or a directory |
//! | `fetched.rs`    | blobs that came one by one, from a registry                            |
//! | `flat.rs`       | directories that hold one image without a layout                       |
//! | `known.rs`      | blobs that the store has: whether its own is still sound               |
//! | `load.rs`       | which kind of archive it is; what was loaded becomes visible at once   |
//! | `load_oci.rs`   | images of an OCI layout                                                |
//! | `load_docker.rs` | images of a `docker save` archive                                     |
//! | `forms.rs`      | the compressed forms of a layer, remembered                            |
//! | `pieces.rs`     | what compressed layers are made of, for the next that are like them    |
//! | `new_file.rs`   | a file that has its name only once it is complete                      |
//! | `new_directory.rs` | the same for a directory                                           |
//! | `outgoing.rs`   | what an image becomes on its way out                                   |
//! | `scratch.rs`    | a store for one conversion                                             |
//! | `save.rs`       | writing archives and layouts                                           |
//! | `sink.rs`       | where they are written: a tar or a directory                           |
//! | `import.rs`     | a root file system as an image of one layer                            |
//!
//! Documents and blobs are untrusted: every digest and size is checked before an image gets its name. Diff IDs
//! of compressed layers are checked when the layer is first unpacked.
mod fetched;
mod flat;
mod forms;
mod import;
mod known;
mod load;
mod load_docker;
mod load_oci;
mod new_directory;
mod new_file;
mod outgoing;
mod packing;
pub(crate) mod pieces;
mod save;
mod scratch;
mod sink;
mod source;

use std::io;
use std::path::PathBuf;

use crate::descriptor::Descriptor;
use crate::digest::Digest;
use crate::error::StoreError;
use crate::reference::Reference;

pub(crate) use fetched::Fetched;
pub use forms::{FormOptions, LayerForm};
pub use import::ImportOptions;
pub use load::LoadOptions;
pub use new_file::NewFile;
pub(crate) use outgoing::Outgoing;
pub use packing::Packing;
pub use save::ArchiveKind;
pub use scratch::Scratch;

/// An image that was loaded, with the names it came with.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LoadedImage {
    pub id: Digest,
    pub manifest: Descriptor,
    /// Empty if the archive has no name for it.
    pub names: Vec<Reference>,
    /// What the layout calls it by `ref.name` alone: a lone tag, a name, any text.
    pub labels: Vec<String>,
}

/// An image to write and the names it gets in the archive.
#[derive(Clone, Debug)]
pub struct ImageToSave {
    /// A manifest, or the index of an image for several platforms.
    pub target: Descriptor,
    pub names: Vec<Reference>,
    /// Written to the layout as they are, and nowhere else.
    pub labels: Vec<String>,
}

/// What is wrong with an archive.
#[derive(Debug, thiserror::Error)]
pub enum ArchiveError {
    #[error("cannot read the archive")]
    Read { source: io::Error },
    #[error("cannot write the archive")]
    Write { source: io::Error },
    #[error("cannot save image `{image}`")]
    Save { image: String, source: Box<StoreError> },
    #[error("`{}` is not empty; an image layout is written to a directory of its own", path.display())]
    NotEmpty { path: PathBuf },
    #[error("the archive is not that of a root file system")]
    RootFs { source: crate::layer::LayerError },
    #[error("cannot store `{name}` of the archive")]
    Store { name: String, source: io::Error },
    #[error("the archive has neither `index.json` (OCI layout) nor `manifest.json` (docker save)")]
    NotAnImage,
    #[error("the archive is of docker before 1.10: it has `repositories` but no `manifest.json`")]
    Ancient,
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
    #[error("{archive} has no image `{name}`; it has {}", if offered.is_empty() { "none with a name".to_owned() } else { offered.join(", ") })]
    NoSuchName { archive: String, name: String, offered: Vec<String> },
    #[error("{archive} has several images; say which: {}", offered.join(", "))]
    SeveralImages { archive: String, offered: Vec<String> },
    #[error("the archive lists {count} images, more than {limit}")]
    TooManyImages { count: usize, limit: usize },
    #[error("{digest} is {is}, but its descriptor says `{media_type}`")]
    Lie { digest: Digest, is: &'static str, media_type: String },
    #[error("{digest} is listed as `{listed}`, but says of itself to be `{own}`")]
    OtherMediaType { digest: Digest, listed: String, own: String },
    #[error("{digest} says of itself to be an index and a manifest at once")]
    Ambiguous { digest: Digest },
    #[error("of the platforms of {digest}, the archive has none")]
    NoneOfIndex { digest: Digest },
}

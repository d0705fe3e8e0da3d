//! Writing what was built outside of the store: `--output`.
//!
//! | file            | what                                                        |
//! |-----------------|-------------------------------------------------------------|
//! | `archive.rs`    | an image as an OCI or Docker archive, or as a directory     |
//! | `files.rs`      | the root file system, as a tar archive or as files          |
//! | `destination.rs`| stdout, or a file that appears when it is complete          |

mod archive;
mod destination;
mod error;
mod files;

use store::tree::Tree;
use store::{Descriptor, Image, Reference, Store};

pub(crate) use archive::output_names;
pub use error::ExportError;

use crate::request::{Destination, Output};

/// Writes one output of an image; `images` are its forms for the platforms of the build. Returns the manifest
/// or index of an image that was written: its layers may be stored in another form than in the store, so its
/// digest is the one that readers of the output see.
pub fn write(
    store: &Store,
    images: &[Image],
    names: &[Reference],
    output: &Output,
) -> Result<Option<Descriptor>, ExportError> {
    match output {
        Output::Oci(options) | Output::Docker(options) => {
            archive::write(store, images, names, archive::kind(output), options).map(Some)
        }
        Output::Push(_) => Err(ExportError::NoRegistries),
        Output::Tar(destination) => files::write_tar(store, images, destination).map(|()| None),
        Output::Local(path) => {
            match images {
                [image] => files::write_directory(store, image, path)?,
                several => several.iter().try_for_each(|image| {
                    files::write_directory(store, image, &path.join(directory_of(image)))
                })?,
            }
            Ok(None)
        }
    }
}

/// Writes all files of a tree as a tar archive.
pub fn write_tree(tree: &Tree, destination: &Destination) -> Result<(), ExportError> {
    files::write_trees(&[(String::new(), tree.clone())].into(), destination)
}

/// Where the files for a platform go when there are several: `linux_arm64`.
fn directory_of(image: &Image) -> String {
    image.platform().to_string().replace('/', "_")
}

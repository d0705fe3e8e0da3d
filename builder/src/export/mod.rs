//! Writing what was built outside of the store: `--output`.
//!
//! | file            | what                                                        |
//! |-----------------|-------------------------------------------------------------|
//! | `archive.rs`    | an image as an OCI or Docker archive, or as a directory     |
//! | `files.rs`      | the root file system, as a tar archive or as files          |
//! | `timestamps.rs` | `rewrite-timestamp`: layers without later times             |
//! | `destination.rs`| stdout, or a file that appears when it is complete          |

mod archive;
mod destination;
mod error;
mod files;
mod timestamps;

use store::{Descriptor, Image, Reference, Store};

pub use error::ExportError;

use crate::request::Output;

/// Writes all outputs of an image; `images` are its forms for the platforms of the build. Returns the manifest
/// or index of the last image written: its layers may be stored in another form than in the store, so its
/// digest is the one that readers of the output see.
pub fn write(
    store: &Store,
    images: &[Image],
    names: &[Reference],
    outputs: &[Output],
    epoch: Option<i64>,
) -> Result<Option<Descriptor>, ExportError> {
    let mut manifest = None;
    for output in outputs {
        match output {
            Output::Oci(options) | Output::Docker(options) => {
                let kind = archive::kind(output);
                manifest = Some(archive::write(store, images, names, kind, options, epoch)?);
            }
            Output::Tar(destination) => files::write_tar(store, images, destination)?,
            Output::Local(path) => match images {
                [image] => files::write_directory(store, image, path)?,
                several => several.iter().try_for_each(|image| {
                    files::write_directory(store, image, &path.join(directory_of(image)))
                })?,
            },
        }
    }
    Ok(manifest)
}

/// Where the files for a platform go when there are several: `linux_arm64`.
fn directory_of(image: &Image) -> String {
    image.platform().to_string().replace('/', "_")
}

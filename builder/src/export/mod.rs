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

/// Writes all outputs. Returns the manifest of the last image written: its layers may be stored in
/// another form than in the store, so its digest is the one that readers of the output see.
pub fn write(
    store: &Store,
    image: &Image,
    names: &[Reference],
    outputs: &[Output],
    epoch: Option<i64>,
) -> Result<Option<Descriptor>, ExportError> {
    let mut manifest = None;
    for output in outputs {
        match output {
            Output::Oci(options) | Output::Docker(options) => {
                let kind = archive::kind(output);
                manifest = Some(archive::write(store, image, names, kind, options, epoch)?);
            }
            Output::Tar(destination) => files::write_tar(store, image, destination)?,
            Output::Local(path) => files::write_directory(store, image, path)?,
        }
    }
    Ok(manifest)
}

//! The image as an archive, or as an image layout in a directory.

use store::archive::{ArchiveKind, FormOptions, ImageToSave};
use store::{Descriptor, Image, Reference, Store};

use super::ExportError;
use super::destination::write_to;
use crate::request::{Destination, ImageOutput, Output};

pub(super) fn kind(output: &Output) -> ArchiveKind {
    match output {
        Output::Docker(_) => ArchiveKind::Docker,
        _ => ArchiveKind::Oci,
    }
}

pub(super) fn write(
    store: &Store,
    images: &[Image],
    names: &[Reference],
    kind: ArchiveKind,
    options: &ImageOutput,
) -> Result<Descriptor, ExportError> {
    if images.len() > 1 && kind == ArchiveKind::Docker {
        return Err(ExportError::SeveralPlatforms);
    }
    let names = output_names(names, &options.names)?;
    let form = FormOptions { form: options.compression.form(), force: options.force_compression };
    let target = match images {
        [image] => image.descriptor.clone(),
        several => store.put_index(several)?,
    };
    let image = [ImageToSave { target, names, labels: Vec::new() }];
    let mut written = Vec::new();
    if let (true, Destination::Path(path)) = (options.as_directory, &options.dest) {
        written = store.save_directory(&image, form, path)?;
    } else {
        write_to(&options.dest, &mut |writer| {
            written = store.save(&image, kind, form, writer)?;
            Ok(())
        })?;
    }
    // Something has been written, so there is a manifest.
    written.pop().ok_or(ExportError::Nothing)
}

/// `name=` replaces the names of `--tag`.
pub(crate) fn output_names(
    names: &[Reference],
    instead: &[String],
) -> Result<Vec<Reference>, ExportError> {
    if instead.is_empty() {
        return Ok(names.to_vec());
    }
    let parse = |name: &String| {
        name.parse().map_err(|source| ExportError::Name { name: name.clone(), source })
    };
    instead.iter().map(parse).collect()
}

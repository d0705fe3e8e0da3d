//! The image as an archive, or as an image layout in a directory.

use store::archive::{ArchiveKind, FormOptions, ImageToSave, LayerForm};
use store::{Descriptor, Image, Reference, Store};

use super::destination::write_to;
use super::{ExportError, timestamps};
use crate::request::{Destination, ImageOutput, LayerCompression, Output};

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
    epoch: Option<i64>,
) -> Result<Descriptor, ExportError> {
    if images.len() > 1 && kind == ArchiveKind::Docker {
        return Err(ExportError::SeveralPlatforms);
    }
    let mut rewritten = images.to_vec();
    if options.rewrite_timestamp {
        let epoch = epoch.ok_or(ExportError::NoEpoch)?;
        for image in &mut rewritten {
            *image = timestamps::rewrite(store, image, epoch)?;
        }
    }
    let names = output_names(names, options)?;
    let form = FormOptions { form: form(options.compression), force: false };
    let target = match rewritten.as_slice() {
        [image] => image.descriptor.clone(),
        several => store.put_index(several)?,
    };
    let image = [ImageToSave { target, names }];
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
fn output_names(names: &[Reference], options: &ImageOutput) -> Result<Vec<Reference>, ExportError> {
    if options.names.is_empty() {
        return Ok(names.to_vec());
    }
    let parse = |name: &String| {
        name.parse().map_err(|source| ExportError::Name { name: name.clone(), source })
    };
    options.names.iter().map(parse).collect()
}

fn form(compression: LayerCompression) -> LayerForm {
    match compression {
        LayerCompression::Uncompressed => LayerForm::Plain,
        LayerCompression::Gzip { level: None } => LayerForm::GZIP,
        LayerCompression::Gzip { level: Some(level) } => LayerForm::Gzip { level },
        LayerCompression::Zstd { level: None } => LayerForm::ZSTD,
        LayerCompression::Zstd { level: Some(level) } => LayerForm::Zstd { level },
    }
}

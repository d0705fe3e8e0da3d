//! The image as an archive, or as an image layout in a directory.

use std::fs::{self, File};
use std::io::Write;
use std::path::Path;

use store::archive::{ArchiveKind, FormOptions, ImageToSave, LayerForm};
use store::id_map::IdMap;
use store::layer::apply_archive;
use store::tree::Tree;
use store::{Descriptor, Image, Reference, Store};
use sys::RootDir;

use super::destination::{failed, write_to};
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
    let mut manifest = None;
    let mut save = |writer: &mut dyn Write| {
        manifest = match rewritten.as_slice() {
            [image] => {
                let image = ImageToSave { image: image.clone(), names: names.clone() };
                store.save(&[image], kind, form, writer)?.pop()
            }
            several => Some(store.save_platforms(several, &names, form, writer)?),
        };
        Ok(())
    };
    if let (true, Destination::Path(path)) = (options.as_directory, &options.dest) {
        write_directory(store, path, &mut |file| save(file))?;
    } else {
        write_to(&options.dest, &mut save)?;
    }
    // Something has been written, so there is a manifest.
    manifest.ok_or(ExportError::Nothing)
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

/// Unpacks the archive into a directory that is empty or does not exist.
fn write_directory(
    store: &Store,
    path: &Path,
    save: &mut dyn FnMut(&mut File) -> Result<(), ExportError>,
) -> Result<(), ExportError> {
    fs::create_dir_all(path).map_err(failed("create", path))?;
    if fs::read_dir(path).map_err(failed("read", path))?.next().is_some() {
        return Err(ExportError::NotEmpty { path: path.to_owned() });
    }
    let temporary = store.temp_path()?;
    let unpacked = unpack(&temporary, path, save);
    let removed = fs::remove_file(&temporary).map_err(failed("remove", &temporary));
    unpacked.and(removed)
}

fn unpack(
    temporary: &Path,
    path: &Path,
    save: &mut dyn FnMut(&mut File) -> Result<(), ExportError>,
) -> Result<(), ExportError> {
    let mut file = File::create(temporary).map_err(failed("create", temporary))?;
    save(&mut file)?;
    let archive = File::open(temporary).map_err(failed("open", temporary))?;
    let target = RootDir::open(path).map_err(|source| ExportError::File {
        path: "/".into(),
        target: path.to_owned(),
        source,
    })?;
    apply_archive(archive, &target, &Tree::default(), IdMap::default())?;
    Ok(())
}

//! `rbuild save`

use std::io::{self, IsTerminal, Write};
use std::path::Path;

use anyhow::{Context, Result, bail};
use cli::environment::Environment;
use cli::{Exit, image_events};
use store::archive::{ArchiveKind, FormOptions, ImageToSave, LayerForm, NewFile};
use store::{Platform, Store};

use super::open_store;
use crate::args::{ArchiveFormat, SaveArgs};

pub(crate) fn run(args: &SaveArgs, environment: &Environment) -> Result<Exit> {
    let platform = args.platform.as_deref().map(str::parse::<Platform>).transpose()?;
    let store = open_store(environment)?;
    let images = images(&store, &args.images, platform.as_ref())?;
    let path = args.output.as_deref().filter(|path| path.as_os_str() != "-");
    // Layers that are plain in the store are compressed on the way out, unless that is not wanted.
    let form = match args.uncompressed {
        true => FormOptions { form: LayerForm::Plain, force: true },
        false => args.form.or_gzip()?,
    };
    let kind = match args.format {
        ArchiveFormat::OciDir => {
            let path =
                path.context("a directory cannot go to stdout: give its name with `--output`");
            let path = path?;
            note(&store, &args.images);
            store.save_directory(&images, form, path)?;
            return Ok(Exit::Success);
        }
        ArchiveFormat::Oci => ArchiveKind::Oci,
        ArchiveFormat::Docker => ArchiveKind::Docker,
    };
    note(&store, &args.images);
    write(&store, &images, kind, form, path)?;
    Ok(Exit::Success)
}

/// As docker does, when it begins: nothing is to be done any more once the output is there.
fn note(store: &Store, names: &[String]) {
    // One for other machines only has no ID here.
    for image in names.iter().filter_map(|name| store.resolve(name).ok()) {
        image_events::happened(store, image.id(), "save");
    }
}

/// Each image once, with the names it was asked for by.
fn images(
    store: &Store,
    names: &[String],
    platform: Option<&Platform>,
) -> Result<Vec<ImageToSave>> {
    let mut images: Vec<ImageToSave> = Vec::new();
    for name in names {
        let (reference, target) = match platform {
            None => store.listed(name)?,
            Some(platform) => {
                let image = store.resolve_for(name, platform)?;
                (image.reference, image.descriptor)
            }
        };
        match images.iter_mut().find(|other| other.target.digest == target.digest) {
            Some(known) => known.names.extend(reference),
            None => images.push(ImageToSave {
                target,
                names: reference.into_iter().collect(),
                labels: Vec::new(),
            }),
        }
    }
    Ok(images)
}

/// Writes an archive to a file, or to stdout unless that is a terminal.
pub(super) fn write(
    store: &Store,
    images: &[ImageToSave],
    kind: ArchiveKind,
    form: FormOptions,
    path: Option<&Path>,
) -> Result<()> {
    let mut save = |writer: &mut dyn Write| {
        store.save(images, kind, form, writer)?;
        Ok(())
    };
    match path {
        Some(path) => to_file(path, &mut save),
        None if io::stdout().is_terminal() => {
            bail!("refusing to write an archive to a terminal: give a file with `--output`")
        }
        None => save(&mut io::stdout().lock()).context("cannot write to stdout"),
    }
}

/// The archive appears under its name when it is complete.
fn to_file(path: &Path, save: &mut dyn FnMut(&mut dyn Write) -> Result<()>) -> Result<()> {
    let cannot_write = || format!("cannot write `{}`", path.display());
    let mut file = NewFile::create(path).with_context(cannot_write)?;
    save(&mut file).with_context(cannot_write)?;
    file.finish().with_context(cannot_write)
}

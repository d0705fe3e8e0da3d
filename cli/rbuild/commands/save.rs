//! `rbuild save`

use std::fs::{self, File};
use std::io::{self, BufWriter, IsTerminal, Write};
use std::path::Path;

use anyhow::{Context, Result, bail};
use cli::Exit;
use cli::environment::Environment;
use store::Store;
use store::archive::{ArchiveKind, FormOptions, ImageToSave, LayerForm};

use super::open_store;
use crate::args::{ArchiveFormat, SaveArgs};

pub(crate) fn run(args: &SaveArgs, environment: &Environment) -> Result<Exit> {
    let store = open_store(environment)?;
    let images = images(&store, &args.images)?;
    let kind = match args.format {
        ArchiveFormat::Oci => ArchiveKind::Oci,
        ArchiveFormat::Docker => ArchiveKind::Docker,
    };
    match &args.output {
        Some(path) if path.as_os_str() != "-" => to_file(&store, &images, kind, path)?,
        _ if io::stdout().is_terminal() => {
            bail!("refusing to write an archive to a terminal: give a file with `--output`")
        }
        _ => write(&store, &images, kind, &mut io::stdout().lock())?,
    }
    Ok(Exit::Success)
}

/// Each image once, with the names it was asked for by.
fn images(store: &Store, names: &[String]) -> Result<Vec<ImageToSave>> {
    let mut images: Vec<ImageToSave> = Vec::new();
    for name in names {
        let image = store.resolve(name)?;
        let names: Vec<_> = image.reference.clone().into_iter().collect();
        match images.iter_mut().find(|other| other.image.descriptor == image.descriptor) {
            Some(known) => known.names.extend(names),
            None => images.push(ImageToSave { image, names }),
        }
    }
    Ok(images)
}

/// The archive appears under its name when it is complete.
fn to_file(store: &Store, images: &[ImageToSave], kind: ArchiveKind, path: &Path) -> Result<()> {
    let cannot_write = || format!("cannot write `{}`", path.display());
    let mut unfinished = path.as_os_str().to_owned();
    unfinished.push(format!(".{}.tmp", std::process::id()));
    let unfinished = Path::new(&unfinished);
    let written = File::create_new(unfinished).with_context(cannot_write).and_then(|file| {
        let mut writer = BufWriter::new(file);
        write(store, images, kind, &mut writer)?;
        writer.flush().with_context(cannot_write)?;
        fs::rename(unfinished, path).with_context(cannot_write)
    });
    if written.is_err() {
        // It may never have been created.
        let _absent = fs::remove_file(unfinished);
    }
    written
}

/// Layers that are plain in the store are compressed on the way out.
fn write(
    store: &Store,
    images: &[ImageToSave],
    kind: ArchiveKind,
    writer: &mut dyn Write,
) -> Result<()> {
    let options = FormOptions { form: LayerForm::GZIP, force: false };
    store.save(images, kind, options, writer)?;
    Ok(())
}

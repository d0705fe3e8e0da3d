//! `rbuild save`

use std::fs::{self, File};
use std::io::{self, BufWriter, IsTerminal, Write};
use std::path::Path;

use anyhow::{Context, Result, bail};
use cli::Exit;
use cli::environment::Environment;
use store::Store;
use store::archive::{ImageToSave, LayerForm, SaveOptions};

use super::open_store;
use crate::args::{ArchiveKind, SaveArgs};

pub(crate) fn run(args: &SaveArgs, environment: &Environment) -> Result<Exit> {
    let store = open_store(environment)?;
    let images = images(&store, &args.images)?;
    match &args.output {
        Some(path) if path.as_os_str() != "-" => to_file(&store, &images, args.format, path)?,
        _ if io::stdout().is_terminal() => {
            bail!("refusing to write an archive to a terminal: give a file with `--output`")
        }
        _ => write(&store, &images, args.format, &mut io::stdout().lock())?,
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

fn write(
    store: &Store,
    images: &[ImageToSave],
    kind: ArchiveKind,
    writer: &mut dyn Write,
) -> Result<()> {
    match kind {
        ArchiveKind::Oci => {
            let options = SaveOptions { form: LayerForm::Gzip, force: false };
            store.save_oci(images, &options, writer)?;
        }
        ArchiveKind::Docker => {
            store.save_docker(images, writer)?;
        }
    }
    Ok(())
}

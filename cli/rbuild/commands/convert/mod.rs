//! `rbuild convert`: images from one form to another.
//!
//! Archives and directories are read into a scratch store, so that every digest is checked and nothing is left behind;
//! the images of the real store are read and written only where `store:` says so.

mod transport;

use std::io::{self, IsTerminal};
use std::path::Path;

use anyhow::{Context, Result, bail};
use cli::Exit;
use cli::environment::Environment;
use store::archive::{ArchiveKind, FormOptions, ImageToSave, Scratch};
use store::{Descriptor, LoadOptions, Platform, Reference, Store};

use self::transport::{FileOrPipe, Kind, Place};
use super::{open_store, save};
use crate::args::ConvertArgs;

pub(crate) fn run(args: &ConvertArgs, environment: &Environment) -> Result<Exit> {
    let (from, to) = (Place::parse(&args.source)?, Place::parse(&args.destination)?);
    let platform = args.platform.as_deref().map(str::parse::<Platform>).transpose()?;
    let form = args.form.or_as_it_is()?;
    let real = open_store(environment)?;
    let in_store = [&from, &to].iter().any(|place| matches!(place, Place::Store { .. }));
    let scratch = if in_store { None } else { Some(real.scratch()?) };
    let store = scratch.as_ref().map_or(&real, Scratch::store);
    let cannot_read = || format!("cannot read `{}`", args.source);
    let images = read(store, &from, platform.as_ref()).with_context(cannot_read)?;
    let images = renamed(images, &to).with_context(|| format!("`{}`", args.destination))?;
    write(store, &images, &to, form)?;
    Ok(Exit::Success)
}

fn read(store: &Store, from: &Place, platform: Option<&Platform>) -> Result<Vec<ImageToSave>> {
    let options = LoadOptions { platform: platform.cloned(), name: from.name().map(str::to_owned) };
    let loaded = match from {
        Place::Store { name } => {
            let (reference, target) = store.listed(name)?;
            let target = for_platform(store, target, platform)?;
            let names = reference.into_iter().collect();
            return Ok(vec![ImageToSave { target, names, labels: Vec::new() }]);
        }
        Place::Directory { path, .. } if !path.is_dir() => bail!("there is no such directory"),
        Place::Directory { path, .. } => store.fetch_path(path, &options)?,
        Place::Archive { file: FileOrPipe::File(path), .. } if path.is_dir() => {
            bail!("it is a directory: write `oci:{}`", path.display())
        }
        Place::Archive { file: FileOrPipe::File(path), .. } => store.fetch_path(path, &options)?,
        Place::Archive { file: FileOrPipe::Pipe, .. } if io::stdin().is_terminal() => {
            bail!("stdin is a terminal, not an archive")
        }
        Place::Archive { file: FileOrPipe::Pipe, .. } => {
            store.fetch(Box::new(io::stdin()), &options)?
        }
    };
    let image = |image: store::LoadedImage| {
        let target = for_platform(store, image.manifest, platform)?;
        Ok(ImageToSave { target, names: image.names, labels: image.labels })
    };
    loaded.into_iter().map(image).collect()
}

/// Of an image for several platforms, all of them are converted unless one is asked for.
fn for_platform(
    store: &Store,
    target: Descriptor,
    platform: Option<&Platform>,
) -> Result<Descriptor> {
    match platform {
        Some(platform) => Ok(store.for_platform(&target, platform)?),
        None => Ok(target),
    }
}

/// A name at the destination replaces those of the source, if that is one image.
fn renamed(mut images: Vec<ImageToSave>, to: &Place) -> Result<Vec<ImageToSave>> {
    let Some(name) = to.name() else {
        images.iter_mut().for_each(|image| keep_names(image, to));
        return Ok(images);
    };
    let [image] = images.as_mut_slice() else {
        let count = images.len();
        bail!("the source has {count} images, which cannot all have that name: choose one of them");
    };
    (image.names, image.labels) = match to {
        // A layout may call an image anything; others read that text as it is.
        Place::Directory { .. } | Place::Archive { kind: Kind::Oci, .. } => {
            (Vec::new(), vec![name.to_owned()])
        }
        Place::Archive { .. } | Place::Store { .. } => {
            (vec![name.parse::<Reference>()?], Vec::new())
        }
    };
    Ok(images)
}

/// A layout calls an image what its source called it, to the letter; `manifest.json` takes names only.
fn keep_names(image: &mut ImageToSave, to: &Place) {
    let ImageToSave { names, labels, .. } = image;
    let as_name = |label: &String| label.parse::<Reference>().ok();
    match to {
        Place::Archive { kind: Kind::Docker, .. } | Place::Store { .. } => {
            labels.retain(|label| as_name(label).is_none_or(|name| !names.contains(&name)));
        }
        _ => names.retain(|name| labels.iter().all(|label| as_name(label).as_ref() != Some(name))),
    }
}

fn write(store: &Store, images: &[ImageToSave], to: &Place, form: FormOptions) -> Result<()> {
    match to {
        Place::Store { name } => images.iter().try_for_each(|image| {
            let named = store
                .with_form(&image.target, form)
                .and_then(|target| store.add_names(&target, &image.names));
            named.with_context(|| format!("cannot name the image `{name}`"))
        }),
        Place::Directory { path, .. } => {
            let written = store.save_directory(images, form, path);
            written.map(drop).with_context(|| format!("cannot write `{}`", path.display()))
        }
        Place::Archive { kind, file, .. } => {
            let kind = match kind {
                Kind::Oci => ArchiveKind::Oci,
                Kind::Docker => ArchiveKind::Docker,
            };
            let path: Option<&Path> = match file {
                FileOrPipe::File(path) => Some(path),
                FileOrPipe::Pipe => None,
            };
            save::write(store, images, kind, form, path)
        }
    }
}

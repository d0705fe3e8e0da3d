//! `rbuild load`

use std::io::{self, IsTerminal};

use anyhow::{Context, Result, bail};
use cli::environment::Environment;
use cli::{Exit, image_events, output};
use store::{LoadOptions, LoadedImage, Platform};

use super::open_store;
use crate::args::LoadArgs;

pub(crate) fn run(args: &LoadArgs, environment: &Environment) -> Result<Exit> {
    let platform = args.platform.as_deref().map(str::parse::<Platform>).transpose()?;
    let options = LoadOptions { platform, name: None };
    let store = open_store(environment)?;
    let images = match &args.input {
        Some(path) if path.as_os_str() != "-" => {
            let loaded = store.load_path(path, &options);
            loaded.with_context(|| format!("cannot load `{}`", path.display()))?
        }
        _ if io::stdin().is_terminal() => {
            bail!("no archive: give one with `--input`, or on stdin")
        }
        _ => {
            let loaded = store.load(Box::new(io::stdin()), &options);
            loaded.context("cannot load the archive on stdin")?
        }
    };
    images.iter().for_each(|image| image_events::happened(&store, image.id, "load"));
    images.iter().try_for_each(show)?;
    Ok(Exit::Success)
}

/// Docker's words, which scripts look for; `--quiet` does not stop docker from saying them either.
fn show(image: &LoadedImage) -> io::Result<()> {
    if image.names.is_empty() {
        return output::line(&format!("Loaded image ID: {}", image.id));
    }
    let mut names = image.names.iter();
    names.try_for_each(|name| output::line(&format!("Loaded image: {}", name.familiar())))
}

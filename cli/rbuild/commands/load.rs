//! `rbuild load`

use std::io::{self, IsTerminal};

use anyhow::{Result, bail};
use cli::environment::Environment;
use cli::{Exit, output};
use store::archive::LoadedImage;

use super::open_store;
use crate::args::LoadArgs;

pub(crate) fn run(args: &LoadArgs, environment: &Environment) -> Result<Exit> {
    let store = open_store(environment)?;
    let images = match &args.input {
        Some(path) if path.as_os_str() != "-" => store.load_path(path)?,
        _ if io::stdin().is_terminal() => {
            bail!("no archive: give one with `--input`, or on stdin")
        }
        _ => store.load(Box::new(io::stdin()))?,
    };
    if !args.quiet {
        images.iter().try_for_each(show)?;
    }
    Ok(Exit::Success)
}

/// Docker's words, which scripts look for.
fn show(image: &LoadedImage) -> io::Result<()> {
    if image.names.is_empty() {
        return output::line(&format!("Loaded image ID: {}", image.id));
    }
    let mut names = image.names.iter();
    names.try_for_each(|name| output::line(&format!("Loaded image: {}", name.familiar())))
}

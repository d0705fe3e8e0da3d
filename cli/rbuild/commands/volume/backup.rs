//! `rbuild volume export`, `rbuild volume import`

use std::fs::File;
use std::io::{self, BufWriter, IsTerminal, Read};
use std::path::Path;

use anyhow::{Context, Result, bail};
use cli::Exit;
use cli::environment::Environment;
use engine::volumes::Volumes;

use super::super::open_store;
use crate::args::{VolumeExportArgs, VolumeImportArgs};

pub(super) fn export(args: &VolumeExportArgs, environment: &Environment) -> Result<Exit> {
    let volumes = Volumes::of(&open_store(environment)?)?;
    match args.output.as_deref().filter(|path| path.as_os_str() != "-") {
        Some(path) => {
            volumes.find(&args.name)?;
            let file = File::create(path);
            let file = file.with_context(|| format!("cannot create `{}`", path.display()))?;
            volumes.export(&args.name, &mut BufWriter::new(file))?;
        }
        None if io::stdout().is_terminal() => {
            bail!("refusing to write an archive to a terminal: give a file with `--output`")
        }
        None => volumes.export(&args.name, &mut io::stdout().lock())?,
    }
    Ok(Exit::Success)
}

pub(super) fn import(args: &VolumeImportArgs, environment: &Environment) -> Result<Exit> {
    let reader = open(&args.file)?;
    Volumes::of(&open_store(environment)?)?.import(&args.name, reader)?;
    Ok(Exit::Success)
}

fn open(path: &Path) -> Result<Box<dyn Read + Send>> {
    if path.as_os_str() != "-" {
        let file = File::open(path);
        return Ok(Box::new(file.with_context(|| format!("cannot open `{}`", path.display()))?));
    }
    if io::stdin().is_terminal() {
        bail!("no archive on stdin, which is a terminal");
    }
    Ok(Box::new(io::stdin()))
}

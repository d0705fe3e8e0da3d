//! `rbuild import`

use std::fs::File;
use std::io::{self, Read};
use std::time::SystemTime;

use anyhow::{Context, Result};
use cli::environment::Environment;
use cli::{Exit, output};
use store::archive::ImportOptions;
use store::{ContainerConfig, Platform, Reference};

use super::{open_store, times};
use crate::args::ImportArgs;

/// Prints the ID of the new image, as docker does.
pub(crate) fn run(args: &ImportArgs, environment: &Environment) -> Result<Exit> {
    let names = args.name.as_deref().map(str::parse::<Reference>).transpose()?;
    let platform = args.platform.as_deref().map(str::parse::<Platform>).transpose()?;
    let from_stdin = args.file.as_os_str() == "-";
    let name = if from_stdin { "stdin".to_owned() } else { args.file.display().to_string() };
    let options = ImportOptions {
        names: names.into_iter().collect(),
        platform: platform.unwrap_or_else(Platform::host),
        config: ContainerConfig::default(),
        created: times::rfc3339(SystemTime::now()),
        message: args.message.clone().unwrap_or_else(|| format!("Imported from {name}")),
    };
    let reader: Box<dyn Read + Send> = if from_stdin {
        Box::new(io::stdin())
    } else {
        Box::new(File::open(&args.file).with_context(|| format!("cannot open `{name}`"))?)
    };
    let image = open_store(environment)?.import(reader, &options)?;
    output::line(&image.id().to_string())?;
    Ok(Exit::Success)
}

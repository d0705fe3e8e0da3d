//! `rbuild import`

use std::fs::File;
use std::io::{self, IsTerminal, Read};
use std::path::Path;
use std::time::SystemTime;

use anyhow::{Context, Result, bail};
use cli::environment::Environment;
use cli::{Exit, image_events, output};
use parser::Source;
use store::archive::ImportOptions;
use store::{ContainerConfig, Platform, Reference};

use super::{open_store, times};
use crate::args::ImportArgs;
use cli::report::build as failure;

/// Prints the ID of the new image, as docker does.
pub(crate) fn run(args: &ImportArgs, environment: &Environment) -> Result<Exit> {
    let names = args.name.as_deref().map(str::parse::<Reference>).transpose()?;
    let platform = args.platform.as_deref().map(str::parse::<Platform>).transpose()?;
    let platform = platform.unwrap_or_else(Platform::host);
    let name = match args.file.as_os_str() == "-" {
        true => "stdin".to_owned(),
        false => args.file.display().to_string(),
    };
    let Some(config) = changed_config(&platform, &args.changes) else { return Ok(Exit::Failure) };
    let reader = open(&args.file)?;
    let options = ImportOptions {
        names: names.into_iter().collect(),
        platform,
        config,
        created: times::rfc3339(SystemTime::now()),
        message: args.message.clone().unwrap_or_else(|| format!("Imported from {name}")),
    };
    let store = open_store(environment)?;
    let imported = store.import(reader, &options);
    let image = imported.with_context(|| format!("cannot import `{name}`"))?;
    options.names.iter().for_each(|name| image_events::tagged(&store, name));
    image_events::happened(&store, image.id(), "import");
    output::line(&image.id().to_string())?;
    Ok(Exit::Success)
}

/// None once the mistakes have been shown, each with its line.
fn changed_config(platform: &Platform, changes: &[String]) -> Option<ContainerConfig> {
    let text = changes.join("\n");
    match builder::changed_config(platform, &text) {
        Ok(config) => Some(config),
        Err(error) => {
            failure::print(&error, &Source::new("--change", text.as_str()), &[]);
            None
        }
    }
}

fn open(path: &Path) -> Result<Box<dyn Read + Send>> {
    if path.as_os_str() == "-" {
        if io::stdin().is_terminal() {
            bail!("no archive on stdin, which is a terminal");
        }
        return Ok(Box::new(io::stdin()));
    }
    let text = path.to_string_lossy();
    if text.starts_with("http://") || text.starts_with("https://") {
        bail!("URLs are not supported: download `{text}` and import the file, or pipe it to `-`");
    }
    Ok(Box::new(File::open(path).with_context(|| format!("cannot open `{text}`"))?))
}

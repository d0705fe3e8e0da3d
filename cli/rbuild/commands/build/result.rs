//! What a build leaves besides the image: `--iidfile`, `--metadata-file`, the image ID on stdout.

use std::fs;
use std::path::Path;

use anyhow::{Context, Result};
use builder::BuiltImage;
use cli::output;

use crate::args::BuildArgs;

pub(super) fn write_files(args: &BuildArgs, built: &BuiltImage) -> Result<()> {
    if let Some(path) = &args.iidfile {
        write(path, &built.image_id.to_string())?;
    }
    if let Some(path) = &args.metadata_file {
        write(path, &(serde_json::to_string_pretty(&built.metadata)? + "\n"))?;
    }
    Ok(())
}

/// Only `--quiet` prints to stdout.
pub(super) fn show(args: &BuildArgs, built: &BuiltImage) -> Result<()> {
    if args.quiet {
        output::line(&built.image_id.to_string())?;
    }
    Ok(())
}

fn write(path: &Path, text: &str) -> Result<()> {
    fs::write(path, text).with_context(|| format!("cannot write `{}`", path.display()))
}

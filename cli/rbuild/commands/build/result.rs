//! What a build leaves besides the image: `--iidfile`, `--metadata-file`, the image ID and names.

use std::fs;
use std::path::Path;

use anyhow::{Context, Result};
use builder::BuiltImage;
use cli::progress::Mode;
use cli::{output, report};

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

/// What was built: the ID on stdout with `--quiet`, else below the progress, with the names.
pub(super) fn show(args: &BuildArgs, mode: Mode, built: &BuiltImage) -> Result<()> {
    if args.quiet {
        output::line(&built.image_id.to_string())?;
    } else if mode != Mode::Quiet {
        let mut text = format!("image {}", built.image_id);
        for tag in &built.tags {
            text.push_str(&format!("\nnamed {tag}"));
        }
        report::print(&text);
    }
    Ok(())
}

fn write(path: &Path, text: &str) -> Result<()> {
    fs::write(path, text).with_context(|| format!("cannot write `{}`", path.display()))
}

//! `rcompose check`

use anyhow::Result;
use cli::environment::Environment;
use cli::report::{self, compose_checks};
use cli::{Exit, output};
use compose::findings;
use compose::load::{LoadOptions, load};

use super::{facts, find};
use crate::args::{CheckArgs, CheckFormat, ProjectArgs};
use crate::disk::Disk;

/// Ends with failure when there are findings, as `rbuild check` does.
pub(super) fn run(
    args: &CheckArgs,
    project: &ProjectArgs,
    environment: &Environment,
) -> Result<Exit> {
    // Missing env files are findings here, not errors.
    let options =
        LoadOptions { resolve_environment: false, discard_env_files: false, ..LoadOptions::ALL };
    let found = find(project, options, environment)?;
    let loaded = load(&found.request, &Disk)?;
    report::compose::warnings(&loaded.warnings);
    let findings = findings::check(&loaded, &facts::of_host(&findings::paths(&loaded.project)));
    output::write(&match args.format {
        CheckFormat::Text => compose_checks::text(&loaded.sources, &findings),
        CheckFormat::Json => compose_checks::json(&loaded.sources, &findings),
        CheckFormat::Sarif => compose_checks::sarif(&loaded.sources, &findings),
    })?;
    Ok(if findings.is_empty() { Exit::Success } else { Exit::Failure })
}

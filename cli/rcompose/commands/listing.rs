//! `rcompose config` with a flag that asks for names.

use anyhow::Result;
use cli::Exit;
use cli::environment::Environment;
use cli::report::Report;
use compose::{Project, listing, unsupported};

use super::config;
use crate::args::{ConfigArgs, Listing, ProjectArgs};

impl Listing {
    pub(crate) fn any(&self) -> bool {
        self.services
            || self.images
            || self.volumes
            || self.networks
            || self.models
            || self.profiles
            || self.hash.is_some()
            || self.environment
            || self.unsupported
    }
}

pub(super) fn run(
    args: &ConfigArgs,
    project: &ProjectArgs,
    environment: &Environment,
) -> Result<Exit> {
    let mut options = config::options(args, project);
    options.interpolate = true;
    // Names need no env file to exist; the hash is of the files' names, not of what is in them.
    options.resolve_environment = false;
    let loaded = config::selected(args, project, options, environment)?;
    let lines = lines(&args.listing, &loaded)?;
    if args.format.is_some() {
        Report::warning("`--format` does not apply to lists of names").print();
    }
    config::deliver(args, &lines.iter().map(|line| format!("{line}\n")).collect::<String>())
}

fn lines(list: &Listing, project: &Project) -> Result<Vec<String>> {
    Ok(match list {
        Listing { services: true, .. } => listing::services(project),
        Listing { images: true, .. } => listing::images(project),
        Listing { volumes: true, .. } => project.volumes.keys().cloned().collect(),
        Listing { networks: true, .. } => project.networks.keys().cloned().collect(),
        Listing { models: true, .. } => listing::models(project),
        Listing { profiles: true, .. } => listing::profiles(project),
        Listing { hash: Some(wanted), .. } => listing::hashes(project, wanted)?,
        Listing { unsupported: true, .. } => {
            unsupported::used(project).iter().map(ToString::to_string).collect()
        }
        _ => project.environment.iter().map(|(name, value)| format!("{name}={value}")).collect(),
    })
}

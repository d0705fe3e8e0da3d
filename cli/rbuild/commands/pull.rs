//! `rbuild pull`

use anyhow::Result;
use cli::environment::Environment;
use cli::registries::{Direction, Transfer, When, registries};
use cli::{Exit, image_events, output};
use store::registry::{PullOptions, Pulled, Silent};
use store::{Platform, Reference};

use super::open_store;
use crate::args::{PullArgs, PullPolicy};

pub(crate) fn run(args: &PullArgs, environment: &Environment) -> Result<Exit> {
    let platform = args.platform.as_deref().map(str::parse::<Platform>).transpose()?;
    let names: Vec<(&String, Reference)> =
        args.names.iter().map(|text| Ok((text, text.parse()?))).collect::<Result<_>>()?;
    let registries = registries(environment, args.tls.tls_verify)?;
    let store = open_store(environment)?;
    let options = PullOptions { platform, unpack: true };
    for (text, name) in names {
        if args.quiet {
            registries.pull(&store, &name, &options, &Silent)?;
            image_events::transferred(&store, &name, "pull");
        } else {
            announce(text, &name)?;
            let transfer = Transfer::new(Direction::Pull);
            let pulled = registries.pull(&store, &name, &options, &transfer)?;
            image_events::transferred(&store, &name, "pull");
            show(&name, &pulled)?;
        }
        output::line(&name.to_string())?;
    }
    Ok(Exit::Success)
}

/// The words of docker.
fn announce(text: &str, name: &Reference) -> Result<()> {
    let tag = name.tag().unwrap_or_default();
    if name.digest().is_none() && !text.ends_with(&format!(":{tag}")) {
        output::line(&format!("Using default tag: {tag}"))?;
    }
    let what = name.digest().map_or(tag.to_owned(), |digest| digest.to_string());
    let repository =
        if name.domain() == "docker.io" { name.repository().to_owned() } else { name.name() };
    Ok(output::line(&format!("{what}: Pulling from {repository}"))?)
}

fn show(name: &Reference, pulled: &Pulled) -> Result<()> {
    output::line(&format!("Digest: {}", pulled.digest))?;
    let status = if pulled.was_current { "Image is up to date" } else { "Downloaded newer image" };
    Ok(output::line(&format!("Status: {status} for {}", name.familiar()))?)
}

impl From<PullPolicy> for When {
    fn from(policy: PullPolicy) -> When {
        match policy {
            PullPolicy::Always => When::Always,
            PullPolicy::Missing => When::Missing,
            PullPolicy::Never => When::Never,
        }
    }
}

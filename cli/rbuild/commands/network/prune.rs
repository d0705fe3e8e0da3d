//! `rbuild network prune`, and the networks in `rbuild system prune`

use anyhow::Result;
use cli::environment::Environment;
use cli::{Exit, output};
use engine::networks_of;
use runtime::containers::Containers;
use runtime::events::Event;
use runtime::network::NetworkError;
use store::Store;

use super::super::container;
use super::super::prune::ask;
use super::filter::{Filter, lines};
use crate::args::NetworkPruneArgs;

pub(super) fn run(args: &NetworkPruneArgs, environment: &Environment) -> Result<Exit> {
    let filter = Filter::of_prune(&args.filters)?;
    ask(
        args.force,
        "WARNING! This will remove all custom networks not used by at least one container.",
    )?;
    let (store, containers) = container::open(environment)?;
    show(&remove_fitting(&store, &containers, &filter)?)?;
    Ok(Exit::Success)
}

/// Removes networks that no container is on, and shows which.
pub(in super::super) fn unused(
    store: &Store,
    containers: &Containers,
    filters: &[String],
) -> Result<()> {
    // A filter that means nothing for networks leaves them all.
    match Filter::of_prune(filters) {
        Ok(filter) => show(&remove_fitting(store, containers, &filter)?),
        Err(_) => Ok(()),
    }
}

fn show(names: &[String]) -> Result<()> {
    if names.is_empty() {
        return Ok(());
    }
    output::line("Deleted Networks:")?;
    names.iter().try_for_each(|name| output::line(name))?;
    Ok(output::line("")?)
}

fn remove_fitting(store: &Store, containers: &Containers, filter: &Filter) -> Result<Vec<String>> {
    let networks = networks_of(store)?;
    let mut removed = Vec::new();
    for line in lines(&networks, containers)? {
        if line.builtin || line.used || !filter.admits(&line) {
            continue;
        }
        let guard = networks.lock()?;
        let gone = networks.find(&line.id).and_then(|network| networks.remove(&guard, &network));
        match gone {
            Ok(()) => removed.push(line.name),
            // A container came, or somebody else removed it, in this moment.
            Err(NetworkError::NotFound { .. } | NetworkError::InUse { .. }) => {}
            Err(error) => return Err(error.into()),
        }
    }
    Event::of_prune("network", 0).note(store.state());
    Ok(removed)
}

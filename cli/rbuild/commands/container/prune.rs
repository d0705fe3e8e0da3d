//! `rbuild container prune`, and the containers in `rbuild system prune`

use std::time::SystemTime;

use anyhow::{Context, Result, bail};
use cli::environment::Environment;
use cli::{Exit, output};
use runtime::containers::{Container, Containers};
use runtime::events::Event;
use store::Store;
use store::usage::measure;

use super::open;
use crate::args::ContainerPruneArgs;
use crate::commands::prune::ask;
use crate::commands::times::{self, Instant};

pub(crate) fn prune(args: &ContainerPruneArgs, environment: &Environment) -> Result<Exit> {
    let filter = Filter::of(&args.filters)?;
    ask(args.force, "WARNING! This will remove all stopped containers.")?;
    let (store, containers) = open(environment)?;
    let (ids, bytes) = remove_fitting(&store, &containers, &filter)?;
    show(&ids)?;
    output::line(&format!("Total reclaimed space: {}", output::long_size(bytes)))?;
    Ok(Exit::Success)
}

/// Removes all containers that do not run and says what that gives back.
pub(crate) fn stopped(
    store: &Store,
    containers: &Containers,
    filters: &[String],
) -> Result<(Vec<String>, u64)> {
    remove_fitting(store, containers, &Filter::of(filters)?)
}

pub(crate) fn show(ids: &[String]) -> Result<()> {
    if ids.is_empty() {
        return Ok(());
    }
    output::line("Deleted Containers:")?;
    ids.iter().try_for_each(|id| output::line(id))?;
    Ok(output::line("")?)
}

fn remove_fitting(
    store: &Store,
    containers: &Containers,
    filter: &Filter,
) -> Result<(Vec<String>, u64)> {
    let (mut ids, mut bytes) = (Vec::new(), 0);
    for container in containers.list()? {
        // One that is being started or is about to end has a shim.
        let at_rest = !container.state.status.is_alive() && !containers.is_held(&container);
        if at_rest && filter.admits(&container) {
            bytes += measure(&container.place.directory).map_or(0, |found| found.bytes);
            engine::remove(store, containers, &container)?;
            ids.push(container.id().to_owned());
        }
    }
    Event::of_prune("container", bytes).note(store.state());
    Ok((ids, bytes))
}

#[derive(Debug, Default)]
struct Filter {
    before: Option<Instant>,
    /// `unused-for`
    ended_before: Option<Instant>,
    /// Name, value, and whether it is to be there.
    labels: Vec<(String, Option<String>, bool)>,
}

impl Filter {
    fn of(texts: &[String]) -> Result<Filter> {
        let mut filter = Filter::default();
        for text in texts {
            filter.add(text).with_context(|| format!("cannot use `--filter {text}`"))?;
        }
        Ok(filter)
    }

    fn add(&mut self, text: &str) -> Result<()> {
        let label = |text: &str, wanted| match text.split_once('=') {
            Some((name, value)) => (name.to_owned(), Some(value.to_owned()), wanted),
            None => (text.to_owned(), None, wanted),
        };
        if let Some(text) = text.strip_prefix("label!=") {
            self.labels.push(label(text, false));
        } else if let Some(text) = text.strip_prefix("label=") {
            self.labels.push(label(text, true));
        } else if let Some(text) = text.strip_prefix("until=") {
            let moment = times::moment(text, SystemTime::now());
            self.before = Some(moment.context("its value is no time and no duration")?);
        } else if let Some(age) = text.strip_prefix("unused-for=") {
            parser::duration::parse(age).context("its value is no duration")?;
            let moment = times::moment(age, SystemTime::now());
            self.ended_before = Some(moment.context("its value is too long")?);
        } else {
            bail!("the filters are `until=`, `unused-for=`, `label=` and `label!=`");
        }
        Ok(())
    }

    fn admits(&self, container: &Container) -> bool {
        let definition = &container.definition;
        let created = times::instant(Some(&definition.created));
        // One that never ran was used when it was made.
        let ended = Some(container.state.finished.as_str()).filter(|time| !time.is_empty());
        let used = ended.map_or(created, |time| times::instant(Some(time)).max(created));
        self.before.is_none_or(|before| created < before)
            && self.ended_before.is_none_or(|before| used < before)
            && self.labels.iter().all(|(name, value, wanted)| {
                let found = definition.labels.get(name);
                let fits =
                    found.is_some_and(|found| value.as_ref().is_none_or(|value| value == found));
                fits == *wanted
            })
    }
}

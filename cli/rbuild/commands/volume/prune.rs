//! `rbuild volume prune`, and the volumes in `rbuild system prune --volumes`

use anyhow::{Context, Result, bail};
use cli::environment::Environment;
use cli::{Exit, output};
use engine::volumes::{Volume, VolumeError, Volumes};
use runtime::containers::Containers;
use runtime::events::Event;
use store::Store;

use super::super::container;
use super::super::labels::Label;
use super::super::prune::ask;
use super::switch;
use crate::args::VolumePruneArgs;

pub(super) fn run(args: &VolumePruneArgs, environment: &Environment) -> Result<Exit> {
    let mut filter = Filter::of(&args.filters, true)?;
    filter.all |= args.all;
    let what = if filter.all { "all volumes" } else { "anonymous local volumes" };
    ask(
        args.force,
        &format!("WARNING! This will remove {what} not used by at least one container."),
    )?;
    let (store, containers) = container::open(environment)?;
    let (names, bytes) = remove_fitting(&store, &containers, &filter)?;
    show(&names)?;
    output::line(&format!("Total reclaimed space: {}", output::long_size(bytes)))?;
    Ok(Exit::Success)
}

/// Removes the anonymous volumes that no container has, for `system prune`, and shows them.
pub(crate) fn unused(store: &Store, containers: &Containers, filters: &[String]) -> Result<u64> {
    let (names, bytes) = remove_fitting(store, containers, &Filter::of(filters, false)?)?;
    show(&names)?;
    Ok(bytes)
}

fn show(names: &[String]) -> Result<()> {
    if names.is_empty() {
        return Ok(());
    }
    output::line("Deleted Volumes:")?;
    names.iter().try_for_each(|name| output::line(name))?;
    Ok(output::line("")?)
}

fn remove_fitting(
    store: &Store,
    containers: &Containers,
    filter: &Filter,
) -> Result<(Vec<String>, u64)> {
    let volumes = Volumes::of(store)?;
    let (mut names, mut bytes) = (Vec::new(), 0);
    for volume in volumes.list()?.into_iter().filter(|volume| filter.admits(volume)) {
        match volumes.remove(containers, &volume.name) {
            Ok(freed) => {
                bytes += freed;
                names.push(volume.name);
            }
            Err(VolumeError::InUse { .. } | VolumeError::NotFound { .. }) => {}
            Err(error) => return Err(error.into()),
        }
    }
    Event::of_prune("volume", bytes).note(store.state());
    Ok((names, bytes))
}

#[derive(Debug, Default)]
struct Filter {
    all: bool,
    with: Vec<Label>,
    without: Vec<Label>,
}

impl Filter {
    /// `alone`: they are about volumes only; of `system prune` it takes what concerns volumes.
    fn of(texts: &[String], alone: bool) -> Result<Filter> {
        let mut filter = Filter::default();
        for text in texts {
            filter.add(text, alone).with_context(|| format!("cannot use `--filter {text}`"))?;
        }
        Ok(filter)
    }

    fn add(&mut self, text: &str, alone: bool) -> Result<()> {
        if let Some(label) = text.strip_prefix("label!=") {
            self.without.push(Label::parse(label));
        } else if let Some(label) = text.strip_prefix("label=") {
            self.with.push(Label::parse(label));
        } else if let Some(value) = text.strip_prefix("all=").filter(|_| alone) {
            self.all = switch(value)?;
        } else if alone {
            bail!("the filters are `label=`, `label!=` and `all=`");
        } else {
            bail!(
                "with `--volumes` the filters are `label=` and `label!=`: of volumes nobody knows when they were used"
            );
        }
        Ok(())
    }

    fn admits(&self, volume: &Volume) -> bool {
        (self.all || volume.anonymous)
            && self.with.iter().all(|label| label.is_among(&volume.labels))
            && !self.without.iter().any(|label| label.is_among(&volume.labels))
    }
}

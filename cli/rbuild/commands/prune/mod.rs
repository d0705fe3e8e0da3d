//! `rbuild builder prune`, `rbuild image prune`, `rbuild system prune`: what is not used goes.

mod filter;

use std::io::{self, BufRead};
use std::time::SystemTime;

use anyhow::{Result, bail};
use builder::cache::{CacheLimit, CacheSelection, PrunedCache};
use cli::environment::Environment;
use cli::{Exit, image_events, output};
use runtime::events::Event;
use store::{Removed, Store, StoreError};

use self::filter::{CacheFilter, PruneFilter};
use super::{container, network, open_store, settings, volume};
use crate::args::{
    BuilderArgs, BuilderCommand, CachePruneArgs, CachePruneOrMountsArgs, ImagePruneArgs,
    SystemPruneArgs,
};

pub(crate) fn builder(args: &BuilderArgs, environment: &Environment) -> Result<Exit> {
    match &args.command {
        BuilderCommand::Prune(args) => cache(args, environment),
    }
}

pub(super) fn cache(args: &CachePruneArgs, environment: &Environment) -> Result<Exit> {
    let what = if args.all { "all build cache" } else { "all dangling build cache" };
    ask(args.force, &format!("WARNING! This will remove {what}."))?;
    let selection = CacheSelection { all: args.all, unused_for: args.filter, limit: limit(args)? };
    let store = open_store(environment)?;
    let pruned = builder::cache::prune(&store, Some(selection))?;
    Event::of_prune("builder", pruned.bytes).note(store.state());
    show(&[], &pruned)
}

/// `cache prune --mount ID`
pub(super) fn cache_mounts(
    args: &CachePruneOrMountsArgs,
    environment: &Environment,
) -> Result<Exit> {
    let names = args.mounts.join(", ");
    ask(args.prune.force, &format!("WARNING! This will remove the cache mounts {names}."))?;
    match builder::cache::prune_mounts(&open_store(environment)?, &args.mounts) {
        Ok(pruned) => show(&[], &pruned),
        Err(error) => super::cache::finish(Err(error)),
    }
}

/// As `docker buildx prune` means its three options.
fn limit(args: &CachePruneArgs) -> Result<Option<CacheLimit>> {
    let bytes = |text: &Option<String>| text.as_deref().map(settings::bytes).transpose();
    let (max_used, min_free) = (bytes(&args.max_used_space)?, bytes(&args.min_free_space)?);
    let reserved = bytes(&args.reserved_space)?;
    if max_used.is_none() && min_free.is_none() && reserved.is_none() {
        return Ok(None);
    }
    let max_used = match (max_used, min_free) {
        (Some(most), _) => Some(most.max(reserved.unwrap_or(0))),
        (None, Some(_)) => None,
        (None, None) => reserved,
    };
    Ok(Some(CacheLimit { max_used, min_free, reserved: reserved.unwrap_or(0) }))
}

pub(super) fn images(args: &ImagePruneArgs, environment: &Environment) -> Result<Exit> {
    let filter = PruneFilter::parse(&args.filters, SystemTime::now())?;
    let images = which_images(args.all);
    ask(args.force, &format!("WARNING! This will remove {images}{}.", filtered(&args.filters)))?;
    let store = open_store(environment)?;
    let removed = forget(&store, args.all, &filter)?;
    let pruned = builder::cache::prune(&store, None)?;
    Event::of_prune("image", pruned.bytes).note(store.state());
    show(&removed, &pruned)
}

pub(super) fn system(args: &SystemPruneArgs, environment: &Environment) -> Result<Exit> {
    let now = SystemTime::now();
    let filter = PruneFilter::parse(&args.filters, now)?;
    let selected = |unused_for| Some(CacheSelection { all: args.all, unused_for, limit: None });
    let selection = match filter.of_cache(now) {
        CacheFilter::Everything => selected(None),
        CacheFilter::UnusedFor(age) => selected(Some(age)),
        CacheFilter::Nothing => None,
    };
    let cache = match selection {
        None => "",
        Some(_) if args.all => "\n  - all build cache",
        Some(_) => "\n  - unused build cache",
    };
    let (images, fitting) = (which_images(args.all), filtered(&args.filters));
    let stopped = match args.volumes {
        true => {
            "all stopped containers\n  - all networks not used by at least one container\n  - \
             all anonymous volumes not used by at least one container"
        }
        false => "all stopped containers\n  - all networks not used by at least one container",
    };
    let warning =
        format!("WARNING! This will remove{fitting}:\n  - {stopped}\n  - {images}{cache}\n");
    ask(args.force, &warning)?;
    let (store, containers) = container::open(environment)?;
    let (ids, freed) = container::stopped(&store, &containers, &args.filters)?;
    container::show(&ids)?;
    network::unused(&store, &containers, &args.filters)?;
    // After the containers, which may have been the last to have them.
    let freed = match args.volumes {
        true => freed + volume::unused(&store, &containers, &args.filters)?,
        false => freed,
    };
    let removed = forget(&store, args.all, &filter)?;
    let mut pruned = builder::cache::prune(&store, selection)?;
    Event::of_prune("image", pruned.bytes).note(store.state());
    pruned.bytes += freed;
    show(&removed, &pruned)
}

/// What the question says of the filters.
fn filtered(filters: &[String]) -> String {
    match filters {
        [] => String::new(),
        filters => format!(", as far as it fits `{}`", filters.join("` and `")),
    }
}

fn which_images(all: bool) -> &'static str {
    match all {
        true => "all images without at least one container associated to them",
        false => "all dangling images",
    }
}

/// As docker does, whatever stdin is; anything but `y` is no.
pub(super) fn ask(force: bool, warning: &str) -> Result<()> {
    if force {
        return Ok(());
    }
    output::write(&format!("{warning}\nAre you sure you want to continue? [y/N] "))?;
    let mut answer = String::new();
    io::stdin().lock().read_line(&mut answer)?;
    if !answer.trim().eq_ignore_ascii_case("y") {
        bail!("prune has been cancelled");
    }
    Ok(())
}

/// Removes the images that fit and that no running build or container uses; those with names only if `all` may go.
fn forget(store: &Store, all: bool, filter: &PruneFilter) -> Result<Vec<Removed>, StoreError> {
    let removed = store.forget_images(&|listed| match listed.image {
        Some(image) => {
            let chosen = all || listed.name.is_none();
            chosen && filter.admits(&image.config, store.last_used(image))
        }
        // Of what cannot be read nothing is known, and `store check` tells of it by its name.
        None => listed.name.is_none() && filter.is_empty(),
    })?;
    image_events::removed(store, &removed);
    Ok(removed)
}

fn show(removed: &[Removed], pruned: &PrunedCache) -> Result<Exit> {
    let removed = removed.iter().map(|removed| match removed {
        Removed::Untagged(name) => format!("untagged: {}\n", name.familiar()),
        Removed::Deleted(id) => format!("deleted: {id}\n"),
    });
    let images: String = removed.collect();
    let entries: String = pruned.entries.iter().map(|entry| format!("{entry}\n")).collect();
    let lists = [("Deleted Images", images), ("Deleted build cache objects", entries)];
    let mut text = String::new();
    for (title, list) in lists.iter().filter(|(_, list)| !list.is_empty()) {
        text.push_str(&format!("{title}:\n{list}\n"));
    }
    text.push_str(&format!("Total reclaimed space: {}\n", output::size(pruned.bytes)));
    output::write(&text)?;
    Ok(Exit::Success)
}

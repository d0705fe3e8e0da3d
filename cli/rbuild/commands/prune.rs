//! `rbuild builder prune`, `rbuild image prune`, `rbuild system prune`: what is not used goes.

use std::io::{self, BufRead};

use anyhow::{Result, bail};
use builder::cache::{CacheLimit, CacheSelection, PrunedCache};
use cli::environment::Environment;
use cli::{Exit, output};
use store::{Held, Removed, Store, StoreError};

use super::{open_store, settings};
use crate::args::{BuilderArgs, BuilderCommand, CachePruneArgs, ImagePruneArgs, SystemPruneArgs};

pub(crate) fn builder(args: &BuilderArgs, environment: &Environment) -> Result<Exit> {
    match &args.command {
        BuilderCommand::Prune(args) => cache(args, environment),
    }
}

fn cache(args: &CachePruneArgs, environment: &Environment) -> Result<Exit> {
    let what = if args.all { "all build cache" } else { "all dangling build cache" };
    ask(args.force, &format!("WARNING! This will remove {what}."))?;
    let selection = CacheSelection { all: args.all, unused_for: args.filter, limit: limit(args)? };
    let store = open_store(environment)?;
    show(&[], &builder::cache::prune(&store, Some(selection), false)?)
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
    ask(args.force, &format!("WARNING! This will remove {}.", which_images(args.all)))?;
    let store = open_store(environment)?;
    let removed = if args.all { untag_unused(&store)? } else { Vec::new() };
    show(&removed, &builder::cache::prune(&store, None, true)?)
}

pub(super) fn system(args: &SystemPruneArgs, environment: &Environment) -> Result<Exit> {
    let cache = if args.all { "all build cache" } else { "unused build cache" };
    let images = which_images(args.all);
    ask(args.force, &format!("WARNING! This will remove:\n  - {images}\n  - {cache}\n"))?;
    let store = open_store(environment)?;
    let removed = if args.all { untag_unused(&store)? } else { Vec::new() };
    let selection = CacheSelection { all: args.all, unused_for: None, limit: None };
    show(&removed, &builder::cache::prune(&store, Some(selection), true)?)
}

fn which_images(all: bool) -> &'static str {
    match all {
        true => "all images without at least one container associated to them",
        false => "all dangling images",
    }
}

/// As docker does, whatever stdin is; anything but `y` is no.
fn ask(force: bool, warning: &str) -> Result<()> {
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

/// Removes every image that no running build or container holds.
fn untag_unused(store: &Store) -> Result<Vec<Removed>> {
    let held = store.held_by_others()?;
    let mut removed = Vec::new();
    for image in store.images()? {
        let used = [image.manifest, image.id].iter().any(|blob| held.contains(&Held::Blob(*blob)));
        if used {
            continue;
        }
        match store.untag(&image.id.to_string(), true) {
            Ok(done) => removed.extend(done),
            // Somebody else was faster, or has just begun to use it.
            Err(StoreError::ImageNotFound { .. } | StoreError::InUse { .. }) => {}
            Err(error) => return Err(error.into()),
        }
    }
    Ok(removed)
}

fn show(removed: &[Removed], pruned: &PrunedCache) -> Result<Exit> {
    let removed = removed.iter().map(|removed| match removed {
        Removed::Untagged(name) => format!("untagged: {}\n", name.familiar()),
        Removed::Deleted(id) => format!("deleted: {id}\n"),
    });
    let unnamed = pruned.images.iter().map(|id| format!("deleted: {id}\n"));
    let images: String = removed.chain(unnamed).collect();
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

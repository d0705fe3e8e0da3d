//! Making a list of images, and changing it.

use anyhow::{Result, bail};
use cli::environment::Environment;
use cli::registries::registries;
use cli::{Exit, output};
use store::registry::{List, ListEntry};
use store::{Reference, Store};

use super::super::open_store;
use super::super::push::AS_DOCKER;
use super::{find, list_name};
use crate::args::{
    DescribedArgs, ManifestAddArgs, ManifestAnnotateArgs, ManifestCreateArgs, ManifestExistsArgs,
    ManifestRemoveArgs, ManifestRmArgs, TrustArgs,
};

pub(super) fn create(args: &ManifestCreateArgs, environment: &Environment) -> Result<Exit> {
    let name = list_name(&args.list)?;
    let store = open_store(environment)?;
    let mut list = match store.manifest_list(&name)? {
        Some(_) if !args.amend => {
            bail!("there is a list `{}` already: `--amend` goes on with it", name.familiar())
        }
        Some(list) => list,
        None => List::new(name),
    };
    let described = DescribedArgs::default();
    put(&store, &mut list, &args.images, args.all, &described, &args.trust, environment)?;
    store.put_manifest_list(&list)?;
    output::line(&format!("Created manifest list {}", list.name))?;
    Ok(Exit::Success)
}

pub(super) fn add(args: &ManifestAddArgs, environment: &Environment) -> Result<Exit> {
    let store = open_store(environment)?;
    let mut list = find(&store, &args.list)?;
    put(&store, &mut list, &args.images, args.all, &args.described, &args.trust, environment)?;
    store.put_manifest_list(&list)?;
    output::line(&list.name.to_string())?;
    Ok(Exit::Success)
}

fn put(
    store: &Store,
    list: &mut List,
    images: &[String],
    all: bool,
    described: &DescribedArgs,
    trust: &TrustArgs,
    environment: &Environment,
) -> Result<()> {
    let registries = registries(environment, trust.verify())?;
    for text in images {
        let name: Reference = text.strip_prefix("docker://").unwrap_or(text).parse()?;
        for mut entry in registries.find_for_list(store, &name, all, AS_DOCKER.form)? {
            describe(&mut entry, described)?;
            list.put(entry);
        }
    }
    Ok(())
}

pub(super) fn annotate(args: &ManifestAnnotateArgs, environment: &Environment) -> Result<Exit> {
    let store = open_store(environment)?;
    let mut list = find(&store, &args.list)?;
    match list.find_mut(&args.image) {
        Some(entry) => describe(entry, &args.described)?,
        None => return Err(not_in(&list, &args.image)),
    }
    store.put_manifest_list(&list)?;
    Ok(Exit::Success)
}

fn describe(entry: &mut ListEntry, described: &DescribedArgs) -> Result<()> {
    let platform = &mut entry.platform;
    let set = |field: &mut String, value: &Option<String>| {
        if let Some(value) = value {
            field.clone_from(value);
        }
    };
    set(&mut platform.architecture, &described.arch);
    set(&mut platform.os, &described.os);
    // Given empty, it is taken away.
    let optional = |field: &mut Option<String>, value: &Option<String>| {
        if let Some(value) = value {
            *field = Some(value.clone()).filter(|value| !value.is_empty());
        }
    };
    optional(&mut platform.variant, &described.variant);
    optional(&mut platform.os_version, &described.os_version);
    if !described.os_features.is_empty() {
        platform.os_features.clone_from(&described.os_features);
    }
    for text in &described.annotations {
        let Some((name, value)) = text.split_once('=') else {
            bail!("`--annotation {text}` is not of the form NAME=VALUE");
        };
        entry.annotations.insert(name.to_owned(), value.to_owned());
    }
    Ok(())
}

pub(super) fn remove(args: &ManifestRemoveArgs, environment: &Environment) -> Result<Exit> {
    let store = open_store(environment)?;
    let mut list = find(&store, &args.list)?;
    let Some(removed) = list.remove(&args.image) else { return Err(not_in(&list, &args.image)) };
    store.put_manifest_list(&list)?;
    output::line(&removed.digest.to_string())?;
    Ok(Exit::Success)
}

pub(super) fn rm(args: &ManifestRmArgs, environment: &Environment) -> Result<Exit> {
    let store = open_store(environment)?;
    let lists = args.lists.iter().map(|text| find(&store, text)).collect::<Result<Vec<_>>>()?;
    for list in lists {
        store.remove_manifest_list(&list.name)?;
        output::line(&list.name.familiar())?;
    }
    Ok(Exit::Success)
}

pub(super) fn exists(args: &ManifestExistsArgs, environment: &Environment) -> Result<Exit> {
    let name = list_name(&args.list)?;
    let exists = open_store(environment)?.manifest_list(&name)?.is_some();
    Ok(if exists { Exit::Success } else { Exit::Failure })
}

fn not_in(list: &List, text: &str) -> anyhow::Error {
    let known: Vec<String> = list.entries.iter().map(|entry| entry.from.familiar()).collect();
    let (name, known) = (list.name.familiar(), known.join("`, `"));
    anyhow::anyhow!("`{text}` is not in the list `{name}`, which has `{known}`")
}

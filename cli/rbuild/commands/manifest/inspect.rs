//! `rbuild manifest inspect`: documents as they are, or with docker's `--verbose` what is known of each manifest.

use anyhow::{Context, Result, bail};
use base64::Engine;
use base64::prelude::BASE64_STANDARD;
use cli::environment::Environment;
use cli::format::{DocumentFormat, Shape};
use cli::registries::registries;
use cli::{Exit, output};
use serde_json::{Value, json};
use store::registry::ListEntry;
use store::{Reference, Store, media_type};

use super::super::open_store;
use super::find;
use crate::args::ManifestInspectArgs;

pub(super) fn run(args: &ManifestInspectArgs, environment: &Environment) -> Result<Exit> {
    let format = DocumentFormat::parse(args.format.as_deref())?;
    let store = open_store(environment)?;
    let document = match args.names.as_slice() {
        [name] if args.referrers => {
            let registries = registries(environment, args.trust.verify())?;
            let kind = args.artifact_type.as_deref();
            serde_json::to_value(registries.referrers(&name.parse()?, kind)?)?
        }
        _ if args.referrers => bail!("`--referrers` is about one name in a registry"),
        [list, image] => in_list(args, &store, list, image)?,
        names => named(args, &store, &names.join(" "), environment)?,
    };
    output::write(&format.one(&document, Shape::Any)?)?;
    Ok(Exit::Success)
}

fn in_list(args: &ManifestInspectArgs, store: &Store, list: &str, image: &str) -> Result<Value> {
    let list = find(store, list)?;
    match list.find(image) {
        Some(entry) if args.verbose => in_full(entry),
        Some(entry) => parsed(entry),
        None => bail!("`{image}` is not in the list `{}`", list.name.familiar()),
    }
}

/// A list of ours before what a registry has.
fn named(
    args: &ManifestInspectArgs,
    store: &Store,
    text: &str,
    environment: &Environment,
) -> Result<Value> {
    let name: Reference = text.parse()?;
    if let Some(list) = store.manifest_list(&name)? {
        return match args.verbose {
            true => all_in_full(&list.entries),
            false => Ok(list.document(list.usual_kind())),
        };
    }
    let registries = registries(environment, args.trust.verify())?;
    let found = registries.look_up(&name)?;
    if !args.verbose {
        let parsed = serde_json::from_slice(&found.bytes);
        return parsed.with_context(|| format!("the manifest of `{text}` is not valid"));
    }
    let entries = registries.entries_of(store, &name)?;
    match entries.as_slice() {
        [entry] if !found.is_index => in_full(entry),
        entries => all_in_full(entries),
    }
}

fn all_in_full(entries: &[ListEntry]) -> Result<Value> {
    Ok(Value::Array(entries.iter().map(in_full).collect::<Result<_>>()?))
}

/// In docker's words.
fn in_full(entry: &ListEntry) -> Result<Value> {
    let kind = match entry.media_type == media_type::DOCKER_MANIFEST {
        true => "SchemaV2Manifest",
        false => "OCIManifest",
    };
    Ok(json!({
        "Ref": entry.from.to_string(),
        "Descriptor": entry.listed(),
        "Raw": BASE64_STANDARD.encode(&entry.manifest),
        kind: parsed(entry)?,
    }))
}

fn parsed(entry: &ListEntry) -> Result<Value> {
    let parsed = serde_json::from_str(&entry.manifest);
    parsed.with_context(|| format!("the manifest {} is not valid", entry.digest))
}

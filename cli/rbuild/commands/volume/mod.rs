//! `rbuild volume`

mod backup;
mod ls;
mod prune;

use std::collections::BTreeMap;

use ::store::Store;
use anyhow::{Context, Error, Result, anyhow, bail};
use cli::environment::Environment;
use cli::format::{DocumentFormat, Shape, Struct};
use cli::{Exit, output};
use engine::volumes::{NewVolume, Volume, VolumeError, Volumes};
use serde_json::{Value, json};

use super::{container, open_store, report_of, times};
use crate::args::{VolumeArgs, VolumeCommand, VolumeCreateArgs, VolumeInspectArgs, VolumeRmArgs};
pub(super) use prune::unused;

pub(crate) fn run(args: &VolumeArgs, environment: &Environment) -> Result<Exit> {
    match &args.command {
        VolumeCommand::Create(args) => create(args, environment),
        VolumeCommand::Export(args) => backup::export(args, environment),
        VolumeCommand::Import(args) => backup::import(args, environment),
        VolumeCommand::Inspect(args) => inspect(args, environment),
        VolumeCommand::Ls(args) => ls::run(args, environment),
        VolumeCommand::Prune(args) => prune::run(args, environment),
        VolumeCommand::Rm(args) => remove(args, environment),
        VolumeCommand::Update(_) => Err(of_a_swarm("volume update")),
    }
}

/// Of the only driver there is, which docker calls so too.
pub(super) const DRIVER: &str = "local";

pub(super) fn check_driver(name: &str) -> Result<()> {
    if name != DRIVER && !name.is_empty() {
        bail!("the volume driver `{name}` is not supported; there is `{DRIVER}`");
    }
    Ok(())
}

/// `NAME[=VALUE]` of labels and options.
pub(super) fn pairs(what: &str, texts: &[String]) -> Result<BTreeMap<String, String>> {
    let mut pairs = BTreeMap::new();
    for text in texts {
        let (name, value) = text.split_once('=').unwrap_or((text, ""));
        if name.is_empty() {
            bail!("the {what} `{text}` has no name");
        }
        pairs.insert(name.to_owned(), value.to_owned());
    }
    Ok(pairs)
}

pub(super) fn of_a_swarm(what: &str) -> Error {
    anyhow!("`{what}` is about volumes of a swarm, which there is not; those here are `local`")
}

fn create(args: &VolumeCreateArgs, environment: &Environment) -> Result<Exit> {
    check_driver(&args.driver)?;
    if let Some(flag) = args.cluster.given() {
        return Err(of_a_swarm(flag));
    }
    let new = NewVolume {
        name: args.name.clone(),
        labels: pairs("label", &args.labels)?,
        options: pairs("option", &args.options)?,
    };
    let store = open_store(environment)?;
    output::line(&Volumes::of(&store)?.create(&new)?.name)?;
    Ok(Exit::Success)
}

static VOLUME: Struct = Struct {
    name: "a volume",
    fields: &[
        ("CreatedAt", Shape::Text),
        ("Driver", Shape::Text),
        ("Labels", Shape::Map(&Shape::Text)),
        ("Mountpoint", Shape::Text),
        ("Name", Shape::Text),
        ("Options", Shape::Map(&Shape::Text)),
        ("Scope", Shape::Text),
    ],
};

/// As docker's API describes it.
pub(super) fn document(volumes: &Volumes, volume: &Volume) -> (Value, Shape) {
    let null_if_empty = |map: &BTreeMap<String, String>| match map.is_empty() {
        true => Value::Null,
        false => json!(map),
    };
    let document = json!({
        "CreatedAt": times::whole_seconds(Some(&volume.created)),
        "Driver": DRIVER,
        "Labels": null_if_empty(&volume.labels),
        "Mountpoint": volumes.data(&volume.name),
        "Name": volume.name,
        "Options": null_if_empty(&volume.options),
        "Scope": DRIVER,
    });
    (document, Shape::Struct(&VOLUME))
}

/// For `rbuild inspect`: the document, if there is such a volume.
pub(super) fn find(store: &Store, name: &str) -> Result<Option<(Value, Shape)>> {
    let volumes = Volumes::of(store)?;
    match volumes.find(name) {
        Ok(volume) => Ok(Some(document(&volumes, &volume))),
        Err(VolumeError::NotFound { .. }) => Ok(None),
        Err(error) => Err(error.into()),
    }
}

fn inspect(args: &VolumeInspectArgs, environment: &Environment) -> Result<Exit> {
    let format = DocumentFormat::parse(args.format.as_deref())?;
    documents(&format, &args.volumes, environment)
}

pub(super) fn documents(
    format: &DocumentFormat,
    names: &[String],
    environment: &Environment,
) -> Result<Exit> {
    let volumes = Volumes::of(&open_store(environment)?)?;
    let (mut found, mut missing) = (Vec::new(), Vec::new());
    for name in names {
        match volumes.find(name) {
            Ok(volume) => found.push(document(&volumes, &volume)),
            Err(error) => missing.push(anyhow::Error::from(error)),
        }
    }
    let rendered = format.all(found);
    output::write(&rendered.text)?;
    missing.iter().for_each(|error| report_of(error).print());
    rendered.errors.iter().for_each(|error| error.report().print());
    let complete = missing.is_empty() && rendered.errors.is_empty();
    Ok(if complete { Exit::Success } else { Exit::Failure })
}

fn remove(args: &VolumeRmArgs, environment: &Environment) -> Result<Exit> {
    let (store, containers) = container::open(environment)?;
    let volumes = Volumes::of(&store)?;
    let mut exit = Exit::Success;
    for name in &args.volumes {
        match volumes.remove(&containers, name) {
            Ok(_) => output::line(name)?,
            Err(VolumeError::NotFound { .. }) if args.force => {}
            Err(error) => {
                report_of(&error.into()).print();
                exit = Exit::Failure;
            }
        }
    }
    Ok(exit)
}

/// `true` or `false`, as filters write it.
fn switch(text: &str) -> Result<bool> {
    match text {
        "true" | "1" => Ok(true),
        "false" | "0" => Ok(false),
        _ => None.context("its value is neither `true` nor `false`"),
    }
}

//! `rbuild network`

mod create;
mod document;
mod filter;
mod graph;
mod ls;
mod prune;
mod rules;

use ::store::Store;
use anyhow::{Context, Result};
use cli::environment::Environment;
use cli::format::{DocumentFormat, Shape};
use cli::{Exit, output};
use engine::networks_of;
use runtime::network::{Attachment, DEFAULT_NETWORK, NetworkError, Networks};
use serde_json::Value;

use super::{container, report_of};
use crate::args::{
    NetworkArgs, NetworkCommand, NetworkConnectArgs, NetworkDisconnectArgs, NetworkInspectArgs,
    NetworkRmArgs,
};
pub(super) use prune::unused;

pub(crate) fn run(args: &NetworkArgs, environment: &Environment) -> Result<Exit> {
    match &args.command {
        NetworkCommand::Connect(args) => connect(args, environment),
        NetworkCommand::Create(args) => create::run(args, environment),
        NetworkCommand::Disconnect(args) => disconnect(args, environment),
        NetworkCommand::Inspect(args) => inspect(args, environment),
        NetworkCommand::Ls(args) => ls::run(args, environment),
        NetworkCommand::Prune(args) => prune::run(args, environment),
        NetworkCommand::Reload(_) => reload(environment),
        NetworkCommand::Rm(args) => remove(args, environment),
        NetworkCommand::Rules(_) => rules::run(environment),
    }
}

/// Of the only driver there is for networks that are made, which docker calls so too.
const DRIVER: &str = "bridge";
const SCOPE: &str = "local";

/// The networks, with the default one defined.
fn open(store: &Store) -> Result<Networks> {
    let networks = networks_of(store)?;
    networks.find_or_default(DEFAULT_NETWORK)?;
    Ok(networks)
}

fn connect(args: &NetworkConnectArgs, environment: &Environment) -> Result<Exit> {
    let address = args.ip.as_deref().map(|text| {
        text.parse().with_context(|| format!("`--ip {text}`: it is not an IPv4 address"))
    });
    let attachment = Attachment {
        network: args.network.clone(),
        aliases: args.aliases.clone(),
        ipv4: address.transpose()?,
        gateway_priority: args.gw_priority,
        ..Attachment::default()
    };
    let (store, containers) = container::open(environment)?;
    let found = containers.find(&args.container)?;
    engine::connect(&store, &containers, &found, &attachment)?;
    Ok(Exit::Success)
}

fn disconnect(args: &NetworkDisconnectArgs, environment: &Environment) -> Result<Exit> {
    let (store, containers) = container::open(environment)?;
    let container = containers.find(&args.container)?;
    engine::disconnect(&store, &containers, &container, &args.network, args.force)?;
    Ok(Exit::Success)
}

fn reload(environment: &Environment) -> Result<Exit> {
    let (store, _) = container::open(environment)?;
    networks_of(&store)?.reload()?;
    Ok(Exit::Success)
}

fn remove(args: &NetworkRmArgs, environment: &Environment) -> Result<Exit> {
    let (store, _) = container::open(environment)?;
    let networks = open(&store)?;
    let mut exit = Exit::Success;
    for text in &args.networks {
        let removed = networks.lock().and_then(|guard| {
            let network = networks.find(text)?;
            networks.remove(&guard, &network)
        });
        match removed {
            Ok(()) => output::line(text)?,
            Err(NetworkError::NotFound { .. }) if args.force => {}
            Err(error) => {
                report_of(&error.into()).print();
                exit = Exit::Failure;
            }
        }
    }
    Ok(exit)
}

fn inspect(args: &NetworkInspectArgs, environment: &Environment) -> Result<Exit> {
    if let Some(form) = args.graph {
        return graph::run(form, &args.networks, environment);
    }
    let format = DocumentFormat::parse(args.format.as_deref())?;
    documents(&format, &args.networks, environment)
}

pub(super) fn documents(
    format: &DocumentFormat,
    texts: &[String],
    environment: &Environment,
) -> Result<Exit> {
    let (store, _) = container::open(environment)?;
    let networks = open(&store)?;
    let (mut found, mut missing) = (Vec::new(), Vec::new());
    for text in texts {
        match networks.find(text).and_then(|network| document::of(&networks, &network)) {
            Ok(document) => found.push((document, document::SHAPE)),
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

/// For `rbuild inspect`: the document, if there is such a network.
pub(super) fn find(store: &Store, text: &str) -> Result<Option<(Value, Shape)>> {
    let networks = open(store)?;
    match networks.find(text) {
        Ok(network) => Ok(Some((document::of(&networks, &network)?, document::SHAPE))),
        Err(NetworkError::NotFound { .. }) => Ok(None),
        Err(error) => Err(error.into()),
    }
}

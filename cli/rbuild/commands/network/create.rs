//! `rbuild network create`

use std::fmt::Display;
use std::str::FromStr;

use anyhow::{Result, anyhow, bail};
use cli::environment::Environment;
use cli::{Exit, output};
use engine::networks_of;
use runtime::network::{NetworkError, NetworkRequest};

use super::super::open_store;
use super::super::volume::pairs;
use super::DRIVER;
use crate::args::NetworkCreateArgs;

pub(super) fn run(args: &NetworkCreateArgs, environment: &Environment) -> Result<Exit> {
    let request = request(args)?;
    let networks = networks_of(&open_store(environment)?)?;
    let guard = networks.lock()?;
    output::line(&networks.create(&guard, &request)?.id)?;
    Ok(Exit::Success)
}

fn request(args: &NetworkCreateArgs) -> Result<NetworkRequest> {
    match args.driver.as_str() {
        DRIVER => {}
        name @ ("host" | "none" | "null") => {
            return Err(NetworkError::Predefined { name: name.to_owned() }.into());
        }
        other => bail!("the network driver `{other}` is not supported; there is `{DRIVER}`"),
    }
    if args.subnet.is_none() && (args.gateway.is_some() || args.ip_range.is_some()) {
        bail!("`--gateway` and `--ip-range` need a `--subnet` that they are part of");
    }
    let mut reserved = std::collections::BTreeMap::new();
    for (name, address) in pairs("reserved address", &args.reserved)? {
        reserved.insert(name, parse("aux-address", &address)?);
    }
    Ok(NetworkRequest {
        name: args.name.clone(),
        subnet: args.subnet.as_deref().map(|text| parse("subnet", text)).transpose()?,
        gateway: args.gateway.as_deref().map(|text| parse("gateway", text)).transpose()?,
        ip_range: args.ip_range.as_deref().map(|text| parse("ip-range", text)).transpose()?,
        reserved,
        internal: args.internal,
        labels: pairs("label", &args.labels)?,
        options: pairs("option", &args.options)?,
    })
}

fn parse<T: FromStr<Err: Display>>(flag: &str, text: &str) -> Result<T> {
    text.parse().map_err(|error| anyhow!("`--{flag} {text}`: {error}"))
}
